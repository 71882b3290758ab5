import { ago, ahead, coloured, percent, size } from "../output";
import { UsageError } from "../trouble";
import type { DescribedVM } from "./describe";

/** One thing that `ls` tells of a machine. */
interface Column {
  readonly title: string;
  readonly text: (vm: DescribedVM) => string;
}

const COLOURS = { running: "green", starting: "yellow", stopped: "dim", ended: "red" } as const;

/** All that there is to choose from, by the name that `--format` has for it. */
const COLUMNS = {
  Name: { title: "NAME", text: ({ name }) => name },
  ID: { title: "ID", text: ({ id }) => id },
  State: { title: "STATE", text: ({ state }) => state },
  Image: { title: "IMAGE", text: ({ image }) => shorten(image ?? "-") },
  CPU: { title: "CPU", text: cpuOf },
  Memory: { title: "MEMORY", text: memoryOf },
  Disk: { title: "DISK", text: ({ diskMiB }) => (diskMiB === undefined ? "-" : size(diskMiB)) },
  Created: { title: "CREATED", text: ({ createdAt }) => ago(createdAt) },
  Ends: { title: "ENDS", text: endsOf },
  Ports: { title: "PORTS", text: portsOf },
  Stack: { title: "STACK", text: ({ stack }) => stack || "-" },
  Accelerator: { title: "ACCELERATOR", text: ({ accelerator }) => accelerator ?? "-" },
  Labels: { title: "LABELS", text: ({ labels }) => pairs(labels) || "-" },
} satisfies Record<string, Column>;

type ColumnName = keyof typeof COLUMNS;

/** Names of what `--format` knows. */
const COLUMN_NAMES = Object.keys(COLUMNS);

const DEFAULT: readonly ColumnName[] = [
  ...(["Name", "State", "Image", "CPU", "Memory", "Created", "Ends", "Ports", "Stack"] as const),
];

/** The table that `ls` shows, with colours where there is a terminal. */
export function tableOf(vms: readonly DescribedVM[]): { header: string[]; rows: string[][] } {
  const cell = (vm: DescribedVM, name: ColumnName) => {
    const text = COLUMNS[name].text(vm);
    if (name === "Name") return coloured("bold", text);
    return name === "State" ? coloured(COLOURS[vm.state], text) : text;
  };
  return {
    header: DEFAULT.map((name) => COLUMNS[name].title),
    rows: vms.map((vm) => DEFAULT.map((name) => cell(vm, name))),
  };
}

/**
 * Reads a format as podman has it: `{{.Name}} {{.State}}`, where `\t` and `\n` mean what they mean in a shell's printf.
 * Throws a `UsageError` for a name that there is none of. Pure.
 */
export function readFormat(format: string): (vm: DescribedVM) => string {
  const text = format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  for (const [, name = ""] of text.matchAll(FIELD))
    if (!COLUMN_NAMES.includes(name))
      throw new UsageError(`--format: there is no .${name}, but .${COLUMN_NAMES.join(", .")}`);
  if (!text.includes("{{")) throw new UsageError('--format: name what is to be shown, such as "{{.Name}} {{.State}}"');
  return (vm) => text.replaceAll(FIELD, (_, name: string) => COLUMNS[name as ColumnName].text(vm));
}

const FIELD = /\{\{\s*\.?([^{}]*?)\s*\}\}/g;

function cpuOf({ cpus, used }: DescribedVM): string {
  const count = cpus === undefined ? "?" : String(cpus);
  return used === undefined ? count : `${percent(used.cpuPercent)} of ${count}`;
}

function memoryOf({ memoryMiB, used }: DescribedVM): string {
  const all = memoryMiB === undefined ? "-" : size(memoryMiB);
  return used === undefined ? all : `${String(used.memoryMiB)}MiB of ${all}`;
}

function endsOf({ isOfSession, expiresAt }: DescribedVM): string {
  if (isOfSession) return "with its session";
  return expiresAt === undefined ? "-" : ahead(expiresAt);
}

function portsOf({ ports }: DescribedVM): string {
  const words = ports.map(({ hostAddress, host, guest, protocol }) => {
    const address = hostAddress === "127.0.0.1" ? "" : `${hostAddress}:`;
    return `${address}${String(host)}:${String(guest)}${protocol === "udp" ? "/udp" : ""}`;
  });
  return words.join(",") || "-";
}

function pairs(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

/** An image's name without the digits of one that was made from packages. */
function shorten(image: string): string {
  return image.replace(/^localhost\/mayfly\/(debian-[a-z-]+):[0-9a-f]{16}$/, "$1");
}
