import type { Command } from "commander";
import { MayflyError } from "../../provider/errors";
import { leftBehindBy } from "../../provider/host/clean-up";
import { eachOf, tellOutcome } from "../each";
import { note } from "../output";
import { openSession, type Session } from "../rooms";
import { CommandError } from "../trouble";
import { verbWithJson } from "../verb";
import type { FoundVM } from "../vms/find";

// For a machine that can't be logged in to.
const STOP_SECONDS = 10;
const STOP_MS = 60_000;

/** `mayfly start`: a machine that is off boots again. */
export function start(): Command {
  return verbWithJson(
    "start",
    "Boot VMs of `mayfly run` again that were stopped, that have ended by themselves, or that a reboot of this host has ended. They " +
      "boot through their kernels, and keep name, keys, ports and scratch disk; see `mayfly stop` for what else is kept. Of one that " +
      "runs, private networks whose switch was killed get it back.",
    ["mayfly start dev", "mayfly ls --quiet --state stopped | xargs -r mayfly start"],
  )
    .argument("<name...>", "the VMs")
    .action(turnOn);
}

async function turnOn(names: string[], { json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("start");
  const again = new Set<string>();
  const started = await eachOf(names, session, async (name) => {
    const { findOwnVM } = await import("../vms/find.js");
    const vm = await findOwnVM(name, session, "started", "bring it back: pulumi up");
    if (await session.machines.isAlive(vm.id)) await reconnect(name, vm, session, again);
    else await boot(name, vm, session);
    return { name: vm.record.owner.resource, id: vm.id };
  });
  tellOutcome(started, json, started.done);
}

/**
 * Has the switches run again of the networks of a VM that runs; where none was gone, there is nothing to do.
 *
 * @param again Networks whose switch this call of the command has started; gets those of this VM.
 */
async function reconnect(
  name: string,
  { record }: FoundVM,
  { networks, signal }: Session,
  again: Set<string>,
): Promise<void> {
  const own = (record.seats ?? []).map(({ network }) => network);
  for (const network of own) {
    if (await networks.isUp(network)) continue;
    await networks.ensure(network, signal);
    note(`${name} runs; started the switch of ${network}`);
    again.add(network);
  }
  if (!own.some((network) => again.has(network)))
    throw new CommandError(`${name} runs already`, `mayfly restart ${name}`);
}

async function boot(name: string, vm: FoundVM, session: Session): Promise<void> {
  if (vm.record.phase === "starting")
    throw new CommandError(`${name} was never finished`, `mayfly rm ${name}, and make it anew`);
  try {
    await session.step(`Starting ${name}`, async () => startOne(vm, session));
  } catch (error) {
    throw inOurWords(error, name);
  }
  note(`started ${name}`);
}

/** How long a boot may take was said when the machine was made, and not to this verb. */
function inOurWords(error: unknown, name: string): unknown {
  if (!(error instanceof MayflyError) || error.code !== "BOOT_TIMEOUT") return error;
  const left = leftBehindBy(error).map((one) => `\n${one}`);
  const longer = `it boots as long as it may since it was made: mayfly rm ${name}, and make it anew with a longer --boot-timeout`;
  return error.retold({
    remedy: `see what it waits for: mayfly logs ${name}; if it was still booting, ${longer}${left.join("")}`,
  });
}

async function startOne({ id, record }: FoundVM, session: Session): Promise<void> {
  const { images, machines, networks, signal, say } = session;
  for (const { network } of record.seats ?? []) await networks.ensure(network, signal);
  // A version of boot artefacts begins with its image's id; the name may mean another image by now.
  const [image] = (record.boot ?? "").split("-");
  const found = image === undefined || image === "" ? undefined : await images.find(image, signal);
  const boot = found === undefined || "disk" in found ? undefined : await images.prepare(found, signal, say);
  await machines.startAgain(id, boot, session);
  const { orCleanUp } = await import("../../provider/host/clean-up.js");
  // What is not known to let one in is not left running.
  const turnOff = async () => machines.stop(id, STOP_SECONDS, AbortSignal.timeout(STOP_MS));
  const left = { what: `${record.owner.resource}, which runs,`, remedy: `mayfly stop ${record.owner.resource}` };
  await orCleanUp(async () => logIn(id, session), turnOff, left);
}

/** Its logs are followed before: also those of a boot at whose end nobody can log in. */
async function logIn(id: string, session: Session): Promise<void> {
  const { machines, ssh, signal } = session;
  const [{ endpointOf }, { followKept }] = await Promise.all([
    import("../vms/connect.js"),
    import("../vms/log-dir.js"),
  ]);
  await followKept(id, session);
  const endpoint = await endpointOf({ id }, session);
  await machines.whileUp(id, await machines.bootTimeout(id), signal, async (during) =>
    ssh.loginToNew(endpoint, during),
  );
}
