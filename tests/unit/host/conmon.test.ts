import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "@jest/globals";
import { endUnstarted } from "../../../provider/host/conmon";

// The real one is left behind in e2e/cli: there a session is killed while its VM starts.

/** A process that looks like a container's conmon, with a child; ends when that does. */
async function monitor(name: string, program = "conmon"): Promise<ChildProcess> {
  const script = "sleep 60 & echo started; wait";
  const child = spawn(
    "/bin/bash",
    ["-c", `exec -a ${program} sh -c '${script}' sh -c 0123 -n "$0" --full-attach`, name],
    {
      ...{ detached: true, stdio: ["ignore", "pipe", "ignore"] },
    },
  );
  await once(child.stdout, "data");
  return child;
}

test("what waits to be started in a container that is gone is ended, and its conmon with it", async () => {
  const ours = await monitor("mayfly-a-1");
  const others = [await monitor("mayfly-a-12"), await monitor("mayfly-a-1", "vi")];
  const ended = once(ours, "exit");
  await endUnstarted(["mayfly-a-1", "mayfly-a-1-mount0"]);
  await ended;
  expect(others.map(({ exitCode, signalCode }) => [exitCode, signalCode])).toEqual([
    [null, null],
    [null, null],
  ]);
  for (const other of others) {
    const gone = once(other, "exit");
    process.kill(-(other.pid ?? 0), "SIGKILL"); // its child too
    await gone;
  }
});
