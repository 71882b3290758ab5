import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { hostAddresses } from "../../../provider/host/addresses";
import { isAlive } from "../../../provider/host/process-identity";
import { until } from "../../../provider/host/until";
import type { NetworkRecord } from "../../../provider/networks/record";
import type { Caller } from "../../support/callers";
import { listenEverywhere } from "../../support/listen-everywhere";
import { openExample, type Project } from "../../support/project";

interface Outputs {
  readonly report: string;
  readonly addresses: readonly string[];
  readonly connect: readonly string[];
  readonly through: string;
}

const HELLO = "head -n 1 </dev/tcp/node3/22 | tr -d '\\r'";

/** Three nodes find and reach each other by name and nothing else, with a new switch too; destroy leaves nothing. */
export async function cluster(caller: Caller): Promise<void> {
  const leftovers: string[] = [];
  {
    await using project = await openExample("cluster", caller);
    await project.pulumi("up", "--yes", "--skip-preview");
    const { report, addresses, connect, through } = await project.outputs<Outputs>();
    expect(new Set(addresses).size).toBe(3);
    for (const address of addresses) expect(address).toMatch(/^10\.80\.0\.\d+$/);
    const lines = report.split("\n");
    expect(lines).toHaveLength(3);
    for (const [index, line] of lines.entries())
      expect(line).toMatch(new RegExp(`^${addresses[index] ?? ""} +node${index + 1}: SSH-2\\.0-`));

    const guest = (node: number, script: string) =>
      project.run("bash", "-c", `${connect[node] ?? ""} "$0"`, script).catch((error: unknown) => String(error));
    // Not the container that it runs in, not this host, and nothing behind.
    await using host = await listenEverywhere();
    const ofHost = ["10.53.0.2", "10.0.2.2", ...hostAddresses()].map((ip) => `${ip}/${host.port}`);
    const places = ["10.53.0.2/2222", "1.1.1.1/53", ...ofHost];
    const dial = (place: string) => `{ timeout 5 bash -c '</dev/tcp/${place}' && echo ${place}; } 2>/dev/null &`;
    expect(await guest(0, `${places.map(dial).join("\n")}\nwait; echo over`)).toBe("over");

    // From this host by way of the first node, and not by the last one's own port.
    expect(await project.run("bash", "-c", `${through} 'hostname; echo "$SSH_CONNECTION"'`)).toMatch(
      new RegExp(`^node3\n${addresses[0] ?? ""} \\d+ ${addresses[2] ?? ""} 64022$`),
    );

    await project.pulumi("preview", "--expect-no-changes");
    // Break the world: the switch dies. The VMs do not, and are on the next one by themselves.
    const before = switchOf(project);
    process.kill(before.pid, "SIGKILL");
    await gone(before);
    expect(await project.pulumi("up", "--yes", "--skip-preview")).toMatch(/1 updated/);
    expect(await guest(1, `${HELLO}; getent hosts node1`)).toMatch(/^SSH-2\.0-.*\n10\.80\.0\.\d+ +node1$/);

    const last = switchOf(project);
    await project.pulumi("destroy", "--yes", "--skip-preview");
    expect(isAlive(last)).toBe(false);
    for (const folder of ["machines", "networks", "records/machines", "records/networks"])
      leftovers.push(...readdirSync(join(project.home, "data", folder)));
  }
  expect(leftovers).toEqual([]);
}

/** The process of the project's only network. */
function switchOf({ home }: Project): NonNullable<NetworkRecord["switch"]> {
  const folder = join(home, "data", "records", "networks");
  const [file = ""] = readdirSync(folder);
  const record = JSON.parse(readFileSync(join(folder, file), "utf8")) as NetworkRecord;
  if (record.switch === undefined) throw new Error("there is no switch");
  return record.switch;
}

async function gone(process: NonNullable<NetworkRecord["switch"]>): Promise<void> {
  await until("the switch is gone", () => Promise.resolve(isAlive(process) ? undefined : true), {
    signal: AbortSignal.timeout(10_000),
    diagnose: () => ({ remedy: "" }),
  });
}
