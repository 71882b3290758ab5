import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { openExample } from "../support/project";

interface Outputs {
  readonly report: string;
  readonly connect: string;
  readonly look: string;
}

/** The machine's id, from the command that looks at it. */
const machineOf = ({ look }: Outputs) => look.replace("podman logs mayfly-", "");

test("up boots a real VM, a second up is a no-op, a killed qemu is healed, destroy leaves nothing", async () => {
  const leftovers: string[] = [];
  let id: string;
  {
    await using project = await openExample("quickstart");
    await project.pulumi("up", "--yes", "--skip-preview");
    const first = await project.outputs<Outputs>();
    expect(first.report).toMatch(/^Linux \d+\.\d+.*\nup .*\nrunning$/);

    // Ask the guest itself, by the command that the user is given: OpenSSH, with the host key pinned.
    expect(await project.run("bash", "-c", `${first.connect} hostname`)).toBe("web");
    expect(
      await project.run("bash", "-c", `${first.connect} -o UserKnownHostsFile=/dev/null true 2>&1 || echo refused`),
    ).toMatch(/refused$/);

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
  }
  expect(leftovers.filter((name) => name !== "")).toEqual([]);
});
