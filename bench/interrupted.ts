import { rmSync } from "node:fs";
import { compose } from "../provider/compose";

/** Where one part of the measurements has its things. */
interface Place {
  /** The data folder, in which there may be VMs. */
  readonly data: string;
  /** What goes with it: the folder that it is in. */
  readonly home: string;
}

const CLEAN_UP_MS = 12_000; // `scripts/test/run-group.mjs` gives 15 s

const places = new Set<Place>();

/** Until it is disposed of: an interrupted run removes what is there. */
export function removeIfInterrupted(place: Place): Disposable {
  places.add(place);
  return { [Symbol.dispose]: () => places.delete(place) };
}

/** From now on an interrupted run leaves no VM behind. What else it has started is of its process group, and ends with it. */
export function endCleanlyOnSignals(): void {
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => {
      void removeAll().finally(() => process.kill(process.pid, name)); // nobody listens any more: it ends the process
    });
}

async function removeAll(): Promise<void> {
  const signal = AbortSignal.timeout(CLEAN_UP_MS);
  await Promise.all([...places].map(async (place) => remove(place, signal).catch(tell)));
}

async function remove({ data, home }: Place, signal: AbortSignal): Promise<void> {
  const { machines } = compose({ ...process.env, MAYFLY_HOME: data });
  for (const id of (await machines.list()).keys()) await machines.remove(id, signal);
  rmSync(home, { recursive: true, force: true });
}

function tell(error: unknown): void {
  process.stderr.write(`${String(error)}\n`);
}
