import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { pipesOf } from "../../../provider/host/paths";
import { openPipe } from "../../../provider/host/sockets";
import { Agent, AGENT_CHANNEL, renewal } from "../../../provider/machines/agent";

let folder: string;
let guest: { readonly hears: Socket; readonly says: Socket };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-agent-"));
  const pipes = pipesOf(AGENT_CHANNEL);
  execFileSync("mkfifo", pipes, { cwd: folder });
  guest = { hears: openPipe(folder, pipes[0], "read"), says: openPipe(folder, pipes[1], "write") };
});
afterEach(() => {
  guest.hears.destroy();
  guest.says.destroy();
  rmSync(folder, { recursive: true });
});

const deadline = () => AbortSignal.timeout(60_000);

test("lines come whole out of pieces", async () => {
  using agent = new Agent(folder);
  const answer = agent.waitFor(["listening"], deadline());
  for (const piece of ["some", "thing\r\nlist", "ening 1", "\r\n"]) guest.says.write(piece);
  expect(await answer).toBe("listening 1");
});

test("a guest that sends a line without end is heard no more, and that is said, also to who asks later", async () => {
  using agent = new Agent(folder);
  const answer = agent.waitFor(["listening"], deadline());
  guest.says.write("x".repeat(2_000_000));
  const error = { code: "TOOL_FAILED", evidence: "a line of over 1048576 characters" };
  await expect(answer).rejects.toMatchObject(error);
  await expect(agent.waitFor(["listening"], deadline())).rejects.toMatchObject(error);
  await expect(agent.report("state", "root", deadline())).rejects.toMatchObject(error);
});

test.each([
  ["many small facts", "load 1", 10_000],
  ["a few large ones", `load ${"x".repeat(50_000)}`, 3],
])("a guest that tells facts without end is heard no more: %s", async (_, fact, count) => {
  using agent = new Agent(folder);
  guest.hears.setEncoding("utf8").on("data", (text: string) => {
    const [, id = ""] = /^report (\S+) /.exec(text) ?? [];
    guest.says.write(`fact ${id} ${fact}\n`.repeat(count));
  });
  await expect(agent.report("state", "root", deadline())).rejects.toMatchObject({
    ...{ code: "TOOL_FAILED", evidence: "facts of over 131072 characters" },
  });
});

test("a clone gets the host's time as it is now, also after a step of its clock, and a seed of its own", () => {
  const stepped = Date.now() + 3_600_250; // an hour and a quarter of a second
  const clock = jest.spyOn(Date, "now").mockReturnValue(stepped);
  try {
    const [one, other] = [renewal(), renewal()];
    expect(one.readBigInt64LE(0)).toBe(BigInt(Math.floor(stepped / 1_000)));
    expect(one.readBigInt64LE(8)).toBe(BigInt(stepped % 1_000) * 1_000_000n);
    expect(one.subarray(16)).not.toEqual(other.subarray(16));
    expect(one).toHaveLength(56);
  } finally {
    clock.mockRestore();
  }
});
