import { Command } from "commander";
import type { BuildOptions, ImageSource } from "../args/image";
import { eachOf, tellOutcome } from "../each";
import { ago, bytes, note, print, printJson, printTable } from "../output";
import { openSession, type Session } from "../rooms";
import { CommandError, UsageError } from "../trouble";
import { repeated, verbWithJson } from "../verb";

/** `mayfly image`: what VMs are made of. */
export function image(): Command {
  return new Command("image")
    .description("Images that VMs boot.")
    .addCommand(build())
    .addCommand(list())
    .addCommand(remove());
}

function build(): Command {
  return verbWithJson(
    "build",
    "Make an image, and print its name: of a Containerfile, by podman; of Debian's packages; or of a tar of a root filesystem. The " +
      "name is made of what goes in: what was made before is not made again.",
    [
      "mayfly image build --tag localhost/web .",
      "mayfly run -d --name db $(mayfly image build --debian trixie --package postgresql)",
      "mayfly image build --rootfs ./rootfs.tar.xz",
    ],
  )
    .argument("[context]", "the folder that a Containerfile takes from, and in which it is")
    .option("-f, --file <path>", "the Containerfile (default: Containerfile in the context)")
    .option("--build-arg <name=value>", "a value for an ARG, not for secrets; may be repeated", repeated)
    .option("--target <stage>", "the stage to build (default: the last one)")
    .option("--debian [suite]", "Debian from its packages (default: bookworm)")
    .option("--package <name>", "a package beside those of a bootable system; may be repeated", repeated)
    .option("--rootfs <tar>", "a tar of a root filesystem, plain or packed")
    .option(
      "--arch <amd64|arm64>",
      "the processor that it is for (default: this host's, or that of a Containerfile's base)",
    )
    .option("-t, --tag <name>", "a further name for it")
    .action(make);
}

async function make(context: string | undefined, options: BuildOptions & { readonly json?: true }): Promise<void> {
  const { readImageSource } = await import("../args/image.js");
  const source = readImageSource(context, options);
  using session = await openSession("image build");
  const { images, signal } = session;
  if (source.containerfile !== undefined) {
    const [wrong] = await images.wrongPlaces(source.containerfile);
    if (wrong !== undefined)
      throw new UsageError(`${wrong.property === "context" ? "CONTEXT" : "--file"}: ${wrong.reason}`);
  }
  const made = await session.step("Making the image", async () => makeOf(source, session));
  const name = options.tag ?? made;
  if (options.tag !== undefined)
    await images.tag(made, options.tag, signal).catch((error: unknown) => {
      note(`the image is made, as ${made}`);
      throw error;
    });
  const { id, digest, bytes: size } = await images.resolve(made, signal, session.say, { policy: "never" });
  if (options.json === true) printJson({ name, id, digest, bytes: size });
  else print(name);
}

async function makeOf(
  { containerfile, debian, rootfs, architecture }: ImageSource,
  { images, signal, say }: Session,
): Promise<string> {
  if (containerfile !== undefined) return images.containerfile({ ...containerfile, architecture }, signal, say);
  if (rootfs !== undefined) return images.rootfs(rootfs, signal, architecture);
  return images.debian({ ...debian, architecture }, signal, say);
}

function list(): Command {
  return verbWithJson(
    "ls",
    "List images that Mayfly has made or booted, the newest first. All others: podman images.",
    ["mayfly image ls"],
  )
    .option("-q, --quiet", "names only")
    .action(show);
}

async function show({ json, quiet }: { readonly json?: true; readonly quiet?: true }): Promise<void> {
  using session = await openSession("image ls");
  const [images, users] = [await session.images.list(session.signal), await usersOf(session)];
  const rows = images.map((one) => ({ ...one, vms: users.filter(({ uses }) => uses(one.id)).map(({ name }) => name) }));
  if (json === true) printJson(rows);
  else if (quiet === true) for (const { names, id } of rows) print(names[0] ?? id);
  else
    printTable(
      ["IMAGE", "ID", "MADE OF", "SIZE", "TO BOOT", "CREATED", "VMS"],
      rows.map(({ names, id, made, bytes: size, bootBytes, createdAt, vms }) => [
        ...[names.join(", ") || "-", id.slice(0, 12), made, bytes(size)],
        ...[bootBytes === 0 ? "-" : bytes(bootBytes), ago(createdAt), String(vms.length)],
      ]),
    );
}

function remove(): Command {
  return verbWithJson(
    "rm",
    "Remove images from podman's store, with all their names, boot artefacts and templates. Not those that VMs are made of.",
    ["mayfly image rm localhost/web"],
  )
    .argument("<image...>", "by name or id")
    .action(removeAll);
}

async function removeAll(names: string[], { json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("image rm");
  const { findImage } = await import("../vms/image.js");
  const removed = await eachOf(names, session, async (name) => {
    const found = await findImage(name, session);
    if (found === undefined) throw new CommandError(`there is no image ${name}`, "see: mayfly image ls");
    await refuseUsed(name, found.id, session);
    await removeTemplates(found.id, session);
    await session.images.remove(found, session.signal);
    note(`removed ${name}`);
    return { name, id: found.id };
  });
  tellOutcome(removed, json, removed.done);
}

async function refuseUsed(name: string, id: string, session: Session): Promise<void> {
  const users = (await usersOf(session)).filter(({ uses }) => uses(id)).map((user) => user.name);
  if (users.length > 0)
    throw new CommandError(
      `${name} is what ${users.join(", ")} ${users.length > 1 ? "are" : "is"} made of`,
      `mayfly rm ${users.join(" ")}`,
    );
}

async function removeTemplates(id: string, { machines }: Session): Promise<void> {
  const { usesImage } = await import("../../provider/images/cache.js");
  for (const { key, shape } of await machines.allTemplates())
    if (usesImage(String(shape["boot"]), id)) await machines.removeTemplate(key);
}

/** All VMs, and of which images each is made. */
async function usersOf(session: Session): Promise<{ name: string; uses: (id: string) => boolean }[]> {
  const [{ allVMs }, { usesImage }] = await Promise.all([
    import("../vms/find.js"),
    import("../../provider/images/cache.js"),
  ]);
  return (await allVMs(session)).map(({ record: { owner, boot = "" } }) => ({
    name: owner.resource,
    uses: (id: string) => usesImage(boot, id),
  }));
}
