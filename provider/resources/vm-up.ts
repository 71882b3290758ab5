import type { Context } from "../context";
import { MayflyError } from "../errors";
import type { VMSpec } from "../schema/vm";
import type { Endpoint } from "../ssh/endpoint";
import type { LoginDepth } from "../ssh/ssh";
import { afterSeconds } from "../timers";
import { onVM, type VMConnection } from "./vm-connection";
import { waitForCloudInit } from "./vm-first-boot";

/** How a VM is logged in to, to see that it is up. */
interface FirstLogin {
  readonly connection: VMConnection;
  readonly depth: LoginDepth;
}

const LOOK_MS = 10_000; // at a guest that is busy

/**
 * Waits as long as `waitFor` asks: the guest's sshd listens, a login works, systemd has settled.
 *
 * @throws {MayflyError} `BOOT_TIMEOUT` where that takes longer than `bootTimeout`.
 */
export async function waitUntilUp(id: string, inputs: VMSpec, first: FirstLogin, context: Context): Promise<void> {
  const { machines, ssh } = context;
  if (inputs.waitFor === "none") return;
  const connection = await onVM(id, first.connection, context);
  const signal = AbortSignal.any([context.signal, afterSeconds(inputs.bootTimeout)]);
  await machines.whileUp(id, inputs.bootTimeout, context.signal, async (during) =>
    ssh.loginToNew(connection, during, first.depth),
  );
  await waitForCloudInit(inputs, connection, context, signal);
  if (inputs.waitFor === "systemd") await waitForSystemd(inputs, connection, context, signal);
}

/** Waits until systemd has started all that it is to start. Units that failed are told of: they are the guest's affair. */
export async function waitForSystemd(
  { bootTimeout }: Pick<VMSpec, "bootTimeout">,
  to: Endpoint,
  context: Pick<Context, "ssh" | "say" | "signal">,
  signal: AbortSignal,
): Promise<void> {
  const { ssh, say } = context;
  try {
    const { stdout } = await ssh.exec(to, { command: "systemctl is-system-running --wait || :" }, signal);
    if (stdout.trim() === "running") return;
    const failed = await ssh.exec(to, { command: "systemctl --failed --no-legend --plain || :" }, signal);
    say(`systemd is ${stdout.trim()}: ${failed.stdout.trim()}`);
  } catch (error) {
    if (!signal.aborted || context.signal.aborted) throw error;
    throw new MayflyError("BOOT_TIMEOUT", `systemd had not settled within ${String(bootTimeout)} s`, {
      evidence: await unfinishedJobs(to, context),
      remedy: 'raise bootTimeout; or wait for less, waitFor: "ssh"; or see why those units do not come to an end',
      cause: error,
    });
  }
}

/** What systemd is still at, in its own words. */
async function unfinishedJobs(to: Endpoint, { ssh, signal }: Pick<Context, "ssh" | "signal">): Promise<string> {
  const during = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
  const look = ssh.exec(to, { command: "systemctl list-jobs --no-legend --plain || :" }, during);
  const jobs = await look.then(
    ({ stdout }) => stdout.trim(),
    () => "", // it has been too long already
  );
  return `the guest is up; its unfinished jobs:\n${jobs === "" ? "it does not tell" : jobs}`;
}
