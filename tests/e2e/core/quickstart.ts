import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { hostAddresses } from "../../../provider/host/addresses";
import { until } from "../../../provider/host/until";
import type { Caller } from "../../support/callers";
import { listenEverywhere } from "../../support/listen-everywhere";
import { openExample } from "../../support/project";

interface Outputs {
  readonly report: string;
  readonly connect: string;
  readonly look: string;
}

/** The machine's id, from the command that looks at it. */
const machineOf = ({ look }: Outputs) => look.replace("podman logs mayfly-", "");

/** Up boots a real VM, a second up is a no-op, a killed qemu is healed, destroy leaves nothing. */
export async function quickstart(caller: Caller): Promise<void> {
  const leftovers: string[] = [];
  let id: string;
  {
    await using project = await openExample("quickstart", caller);
    await project.pulumi("up", "--yes", "--skip-preview");
    const first = await project.outputs<Outputs>();
    expect(first.report).toMatch(/^Linux \d+\.\d+.*\nup .*\nrunning$/);

    // Ask the guest itself, by the command that the user is given: OpenSSH, with the host key pinned.
    expect(await project.run("bash", "-c", `${first.connect} hostname`)).toBe("web");
    expect(
      await project.run("bash", "-c", `${first.connect} -o UserKnownHostsFile=/dev/null true 2>&1 || echo refused`),
    ).toMatch(/refused$/);

    // Only what is declared leads from the guest to the host.
    await using host = await listenEverywhere();
    const places = [
      `10.53.0.2/2222`,
      ...["10.53.0.2", "10.0.2.2", ...hostAddresses()].map((ip) => `${ip}/${host.port}`),
    ];
    const dial = (place: string) => `{ timeout 10 bash -c '</dev/tcp/${place}' && echo ${place}; } &`;
    const script = `"exec 2>/dev/null\n${places.map(dial).join("\n")}\nwait"`;
    // Its own sshd, by way of its container, and nothing else.
    expect(await project.run("bash", "-c", `${first.connect} ${script}`)).toBe("10.53.0.2/2222");

    await project.pulumi("preview", "--expect-no-changes");
    expect(await project.pulumi("up", "--yes", "--skip-preview")).toMatch(/5 unchanged/);
    expect(await project.pulumi("stack", "export")).not.toMatch(/PRIVATE KEY/);

    // Break the world: the machine's qemu dies, as in a host that ran out of memory.
    id = machineOf(first);
    const record = join(project.home, "data", "records", "machines", `${id}.json`);
    const { qemu } = JSON.parse(readFileSync(record, "utf8")) as { qemu: { pid: number } };
    process.kill(qemu.pid, "SIGKILL");
    expect(await project.pulumi("up", "--yes", "--skip-preview")).toMatch(/2 replaced/);
    const second = await project.outputs<Outputs>();
    expect(second.report).toMatch(/running$/);
    expect(machineOf(second)).not.toBe(id);

    // A VM that is already dead does not stand in destroy's way.
    id = machineOf(second);
    await project.run("podman", "rm", "--force", "--time", "0", `mayfly-${id}`);
    await project.pulumi("destroy", "--yes", "--skip-preview");
    leftovers.push(...readdirSync(join(project.home, "data", "machines")));
    leftovers.push(...readdirSync(join(project.home, "data", "records", "machines")));
    leftovers.push(await project.run("podman", "ps", "--all", "--quiet", "--filter", `label=mayfly=${id}`));
    await until("all processes have ended", () => Promise.resolve(project.processes().length === 0 || undefined), {
      signal: AbortSignal.timeout(10_000), // podman's helpers end by themselves, a moment after the container
      diagnose: () => ({ evidence: project.processes().join("\n"), remedy: "end them" }),
    });
  }
  expect(leftovers.filter((name) => name !== "")).toEqual([]);
}
