import { once } from "node:events";
import { rm } from "node:fs/promises";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { compose } from "./compose";
import { reap } from "./reap";

const REMOVAL_MS = 60_000;
const ATTEMPTS = 5;
const PAUSE_MS = 2_000; // also what a `podman run` that a killed session has left takes to be seen
const LIFELINE = 3; // the descriptor that `startLifeline` gives

/**
 * Removes a machine when the session that it was made for has ended, in whatever way. Started by the command before the
 * machine is there, with the machine's id and its own log, which it leaves only when it could not do its work.
 */
async function main(id: string, log: string): Promise<void> {
  const session = new Socket({ fd: LIFELINE, readable: true });
  session.on("error", () => undefined); // an end like another
  session.resume();
  await once(session, "close");
  const { machines, networks } = compose();
  const record = await machines.record(id);
  if (record === undefined) {
    await machines.forget(id); // the session has cleaned up itself, or was killed at the first word of the record
    await rm(log, { force: true });
    return;
  }
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    try {
      await machines.remove(id, AbortSignal.timeout(REMOVAL_MS));
      if (record.phase === "starting") {
        // It was killed while it made the machine: podman may be at work still, and a template half made.
        await sleep(PAUSE_MS);
        await machines.remove(id, AbortSignal.timeout(REMOVAL_MS));
        const signal = AbortSignal.timeout(REMOVAL_MS);
        await reap({ machines, networks, owner: record.owner, known: new Set(), signal, say });
      }
      break;
    } catch (error) {
      say(`attempt ${String(attempt)}: ${String(error)}`);
      if (attempt === ATTEMPTS) return;
      await sleep(PAUSE_MS);
    }
  }
  await rm(log, { force: true });
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}

void main(process.argv[2] ?? "", process.argv[3] ?? "");
