import { setTimeout as sleep } from "node:timers/promises";
import { compose } from "./compose";

const REMOVAL_MS = 60_000;
const ATTEMPTS = 5;
const PAUSE_MS = 10_000; // podman may be busy, or another process at work on the machine
const SHORTLY_MS = 3_600_000; // a clock that was set back is looked at again within the hour

/** Ends one machine whose time is over. Started by `machines/expiry.ts` with the machine's id. */
async function main(id: string): Promise<void> {
  const { machines } = compose();
  for (let attempt = 1; attempt <= ATTEMPTS;) {
    const record = await machines.record(id);
    if (record?.expiresAt === undefined) return; // gone already, or for good by now
    // Who changes its time ends this process, and starts another one: here it is the clock that was changed.
    const leftMs = record.expiresAt * 1_000 - Date.now();
    if (leftMs > 0) {
      await sleep(Math.min(leftMs, SHORTLY_MS));
      continue;
    }
    try {
      await machines.remove(id, AbortSignal.timeout(REMOVAL_MS));
      return;
    } catch (error) {
      process.stderr.write(`${new Date().toISOString()} attempt ${String(attempt)}: ${String(error)}\n`);
      await sleep(PAUSE_MS);
      attempt += 1;
    }
  }
}

void main(process.argv[2] ?? "");
