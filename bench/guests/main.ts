import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openPaths } from "../../provider/host/paths";
import { Podman } from "../../provider/host/podman";
import { Images } from "../../provider/images/images";
import { makeBootDisks } from "../../tests/support/boot-disks";
import { ContainerImages } from "../../tests/support/container-images";
import { Engine } from "../engine";
import { describeHost } from "../host";
import { writeMarkdown } from "../page";
import { GUESTS, type Guest, type Maker } from "./guests";
import { clearDeadRuns, imageNames, openRun } from "./run";
import { tryRefusals, type Refused } from "./refusals";
import { guestRow, guestRowsIn, guestTable, isGood, isRefusedWell, refusalTable, type Tried } from "./tables";
import { tryGuest } from "./trial";

const DISKS_MS = 900_000; // two minutes, on a host that does nothing else

const FILE = join(__dirname, "..", "..", "docs", "guests.md");

/**
 * Boots each kind of guest, tries what a user would, has refused what is none, and writes `docs/guests.md`. With names of
 * guests, or `refusals`, as arguments: only these, and the other rows stay as they were. Ends with 1 when something is not
 * as it should be.
 */
async function main(names: readonly string[]): Promise<void> {
  const known = [...GUESTS.map(({ name }) => name), "refusals"];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(", ")}; there are ${known.join(", ")}`);
  const isWanted = (name: string) => names.length === 0 || names.includes(name);
  await clearDeadRuns();
  await using engine = await Engine.start();
  await using workshop = openRun(engine);
  await using images = new ContainerImages(workshop);
  const disks = async () => {
    const paths = openPaths({ MAYFLY_HOME: engine.home });
    const podman = new Podman(paths);
    return makeBootDisks(new Images(paths, podman, () => Promise.resolve([])), podman, AbortSignal.timeout(DISKS_MS));
  };
  const maker = { engine, workshop, images, disks, before: await imageNames() };
  for (const guest of GUESTS.filter(({ name }) => isWanted(name))) {
    const one = { guest, result: await trial(guest, maker) };
    process.stdout.write(`${guestRow(one).join(" | ")}\n`);
    if (one.result instanceof Error) process.stderr.write(`${one.result.message}\n`);
    if (!isGood(one)) process.exitCode = 1;
    await writePage([one], undefined);
  }
  if (!isWanted("refusals")) return;
  const refused = await tryRefusals(maker);
  await writePage([], refused);
  if (!refused.every(isRefusedWell)) process.exitCode = 1;
}

/** Rejects with nothing: a guest that does not boot is an answer too. */
async function trial(guest: Guest, maker: Maker): Promise<Tried["result"]> {
  try {
    return await tryGuest(maker.engine, await guest.make(maker));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Writes what is new into the page; what it has of other guests stays. */
async function writePage(tried: readonly Tried[], refused: readonly Refused[] | undefined): Promise<void> {
  const old = existsSync(FILE) ? readFileSync(FILE, "utf8") : "";
  const rows = new Map([...guestRowsIn(old), ...tried.map((one) => [one.guest.what, guestRow(one)] as const)]);
  const inOrder = GUESTS.flatMap(({ what }) => [rows.get(what) ?? []].filter((row) => row.length > 0));
  const refusals = refused === undefined ? (old.split(REFUSED)[1] ?? "").trim() : refusalTable(refused);
  const [accelerator] = tried.flatMap(({ result }) => (result instanceof Error ? [] : [result.accelerator]));
  const host = accelerator === undefined ? HOST.exec(old)?.[0] : `On ${describeHost(accelerator)}.`;
  const text = `${HEAD}\n${host ?? ""}\n\n${guestTable(inOrder)}\n\n${REFUSED}\n\n${refusals}\n`;
  await writeMarkdown(FILE, text);
}

const HOST = /^On \d+ cores .*$/m;

const HEAD = `# Guests

Made by \`npm run guests\`, which builds each image from packages, without a registry of containers, and does with its VM what
a user would. Nothing else ran meanwhile; only seconds of one run can be compared.

A boot is one through the kernel, up to a verified login, with 2 CPUs and 512 MiB or less. **SSH**: \`ssh web true\`. **exec**:
input, output, errors and the exit code of a command. **SFTP**: a file there and back. **reboot**: \`reboot\` in the guest,
until it can be logged in to again. **poweroff**: \`poweroff\` in the guest, until QEMU has ended by itself. An init of
\`none\` is Mayfly's minimal one; a kernel or an SSH server that the image lacks is lent to it.
`;

const REFUSED = `## Refused

What cannot become a machine is refused with the reason, and nothing of it stays.`;

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
