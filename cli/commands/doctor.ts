import type { Command } from "commander";
import { EXIT } from "../exit-codes";
import type { Finding } from "../doctor/check";
import { coloured, print, printJson } from "../output";
import { openSession } from "../rooms";
import { verbWithJson } from "../verb";

/** `mayfly doctor`: what this host lacks for VMs. */
export function doctor(): Command {
  return verbWithJson(
    "doctor",
    "Check this host: programs, podman, KVM, namespaces, limits, memory, disk space, versions; each fault with the command that mends " +
      "it here. Ends with 1 where VMs can't run.",
    ["mayfly doctor", "mayfly doctor --json | jq '.[] | select(.state != \"ok\")'"],
  ).action(examine);
}

async function examine({ json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("doctor");
  const [{ thisDistribution }, { programs }, { versions }, { containers, namespaces }, { accelerator, capacity }] =
    await Promise.all([
      import("../doctor/distribution.js"),
      import("../doctor/programs.js"),
      import("../doctor/versions.js"),
      import("../doctor/containers.js"),
      import("../doctor/host.js"),
    ]);
  const look = { session, distribution: thisDistribution() };
  const findings: Finding[] = [];
  for (const check of [programs, versions, namespaces, containers, accelerator, capacity]) {
    const found = await session.step("Looking at this host", () => check(look));
    findings.push(...found);
    if (json !== true) for (const finding of found) tell(finding);
  }
  if (json === true) printJson(findings);
  else print(summary(findings));
  if (findings.some(({ state }) => state === "fail")) process.exitCode = EXIT.failed;
}

const MARKS = { ok: ["green", "ok  "], warn: ["yellow", "warn"], fail: ["red", "FAIL"] } as const;

function tell({ name, state, found, fix }: Finding): void {
  const [colour, mark] = MARKS[state];
  print(`${coloured(colour, mark)}  ${name}: ${found.replaceAll("\n", "\n      ")}`);
  if (fix !== undefined) print(`      to fix: ${fix.replaceAll("\n", "\n      ")}`);
}

function summary(findings: readonly Finding[]): string {
  const count = (state: Finding["state"]) => findings.filter((finding) => finding.state === state).length;
  if (count("fail") > 0) return `VMs can't run here: ${String(count("fail"))} to mend`;
  return count("warn") > 0 ? `VMs run here; ${String(count("warn"))} could be better` : "VMs run here";
}
