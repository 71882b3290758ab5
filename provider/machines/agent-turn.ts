import { forgetLock, withLock } from "../host/locks";
import { Agent } from "./agent";
import type { Shelf } from "./shelf";

/**
 * Talks to a running machine's agent. One process at a time does: what two heard of the same pipes, neither would hear as a
 * whole. Who makes the machine is alone with it anyway.
 */
export async function withAgent<T>(
  shelf: Shelf,
  id: string,
  signal: AbortSignal,
  work: (agent: Agent) => Promise<T>,
): Promise<T> {
  return withLock(shelf.paths.locks, lockOf(id), signal, async () => {
    using agent = new Agent(shelf.shared(id));
    return await work(agent); // before it is disposed of
  });
}

/** Removes what {@link withAgent} leaves of a machine. */
export async function forgetTurns({ paths }: Shelf, id: string): Promise<void> {
  await forgetLock(paths.locks, lockOf(id));
}

function lockOf(id: string): string {
  return `agent-${id}`;
}
