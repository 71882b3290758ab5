import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { MayflyError } from "../errors";
import { orCleanUp } from "../host/clean-up";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import type { Say } from "../host/progress";
import type { ImageSpec } from "../schema/image";
import { digestContext, findIgnoreFile } from "./build-context";
import { inBuildFolder } from "./build-folder";
import { findImage } from "./store";
import { runTogether } from "./together";

/** A Containerfile, as declared. */
export type ContainerfileSpec = NonNullable<ImageSpec["containerfile"]> & Pick<ImageSpec, "architecture">;

/** Part of the digest: raise it when the way in which one is built changes. */
const RECIPE = 1;

/** Removes the containers that an interrupted build has left in podman's store. `$1` is its mark. */
const LEFT_OVER = `
store=$(podman info --format '{{.Store.GraphRoot}}')
for file in "$store"/*-containers/*/userdata/buildah.json; do
  grep -q -s -F -e "$1" "$file" || continue
  id=\${file%/userdata/*}
  podman rm --force "\${id##*/}" >/dev/null
done
`;

/** A build argument that no Containerfile asks for: podman notes it beside each container of the build. */
const MARK = "MAYFLY_BUILD";

const CLEAN_UP_MS = 60_000; // takes 0.2 s; a host that swaps takes longer
const EVIDENCE_LINES = 15;

/**
 * One hash of all that goes into an image: the Containerfile, what the build sees of its context, arguments and target.
 *
 * @returns SHA-256 in hex.
 * @throws {MayflyError} `BAD_INPUT` for a file that can't be read.
 */
export async function digestContainerfile(paths: Pick<Paths, "verdicts">, spec: ContainerfileSpec): Promise<string> {
  const { file, context } = placesOf(spec);
  const text = file === undefined ? spec.text : await readFile(file, "utf8");
  const ignore = context === undefined ? undefined : await findIgnoreFile(file, context);
  const seen = context === undefined ? "" : await digestContext(paths, context, ignore);
  const args = Object.entries(spec.buildArgs).sort(([one], [other]) => (one < other ? -1 : 1));
  const processor = spec.architecture === undefined ? [] : [spec.architecture];
  // Where podman was given the file itself, and has left out less: what was built by that is another image.
  const ignored = ignore?.isAmbiguous === true ? [ignore.patterns] : [];
  const inputs = JSON.stringify([RECIPE, text, seen, args, spec.target ?? "", ...processor, ...ignored]);
  return createHash("sha256").update(inputs).digest("hex");
}

/** Where the file and the context are; a text without a context has neither. */
function placesOf({ path, context }: ContainerfileSpec): { file: string | undefined; context: string | undefined } {
  const file = path === undefined ? undefined : resolve(path);
  const folder = context === undefined ? file && dirname(file) : resolve(context);
  return { file, context: folder };
}

/**
 * Builds the image unless it is there; returns its name, which is made of the digest.
 *
 * @throws {MayflyError} `BUILD_FAILED` with the build's last lines, `BAD_INPUT`, `DISK_FULL`, `TOOL_MISSING`.
 */
export async function buildContainerfile(
  paths: Paths,
  podman: Podman,
  spec: ContainerfileSpec,
  signal: AbortSignal,
  say: Say,
): Promise<string> {
  const digest = await digestContainerfile(paths, spec);
  const name = `localhost/mayfly/containerfile:${digest.slice(0, 16)}`;
  await withLock(paths.locks, name, signal, async () => {
    if ((await findImage(podman, name, signal)) !== undefined) return;
    const mark = createHash("sha256").update(`${paths.home} ${name}`).digest("hex");
    await removeLeftOver(podman, mark); // of a build that was killed
    const make = async () => {
      const id = await inBuildFolder(paths, podman, name.replaceAll(/\W/g, "_"), async (folder) => {
        const temporary = join(folder, "temporary");
        await mkdir(temporary, { mode: 0o700 }); // nobody else's to read
        return besideOthers(() => build(paths, podman, spec, { mark, temporary }, signal, say), signal, say);
      });
      if ((await digestContainerfile(paths, spec)) !== digest) throw changedMeanwhile(spec);
      await podman.run(["tag", id, name], { signal });
    };
    const left = { what: "what the build had made", remedy: "build it again, which removes that first" };
    await orCleanUp(make, async () => removeLeftOver(podman, mark), left);
  });
  return name;
}

/** What podman says where another build has removed what this one was about to use (containers/buildah, issue 5674). */
const LOST = /\b(?:layer|container|image) not known$/m;

/** Runs a build, and once more where one beside it was in its way. */
async function besideOthers(attempt: () => Promise<string>, signal: AbortSignal, say: Say): Promise<string> {
  try {
    return await attempt();
  } catch (error) {
    if (signal.aborted || !(error instanceof MayflyError) || !LOST.test(error.evidence ?? "")) throw error;
    say("build: once more, as podman has lost what it was about to use to a build beside this one");
    return attempt();
  }
}

/**
 * Returns the image's id.
 *
 * @param temporary A folder for podman's temporary files, the caches of its RUN among them, which may be a sub-id's.
 */
async function build(
  paths: Paths,
  podman: Podman,
  spec: ContainerfileSpec,
  { mark, temporary }: { readonly mark: string; readonly temporary: string },
  signal: AbortSignal,
  say: Say,
): Promise<string> {
  const scratch = join(paths.scratch, randomBytes(8).toString("hex"));
  await mkdir(join(scratch, "context"), { recursive: true, mode: 0o700 });
  const last: string[] = [];
  const onLine = (line: string) => {
    if (line.includes(MARK)) return; // podman's warning that no ARG takes it
    last.push(line);
    if (last.length > EVIDENCE_LINES) last.shift();
    if (/^(?:\[\d+\/\d+\] )?STEP \d+|^Trying to pull/.test(line)) say(`build: ${line}`);
  };
  try {
    await writeFile(join(scratch, "Containerfile"), spec.text ?? "");
    const args = [`--build-arg=${MARK}=${mark}`, ...(await buildArguments(spec, scratch))];
    // A `podman build` that is ended by a signal leaves the programs of its RUN running, and says that all went well (4.3.1).
    // Nor can it clean up then: see LEFT_OVER, and its temporary files, which go with their folder.
    const options = { signal, onLine, environment: { TMPDIR: temporary } };
    const output = await runTogether(podman, ["podman", "build", ...args], options);
    return output.trimEnd().split("\n").at(-1) ?? "";
  } catch (error) {
    throw signal.aborted ? error : buildFailed(spec, last, error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @param scratch Has the file of a text, and the empty context of one that names none; gets that of what is left out. */
async function buildArguments(spec: ContainerfileSpec, scratch: string): Promise<string[]> {
  const { file = join(scratch, "Containerfile"), context = join(scratch, "context") } = placesOf(spec);
  const ignore = await findIgnoreFile(file, context);
  const ignoreFile = join(scratch, "ignore");
  if (ignore !== undefined) await writeFile(ignoreFile, ignore.patterns.join("\n"));
  return [
    ...["--pull=missing", "--label=mayfly.image=containerfile"],
    ...(ignore === undefined ? [] : [`--ignorefile=${ignoreFile}`]),
    ...Object.entries(spec.buildArgs).map(([key, value]) => `--build-arg=${key}=${value}`),
    ...(spec.target === undefined ? [] : [`--target=${spec.target}`]),
    ...(spec.architecture === undefined ? [] : [`--arch=${spec.architecture}`]),
    ...["--file", file, context],
  ];
}

async function removeLeftOver(podman: Podman, mark: string): Promise<void> {
  await podman.script(LEFT_OVER, [mark], { signal: AbortSignal.timeout(CLEAN_UP_MS) });
}

function nameOf({ path }: ContainerfileSpec): string {
  return path ?? "the Containerfile";
}

function buildFailed(spec: ContainerfileSpec, lines: readonly string[], cause: unknown): unknown {
  if (!(cause instanceof MayflyError) || cause.code !== "TOOL_FAILED") return cause;
  return new MayflyError("BUILD_FAILED", `${nameOf(spec)} can't be built`, {
    evidence: lines.join("\n"),
    remedy: "mend what the last lines above name; podman goes on from the last step that it has finished",
    cause,
  });
}

function changedMeanwhile(spec: ContainerfileSpec): MayflyError {
  return new MayflyError("BUILD_FAILED", `what ${nameOf(spec)} is built of changed while it was built`, {
    evidence: `the build context: ${placesOf(spec).context ?? "none"}`,
    remedy: "run `pulumi up` again; leave out what changes all the time by a line in .containerignore",
  });
}

/** What is wrong with the files that the fields name, by field. */
export async function wrongPlaces(spec: ContainerfileSpec): Promise<{ property: string; reason: string }[]> {
  const { file, context } = placesOf(spec);
  const seenFile = file === undefined ? undefined : await seen(file);
  const seenContext = context === undefined ? undefined : await seen(context);
  const wrong: [boolean, string, string][] = [
    [seenFile === "missing", "path", `must be a file on this host; ${file ?? ""} does not exist`],
    [seenFile === "folder", "path", `must be a file; ${file ?? ""} is a folder: name the Containerfile in it`],
    [spec.context !== undefined && seenContext === "missing", "context", `${context ?? ""} does not exist`],
    [seenContext === "file", "context", `must be a folder on this host; ${context ?? ""} is a file`],
  ];
  return wrong.filter(([isSo]) => isSo).map(([, property, reason]) => ({ property, reason }));
}

async function seen(path: string): Promise<"missing" | "file" | "folder"> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined ? "missing" : stats.isDirectory() ? "folder" : "file";
}
