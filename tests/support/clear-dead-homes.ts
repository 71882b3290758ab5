import { existsSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Composition from "../../provider/compose";
import { identifyProcess, isAlive, signalProcess, type ProcessIdentity } from "../../provider/host/process-identity";
import { asCaller, environmentOf, self, testUser } from "./callers";
import { HOMES } from "./home";

// A program: takes away what tests and measurements have left that were killed, of this user and, for root, of the user
// that `scripts/setup/test-user.mjs` has made. `scripts/test/dead-homes.mjs` starts it where there is such a thing.

const DEADLINE_MS = 90_000;
/** What `npm run build` has made of the rooms: ts-node takes ten seconds for their sources. */
const BUILT = join(__dirname, "..", "..", "sdk", "dist", "provider", "compose.js");

async function main(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(HOMES.prefix))) {
    const home = join(tmpdir(), name);
    if (!isDead(home)) continue;
    process.stdout.write(`a test that was killed has left something, which goes now: ${home}\n`);
    await clear(home).catch((error: unknown) => {
      tell(error); // and go on with the others
    });
  }
}

function isDead(home: string): boolean {
  try {
    // That user's podman can only be asked where it is known who that is.
    if (statSync(home).uid !== self.uid && process.env["MAYFLY_TEST_USER"] === undefined) return false;
    return !isAlive(JSON.parse(readFileSync(join(home, HOMES.record), "utf8")) as ProcessIdentity);
  } catch {
    return false; // another kind of folder, or another user's, or it is just being made or removed
  }
}

async function clear(home: string): Promise<void> {
  for (const data of [home, join(home, "data")].filter((folder) => existsSync(join(folder, "records"))))
    await (statSync(home).uid === self.uid ? removeAll(data) : removeOfTestUser(data));
  for (const process_ of processesNaming(home)) signalProcess(process_, "SIGKILL"); // servers of tests
  rmSync(home, { recursive: true, force: true });
}

async function removeAll(data: string): Promise<void> {
  const { compose } = (await import(BUILT)) as typeof Composition;
  const { machines, networks } = compose({ ...process.env, MAYFLY_HOME: data });
  const signal = AbortSignal.timeout(DEADLINE_MS);
  for (const id of (await machines.list()).keys()) await machines.remove(id, signal);
  for (const id of (await networks.list()).keys()) await networks.remove(id, signal);
}

/** This user's podman does not have that one's containers, and that one may not see into this clone. */
async function removeOfTestUser(data: string): Promise<void> {
  const { execa } = await import("execa"); // ESM only
  const user = testUser();
  const records = join(data, "records", "machines");
  const files = existsSync(records) ? readdirSync(records) : [];
  const containers = files.map((file) => `mayfly-${file.replace(".json", "")}`);
  if (containers.length === 0) return;
  const [file = "", ...args] = asCaller(user, ["podman", "rm", "--force", "--time", "0", "--ignore", ...containers]);
  await execa(file, args, { extendEnv: false, env: environmentOf(user), cwd: "/", timeout: DEADLINE_MS });
}

function processesNaming(home: string): ProcessIdentity[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = pids.filter((pid) => commandLine(pid).includes(home)).map((pid) => identifyProcess(Number(pid)));
  return found.filter((one) => one !== undefined);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it has ended
  }
}

function tell(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}

main().catch(tell);
