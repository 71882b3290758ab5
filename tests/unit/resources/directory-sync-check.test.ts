import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { checkInputs } from "../../../provider/engine/inputs";
import { directorySync } from "../../../provider/resources/directory-sync";
import type { AnyHandler } from "../../../provider/resources/registry";
import { LOOK } from "../engine/things";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII37xzK3pcyiJ1Ho4w05Mtm+IOKI4Ysxi4OrWBBEhtAt";
const connection = { host: "h", privateKey: "a key", hostKey: HOST_KEY };
const handler: AnyHandler = directorySync as never;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly folder "));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test.each<[string, object, string]>([
  ["no folder", {}, "source: is required: or else download"],
  ["two folders", { source: "docs", download: "x" }, "download: can't be set beside source"],
  [
    "a file",
    { source: "./package.json" },
    "source: must be a folder on this host; .* is a file: for those there is Copy",
  ],
  ["a missing folder", { source: "./none" }, "source: must be a folder on this host; .*/none does not exist"],
  ["a file to download to", { download: "./package.json" }, "download: must be a folder on this host; .* is a file"],
  [
    "a relative path there",
    { source: "examples", remotePath: "etc/x" },
    "remotePath: must be a path on the VM: absolute",
  ],
  ["an owner here", { download: "x", fileOwner: "ada" }, "fileOwner: is for folders on a VM"],
  ["a download that would go", { download: "x", removeOnDelete: true }, "removeOnDelete: is for folders on a VM"],
  ["all of a system", { source: "examples", remotePath: "/", deleteExtra: true }, "deleteExtra: would empty /, keys"],
  ["a home", { source: "examples", remotePath: "~/", deleteExtra: true }, "deleteExtra: would empty ~, keys"],
  ["the program itself", { download: ".", deleteExtra: true }, "deleteExtra: would remove what else is in .* among it"],
  ["another way", { source: "examples", method: "scp" }, 'method: must be "auto", "rsync" or "sftp"'],
  ["no pattern", { source: "examples", exclude: "*.log" }, "exclude: "],
])("%s is refused at preview", async (_what, fields, expected) => {
  const inputs = { connection, remotePath: "/x", ...fields };
  const { failures } = await checkInputs(handler, inputs, LOOK);
  expect(failures.map(({ property, reason }) => `${property}: ${reason}`)).toEqual([expect.stringMatching(expected)]);
});

test("a folder that can't be sent as a whole is refused at preview, unless that part is excluded", async () => {
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/a`), Buffer.from([0xff])]), "");
  const news = { connection, remotePath: "/x", source: folder };
  const { failures } = await checkInputs(handler, news, LOOK);
  expect(failures).toEqual([{ property: "source", reason: expect.stringMatching(/is no UTF-8[^]*exclude it$/) }]);
  expect((await checkInputs(handler, { ...news, exclude: ["a*"] }, LOOK)).failures).toEqual([]);
});

test("a file that we may not read is refused at preview, unless it is excluded", async () => {
  const us = process.geteuid?.() ?? 0;
  try {
    chmodSync(folder, 0o755);
    for (const name of ["closed", "open"]) writeFileSync(join(folder, name), "");
    chmodSync(join(folder, "closed"), 0);
    const news = { connection, remotePath: "/x", source: folder };
    if (us === 0) process.seteuid?.(65_534); // root may read everything
    const { failures } = await checkInputs(handler, news, LOOK);
    expect(failures).toEqual([
      { property: "source", reason: expect.stringMatching(/^can't be read .*: closed; look/) },
    ]);
    expect((await checkInputs(handler, { ...news, exclude: ["closed"] }, LOOK)).failures).toEqual([]);
  } finally {
    process.seteuid?.(us);
  }
});

test.each([{ source: UNKNOWN }, { source: "docs", exclude: UNKNOWN }, { source: "docs", exclude: [UNKNOWN] }])(
  "an unknown part of what makes the hash leaves it out: %j",
  async (fields) => {
    const news = { connection: UNKNOWN, remotePath: "/x", ...fields };
    const { failures, inputs } = await checkInputs(handler, news, LOOK);
    expect(failures).toEqual([]);
    expect(inputs).not.toHaveProperty("sourceHash");
  },
);

test("a home is not emptied by way of a link, either", async () => {
  symlinkSync(homedir(), join(folder, "link"));
  const news = { connection, remotePath: "/x", download: join(folder, "link"), deleteExtra: true };
  expect((await checkInputs(handler, news, LOOK)).failures).toEqual([
    {
      property: "deleteExtra",
      reason: expect.stringMatching(`would remove what else is in .*, ${homedir()} among it`),
    },
  ]);
});
