import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";

/**
 * Ends what is left of containers whose start was cut off. A podman that is killed after the runtime has made a container
 * and before it has started it (a terminal that is closed just then is enough) leaves a process that waits to be started,
 * and conmon(8), which watches over it. `podman rm` removes the container and knows of neither.
 *
 * @param names The containers', as podman was told them.
 */
export async function endUnstarted(names: readonly string[]): Promise<void> {
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  await Promise.all(numbers.map(async (monitor) => (await watches(monitor, names)) && endChildren(monitor)));
}

/** Whether a process is the conmon of one of the containers. */
async function watches(pid: string, names: readonly string[]): Promise<boolean> {
  const [program = "", ...args] = (await read(`/proc/${pid}/cmdline`)).split("\0");
  return basename(program) === "conmon" && names.includes(args[args.indexOf("-n") + 1] ?? "");
}

/** Then their monitor ends by itself, after it has tidied up. */
async function endChildren(pid: string): Promise<void> {
  const children = (await read(`/proc/${pid}/task/${pid}/children`)).split(" ").filter(Boolean);
  for (const child of children) {
    try {
      process.kill(Number(child), "SIGKILL");
    } catch {
      // it has just ended
    }
  }
}

/** Nothing where the process has ended, or is somebody else's. */
async function read(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}
