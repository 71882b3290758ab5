import { Command } from "commander";
import type { ShapeOptions } from "../args/shape";
import { eachOf, tellOutcome } from "../each";
import { ago, bytes, note, print, printJson, printTable } from "../output";
import { openSession } from "../rooms";
import { CommandError, UsageError } from "../trouble";
import { repeated, verbWithJson } from "../verb";

/** `mayfly template`: what VMs start from. */
export function template(): Command {
  return new Command("template")
    .description("Saved memory of machines that have booted, from which VMs start warm.")
    .addCommand(build())
    .addCommand(list())
    .addCommand(remove());
}

function build(): Command {
  return verbWithJson("build", "Boot an image once and save its memory, so that VMs of this size start from there.", [
    "mayfly template build localhost/web --memory 512MiB",
  ])
    .argument("<image>", "an OCI image, as podman names it, or debian[:SUITE]")
    .option("--memory <size>", "memory of the VMs: 512MiB, 2GiB (default: 1GiB)")
    .option("--cpus <number>", "their virtual CPUs (default: 2)")
    .option("--disk <size>", "their scratch disk (default: none)")
    .option("--arch <amd64|arm64>", "their CPU architecture (default: this host's)")
    .option("--karg <argument>", "added to the kernel's command line; may be repeated", repeated)
    .option("--boot-timeout <time>", "longest boot before it is given up", "5m")
    .action(make);
}

/** Options of `mayfly template build`, as they were written. */
interface BuildOptions extends ShapeOptions {
  readonly bootTimeout: string;
  readonly json?: true;
}

async function make(name: string, options: BuildOptions): Promise<void> {
  const [{ readShape }, { readDuration }, { readArchitecture }, { resolveImage }] = await Promise.all([
    import("../args/shape.js"),
    import("../args/duration.js"),
    import("../args/architecture.js"),
    import("../vms/image.js"),
  ]);
  const { memory, cpus, disk, karg } = readShape(options);
  const bootTimeout = readDuration("--boot-timeout", options.bootTimeout);
  using session = await openSession("template build");
  const { images, machines, signal, say, step, owner } = session;
  const image = await images.resolve(await resolveImage(name, readArchitecture(options.arch), session), signal, say);
  const boot = await step("Preparing the image for boot", async () => images.prepare(image, signal, say));
  if ("firmware" in boot)
    throw new CommandError("a disk image can have no template", "its VMs boot by its own loader: mayfly run");
  const accelerator = await machines.chooseAccelerator("auto", boot, session);
  const size = { cpus, memoryMiB: memory, scratchMiB: disk, kernelArgs: karg, accelerator };
  const key = await machines.ensureTemplate({ owner, size, boot, bootTimeout }, session);
  if (options.json === true) printJson({ key });
  else print(key);
}

function list(): Command {
  return verbWithJson("ls", "List templates, the most recently used first.", ["mayfly template ls"]).action(show);
}

async function show({ json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("template ls");
  const templates = await session.machines.allTemplates();
  if (json === true) {
    printJson(templates);
    return;
  }
  const rows = templates.map(({ key, shape: is, bytes: size, usedAt, machines }) => [
    ...[key, String(is["boot"]).slice(0, 12), String(is["cpus"]), `${String(is["memoryMiB"])} MiB`],
    ...[String(is["accelerator"]), bytes(size), ago(usedAt), String(machines)],
  ]);
  printTable(["TEMPLATE", "IMAGE", "CPUS", "MEMORY", "ACCELERATOR", "ON DISK", "LAST USED", "VMS"], rows);
}

function remove(): Command {
  return verbWithJson("rm", "Remove templates. VMs that run from one keep what they need of it.", [
    "mayfly template rm 4f2a",
  ])
    .argument("[template...]", "as `mayfly template ls` names them; the first letters suffice")
    .option("--all", "all of them")
    .action(removeAll);
}

async function removeAll(names: string[], { all, json }: { readonly all?: true; readonly json?: true }): Promise<void> {
  if ((names.length === 0) === (all === undefined)) throw new UsageError("name templates, or say --all");
  if (names.includes("")) throw new UsageError('"" names no template, and every one begins so');
  using session = await openSession("template rm");
  const keys = (await session.machines.allTemplates()).map(({ key }) => key);
  const removed = await eachOf(all === true ? keys : names, session, async (name) => {
    const key = theOne(name, keys);
    await session.machines.removeTemplate(key);
    note(`removed ${key}`);
    return key;
  });
  tellOutcome(removed, json, removed.done);
}

function theOne(name: string, keys: readonly string[]): string {
  const [key, ...more] = keys.filter((other) => other.startsWith(name));
  if (key === undefined) throw new CommandError(`there is no template ${name}`, "see: mayfly template ls");
  if (more.length > 0) throw new CommandError(`several templates begin with ${name}`, "write more of it");
  return key;
}
