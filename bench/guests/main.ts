import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerImages, type Workshop } from "../../tests/support/container-images";
import { Engine } from "../engine";
import { describeHost } from "../host";
import { GUESTS, type Guest, type Maker } from "./guests";
import { tryRefusals, type Refused } from "./refusals";
import { guestRow, guestTable, isGood, isRefusedWell, refusalTable, type Tried } from "./tables";
import { tryGuest } from "./trial";

const FILE = join(__dirname, "..", "..", "docs", "guests.md");

/**
 * Boots each kind of guest, tries what a user would, has refused what is none, and writes `docs/guests.md`. With names of
 * guests, or `refusals`, as arguments: only these, and nothing is written. Ends with 1 when something is not as it should be.
 */
async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => name !== "refusals" && !GUESTS.some((guest) => guest.name === name));
  const all = GUESTS.map(({ name }) => name).join(", ");
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(", ")}; there are ${all}, and refusals`);
  const isAll = names.length === 0;
  await using engine = await Engine.start();
  await using workshop = openWorkshop(engine.project);
  await using images = new ContainerImages(workshop);
  const maker = { engine, workshop, images };
  const tried: Tried[] = [];
  for (const guest of GUESTS.filter(({ name }) => isAll || names.includes(name))) {
    const one = { guest, result: await trial(guest, maker) };
    tried.push(one);
    process.stdout.write(`${guestRow(one).join(" | ")}\n`);
    if (one.result instanceof Error) process.stderr.write(`${one.result.message}\n`);
  }
  const refused = isAll || names.includes("refusals") ? await tryRefusals(maker) : [];
  if (refused.length > 0) process.stdout.write(`${refusalTable(refused)}\n`);
  if (isAll) writeFileSync(FILE, page(tried, refused));
  if (!tried.every(isGood) || !refused.every(isRefusedWell)) process.exitCode = 1;
}

/** Rejects with nothing: a guest that does not boot is an answer too. */
async function trial(guest: Guest, maker: Maker): Promise<Tried["result"]> {
  try {
    return await tryGuest(maker.engine, await guest.make(maker));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function openWorkshop(name: string): Workshop & AsyncDisposable {
  const home = mkdtempSync(join(tmpdir(), "mayfly-guests-"));
  return {
    ...{ home, name },
    async run(file, ...args) {
      const { execa } = await import("execa"); // ESM only
      return (await execa(file, args, { all: true })).all;
    },
    async [Symbol.asyncDispose]() {
      rmSync(home, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

function page(tried: readonly Tried[], refused: readonly Refused[]): string {
  const [accelerator = "tcg"] = tried.flatMap(({ result }) => (result instanceof Error ? [] : [result.accelerator]));
  return `# Guests

Made by \`npm run guests\`, which builds each image from packages, without a registry of containers, and does with its VM what
a user would.

${describeHost(accelerator)}. The seconds are high where other work ran beside it.

A boot is one through the kernel, up to a verified login, with 2 CPUs and 512 MiB or less. **SSH**: \`ssh web true\`. **exec**: input,
output, errors and the exit code of a command. **SFTP**: a file there and back. **reboot**: \`reboot\` in the guest, until it
can be logged in to again. **poweroff**: \`poweroff\` in the guest, until QEMU has ended by itself. An init of \`none\` is Mayfly's
minimal one; a kernel or an SSH server that the image lacks is lent to it.

${guestTable(tried)}

## Refused

What cannot become a machine is refused with the reason, and nothing of it stays.

${refusalTable(refused)}
`;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
