import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TraceEvent } from "../provider/host/trace";
import { makeHome } from "../tests/support/home";
import { Engine } from "./engine";
import { atMost, median, seconds, series, type Figure } from "./figures";

/** How often each is done. */
const COLD = 3;
const WARM = 9;

/** What was found out about boots. */
export interface WarmBoot {
  readonly figures: readonly Figure[];
  /** Median of a warm `create`, in seconds. */
  readonly warm: number;
  /** Steps of the warm `create` that took the median time. */
  readonly steps: readonly TraceEvent[];
  readonly accelerator: string;
}

/**
 * Cold boots, the making of a template, and warm boots of the same image and size, one after the other: from the
 * engine's call of `create` to its return, a verified login included.
 */
export async function measureWarmBoot(): Promise<WarmBoot> {
  const home = makeHome("bench");
  const trace = join(home, "trace.jsonl");
  await using engine = await Engine.start(home, { MAYFLY_TRACE: trace });
  const image = (await engine.create("Image", { debian: {} })).outs["imageName"];
  const vm = { image, memory: "512MiB" };
  const boot = async (warmBoot: string) => {
    rmSync(trace, { force: true });
    const made = await engine.create("VM", { ...vm, warmBoot });
    const steps = readTrace(trace);
    const removed = await engine.remove(made);
    return { seconds: made.seconds, steps, removed, accelerator: String(made.outs["acceleratorOutput"]) };
  };
  await boot("never"); // the image's files come into the host's memory
  const cold = await series(COLD, () => boot("never"));
  const first = await boot("auto"); // makes the template, and starts from it
  const warm = await series(WARM, () => boot("auto"));
  const [coldTime, warmTime] = [cold, warm].map((boots) => median(boots.map((one) => one.seconds)));
  if (coldTime === undefined || warmTime === undefined) throw new Error("nothing was measured");
  const nearest = [...warm].sort((a, b) => Math.abs(a.seconds - warmTime) - Math.abs(b.seconds - warmTime))[0];
  return {
    warm: warmTime,
    steps: nearest?.steps ?? [],
    accelerator: first.accelerator,
    figures: [
      { what: `VM \`create\`, cold (median of ${String(COLD)})`, value: seconds(coldTime) },
      atMost(`VM \`create\`, warm (median of ${String(WARM)})`, warmTime, 0.9),
      atMost("warm, as a part of cold", (warmTime / coldTime) * 100, 10, "%"),
      atMost("making the template, beyond a cold boot", first.seconds - warmTime - coldTime, 2),
      { what: "first VM, which makes the template", value: seconds(first.seconds) },
      { what: "VM `delete`, alone (median)", value: seconds(median(warm.map(({ removed }) => removed))) },
    ],
  };
}

function readTrace(file: string): TraceEvent[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as TraceEvent);
}
