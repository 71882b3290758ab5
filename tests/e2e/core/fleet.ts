import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "@jest/globals";
import type { Caller } from "../../support/callers";
import { openExample } from "../../support/project";

interface Outputs {
  readonly identities: readonly { readonly facts: string; readonly hostKey: string }[];
  readonly machines: readonly { readonly state: string; readonly warm: boolean }[];
}

/** Clones of a template share nothing that tells them apart. */
export async function fleet(caller: Caller): Promise<void> {
  await using project = await openExample("fleet", caller);
  await project.pulumi("up", "--yes", "--skip-preview");
  const { identities, machines } = await project.outputs<Outputs>();
  expect(identities).toHaveLength(3);
  const facts = identities.flatMap(({ facts: lines, hostKey }) => [...lines.split("\n"), hostKey]);
  expect(facts).toHaveLength(3 * 7);
  expect(new Set(facts).size).toBe(facts.length); // host names, ids, random numbers, addresses and keys: no two alike

  for (const { state, warm } of machines) {
    const [running, time, mounted] = state.split("\n");
    expect({ warm, running, mounted }).toEqual({ warm: true, running: "running", mounted: "/srv/program/index.ts" });
    expect(Math.abs(Number(time) - Date.now() / 1_000)).toBeLessThan(120); // the template's clock stood still
  }

  await project.pulumi("preview", "--expect-no-changes");
  await project.pulumi("destroy", "--yes", "--skip-preview");
  for (const folder of ["machines", "records/machines"])
    expect(readdirSync(join(project.home, "data", folder))).toEqual([]);
  const templates = readdirSync(join(project.home, "data", "templates"));
  expect(templates.filter((name) => name.endsWith(".draft"))).toEqual([]);
}
