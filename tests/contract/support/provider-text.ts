import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The text that `new mayfly.VM` puts into users' state files; frozen. */
export const GOLDEN = join(__dirname, "trampoline.golden.txt");

/** Stands for a value that is not known before `up`. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What every resource of the SDK sends along, and what the engine adds. */
export function sentBy(kind: string): Record<string, unknown> {
  const owner = { project: "shop", stack: "dev", resource: "web" };
  return { owner, __provider: readFileSync(GOLDEN, "utf8").replaceAll('"VM"', JSON.stringify(kind)) };
}

/** The same for the kind of `thing.cjs`. */
export function sentByThing(): Record<string, unknown> {
  const file = JSON.stringify(join(__dirname, "thing.cjs"));
  return { ...sentBy("Thing"), __provider: `exports.handler = () => require(${file}).provider;` };
}
