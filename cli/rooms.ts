import type { Context } from "../provider/context";
import type { Paths } from "../provider/host/paths";
import { clearProgress, note, onNoOutput, showProgress } from "./output";

/** Rooms of the provider, and how a command tells of itself and is ended. */
export type Session = Omit<Context, "known" | "leaving"> & Disposable & { readonly paths: Paths };

/**
 * Opens the rooms for one command. Ctrl-C ends it as a deadline would: what was begun is cleaned up. Warnings are
 * shown always, progress as {@link showProgress} has it.
 *
 * @param name The command, as owner of what it makes.
 */
export async function openSession(name: string): Promise<Session> {
  const [{ compose }, { openPaths }, { step }] = await Promise.all([
    import("../provider/compose.js"),
    import("../provider/host/paths.js"),
    import("../provider/host/progress.js"),
  ]);
  const interrupted = new AbortController();
  const interrupt = () => {
    interrupted.abort(new Interrupted());
  };
  // Who presses Ctrl-C again wants no clean-up. Not by `once`: what runs host programs for us (execa's signal-exit) ends the
  // process for a signal that nobody else listens to, and who listens once does no longer then.
  const onCtrlC = () => {
    if (interrupted.signal.aborted) {
      process.off("SIGINT", onCtrlC);
      process.kill(process.pid, "SIGINT");
    } else interrupt();
  };
  process.on("SIGINT", onCtrlC);
  for (const signal of FROM_OUTSIDE) process.on(signal, interrupt); // a terminal that closes may send several
  onNoOutput(interrupt);
  const paths = openPaths();
  const rooms = compose();
  return {
    ...rooms,
    paths,
    owner: { project: "", stack: "", resource: `mayfly ${name}` },
    signal: interrupted.signal,
    say: (text) => {
      if (text.startsWith("warning:")) note(text);
      else showProgress(text);
    },
    step: async (title, work) => {
      try {
        return await step(showProgress, title, work);
      } finally {
        clearProgress();
      }
    },
    [Symbol.dispose]: () => {
      clearProgress();
      rooms.ssh.recordEnd();
      process.off("SIGINT", onCtrlC);
      for (const signal of FROM_OUTSIDE) process.off(signal, interrupt);
    },
  };
}

/** An end from outside, and a terminal that is closed. */
const FROM_OUTSIDE = ["SIGTERM", "SIGHUP"] as const;

/** Ctrl-C, or what means the same. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  /** Without a word of its own: whoever pressed the keys knows. */
  constructor() {
    super("interrupted");
  }
}
