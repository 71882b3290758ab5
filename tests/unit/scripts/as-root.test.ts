import { expect, jest, test } from "@jest/globals";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const asRoot = import("../../../scripts/setup/as-root.mjs");

test.each([
  [{}, {}],
  [{ http_proxy: "http://a" }, { http_proxy: "http://a" }],
  [{ HTTPS_PROXY: "http://b" }, { HTTPS_PROXY: "http://b", https_proxy: "http://b" }],
  [
    { no_proxy: "", NO_PROXY: "localhost" },
    { no_proxy: "localhost", NO_PROXY: "localhost" },
  ],
  [
    { http_proxy: "http://a", HTTP_PROXY: "http://b" },
    { http_proxy: "http://a", HTTP_PROXY: "http://b" },
  ],
])("of %j apt sees %j", async (env, seen) => {
  expect((await asRoot).withProxies(env)).toEqual(seen);
});

test.each([
  ["is let through without one", "-n", "-n true\n"],
  ["needs one", "-v", "-n true\n-v\n"],
])("on a terminal sudo asks for a password only where the user %s", async (_case, accepted, asked) => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  const [sudo, log] = [join(folder, "sudo"), join(folder, "log")];
  const asUser = jest.spyOn(process as Required<typeof process>, "getuid").mockReturnValue(1000);
  const streams = [process.stdin, process.stdout] as { isTTY: boolean }[];
  const before = streams.map(({ isTTY }) => isTTY);
  try {
    writeFileSync(sudo, `#!/bin/sh\nprintf "%s\\n" "$*" >> ${log}\n[ "$1" = ${accepted} ]\n`);
    chmodSync(sudo, 0o755);
    for (const stream of streams) stream.isTTY = true;
    await (await asRoot).claimRoot({ root: "", home: "", env: { PATH: `${folder}:/usr/bin:/bin` } }, "true");
    expect(readFileSync(log, "utf8")).toBe(asked);
  } finally {
    for (const [index, stream] of streams.entries()) stream.isTTY = before[index] ?? false;
    asUser.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
