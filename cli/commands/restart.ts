import type { Command } from "commander";
import { eachOf, tellOutcome } from "../each";
import { note } from "../output";
import { openSession, type Session } from "../rooms";
import { CommandError } from "../trouble";
import { verbWithJson } from "../verb";
import type { Endpoint } from "../../provider/ssh/endpoint";

const DIAL_SECONDS = 60; // a guest that has just begun to listen is slow under emulation

/** In the background, so that the session ends before its server does; by a user who may: `rootLogin: false` has another one. */
const REBOOT = `PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" = 0 ]; then as=; else as='sudo -n'; fi
$as true || exit 1
(sleep 0.2; $as reboot) </dev/null >/dev/null 2>&1 &`;

/** `mayfly restart`: the guest boots anew, in the machine that it has. */
export function restart(): Command {
  return verbWithJson(
    "restart",
    "Reboot VMs, and wait until one can log in again. What the guest has written is kept only on a scratch disk (--disk) and " +
      "in directories of the host: a root without one is in memory.",
    ["mayfly restart dev"],
  )
    .argument("<name...>", "the VMs")
    .action(reboot);
}

async function reboot(names: string[], { json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("restart");
  const [{ findRunningVM }, { endpointOf }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/connect.js"),
  ]);
  const restarted = await eachOf(names, session, async (name) => {
    const vm = await findRunningVM(name, session);
    const endpoint = await endpointOf(vm, session);
    const seconds = await session.machines.bootTimeout(vm.id);
    await session.step(`Restarting ${name}`, () => rebootOne(endpoint, seconds, session));
    note(`restarted ${name}`);
    return { name: vm.record.owner.resource, id: vm.id };
  });
  tellOutcome(restarted, json, restarted.done);
}

async function rebootOne(endpoint: Endpoint, seconds: number, session: Session): Promise<void> {
  const { ssh } = session;
  const [{ until }, { afterSeconds }] = await Promise.all([
    import("../../provider/host/until.js"),
    import("../../provider/timers.js"),
  ]);
  const signal = AbortSignal.any([session.signal, afterSeconds(seconds)]);
  const before = await bootOf(endpoint, session, signal);
  const { exitCode } = await ssh.exec(endpoint, { command: REBOOT }, signal);
  if (exitCode !== 0)
    throw new CommandError(
      `${endpoint.user ?? "root"} may not reboot the guest`,
      "give that user `sudo: true`; or mayfly stop, and mayfly start, for a VM of `mayfly run`",
    );
  const look = async () => {
    await ssh.forget(endpoint);
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(DIAL_SECONDS * 1_000)]);
    const now = await bootOf({ ...endpoint, dialErrorLimit: 1, perDialTimeout: DIAL_SECONDS }, session, attempt).catch(
      () => undefined,
    );
    return now === undefined || now === before ? undefined : true;
  };
  const diagnose = () => ({ remedy: "see how far it came: mayfly logs NAME" });
  await until("the guest is up again", look, { signal, interval: 500, diagnose });
}

/** What the guest's kernel drew at its boot. */
async function bootOf(endpoint: Endpoint, { ssh }: Session, signal: AbortSignal): Promise<string> {
  return (await ssh.exec(endpoint, { command: "cat /proc/sys/kernel/random/boot_id" }, signal)).stdout.trim();
}
