import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stepChart } from "./chart";
import { measureCommand } from "./command";
import { seconds, table, type Figure } from "./figures";
import { measureFleet } from "./fleet";
import { describeHost, otherLoad } from "./host";
import { writeMarkdown } from "./page";
import { measureReach } from "./reach/reach";
import { measureWarmBoot } from "./warm-boot";

const DOCS = join(__dirname, "..", "docs");
const BUSY = 0.25; // of a core: what a host that does nothing stays below

/**
 * Measures everything in one run and writes `docs/bench.md` and `docs/warm-boot.svg`. With `reach` as its argument it only
 * measures that part, or what of it is named after it (`reach commands copies`), and writes nothing.
 */
async function main(): Promise<void> {
  const [part, ...only] = process.argv.slice(2);
  if (part === "reach") {
    show("Reach", await measureReach(only));
    return;
  }
  if (part !== undefined)
    throw new Error(`no part "${part}"; there is "reach", which may have names of its parts after it`);
  const loadBefore = await otherLoad();
  const boots = await measureWarmBoot();
  show("Boot", boots.figures);
  const fleet = await measureFleet(boots.warm);
  show("Fleet", fleet);
  const reach = await measureReach();
  show("Reach", reach);
  const command = await measureCommand();
  show("Command", command);
  mkdirSync(DOCS, { recursive: true });
  writeFileSync(join(DOCS, "warm-boot.svg"), stepChart(`One warm create, ${seconds(boots.warm)}`, boots.steps));
  const load = Math.max(loadBefore, await otherLoad());
  const busy =
    load > BUSY
      ? `\n\nOther work took ${load.toFixed(1)} cores before or after it: the ratios hold, the seconds are high.`
      : "";
  await writeMarkdown(
    join(DOCS, "bench.md"),
    `# Measured

By \`npm run bench\`, in one run. Ratios mean more than seconds: compare only what one run has measured.

${describeHost(boots.accelerator)}.${busy}

## Boot

${table(boots.figures)}

![Steps of one warm create](warm-boot.svg)

## Fleet

${table(fleet)}

## Reach

Over SSH to one VM. The two sides of each ratio took turns; a ratio is the median of those of the rounds.

${table(reach)}

## Command

${table(command)}
`,
  );
}

function show(title: string, figures: readonly Figure[]): void {
  process.stdout.write(`\n${title}\n\n${table(figures)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
