import { Option, type Command } from "commander";
import { print, printJson, printTable } from "../output";
import { openSession } from "../rooms";
import { verbWithJson } from "../verb";
import type { DescribedVM } from "../vms/describe";

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
      "mayfly ls --quiet --state stopped | xargs -r mayfly start",
    ],
  )
    .alias("ps")
    .option("-q, --quiet", "names only (ids of those of stacks)")
    .addOption(new Option("--state <state>", "only VMs in this state").choices(STATES))
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

async function list(options: ListOptions): Promise<void> {
  const { state } = options;
  const show = await presenter(options); // what can't be meant is said before anything is looked at
  using session = await openSession("ls");
  const [{ allVMs }, { describeVM }] = await Promise.all([import("../vms/find.js"), import("../vms/describe.js")]);
  const all = await Promise.all((await allVMs(session)).map(async (vm) => describeVM(vm, session)));
  const vms = all
    .filter((vm) => state === undefined || vm.state === state)
    .sort((one, other) => other.createdAt - one.createdAt);
  show(vms);
}

/** How the list is shown. */
async function presenter({ json, quiet, format }: ListOptions): Promise<(vms: readonly DescribedVM[]) => void> {
  if (json === true || format === "json") return printJson;
  if (quiet === true)
    return (vms) => {
      for (const { stack, name, id } of vms) print(stack === "" ? name : id);
    };
  const { readFormat, tableOf } = await import("../vms/columns.js");
  if (format === undefined)
    return (vms) => {
      const { header, rows } = tableOf(vms);
      printTable(header, rows);
    };
  const line = readFormat(format);
  return (vms) => {
    for (const vm of vms) print(line(vm));
  };
}
