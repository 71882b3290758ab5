import { once } from "node:events";
import { MayflyError, type ErrorDetails } from "../errors";
import { until } from "../host/until";
import type { Podman } from "../host/podman";
import { isAlive, type ProcessIdentity } from "../host/process-identity";
import { afterSeconds } from "../timers";
import { ConsoleWatch, lastConsoleLines } from "./console";
import { containerName, inspectContainer } from "./container";
import { Qmp } from "./qmp";

/** A machine that was started and is to be waited for. */
export interface Booting {
  readonly id: string;
  /** Folder that its container shares. */
  readonly folder: string;
  /** Its console's log. */
  readonly log: string;
  /** Its qemu, where that is known: podman takes longer to say whether it runs than it takes to listen. */
  readonly qemu?: ProcessIdentity | undefined;
}

const QMP_RETRY_MS = 4; // qemu listens some 40 ms after its start

/**
 * Works with a machine whose qemu was just started. Ends at once when qemu does, or when the console shows that the boot
 * cannot succeed any more.
 *
 * @param what What the work waits for, for the error's text.
 * @throws {MayflyError} `BOOT_FAILED` or `BOOT_TIMEOUT`, with the console's last lines.
 */
export async function whileBooting<T>(
  podman: Podman,
  machine: Booting,
  { what, seconds, signal }: { readonly what: string; readonly seconds: number; readonly signal: AbortSignal },
  work: (qmp: Qmp, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.any([signal, afterSeconds(seconds)]);
  using watch = new ConsoleWatch(machine.log);
  const over = new AbortController();
  const waiting = AbortSignal.any([deadline, over.signal]);
  const failed = async (reason: string) =>
    new MayflyError("BOOT_FAILED", `the guest cannot boot: ${reason}`, {
      evidence: await lastConsoleLines(machine.log),
      remedy: "look at the console's last lines above; a changed image, kernelArgs or memory is the usual cause",
    });
  const never = async (reason: Promise<string>): Promise<never> => {
    throw await failed(await reason);
  };
  try {
    using qmp = await connectQmp(podman, machine, waiting, failed);
    const ended = once(qmp, "close", { signal: waiting }).then(async () => exitOf(podman, machine, waiting));
    const all = [work(qmp, waiting), never(watch.fatal), never(ended)] as const;
    for (const promise of all) promise.catch(() => undefined); // the race reports the first
    return await Promise.race(all);
  } catch (cause) {
    if (cause instanceof MayflyError || signal.aborted || !deadline.aborted) throw cause;
    throw new MayflyError("BOOT_TIMEOUT", `${what} within ${String(seconds)} s`, {
      cause,
      ...(await slowBoot(machine)),
    });
  } finally {
    over.abort(); // qemu's control socket serves one client: leave it to the next
  }
}

async function slowBoot(machine: Booting): Promise<ErrorDetails> {
  const lines = await lastConsoleLines(machine.log);
  return {
    evidence: lines === "" ? "the console is empty: the kernel did not start" : `last console lines:\n${lines}`,
    remedy: "raise bootTimeout if it was still booting; else mend what the console shows",
  };
}

async function connectQmp(
  podman: Podman,
  machine: Booting,
  signal: AbortSignal,
  failed: (reason: string) => Promise<MayflyError>,
): Promise<Qmp> {
  return until(
    "qemu answers on its control socket",
    async () => {
      const qmp = await Qmp.connect(machine.folder, "qmp.sock", signal).catch(() => undefined);
      if (qmp !== undefined) return qmp;
      const reason = await exitReason(podman, machine, signal);
      if (reason !== undefined) throw await failed(reason);
      return undefined;
    },
    {
      signal,
      interval: QMP_RETRY_MS,
      diagnose: () => ({ remedy: `see: podman logs ${containerName(machine.id)}` }),
    },
  );
}

/** How qemu ended; `undefined` while it runs. */
async function exitReason(podman: Podman, { id, qemu }: Booting, signal: AbortSignal): Promise<string | undefined> {
  if (qemu !== undefined && isAlive(qemu)) return undefined;
  const container = await inspectContainer(podman, id, signal);
  if (container?.running === true) return undefined;
  return `qemu ended with exit code ${String(container?.exitCode ?? "unknown")}`;
}

/** How qemu ended, once podman has noticed that it did. */
async function exitOf(podman: Podman, machine: Booting, signal: AbortSignal): Promise<string> {
  return until("podman notices qemu's end", async () => exitReason(podman, machine, signal), {
    signal,
    interval: 50,
    diagnose: () => ({ remedy: "see: podman ps --all" }),
  });
}
