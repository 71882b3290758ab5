import type { Command } from "commander";
import { ago, ahead, coloured, print, printJson, printTable, size } from "../output";
import { openSession } from "../rooms";
import { verbWithJson } from "../verb";
import type { DescribedVM } from "../vms/describe";

/** `mayfly ls`: the VMs of this user on this host. */
export function ls(): Command {
  return verbWithJson("ls", "List VMs: the command's own and those of stacks, the newest first.", [
    "mayfly ls",
    "mayfly ls --json | jq -r '.[] | select(.state == \"ended\") | .name'",
    "mayfly rm $(mayfly ls --quiet --state ended)",
  ])
    .option("-q, --quiet", "names only (ids of those of stacks)")
    .option("--state <state>", "only those that are starting, running, stopped or ended")
    .action(list);
}

interface ListOptions {
  readonly json?: true;
  readonly quiet?: true;
  readonly state?: string;
}

async function list({ json, quiet, state }: ListOptions): Promise<void> {
  using session = await openSession("ls");
  const [{ allVMs }, { describeVM }] = await Promise.all([import("../vms/find.js"), import("../vms/describe.js")]);
  const all = await Promise.all((await allVMs(session)).map(async (vm) => describeVM(vm, session)));
  const vms = all
    .filter((vm) => state === undefined || vm.state === state)
    .sort((one, other) => other.createdAt - one.createdAt);
  if (json === true) printJson(vms);
  else if (quiet === true) for (const { stack, name, id } of vms) print(stack === "" ? name : id);
  else printTable(HEADER, vms.map(row));
}

const HEADER = ["NAME", "STATE", "IMAGE", "CPUS", "MEMORY", "CREATED", "ENDS", "PORTS", "STACK"];
const COLOURS = { running: "green", starting: "yellow", stopped: "dim", ended: "red" } as const;

function row(vm: DescribedVM): string[] {
  const { name, state, image, cpus, memoryMiB, createdAt, expiresAt, stack, isOfSession } = vm;
  const ends = isOfSession ? "with its session" : expiresAt === undefined ? "-" : ahead(expiresAt);
  return [
    ...[coloured("bold", name), coloured(COLOURS[state], state), shorten(image ?? "-"), String(cpus ?? "-")],
    ...[memoryMiB === undefined ? "-" : size(memoryMiB), ago(createdAt), ends, portsOf(vm), stack || "-"],
  ];
}

function portsOf({ ports }: DescribedVM): string {
  const words = ports.map(({ hostAddress, host, guest, protocol }) => {
    const address = hostAddress === "127.0.0.1" ? "" : `${hostAddress}:`;
    return `${address}${String(host)}:${String(guest)}${protocol === "udp" ? "/udp" : ""}`;
  });
  return words.join(",") || "-";
}

/** An image's name without the digits of one that was made from packages. */
function shorten(image: string): string {
  return image.replace(/^localhost\/mayfly\/(debian-[a-z-]+):[0-9a-f]{16}$/, "$1");
}
