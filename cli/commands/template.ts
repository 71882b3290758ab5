import { Command } from "commander";
import { shape } from "../args/shape";
import { ago, bytes, note, print, printTable } from "../output";
import { openSession } from "../rooms";

const BOOT_SECONDS = 300;

/** Options of `mayfly template build`. */
interface BuildOptions {
  readonly memory: number;
  readonly cpus: number;
  readonly disk?: number;
  readonly karg: readonly string[];
}

const build = new Command("build")
  .description("Boot an image once and save its memory, so that VMs of this size start from there.")
  .argument("<image>", "an OCI image, as podman names it")
  .option("--memory <size>", "memory of the VMs: 512MiB, 2GiB", shape.memory, 1_024)
  .option("--cpus <number>", "their virtual CPUs", shape.cpus, 2)
  .option("--disk <size>", "their scratch disk; none without", shape.disk)
  .option("--karg <argument...>", "added to the kernel's command line", [])
  .addHelpText("after", "\nExample:\n  $ mayfly template build localhost/web --memory 512MiB")
  .action(async (name: string, { memory, cpus, disk, karg }: BuildOptions) => {
    using session = openSession("mayfly template build");
    const { images, machines, signal, say, step, owner } = session;
    const image = await images.resolve(name, signal, say);
    const boot = await step("Preparing the image for boot", async () => images.prepare(image, signal, say));
    const accelerator = await machines.chooseAccelerator("auto", signal);
    const size = { cpus, memoryMiB: memory, scratchMiB: disk, kernelArgs: karg, accelerator };
    print(await machines.ensureTemplate({ owner, size, boot, bootTimeout: BOOT_SECONDS }, session));
  });

const list = new Command("ls")
  .description("List templates, the most recently used first.")
  .option("--json", "one JSON array")
  .action(async ({ json }: { readonly json?: true }) => {
    using session = openSession("mayfly template ls");
    const templates = await session.machines.allTemplates();
    if (json === true) {
      print(JSON.stringify(templates, null, 2));
      return;
    }
    const rows = templates.map(({ key, shape: is, bytes: size, usedAt, machines }) => [
      ...[key, String(is["boot"]).slice(0, 12), String(is["cpus"]), `${String(is["memoryMiB"])} MiB`],
      ...[String(is["accelerator"]), bytes(size), ago(usedAt), String(machines)],
    ]);
    printTable(["TEMPLATE", "IMAGE", "CPUS", "MEMORY", "ACCELERATOR", "ON DISK", "LAST USED", "VMS"], rows);
  });

const remove = new Command("rm")
  .description("Remove templates. VMs that run from one keep what they need of it.")
  .argument("[template...]", "as `mayfly template ls` names them; the first letters suffice")
  .option("--all", "all of them")
  .action(async (names: string[], { all }: { readonly all?: true }, command: Command) => {
    if ((names.length === 0) === (all === undefined)) command.error("error: name templates, or say --all");
    using session = openSession("mayfly template rm");
    const keys = (await session.machines.allTemplates()).map(({ key }) => key);
    const chosen = all === true ? keys : names.map((name) => theOne(name, keys, command));
    for (const key of chosen) {
      await session.machines.removeTemplate(key);
      note(`removed ${key}`);
    }
  });

function theOne(name: string, keys: readonly string[], command: Command): string {
  const [key, ...more] = keys.filter((other) => other.startsWith(name));
  if (key === undefined) return command.error(`error: there is no template ${name}; see: mayfly template ls`);
  if (more.length > 0) return command.error(`error: several templates begin with ${name}: write more of it`);
  return key;
}

/** `mayfly template`: what VMs start from. */
export const template = new Command("template")
  .description("Saved memory of machines that have booted, from which VMs start warm.")
  .addCommand(build)
  .addCommand(list)
  .addCommand(remove);
