import { compose } from "../provider/compose";
import type { Context } from "../provider/context";
import { step } from "../provider/host/progress";
import { note } from "./output";

/** Rooms of the provider, and how a command tells of itself and is ended. */
export type Session = Omit<Context, "known"> & Disposable;

/**
 * Opens the rooms for one command. Ctrl-C ends it as a deadline would: what was begun is cleaned up.
 *
 * @param name The command, as owner of what it makes.
 */
export function openSession(name: string): Session {
  const interrupted = new AbortController();
  const interrupt = () => {
    interrupted.abort(new Error("interrupted"));
  };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  return {
    ...compose(),
    owner: { project: "", stack: "", resource: name },
    signal: interrupted.signal,
    say: note,
    step: (title, work) => step(note, title, work),
    [Symbol.dispose]: () => {
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    },
  };
}
