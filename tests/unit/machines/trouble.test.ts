import { expect, test } from "@jest/globals";
import { isEmulatorsFault } from "../../../provider/machines/trouble";

const OOPS = "[    6.767780] Oops: int3: 0000 [#1] SMP NOPTI\n[    6.768098] CPU: 1 UID: 0 PID: 25 Comm: ksoftirqd/1\n";

test("a breakpoint that the kernel does not know is the emulator's fault, and nothing else is", () => {
  expect(isEmulatorsFault({ accelerator: "tcg" }, OOPS)).toBe(true);
  expect(isEmulatorsFault({ accelerator: "tcg" }, "[    3.1] int3: 0000 [#1] PREEMPT SMP NOPTI\n")).toBe(true); // to 6.11
  expect(isEmulatorsFault({ accelerator: "kvm" }, OOPS)).toBe(false);
  const other = "[    1.2] Oops: 0002 [#1] SMP NOPTI\nKernel panic - not syncing: Fatal exception in interrupt\n";
  expect(isEmulatorsFault({ accelerator: "tcg" }, other)).toBe(false);
});
