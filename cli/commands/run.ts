import { Option, type Command } from "commander";
import { machineOptions, type MachineOptions } from "../args/machine";
import { acceptForeign, refuseForeign } from "../bcvk";
import { note, print, printJson } from "../output";
import { openSession, type Session } from "../rooms";
import { beforeRun, UsageError } from "../trouble";
import { verbWithJson } from "../verb";
import { renderShellLine } from "../vms/guest-line";
import { DEFAULT_IMAGE } from "../vms/image";
import type { MadeVM } from "../vms/create";

interface RunOptions extends MachineOptions {
  readonly detach?: true;
  readonly execute?: string;
  readonly rm?: true;
  readonly console?: true;
  readonly output?: "console" | "journal";
  readonly json?: true;
}

/** `mayfly run`: a VM of the command's own. */
export function run(): Command {
  const command = verbWithJson(
    "run",
    "Boot a VM. With -d it stays until `mayfly rm`; with --execute it runs a command and stays, unless --rm; " +
      "else it shows its console, and goes with Ctrl-C or with the terminal.",
    [
      "mayfly run -d --name dev --bind ./project:/srv/project --port 8080:80",
      "mayfly run --rm --execute 'uname -r'   # in a fresh VM, which is gone afterwards",
      "mayfly run -d --memory 2G --disk 10G --expires 2h quay.io/fedora/fedora-bootc:42",
      "mayfly run -d ./appliance.qcow2",
    ],
  )
    .argument(
      "[image]",
      "an OCI image, as podman names it, debian[:SUITE] (from packages, no registry), or a disk image by its path",
      DEFAULT_IMAGE,
    )
    .option("-d, --detach", "return when it is up, and print its name")
    .option("--execute <command>", "run this in it, and end with its exit code")
    .option("--rm", "with --execute: remove it when the command has ended, or the terminal has gone")
    .option("--console", "the console takes keys, too, from the first line of the boot on; Ctrl-] ends the VM")
    .addOption(new Option("--output <what>", "what is shown (default: console)").choices(["console", "journal"]))
    .option("-K, --ssh-keygen", "accepted for bcvk's sake: every VM has keys of its own");
  const foreign = refuseForeign(machineOptions(command, "-e, --env <name=value>"), "run");
  return acceptForeign(foreign, "run").action(runVM);
}

async function runVM(image: string, options: RunOptions): Promise<void> {
  const { detach, execute, rm } = options;
  refuseContradictions(options);
  using session = await openSession("run");
  if (isWatched(options)) {
    const { watchVM } = await import("../vms/watch.js");
    process.exitCode = await watchVM({ image, options }, session);
    return;
  }
  const work = async (vm: MadeVM) => {
    if (detach === true) tell(vm, options);
    if (execute === undefined) return 0;
    const { pointToDiagnosis, runSsh } = await import("../vms/openssh.js");
    const call = { before: ["-T"], after: ["--", renderShellLine(execute)], typed: execute };
    const onBroken = rm === true ? undefined : pointToDiagnosis(vm.name);
    if (staysUnheardOf(options)) note(`${vm.name} stays: mayfly rm ${vm.name}`); // before: Ctrl-C may end what it runs
    return beforeRun(async () => runSsh(vm.id, { ...call, onBroken }, session));
  };
  process.exitCode = await (rm === true
    ? briefly(image, options, session, work)
    : lasting(image, options, session, work));
}

/** Whether its console, or its journal, is what the command shows. */
function isWatched({ execute, detach }: RunOptions): boolean {
  return execute === undefined && detach !== true;
}

/** Whether nobody would know its name otherwise. */
function staysUnheardOf({ rm, detach, name }: RunOptions): boolean {
  return rm !== true && detach !== true && name === undefined;
}

function refuseContradictions(options: RunOptions): void {
  const { detach, execute, rm, json } = options;
  if (rm === true && detach === true)
    throw new UsageError("--rm and -d: a VM that stays is removed by `mayfly rm`, or by --expires");
  if (!isWatched(options) && (options.console ?? options.output) !== undefined)
    throw new UsageError(
      "--console and --output are for a VM that is watched: with -d there is mayfly console, or logs -f",
    );
  if (json === true && (detach !== true || execute !== undefined))
    throw new UsageError(
      "--json tells of a VM that stays: with -d, without --execute; else standard output is the VM's",
    );
}

type Work = (vm: MadeVM) => Promise<number>;

async function lasting(image: string, options: RunOptions, session: Session, work: Work): Promise<number> {
  const { createVM } = await import("../vms/create.js");
  const make = async () => createVM({ image, options }, session);
  const vm = await (options.execute === undefined ? make() : beforeRun(make));
  return work(vm);
}

async function briefly(image: string, options: RunOptions, session: Session, work: Work): Promise<number> {
  const { withSessionVM } = await import("../vms/session-vm.js");
  return withSessionVM({ image, options }, session, work, beforeRun);
}

function tell(vm: MadeVM, { json }: RunOptions): void {
  if (json === true) printJson(vm);
  else print(vm.name);
}
