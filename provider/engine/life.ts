import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError } from "../errors";
import { watchEngine } from "./engine-watch";

/** How the engine ends a plugin: SIGINT to its process group, SIGKILL 5 s later (`plugin.go`). We take less. */
const ENGINE_PATIENCE_MS = 4_000;
/** Nobody waits for us when the engine is gone; so long work may still clean up behind itself. */
const ORPHAN_PATIENCE_MS = 60_000;

/**
 * The life of this process: what runs in it, and what happens before it ends.
 *
 * Measured with Pulumi 3.255: at the end of each `up`, also of one that failed or was cancelled by one ^C, the engine
 * has saved its state and sends SIGINT. At a second ^C it sends it in the middle of whatever runs.
 */
export class Life {
  readonly #running = new Map<AbortController, Promise<unknown>>();
  #watched = false;

  /** @param onOrderlyEnd Called when the engine ends us, before anything else. Must not wait. */
  constructor(private readonly onOrderlyEnd: () => void) {}

  /** Runs work that ends early, by its signal, when the process has to. */
  async run<T>(work: (ended: AbortSignal) => Promise<T>): Promise<T> {
    this.#watch();
    const controller = new AbortController();
    const running = work(controller.signal);
    this.#running.set(controller, running);
    try {
      return await running;
    } finally {
      this.#running.delete(controller);
    }
  }

  #watch(): void {
    if (this.#watched) return;
    this.#watched = true;
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => {
        this.onOrderlyEnd();
        void this.#end(signal, ENGINE_PATIENCE_MS, "Pulumi ended the run");
      });
    watchEngine(() => {
      void this.#end("SIGTERM", ORPHAN_PATIENCE_MS, "Pulumi's engine is gone");
    });
  }

  /** Ends the work, then the process: by the same signal, as if nobody had listened to it. */
  async #end(signal: NodeJS.Signals, patienceMs: number, why: string): Promise<void> {
    const error = new MayflyError("CANCELLED", why, { remedy: "pulumi up" });
    for (const controller of this.#running.keys()) controller.abort(error);
    if (this.#running.size > 0)
      await Promise.race([Promise.allSettled(this.#running.values()), sleep(patienceMs, undefined, { ref: false })]);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
}
