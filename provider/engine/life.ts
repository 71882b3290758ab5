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
  readonly #stops: (() => void)[] = [];
  #ending = false;

  /** @param onOrderlyEnd Called when the engine ends us, before anything else. Must not wait. */
  constructor(private readonly onOrderlyEnd: () => void) {}

  /** Runs work that ends early, by its signal, when the process has to. */
  async run<T>(work: (ended: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const running = work(controller.signal);
    this.#running.set(controller, running);
    try {
      return await running;
    } finally {
      this.#running.delete(controller);
    }
  }

  /** Starts to listen for the end. More calls do nothing more. */
  watch(): void {
    if (this.#stops.length > 0) return;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const onSignal = () => {
        if (this.#ending) return;
        this.onOrderlyEnd();
        this.#end(signal, ENGINE_PATIENCE_MS, "Pulumi ended the run");
      };
      // Not `once`: execa listens, too, while a program runs (signal-exit), and kills us where it is the last to listen.
      process.on(signal, onSignal);
      this.#stops.push(() => process.off(signal, onSignal));
    }
    this.#stops.push(
      watchEngine(() => {
        this.#end("SIGTERM", ORPHAN_PATIENCE_MS, "Pulumi's engine is gone");
      }),
    );
  }

  /** Ends the work, then the process: by a signal that we do not listen to any more, as if we never had. */
  #end(signal: NodeJS.Signals, patienceMs: number, why: string): void {
    if (this.#ending) return;
    this.#ending = true;
    const error = new MayflyError("CANCELLED", why, {
      remedy: "run `pulumi up` again; it goes on from where this ended",
    });
    for (const controller of this.#running.keys()) controller.abort(error);
    const kill = () => {
      for (const stop of this.#stops) stop();
      process.kill(process.pid, signal);
    };
    if (this.#running.size === 0) kill();
    else void Promise.race([Promise.allSettled(this.#running.values()), sleep(patienceMs)]).then(kill);
  }
}
