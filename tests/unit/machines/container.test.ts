import { afterAll, describe, expect, test } from "@jest/globals";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MayflyError } from "../../../provider/errors";
import type { Podman } from "../../../provider/host/podman";
import { identifySelf } from "../../../provider/host/process-identity";
import { removeContainers, startContainer, type ContainerSpec } from "../../../provider/machines/container";
import { failureOf } from "../../support/context";

/** A podman that says these words in turn, and has done it when there is none left. */
function saying(...words: string[]) {
  const asked: string[] = [];
  const run = (args: readonly string[]) => {
    asked.push(args.join(" "));
    const evidence = words.shift();
    if (evidence === undefined) return Promise.resolve("");
    return Promise.reject(new MayflyError("TOOL_FAILED", "podman failed", { evidence, remedy: "" }));
  };
  return { asked, podman: { run } as unknown as Podman };
}

const signal = AbortSignal.timeout(60_000);

test("a container that ends at the moment of its removal is removed once podman has seen its end", async () => {
  const { asked, podman } = saying("Error: container not running", "Error: could not be stopped");
  await removeContainers(podman, "web", ["mount0"], signal);
  const removal = "rm --force --time 0 --ignore mayfly-web mayfly-web-mount0";
  expect(asked).toEqual([removal, removal, removal]);
});

test("whatever else podman says about a removal is its failure, at once", async () => {
  const { asked, podman } = saying("Error: database is locked");
  expect(await failureOf(removeContainers(podman, "web", [], signal))).toMatchObject({
    evidence: "Error: database is locked",
  });
  expect(asked).toHaveLength(1);
});

describe("the ports of a machine that starts", () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-container-"));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const pidFile = join(folder, "qemu.pid");

  /** A podman that finds some of the ports taken, by what it was asked for. */
  function finding(isTaken: (run: number, port: number) => boolean) {
    const runs: number[][] = [];
    const removals: string[] = [];
    const run = (args: readonly string[]) => {
      if (args[0] === "rm") removals.push(args.join(" "));
      if (args[0] !== "run") return Promise.resolve("");
      const ports = args.filter((_, index) => args[index - 1] === "--publish").map((one) => Number(one.split(":")[1]));
      runs.push(ports);
      const taken = ports.find((port) => isTaken(runs.length, port));
      writeFileSync(pidFile, String(process.pid));
      if (taken === undefined) return Promise.resolve("");
      const evidence = `Error: rootlessport listen tcp 127.0.0.1:${String(taken)}: bind: address already in use`;
      return Promise.reject(new MayflyError("TOOL_FAILED", "podman failed", { evidence, remedy: "" }));
    };
    const prove = () => Promise.resolve({ network: "none", limits: false });
    return { runs, removals, podman: { run, prove, rootArgs: () => [] } as unknown as Podman };
  }

  const port = (host: number) => ({ guest: 80, host, hostAddress: "127.0.0.1", protocol: "tcp" }) as const;
  const spec = (...ports: number[]) =>
    ({
      ...{
        id: "web",
        owner: { project: "", stack: "", resource: "web" },
        qemu: "sh",
        exits: [],
        folder,
        artefacts: folder,
      },
      ...{ start: "cold", template: undefined, log: join(folder, "log"), pidFile, command: [], sshPort: undefined },
      machine: { ports: ports.map(port), disks: [], labels: {}, accelerator: "tcg", isolated: false, allow: [] },
    }) as unknown as ContainerSpec;

  test("are free ones where any will do, and told of with qemu's process", async () => {
    const { runs, podman } = finding(() => false);
    const { qemu, sshPort, ports } = await startContainer(podman, spec(0, 8_080), signal);
    expect(qemu).toEqual(identifySelf());
    expect(runs).toEqual([[sshPort, ports[0]?.host, 8_080]]);
    expect(new Set(runs[0])).not.toContain(0);
  });

  test("are chosen anew when somebody takes one of them meanwhile", async () => {
    const { runs, removals, podman } = finding((run, taken) => run === 1 && taken === runs[0]?.[1]);
    const { ports } = await startContainer(podman, spec(0, 8_080), signal);
    expect(runs).toHaveLength(2);
    expect(runs[1]?.[1]).not.toBe(runs[0]?.[1]);
    expect(ports[0]?.host).toBe(runs[1]?.[1]);
    expect(removals).toEqual(["rm --force --time 0 --ignore mayfly-web"]);
  });

  test("are not tried again when the one that was asked for is taken", async () => {
    const { runs, podman } = finding((_, taken) => taken === 8_080);
    const error = await failureOf(startContainer(podman, spec(0, 8_080), signal));
    expect(error).toMatchObject({ code: "PORT_TAKEN", message: expect.stringContaining("127.0.0.1:8080 cannot") });
    expect(runs).toHaveLength(1);
  });

  test("are given up when none of those that are chosen stays free", async () => {
    const { runs, podman } = finding(() => true);
    expect(await failureOf(startContainer(podman, spec(), signal))).toMatchObject({ code: "PORT_TAKEN" });
    expect(runs).toHaveLength(3);
  });
});
