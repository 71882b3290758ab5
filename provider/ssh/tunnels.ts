import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { MayflyError } from "../errors";
import { startDetached } from "../host/detached";
import { readFileIfExists, writeFileAtomic } from "../host/files";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import { portProblem } from "../host/ports";
import { isAlive, type ProcessIdentity } from "../host/process-identity";
import { until } from "../host/until";
import { identifyServer, nameOf, type Endpoint } from "./endpoint";
import { ask, type Answer, type Request } from "./tunnel-control";
import { RECORD } from "./tunnel-keeper";
import type { Forward, Place, TunnelRecord } from "./tunnel-spec";

export type { Forward, Place };

/** Where a tunnel leads, and where its files are. */
export interface TunnelSite {
  /** Its folder, in one that is there: a machine's, so that the tunnel goes with the machine. */
  readonly folder: string;
  readonly endpoint: Endpoint;
  /** A file with the private key, for one that may change. Then the endpoint needs none. */
  readonly privateKeyFile?: string | undefined;
}

const START_MS = 15_000; // 0.2 s on an idle host
const END_MS = 10_000;
const EVIDENCE_LINES = 8;

/** Forwards that outlive this process, each tunnel in the hands of a process of its own. */
export class Tunnels {
  /** @param script The keeper's program. */
  constructor(
    private readonly paths: Pick<Paths, "home" | "locks">,
    private readonly script = join(__dirname, "..", "tunnel.js"),
  ) {}

  /** The folder of a tunnel to a host that is no machine of ours. */
  async folderFor(endpoint: Endpoint): Promise<string> {
    const name = JSON.stringify([identifyServer(endpoint), endpoint.user ?? "root"]);
    await mkdir(join(this.paths.home, "tunnels"), { recursive: true, mode: 0o700 });
    return join(this.paths.home, "tunnels", createHash("sha256").update(name).digest("hex").slice(0, 16));
  }

  /**
   * Sees to it that a forward stands; returns where it listens.
   *
   * @param preferredPort Taken for port 0 if it is free.
   * @throws {MayflyError} `PORT_TAKEN`, `BAD_INPUT`, `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `BAD_KEY`.
   */
  async open(site: TunnelSite, forward: Forward, preferredPort: number, signal: AbortSignal): Promise<Place> {
    const { place } = await this.#ask(site, { verb: "add", forward, preferredPort }, signal);
    if (place === undefined) throw new Error("the keeper of the tunnel did not say where it listens");
    return place;
  }

  /** Why a forward can't listen at a port of this host: `is taken by nginx (pid 12)`; `undefined` when it can. */
  async portProblem(hostAddress: string, host: number, signal: AbortSignal): Promise<string | undefined> {
    return portProblem({ hostAddress, host, protocol: "tcp" }, signal);
  }

  /** Whether a forward stands; not whether its guest does. Takes microseconds. */
  async has(folder: string, id: string): Promise<boolean> {
    return (await this.standing(folder)).some((one) => one.id === id);
  }

  /** The forwards of a tunnel that stand: none does whose keeper has ended, or whose place somebody else has. */
  async standing(folder: string): Promise<readonly Forward[]> {
    const record = await read(folder);
    if (record?.keeper === undefined || !isAlive(record.keeper)) return [];
    return record.forwards.filter(({ id }) => record.waiting?.includes(id) !== true);
  }

  /** The forwards that a tunnel is to have, standing or not, with the ports that they have. */
  async list(folder: string): Promise<readonly Forward[]> {
    return (await read(folder))?.forwards ?? [];
  }

  /** Ends a forward, and with the last one the tunnel. Succeeds when it is already gone. Needs no guest. */
  async close(folder: string, id: string, signal: AbortSignal): Promise<void> {
    await withLock(this.paths.locks, lockOf(folder), signal, async () => {
      const record = await read(folder);
      if (record === undefined) return;
      if (record.keeper !== undefined && isAlive(record.keeper)) await removeBy(record.keeper, folder, id, signal);
      else {
        const forwards = record.forwards.filter((one) => one.id !== id);
        if (forwards.length > 0) await write(folder, { ...record, forwards });
        else await rm(join(folder, RECORD), { force: true });
      }
      if ((await read(folder)) === undefined) await rm(folder, { recursive: true, force: true });
    });
  }

  /** Asks a keeper; starts it first where there is none. */
  async #ask(site: TunnelSite, request: Request, signal: AbortSignal): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      await withLock(this.paths.locks, lockOf(site.folder), signal, () => this.#ensure(site, signal));
      try {
        return await ask(site.folder, request, signal);
      } catch (error) {
        // It may have ended between the two, with its last forward.
        if (error instanceof MayflyError || attempt === 3) throw error;
        signal.throwIfAborted();
      }
    }
  }

  async #ensure(site: TunnelSite, signal: AbortSignal): Promise<void> {
    const { folder, endpoint, privateKeyFile } = site;
    const old = await read(folder);
    if (old?.keeper !== undefined && isAlive(old.keeper)) {
      const isSame = isDeepStrictEqual(plain(old.endpoint), plain(endpoint)) && old.privateKeyFile === privateKeyFile;
      const isThere = await greetOrEnd(old.keeper, folder, signal);
      if (isThere && !isSame) await ask(folder, { verb: "change", endpoint, privateKeyFile }, signal);
      if (isThere) return;
    }
    await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    });
    await write(folder, { endpoint, privateKeyFile, forwards: (await read(folder))?.forwards ?? [] });
    await this.#start(site, signal);
  }

  async #start({ folder, endpoint }: TunnelSite, signal: AbortSignal): Promise<void> {
    const log = join(folder, "tunnel.log");
    const diagnose = async () => ({
      evidence: (await readFile(log, "utf8").catch(() => "")).trim().split("\n").slice(-EVIDENCE_LINES).join("\n"),
      remedy: `see ${log}, and try again: pulumi up`,
    });
    const keeper = await startDetached(process.execPath, [this.script, folder], log);
    const answers = async () => {
      if (!isAlive(keeper))
        throw new MayflyError("CONNECT_FAILED", `the tunnel to ${nameOf(endpoint)} did not start`, await diagnose());
      return greet(folder, signal);
    };
    const patience = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    await until("the tunnel's keeper answers", answers, { signal: patience, interval: 20, diagnose });
  }
}

async function read(folder: string): Promise<TunnelRecord | undefined> {
  const text = await readFileIfExists(join(folder, RECORD));
  return text === undefined ? undefined : (JSON.parse(text) as TunnelRecord);
}

async function write(folder: string, record: TunnelRecord): Promise<void> {
  await writeFileAtomic(join(folder, RECORD), `${JSON.stringify(record, null, 2)}\n`);
}

async function greet(folder: string, signal: AbortSignal): Promise<true | undefined> {
  try {
    await ask(folder, { verb: "hello" }, signal);
    return true;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Whether a keeper answers; `false` once it has ended. One that starts or ends is neither for a moment. */
async function greetOrEnd(keeper: ProcessIdentity, folder: string, signal: AbortSignal): Promise<boolean> {
  const look = async () => (await greet(folder, signal)) ?? (isAlive(keeper) ? undefined : false);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(END_MS)]);
  return until("a tunnel's keeper answers or ends", look, {
    signal: patience,
    interval: 20,
    diagnose: () => stuck(keeper),
  });
}

/** Lets a keeper end a forward, and waits for its own end where that was the last. */
async function removeBy(keeper: ProcessIdentity, folder: string, id: string, signal: AbortSignal): Promise<void> {
  const { ends = false } = await ask(folder, { verb: "remove", id }, signal).catch((error: unknown): Answer => {
    if (error instanceof MayflyError) throw error;
    return { ends: true }; // it ends already
  });
  if (!ends) return;
  const look = () => Promise.resolve(isAlive(keeper) ? undefined : true);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(END_MS)]);
  await until("a tunnel's keeper ends", look, { signal: patience, interval: 20, diagnose: () => stuck(keeper) });
}

function stuck({ pid }: ProcessIdentity): { remedy: string } {
  return { remedy: `end it by hand, and run again: kill -9 ${String(pid)}` };
}

function lockOf(folder: string): string {
  return `tunnel-${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`;
}

/** As it comes back from the disk. */
function plain(endpoint: Endpoint): unknown {
  return JSON.parse(JSON.stringify(endpoint));
}
