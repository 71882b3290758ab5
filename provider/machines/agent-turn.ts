import { withLock } from "../host/locks";
import { Agent } from "./agent";
import type { Shelf } from "./shelf";

/** The lock of that turn. */
export function agentLock(id: string): string {
  return `agent-${id}`;
}

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
  return withLock(shelf.paths.locks, agentLock(id), signal, async () => {
    using agent = new Agent(shelf.shared(id));
    return await work(agent); // before it is disposed of
  });
}
