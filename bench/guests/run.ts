import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPaths } from "../../provider/host/paths";
import { Podman } from "../../provider/host/podman";
import { identifySelf, isAlive, type ProcessIdentity } from "../../provider/host/process-identity";
import { Machines } from "../../provider/machines/machines";
import type { Workshop } from "../../tests/support/container-images";
import type { Engine } from "../engine";

const FOLDERS = "mayfly-guests-";
const RECORD = "run.json";
const IMAGES = "images";

/** What is on record of a run. */
interface RunRecord {
  readonly madeBy: ProcessIdentity;
  /** Mayfly's data folder. */
  readonly data: string;
  /** Begins the names of its images. */
  readonly project: string;
}

/** A run's folder. */
export interface Run extends Workshop, AsyncDisposable {
  /** Notes an image of another name, before it is counted on that it goes. */
  note(image: string): void;
}

/** Opens one, and has on record there what it leaves on the host: who is killed cannot take it away. */
export function openRun({ home: data, project }: Pick<Engine, "home" | "project">): Run {
  const home = mkdtempSync(join(tmpdir(), FOLDERS));
  writeFileSync(join(home, RECORD), JSON.stringify({ madeBy: identifySelf(), data, project } satisfies RunRecord));
  return {
    ...{ home, name: project, run },
    note: (image) => appendFileSync(join(home, IMAGES), `${image}\n`),
    async [Symbol.asyncDispose]() {
      rmSync(home, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

/** Takes away what runs that were killed have left: VMs, images, folders. */
export async function clearDeadRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(FOLDERS))) {
    const home = join(tmpdir(), name);
    const file = join(home, RECORD);
    if (!existsSync(file)) continue;
    const record = JSON.parse(readFileSync(file, "utf8")) as RunRecord;
    if (isAlive(record.madeBy)) continue;
    process.stdout.write(`a run that was killed has left something, which goes now: ${record.project}\n`);
    await clear(home, record);
  }
}

async function clear(home: string, { data, project }: RunRecord): Promise<void> {
  if (existsSync(data)) {
    const paths = openPaths({ MAYFLY_HOME: data });
    const machines = new Machines(paths, new Podman(paths));
    for (const id of (await machines.list()).keys()) await machines.remove(id, AbortSignal.timeout(REMOVAL_MS));
    rmSync(data, { recursive: true, force: true });
  }
  const noted = existsSync(join(home, IMAGES)) ? readFileSync(join(home, IMAGES), "utf8").split("\n") : [];
  const there = await imageNames();
  const left = [...there].filter((name) => noted.includes(name) || name.startsWith(`localhost/${project}/`));
  if (left.length > 0) await run("podman", "rmi", "--force", ...left);
  rmSync(home, { recursive: true, force: true });
}

const REMOVAL_MS = 60_000;

/** Names of the images in podman's store. */
export async function imageNames(): Promise<ReadonlySet<string>> {
  return new Set((await run("podman", "images", "--format", "{{.Repository}}:{{.Tag}}")).split("\n"));
}

async function run(file: string, ...args: readonly string[]): Promise<string> {
  const { execa } = await import("execa"); // ESM only
  return (await execa(file, args, { all: true })).all;
}
