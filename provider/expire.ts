import { compose } from "./compose";

const REMOVAL_MS = 60_000;

/** Ends one machine whose time is over. Started by `machines/expiry.ts` with the machine's id. */
async function main(id: string): Promise<void> {
  const { machines } = compose();
  const record = await machines.record(id);
  if (record?.expiresAt === undefined || record.expiresAt > Date.now() / 1_000 + 1) return; // its time was changed
  await machines.remove(id, AbortSignal.timeout(REMOVAL_MS));
}

void main(process.argv[2] ?? "");
