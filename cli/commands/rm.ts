import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { eachOf, tellOutcome, type Outcome } from "../each";
import { note } from "../output";
import { Interrupted, openSession, type Session } from "../rooms";
import { CommandError, UsageError } from "../trouble";
import { verbWithJson } from "../verb";
import type { FoundVM } from "../vms/find";

interface RemoveOptions {
  readonly all?: true;
  readonly force?: true;
  readonly json?: true;
}

/** `mayfly rm`: ends VMs and removes all that is of them. */
export function rm(): Command {
  return verbWithJson("rm", "End VMs and remove all that is of them.", [
    "mayfly rm dev",
    "mayfly rm --all              # asks",
    "mayfly rm --force web-ccf2cf5d   # of a stack: the next `pulumi up` brings it back",
  ])
    .argument("[name...]", "the VMs")
    .option("--all", "all VMs made by `mayfly run`; asks on a terminal")
    .option("-f, --force", "do not ask; also those of stacks; those that are not there are no error")
    .action(remove);
}

async function remove(names: string[], options: RemoveOptions): Promise<void> {
  if ((names.length === 0) === (options.all === undefined)) throw new UsageError("name VMs, or say --all");
  using session = await openSession("rm");
  const chosen = options.all === true ? await chooseAll(options, session) : await choose(names, options, session);
  const removed = await eachOf(chosen.done, session, async (vm) => {
    await session.machines.remove(vm.id, session.signal);
    note(`removed ${vm.record.owner.resource}`);
    return vm;
  });
  const { removeEmptyNetworks } = await import("../vms/networks.js");
  const left = new Set(removed.done.flatMap(({ record }) => (record.seats ?? []).map(({ network }) => network)));
  const networks = await removeEmptyNetworks(left, session);
  for (const name of networks) note(`removed the network ${name}, which no VM was in`);
  const vms = removed.done.map(({ id, record }) => ({ name: record.owner.resource, id }));
  tellOutcome({ done: vms, failed: [...chosen.failed, ...removed.failed] }, options.json, { vms, networks });
}

/** The VMs that are meant; a name that is none, or not to be removed, spares no other. */
async function choose(names: readonly string[], { force }: RemoveOptions, session: Session): Promise<Outcome<FoundVM>> {
  const { findVM, isOfCommand, lookUpVM, stackOf } = await import("../vms/find.js");
  const { done, failed } = await eachOf(new Set(names), session, async (name) => {
    const vm = await (force === true ? lookUpVM(name, session) : findVM(name, session));
    if (vm === undefined) return [];
    const { owner } = vm.record;
    if (force !== true && !isOfCommand(owner))
      throw new CommandError(
        `${name} belongs to the stack ${stackOf(owner)}`,
        `pulumi destroy, or mayfly rm --force ${name}: then the next \`pulumi up\` brings it back`,
      );
    return [vm];
  });
  return { done: done.flat(), failed };
}

async function chooseAll({ force }: RemoveOptions, session: Session): Promise<Outcome<FoundVM>> {
  const { allVMs, isOfCommand } = await import("../vms/find.js");
  const own = (await allVMs(session)).filter(({ record }) => isOfCommand(record.owner));
  const all = { done: own, failed: [] };
  if (own.length === 0 || force === true) return all;
  if (!process.stdin.isTTY) throw new UsageError("--all asks on a terminal; without one say --all --force");
  const names = own.map(({ record }) => record.owner.resource).join(", ");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`Remove ${names}? [y/N] `, { signal: session.signal }).catch(() => {
    throw new Interrupted(); // Ctrl-C, or Ctrl-D: who types at a question sends no signal
  });
  terminal.close();
  return /^y(?:es)?$/i.test(answer.trim()) ? all : { done: [], failed: [] };
}
