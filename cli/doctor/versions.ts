import { ARCHITECTURES, hostArchitecture } from "../../provider/architectures";
import { run } from "../../provider/host/run";
import { nodeProblem } from "../../provider/node-version";
import type { Check, Finding, Look } from "./check";
import { installCommand } from "./distribution";

/** A program whose version matters. */
interface Wanted {
  readonly name: string;
  readonly command: readonly [file: string, flag: string];
  /** The oldest that will do. */
  readonly least: string;
  /** What an older one can't do; absent: anything. */
  readonly only?: string;
  /** Debian's package. */
  readonly from: string;
}

const { qemu: QEMU, qemuPackage } = ARCHITECTURES[hostArchitecture()];

const WANTED: readonly Wanted[] = [
  { name: "podman version", command: ["podman", "--version"], least: "4.0", from: "podman" },
  {
    name: "qemu version",
    command: [QEMU, "--version"],
    least: "7.2",
    only: "private networks",
    from: qemuPackage,
  },
];

/** Versions of what VMs stand on. */
export const versions: Check = async (look) => [
  nodeVersion(),
  ...(await Promise.all(WANTED.map((one) => lookAt(one, look)))),
];

function nodeVersion(): Finding {
  const { node } = process.versions;
  const isEnough = nodeProblem() === undefined;
  const fix = isEnough ? undefined : "npm run setup   (in a clone of Mayfly; or nvm install 22)";
  return { name: "node version", state: isEnough ? "ok" : "fail", found: node, fix };
}

async function lookAt(
  { name, command: [file, flag], least, only, from }: Wanted,
  { session, distribution }: Look,
): Promise<Finding> {
  const said = await run(file, [flag], { signal: session.signal }).catch(() => "");
  const [found] = /\d+(?:\.\d+)+/.exec(said) ?? [];
  if (found === undefined)
    return { name, state: "fail", found: "unknown: it does not run", fix: installCommand(distribution, [from]) };
  if (!isOlder(found, least)) return { name, state: "ok", found };
  const state = only === undefined ? "fail" : "warn";
  const need = `${found}; ${least} or newer is needed${only === undefined ? "" : ` for ${only}`}`;
  return { name, state, found: need, fix: installCommand(distribution, [from]) };
}

/** Whether one version is older than another: number by number. Pure. */
export function isOlder(version: string, than: string): boolean {
  const [ours, theirs] = [version, than].map((text) => text.split(".").map(Number));
  for (const [index, wanted] of (theirs ?? []).entries()) {
    const found = ours?.[index] ?? 0;
    if (found !== wanted) return found < wanted;
  }
  return false;
}
