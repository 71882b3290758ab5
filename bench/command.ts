import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { atMost, median, seconds, series, timed, type Figure } from "./figures";

const MAIN = join(__dirname, "..", "sdk", "dist", "cli", "main.js");
const RUNS = 20;

/** How long `mayfly` takes before it can do anything: loads nothing that a verb would need. */
export async function measureCommand(): Promise<readonly Figure[]> {
  const run = async (...args: string[]) => {
    const times = await series(RUNS, async () =>
      timed(() => Promise.resolve(execFileSync(process.execPath, args, { stdio: "ignore" }))),
    );
    return median(times.map((one) => one.seconds));
  };
  const [node, version] = [await run("--eval", ""), await run(MAIN, "--version")];
  return [
    { what: `node, with nothing to do (median of ${String(RUNS)})`, value: seconds(node) },
    atMost(`\`mayfly --version\` (median of ${String(RUNS)})`, version, 0.15),
  ];
}
