import { chmod, chown, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { self, type Caller } from "./callers";

/** Parts of a data folder that hold no machine, so that one run of the tests may have them in common. */
const PARTS = ["artefacts", "templates", "locks"];

/**
 * Lets a data folder share boot artefacts and templates with those of other tests: what boots once then starts warm in
 * all of them, as on the machine of somebody who works with one data folder. `npm test` says where; without it each test
 * boots for itself. Names that are locked, as those of the command's networks, are theirs in common.
 */
export async function shareMachineParts(data: string, { uid, gid }: Caller = self): Promise<void> {
  const kept = process.env["MAYFLY_TEST_KEPT"];
  if (kept === undefined) return;
  const shared = join(kept, `shared-${String(uid)}`);
  const makeOwn = async (folder: string, mode: number) => {
    await mkdir(folder, { recursive: true });
    await chmod(folder, mode);
    await chown(folder, uid, gid);
  };
  await makeOwn(shared, 0o711);
  await makeOwn(data, 0o711);
  for (const part of PARTS) {
    await makeOwn(join(shared, part), part === "templates" ? 0o711 : 0o700);
    await symlink(join(shared, part), join(data, part));
  }
}
