import { readFileSync } from "node:fs";

const INTERVAL_MS = 1_000; // a look costs some 30 µs

/**
 * Calls back when Pulumi's engine is gone without having ended us: killed, or crashed. Nobody else would notice.
 * (Measured with 3.255: after `kill -9` of `pulumi` in the middle of a `create` this process lives on for ever.)
 *
 * The engine starts a plugin as the leader of a process group of its own; the leader is a shell that runs us, or we
 * ourselves. So the leader's parent is the engine, and a new parent means that the engine is gone.
 *
 * @returns Ends the watch.
 */
export function watchEngine(onGone: () => void): () => void {
  const leader = statOf("self")?.group;
  const engine = leader === process.pid || leader === process.ppid ? statOf(leader)?.parent : undefined;
  if (leader === undefined || engine === undefined) return () => undefined; // started by hand
  const timer = setInterval(() => {
    if (statOf(leader)?.parent === engine) return;
    clearInterval(timer);
    onGone();
  }, INTERVAL_MS).unref();
  return () => {
    clearInterval(timer);
  };
}

/** Parent and group of a process: fields 4 and 5 of proc(5) `/proc/PID/stat`. */
function statOf(pid: number | "self"): { parent: number; group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
    // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
    const [, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(parent), group: Number(group) };
  } catch {
    return undefined; // gone
  }
}
