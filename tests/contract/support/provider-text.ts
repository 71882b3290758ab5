import { readFileSync } from "node:fs";
import { join } from "node:path";
import { providerText } from "../../../sdk/dynamic-resource";

/** The text of the first stacks: Pulumi had made it of seven functions. No state is changed for a newer one. */
const FIRST = join(__dirname, "first-states.golden.txt");

/** Stands for a value that is not known before `up`. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const OWNER = { project: "shop", stack: "dev", resource: "web" };

/** What every resource of the SDK sends along, and what the engine adds. */
export function sentBy(kind: string): Record<string, unknown> {
  return { owner: OWNER, __provider: providerText(kind) };
}

/** What the first stacks hold. */
export function sentByFirst(kind: string): Record<string, unknown> {
  return { owner: OWNER, __provider: readFileSync(FIRST, "utf8").replaceAll('"VM"', JSON.stringify(kind)) };
}

/** The same for the kind of `thing.cjs`. */
export function sentByThing(): Record<string, unknown> {
  const file = JSON.stringify(join(__dirname, "thing.cjs"));
  return { ...sentBy("Thing"), __provider: `exports.handler = () => require(${file}).provider;` };
}
