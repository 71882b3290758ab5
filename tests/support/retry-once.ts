import { jest } from "@jest/globals";

// A real VM on a host that others load too: one failure may be the host's. The error is printed before the second try, so
// that it can be looked into. Only for the end-to-end ring.
jest.retryTimes(1, { logErrorsBeforeRetry: true });
