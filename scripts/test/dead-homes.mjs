import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runGroup } from "./run-group.mjs";

const DEADLINE_MINUTES = 3;

/**
 * Takes away what tests and measurements have left that were killed, by a deadline or by Ctrl-C, now or in a run before:
 * VMs and folders. What ends by itself has left nothing.
 *
 * @param {import("../setup/host.mjs").Host} host Where programs are started.
 */
export async function clearDeadHomes({ env, root }) {
  const place = env["TMPDIR"] ?? tmpdir();
  if (!readdirSync(place).some((name) => isHome(place, name))) return;
  const program = join(root, "tests", "support", "clear-dead-homes.ts");
  await runGroup("node", ["--require", "ts-node/register", program], {
    env: { ...env, TS_NODE_PROJECT: join(root, "tests", "tsconfig.json"), TS_NODE_TRANSPILE_ONLY: "true" },
    cwd: root,
    deadlineMs: DEADLINE_MINUTES * 60_000,
  });
}

/**
 * As `tests/support/home.ts` makes it.
 *
 * @param {string} place The folder of temporary files.
 * @param {string} name In it.
 */
function isHome(place, name) {
  return name.startsWith("mayfly ") && existsSync(join(place, name, "made-by.json"));
}
