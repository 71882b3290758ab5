import type { Command } from "commander";
import { print, printJson, printTable } from "../output";
import { openSession } from "../rooms";
import { UsageError } from "../trouble";
import { verbWithJson } from "../verb";

const STATES = ["starting", "running", "stopped", "ended"];

/** `mayfly ls`: the VMs of this user on this host. */
export function ls(): Command {
  return verbWithJson(
    "ls",
    "List VMs: the command's own and those of stacks, the newest first; with the CPU time that each has used since it started, in " +
      "parts of one CPU, and the memory that it takes of this host.",
    [
      "mayfly ls",
      "mayfly ls --format '{{.Name}}\\t{{.Memory}}'",
      "mayfly ls --json | jq -r '.[] | select(.state == \"ended\") | .name'",
      "mayfly rm $(mayfly ls --quiet --state ended)",
    ],
  )
    .alias("ps")
    .option("-q, --quiet", "names only (ids of those of stacks)")
    .option("--state <state>", "only those that are starting, running, stopped or ended")
    .option(
      "--format <text>",
      "a line for each, with {{.Name}}, .ID, .State, .Image, .CPU, .Memory, .Disk, .Created, .Ends, .Ports, .Stack, .Accelerator, .Labels",
    )
    .action(list);
}

interface ListOptions {
  readonly json?: true;
  readonly quiet?: true;
  readonly state?: string;
  readonly format?: string;
}

async function list({ json, quiet, state, format }: ListOptions): Promise<void> {
  if (state !== undefined && !STATES.includes(state))
    throw new UsageError(`--state ${state}: must be ${STATES.slice(0, -1).join(", ")} or ended`);
  const { readFormat, tableOf } = await import("../vms/columns.js");
  const line = format === undefined || format === "json" ? undefined : readFormat(format);
  using session = await openSession("ls");
  const [{ allVMs }, { describeVM }] = await Promise.all([import("../vms/find.js"), import("../vms/describe.js")]);
  const all = await Promise.all((await allVMs(session)).map(async (vm) => describeVM(vm, session)));
  const vms = all
    .filter((vm) => state === undefined || vm.state === state)
    .sort((one, other) => other.createdAt - one.createdAt);
  if (json === true || format === "json") printJson(vms);
  else if (quiet === true) for (const { stack, name, id } of vms) print(stack === "" ? name : id);
  else if (line !== undefined) for (const vm of vms) print(line(vm));
  else {
    const { header, rows } = tableOf(vms);
    printTable(header, rows);
  }
}
