import { existsSync } from "node:fs";
import type { Command } from "commander";
import { printJson } from "../output";
import { openSession } from "../rooms";
import { UsageError } from "../trouble";
import { verbWithJson } from "../verb";

/** `mayfly cp`: files to and from a VM. */
export function cp(): Command {
  return verbWithJson(
    "cp",
    "Copy files and folders to a VM, or from it. OpenSSH's scp does it, with the VM's key and pinned host key.",
    ["mayfly cp ./app.conf dev:/etc/app.conf", "mayfly cp -r dev:/var/log ./logs"],
  )
    .argument("<paths...>", "sources, then the target; NAME:PATH is in a VM, all others are here")
    .option("-r, --recursive", "folders with all that is in them")
    .option("-p, --preserve", "keep times and modes")
    .action(copy);
}

interface CopyOptions {
  readonly recursive?: true;
  readonly preserve?: true;
  readonly json?: true;
}

async function copy(paths: string[], { recursive, preserve, json }: CopyOptions): Promise<void> {
  const { names, places } = readPlaces(paths);
  const [name, ...others] = names;
  if (name === undefined) throw new UsageError("one side must be in a VM, as NAME:PATH");
  if (others.length > 0)
    throw new UsageError(`from one VM to another it goes by way of this host: ${names.join(", ")}`);
  // scp ends with 255, as where the connection breaks.
  const missing = places.slice(0, -1).find(({ vm, path }) => vm === undefined && !existsSync(path));
  if (missing !== undefined) throw new UsageError(`${missing.path}: there is no such file on this host`);
  using session = await openSession("cp");
  const [{ findRunningVM }, { pointToDiagnosis, runScp }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/openssh.js"),
  ]);
  const { id } = await findRunningVM(name, session);
  const flags = [...(recursive === true ? ["-r"] : []), ...(preserve === true ? ["-p"] : [])];
  const pathsOf = (alias: string) => places.map(({ vm, path }) => (vm === undefined ? path : `${alias}:${path}`));
  const wordsOf = (alias: string) => [...flags, "--", ...pathsOf(alias)];
  process.exitCode = await runScp(id, { wordsOf, onBroken: pointToDiagnosis(name) }, session);
  if (json === true && process.exitCode === 0) printJson({ id, sources: paths.slice(0, -1), target: paths.at(-1) });
}

/** A path, and the VM that it is in. */
interface Place {
  readonly vm: string | undefined;
  readonly path: string;
}

/** Reads `NAME:PATH`; a colon behind a slash belongs to a path of this host, as scp(1) has it. Pure. */
export function readPlaces(words: readonly string[]): { readonly names: string[]; readonly places: Place[] } {
  if (words.length < 2) throw new UsageError("name what is to be copied, and where to");
  const places = words.map((word): Place => {
    const [, vm, path] = /^((?:[\w.-]+\/){0,2}[\w.-]+):([^]*)$/.exec(word) ?? [];
    const isHere = vm === undefined || path === undefined || vm.startsWith(".");
    return isHere ? { vm: undefined, path: here(word) } : { vm, path };
  });
  const [target, ...sources] = [...places].reverse();
  if (target?.vm !== undefined && sources.some(({ vm }) => vm === target.vm))
    throw new UsageError("both sides are in the same VM: mayfly exec NAME -- cp …");
  return { names: [...new Set(places.flatMap(({ vm }) => vm ?? []))], places };
}

/** A path that scp takes for one of this host whatever is in it. */
function here(path: string): string {
  return path.startsWith("/") || path.startsWith(".") ? path : `./${path}`;
}
