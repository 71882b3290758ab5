import { createHash } from "node:crypto";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "@jest/globals";
import { until } from "../../../provider/host/until";

const FOLDER = join(__dirname, "..", "..", "..", "provider", "guest", "helper");
const HELPER = join(FOLDER, "helper-x86_64");

test("the committed program was built from the committed sources", () => {
  const digest = createHash("sha256");
  for (const name of readdirSync(FOLDER)
    .filter((file) => /\.[ch]$/.test(file))
    .sort())
    digest.update(readFileSync(join(FOLDER, name)));
  expect(readFileSync(HELPER, "latin1")).toContain(`source-sha256:${digest.digest("hex")}`);
});

test("become does not take less than a whole seed", () => {
  const { status, stderr } = spawnSync(HELPER, ["become", "512"], { input: Buffer.alloc(10) });
  expect([status, stderr.toString()]).toEqual([1, "helper: read\n"]);
});

test("accept runs a program for each connection, several at a time, and makes the folder that it wants", async () => {
  const folder = join(mkdtempSync(join(tmpdir(), "mayfly-helper-")), "run");
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as AddressInfo;
  free.close();
  const helper = spawn(HELPER, ["accept", String(port), folder, "/bin/sh", "-c", "read -r line; echo got $line"], {
    stdio: "ignore",
  });
  try {
    const open = async () => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    };
    const first = await until("the helper listens", async () => open().catch(() => undefined), {
      signal: AbortSignal.timeout(5_000),
      interval: 10,
      diagnose: () => ({ remedy: "run it by hand" }),
    });
    const second = await open();
    second.end("two\n"); // while the first is still open
    expect(await text(second)).toBe("got two\n");
    first.end("one\n");
    expect(await text(first)).toBe("got one\n");
    expect(existsSync(folder)).toBe(true);
  } finally {
    helper.kill("SIGKILL");
    rmSync(join(folder, ".."), { recursive: true });
  }
});
