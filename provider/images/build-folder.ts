import { join } from "node:path";
import { thenCleanUp } from "../host/clean-up";
import { makeFolders } from "../host/files";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import { identifySelf, isAlive, type ProcessIdentity } from "../host/process-identity";
import { Records } from "../host/records";

/** What is on record of a build that has a folder. */
interface BuildRecord {
  readonly madeBy: ProcessIdentity;
}

type Places = Pick<Paths, "home" | "records">;

const recordsOf = ({ records }: Places) => new Records<BuildRecord>(join(records, "builds"));
const folderOf = ({ home }: Places, name: string) => join(home, "emulated", name); // as former versions name it

/**
 * Gives a build, of a Containerfile or of one whose programs are emulated, a folder for what its programs put down on their
 * way, which is gone afterwards. What is in there may be those of a user's sub-ids, which only podman's namespace may remove:
 * so it is none in `scratch`.
 *
 * @param name Names the build: whoever asks sees to it that there is one of it at a time.
 */
export async function inBuildFolder<T>(
  paths: Places,
  podman: Podman,
  name: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  await removeBuild(paths, podman, name); // of one that was killed together with us
  await recordsOf(paths).write(name, { madeBy: identifySelf() });
  const make = async () => {
    await makeFolders(folderOf(paths, name), 0o755);
    return work(folderOf(paths, name));
  };
  const left = { what: folderOf(paths, name), remedy: "mayfly prune" };
  return thenCleanUp(make, async () => removeBuild(paths, podman, name), left);
}

/** Names of the builds that were killed together with us, and whose folders are still there. Those of no readable record, too. */
export async function killedBuilds(paths: Places): Promise<string[]> {
  const records = recordsOf(paths);
  const killed = [...(await records.list())].filter(([, { madeBy }]) => !isAlive(madeBy)).map(([name]) => name);
  return [...killed, ...(await records.unreadable())];
}

/** Removes what a killed build has put down; nothing of one that is under way again by now. */
export async function removeKilledBuild(paths: Places, podman: Podman, name: string): Promise<void> {
  if ((await killedBuilds(paths)).includes(name)) await removeBuild(paths, podman, name);
}

/** Succeeds when there is nothing. */
async function removeBuild(paths: Places, podman: Podman, name: string): Promise<void> {
  await podman.script(REMOVE, [folderOf(paths, name)], { signal: AbortSignal.timeout(CLEAN_UP_MS) });
  await recordsOf(paths).remove(name);
}

/** Again where somebody who is just being killed has written there. */
const REMOVE = 'until rm -rf "$1"; do sleep 0.2; done';
const CLEAN_UP_MS = 60_000; // takes seconds; a host that swaps takes longer
