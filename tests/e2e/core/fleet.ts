import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { hostAddresses } from "../../../provider/host/addresses";
import type { Caller } from "../../support/callers";
import { openExample } from "../../support/project";

interface Outputs {
  readonly results: readonly string[];
  readonly connect: readonly string[];
}

/** What tells machines apart, one fact a line: names, numbers, and where the stack of a service starts. */
const IDENTITY = `
hostname
cat /etc/machine-id /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid
head -c 16 /dev/urandom | base64
systemd-run --quiet --pipe cut -d ' ' -f 28 /proc/self/stat
`;

/** Clones of a template share the work, and nothing that tells them apart. */
export async function fleet(caller: Caller): Promise<void> {
  await using project = await openExample("fleet", caller);
  await project.pulumi("up", "--yes", "--skip-preview");
  const { results, connect } = await project.outputs<Outputs>();
  // The numbers up to 1000, each in one of the three sums.
  expect(results).toEqual(["node0: 166833", "node1: 167167", "node2: 166500"]);

  const look = async (login: string) =>
    (await project.run("bash", "-c", `${login} "$0"`, `${IDENTITY}echo; systemctl is-system-running; date +%s`)).split(
      "\n\n",
    );
  const looks = await Promise.all(connect.map(look));
  const identities = looks.map(([identity = ""]) => identity.split("\n"));
  expect(identities.map((lines) => lines.length)).toEqual([6, 6, 6]);
  expect(new Set(identities.flat()).size).toBe(18); // no two alike
  for (const [, state = ""] of looks) {
    const [running, time] = state.split("\n");
    expect(running).toBe("running");
    expect(Math.abs(Number(time) - Date.now() / 1_000)).toBeLessThan(120); // the template's clock stood still
  }

  // Nor does one reach another: neither what it publishes on this host, nor by an address that both have.
  const portOf = async (login: string) => project.run("bash", "-c", `${login} -G | sed -n 's/^port //p'`);
  const ports = await Promise.all(connect.map(portOf));
  expect(new Set(ports).size).toBe(3);
  const places = ["10.53.0.2", "10.0.2.2", ...hostAddresses()].flatMap((ip) => ports.map((port) => `${ip}/${port}`));
  const dial = (place: string) => `{ timeout 10 bash -c '</dev/tcp/${place}' && echo ${place}; } 2>/dev/null &`;
  expect(
    await project.run("bash", "-c", `${connect[0] ?? ""} "$0"`, `${places.map(dial).join("\n")}\nwait; echo over`),
  ).toBe("over");

  await project.pulumi("preview", "--expect-no-changes");
  await project.pulumi("destroy", "--yes", "--skip-preview");
  for (const folder of ["machines", "records/machines"])
    expect(readdirSync(join(project.home, "data", folder))).toEqual([]);
  const templates = readdirSync(join(project.home, "data", "templates"));
  expect(templates.filter((name) => name.endsWith(".draft"))).toEqual([]);
}
