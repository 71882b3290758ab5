import { EventEmitter, once } from "node:events";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError } from "../errors";
import { FolderWatch } from "./folder-watch";
import type { Remote } from "./remote";
import { sync, type Synced, type SyncRequest } from "./sync";
import { excluding } from "./sync-tree";

/** A folder of this host that a server's is kept like. */
export interface WatchRequest extends Omit<SyncRequest, "direction" | "lastBegun"> {
  /** How long nothing may change before a sync, in milliseconds. What never rests is synced once a second. @default 50 */
  readonly debounceMs?: number | undefined;
  /** Told of each sync, one after the other. */
  readonly onSync: (outcome: WatchOutcome) => void;
}

/** How one sync ended. */
export type WatchOutcome =
  ({ readonly kind: "synced" } & Synced) | { readonly kind: "failed"; readonly error: unknown };

const DEBOUNCE_MS = 50;
const LONGEST_MS = 1_000; // for a folder that never rests
const RETURN_MS = 200; // between looks for a folder that is gone: there is nothing to watch
const PASSING_FAILURES = 3; // in a row that nobody need hear of: an editor made a file and removed it meanwhile

/** Syncs now, and again after each change, until the signal fires. */
export async function watchSync(remote: Remote, request: WatchRequest): Promise<void> {
  const { debounceMs = DEBOUNCE_MS, onSync, ...what } = request;
  const { signal } = remote;
  const changes = new Changes(debounceMs, signal);
  using folder = new FolderWatch(what.localPath, await excluding(what.exclude), () => changes.note());
  let lastBegun: number | undefined;
  let passing = 0;
  while (!signal.aborted) {
    changes.forget();
    const begun = Math.floor(Date.now() / 1_000);
    const outcome = await attempt(async () => {
      await folder.follow();
      return sync(remote, { ...what, direction: "up", lastBegun });
    });
    if (isAborted(signal)) return;
    if (outcome.kind === "synced") lastBegun = begun;
    passing = changes.areThere && isOfFiles(outcome) ? passing + 1 : 0;
    if (passing === 0 || passing > PASSING_FAILURES) onSync(outcome);
    await (isMissing(outcome) ? comesBack(what.localPath, signal) : changes.rest()).catch(unlessAborted(signal));
  }
}

/** Changes as they come, in bursts. */
class Changes {
  readonly #emitter = new EventEmitter();
  #first: number | undefined;
  #last = 0;

  constructor(
    private readonly debounceMs: number,
    private readonly signal: AbortSignal,
  ) {}

  /** Whether there was one since the last `forget`. */
  get areThere(): boolean {
    return this.#first !== undefined;
  }

  note(): void {
    this.#last = performance.now();
    this.#first ??= this.#last;
    this.#emitter.emit("change");
  }

  forget(): void {
    this.#first = undefined;
  }

  /** Waits for a change, if there was none, and until it is over. */
  async rest(): Promise<void> {
    if (this.#first === undefined) await once(this.#emitter, "change", { signal: this.signal });
    for (;;) {
      const end = Math.min(this.#last + this.debounceMs, (this.#first ?? 0) + LONGEST_MS);
      const left = end - performance.now();
      if (left <= 0) return;
      await sleep(left, undefined, { signal: this.signal });
    }
  }
}

async function attempt(work: () => Promise<Synced>): Promise<WatchOutcome> {
  try {
    return { kind: "synced", ...(await work()) };
  } catch (error) {
    return { kind: "failed", error };
  }
}

async function comesBack(folder: string, signal: AbortSignal): Promise<void> {
  while ((await stat(folder).catch(() => undefined))?.isDirectory() !== true)
    await sleep(RETURN_MS, undefined, { signal });
}

function isMissing(outcome: WatchOutcome): boolean {
  return codeOf(outcome) === "NOT_FOUND";
}

function isOfFiles(outcome: WatchOutcome): boolean {
  return ["COPY_FAILED", "TOOL_FAILED"].includes(codeOf(outcome));
}

function codeOf(outcome: WatchOutcome): string {
  return outcome.kind === "failed" && outcome.error instanceof MayflyError ? outcome.error.code : "";
}

/** TypeScript takes a signal that was seen alive for one that stays so. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function unlessAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
