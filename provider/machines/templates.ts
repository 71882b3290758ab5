import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { readFile, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders, readFileIfExists, writeFileAtomic } from "../host/files";
import { ifFree, isLocked, withLock } from "../host/locks";
import { PASSABLE, type Paths } from "../host/paths";
import { findContainerProgram } from "../host/podman";
import { hostBootId } from "../host/process-identity";
import { hostProcessor } from "../host/processor";
import type { BootArtefacts } from "../images/artefacts";
import { architectureOf, kernelOf } from "./plan";
import { slotCount, TEMPLATE_FILES } from "./qemu-command";
import type { MachineSpec } from "./spec";
import { describeFiles, readSound, settle, type TemplateRecord } from "./template-files";

/** The saved memory and device state of a machine that has booted and waits for its identity. */
export interface Template {
  /** Name of its folder: a digest of its {@link Shape}. */
  readonly key: string;
  readonly folder: string;
  /** SHA-256 of its state: tells it from one that was in its place before. */
  readonly state: string;
  /** Whether root's commands were seen to run on a machine that was made of it, and given no programs of its own. */
  readonly runsCommands: boolean;
}

/** All that a template and the machines made of it must agree on. */
export type Shape = Readonly<Record<string, unknown>>;

/** Raise it when devices, their order, what is on its scratch disk, or what is done before the save change. */
const FORMAT = 3;

/** The shape of a machine: what the kernel has seen when the template is saved. Mounts and ports come afterwards. */
export function shapeOf(
  spec: MachineSpec,
  boot: Pick<BootArtefacts, "version" | "architecture" | "kernel" | "pvhKernel">,
): Shape {
  return {
    format: FORMAT,
    boot: boot.version,
    kernel: kernelOf(boot, "template"),
    qemu: programVersion(architectureOf(boot).qemu),
    accelerator: spec.accelerator,
    cpu: spec.accelerator === "kvm" ? `host ${hostProcessor()}` : architectureOf(boot).emulatedCpu,
    cpus: spec.cpus,
    memoryMiB: spec.memoryMiB,
    scratchMiB: spec.scratchMiB ?? 0,
    slots: slotCount(spec),
    kernelArgs: spec.kernelArgs,
  };
}

/** What changes when a program is another one; asking it for its version would cost as much as a restore. */
function programVersion(name: string): string {
  const path = findContainerProgram(name);
  if (path === undefined) return "missing";
  const { size, mtimeMs } = statSync(path);
  return `${path} ${String(size)} ${String(mtimeMs)}`;
}

/** What is known of a shape that no template can be made of. */
interface Refusal {
  readonly reason: string;
  readonly bootId: string;
  /** When one may try again, in milliseconds since 1970; absent where it would be in vain. */
  readonly until?: number;
}

/** A template as `mayfly template ls` shows it. */
export interface ListedTemplate {
  readonly key: string;
  readonly shape: Shape;
  /** What its memory takes of the disk. */
  readonly bytes: number;
  /** Seconds since 1970. */
  readonly usedAt: number;
}

const RECORD = "template.json";
const UNFIT = ".unfit.json"; // behind the key: a file instead of a folder
const TOO_SLOW = / (?:after|within) \d+ s$/; // in the words of guest/agent.sh
const SLOW_MS = 15 * 60_000;
const RUNS_COMMANDS = "runs-commands"; // see Template
const DRAFT = ".draft"; // behind the key: what is being made, under the lock of the key; see lockOf
const CAP_BYTES = 8 * 1024 ** 3; // some fifty templates

/** The templates of this host: found, made once, checked before each use, and thrown out when there are too many. */
export class Templates {
  /**
   * @param paths Where they are kept.
   * @param capBytes What they may take of the disk before a new one is made.
   */
  constructor(
    private readonly paths: Paths,
    private readonly capBytes = CAP_BYTES,
  ) {}

  /** Key of a shape. */
  static key(shape: Shape): string {
    return createHash("sha256").update(JSON.stringify(shape)).digest("hex").slice(0, 16);
  }

  /** Finds a template that can be trusted; `undefined` when there is none. What can't be trusted is removed. */
  async find(key: string): Promise<Template | undefined> {
    const folder = this.folder(key);
    const text = await readFileIfExists(join(folder, RECORD));
    if (text === undefined) return undefined;
    const record = await readSound(folder, text);
    if (record === undefined) {
      await this.remove(key);
      return undefined;
    }
    const now = new Date();
    await utimes(join(folder, RECORD), now, now); // when it was last used
    const { state } = record;
    return { key, folder, state, runsCommands: (await readFileIfExists(join(folder, RUNS_COMMANDS))) === state };
  }

  /**
   * Finds a template or makes it; one process makes it, others wait.
   *
   * @param make Fills the folder with {@link TEMPLATE_FILES}; the memory's is there, and empty.
   * @param inUse Keys of templates that machines run from: not to be thrown out.
   */
  async ensure(
    shape: Shape,
    signal: AbortSignal,
    make: (draft: string) => Promise<void>,
    inUse: () => Promise<ReadonlySet<string>>,
  ): Promise<Template> {
    const key = Templates.key(shape);
    return (
      (await this.find(key)) ??
      withLock(this.paths.locks, lockOf(key), signal, async () => {
        const known = await this.find(key);
        if (known !== undefined) return known;
        await this.makeRoom(await inUse());
        const draft = this.folder(key + DRAFT);
        await rm(draft, { recursive: true, force: true }); // of a maker that was killed
        await makeFolders(draft, PASSABLE);
        try {
          // qemu would make it for all to read. It takes an empty file as it is, and gives it its size.
          await writeFile(join(draft, TEMPLATE_FILES.memory), "", { mode: 0o600 });
          await make(draft);
          return await this.finish(key, shape, draft);
        } finally {
          await rm(draft, { recursive: true, force: true });
        }
      })
    );
  }

  /** Notes that root's commands run on a machine that was made of it. */
  async noteRunsCommands({ folder, state }: Template): Promise<void> {
    try {
      await writeFileAtomic(join(folder, RUNS_COMMANDS), state); // in another's place it says nothing of that one
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // it was removed meanwhile
    }
  }

  /**
   * Notes that no template can be made of this shape, so that nobody tries again before the host's next boot; or, where the
   * guest only took too long, as it does on a busy host, within the next quarter of an hour.
   */
  async refuse(key: string, reason: string): Promise<void> {
    const until = TOO_SLOW.test(reason) ? Date.now() + SLOW_MS : undefined;
    const refusal: Refusal = { reason, bootId: hostBootId(), ...(until !== undefined && { until }) };
    await writeFileAtomic(this.folder(key + UNFIT), JSON.stringify(refusal));
  }

  /** Why no template can be made of a shape; `undefined` when that is not known. */
  async refusal(key: string): Promise<string | undefined> {
    const text = await readFileIfExists(this.folder(key + UNFIT));
    const { reason, bootId, until = Infinity } = (text === undefined ? {} : JSON.parse(text)) as Partial<Refusal>;
    return bootId === hostBootId() && Date.now() < until ? reason : undefined;
  }

  /** Removes such notes where they do not hold any more. */
  async removeOldRefusals(): Promise<void> {
    for (const name of await readdir(this.paths.templates)) {
      if (!name.endsWith(UNFIT) || (await this.refusal(name.slice(0, -UNFIT.length))) !== undefined) continue;
      await rm(this.folder(name), { force: true });
    }
  }

  /** All templates, the most recently used first. Says nothing about whether they can be trusted. */
  async list(): Promise<ListedTemplate[]> {
    const names = await readdir(this.paths.templates);
    const found = await Promise.all(names.map(async (key) => this.listed(key)));
    return found.filter((template) => template !== undefined).sort((a, b) => b.usedAt - a.usedAt);
  }

  private async listed(key: string): Promise<ListedTemplate | undefined> {
    try {
      const file = join(this.folder(key), RECORD);
      const { shape } = JSON.parse(await readFile(file, "utf8")) as TemplateRecord;
      const memory = await stat(join(this.folder(key), TEMPLATE_FILES.memory));
      return { key, shape, bytes: memory.blocks * 512, usedAt: (await stat(file)).mtimeMs / 1_000 };
    } catch {
      return undefined; // a draft, a note, or one that is just removed
    }
  }

  /** Removes a template. Machines that run from it keep its memory as long as they need it. */
  async remove(key: string): Promise<void> {
    // Again, should a note come into it meanwhile: that it is on the disk (see settle), that commands run.
    await rm(this.folder(key), { recursive: true, force: true, maxRetries: 5 });
  }

  /** Keys of templates whose maker was killed before they were finished: there is a draft, and nobody works on it. */
  async killed(): Promise<string[]> {
    const drafts = (await readdir(this.paths.templates)).filter((name) => name.endsWith(DRAFT));
    const keys = drafts.map((name) => name.slice(0, -DRAFT.length));
    const held = await Promise.all(keys.map(async (key) => isLocked(this.paths.locks, lockOf(key))));
    return keys.filter((_, index) => held[index] === false);
  }

  /** Removes what a killed maker has left; nothing of one that is under way again by now. */
  async removeKilled(key: string): Promise<void> {
    await ifFree(this.paths.locks, lockOf(key), async () =>
      rm(this.folder(key + DRAFT), { recursive: true, force: true }),
    );
  }

  private async finish(key: string, shape: Shape, draft: string): Promise<Template> {
    const record = await describeFiles(draft, shape);
    await writeFileAtomic(join(draft, RECORD), JSON.stringify(record));
    await this.remove(key);
    const folder = this.folder(key);
    await rename(draft, folder);
    void settle(folder).catch(() => undefined); // then it is good for this boot of the host only
    return { key, folder, state: record.state, runsCommands: false };
  }

  /** Throws out what killed makers have left, then the templates that were not used for longest, down to the cap. */
  private async makeRoom(inUse: ReadonlySet<string>): Promise<void> {
    for (const key of await this.killed()) await this.removeKilled(key);
    const names = (await readdir(this.paths.templates)).filter((name) => !name.endsWith(DRAFT));
    const found = await Promise.all(
      names.map(async (key) => {
        const used = await stat(join(this.folder(key), RECORD)).catch(() => undefined);
        const memory = await stat(join(this.folder(key), TEMPLATE_FILES.memory)).catch(() => undefined);
        return { key, used: used?.mtimeMs ?? Date.now(), bytes: (memory?.blocks ?? 0) * 512 };
      }),
    );
    let bytes = found.reduce((sum, template) => sum + template.bytes, 0);
    for (const template of found.sort((a, b) => a.used - b.used)) {
      if (bytes <= this.capBytes) return;
      if (inUse.has(template.key)) continue;
      await this.remove(template.key);
      bytes -= template.bytes;
    }
  }

  private folder(key: string): string {
    return join(this.paths.templates, key);
  }
}

/** What whoever makes a template holds meanwhile. */
function lockOf(key: string): string {
  return `template-${key}`;
}
