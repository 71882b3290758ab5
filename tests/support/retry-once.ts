import { jest } from "@jest/globals";

// A real VM on a host that others load too: one failure may be the host's. The error is printed before the second try, so
// that it can be looked into, and once more at the run's end. At once, not after the file's other tests: they may have taken
// away what it needs. Only for the end-to-end ring.
jest.retryTimes(1, { logErrorsBeforeRetry: true, retryImmediately: true });
