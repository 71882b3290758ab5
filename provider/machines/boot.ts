import { once } from "node:events";
import { MayflyError, type ErrorDetails } from "../errors";
import { until } from "../host/until";
import type { Podman } from "../host/podman";
import type { Agent } from "./agent";
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
}

const QMP_RETRY_MS = 10; // qemu listens some 30 ms after its start

/**
 * Waits until the guest's sshd listens. Ends at once when qemu does, or when the console shows that it never will.
 *
 * @throws {MayflyError} `BOOT_FAILED` or `BOOT_TIMEOUT`, with the console's last lines.
 */
export async function waitListening(
  podman: Podman,
  machine: Booting,
  agent: Agent,
  signal: AbortSignal,
  seconds: number,
): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(seconds * 1_000))]);
  const evidence = async () => lastConsoleLines(machine.log);
  using watch = new ConsoleWatch(machine.log);
  const over = new AbortController();
  const waiting = AbortSignal.any([deadline, over.signal]);
  const listening = agent.waitFor(["listening"], waiting);
  const ended = qemuEnds(podman, machine, waiting);
  for (const promise of [listening, ended]) promise.catch(() => undefined); // the race below reports the first
  try {
    const outcome = await Promise.race([listening.then(() => undefined), watch.fatal.then((reason) => reason), ended]);
    if (outcome === undefined) return;
    throw new MayflyError("BOOT_FAILED", `the guest cannot boot: ${outcome}`, {
      evidence: await evidence(),
      remedy: "look at the console's last lines above; a changed image, kernelArgs or memory is the usual cause",
    });
  } catch (cause) {
    if (cause instanceof MayflyError || signal.aborted || !deadline.aborted) throw cause;
    throw new MayflyError("BOOT_TIMEOUT", `the guest's SSH server did not listen within ${String(seconds)} s`, {
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

/** Resolves with the reason when qemu ends. */
async function qemuEnds(podman: Podman, machine: Booting, signal: AbortSignal): Promise<string> {
  const exit = async () => {
    const container = await inspectContainer(podman, machine.id, signal);
    return container?.running === true
      ? undefined
      : `qemu ended with exit code ${String(container?.exitCode ?? "unknown")}`;
  };
  const connected = await until(
    "qemu answers on its control socket",
    async () => {
      const qmp = await Qmp.connect(machine.folder, "qmp.sock", signal).catch(() => undefined);
      return qmp ?? (await exit());
    },
    {
      signal,
      interval: QMP_RETRY_MS,
      diagnose: async () => ({ remedy: `see: podman logs ${containerName(machine.id)}` }),
    },
  );
  if (typeof connected === "string") return connected;
  using qmp = connected;
  await once(qmp, "close", { signal });
  return await until("podman notices qemu's end", exit, {
    signal,
    interval: 50,
    diagnose: () => ({ remedy: "see: podman ps --all" }),
  });
}
