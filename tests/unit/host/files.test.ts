import { execFileSync } from "node:child_process";
import { constants, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { copySparse, openUntrusted, rewriteUntrusted } from "../../../provider/host/files";
import { openPipe } from "../../../provider/host/sockets";
import { failureOf } from "../../support/context";

let folder: string;
let secret: string;
const place = (name: string) => join(folder, name);
const signal = AbortSignal.timeout(20_000);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly files "));
  secret = place("secret");
  writeFileSync(secret, "the host's");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("a file is copied without its holes, and only to where nothing is", async () => {
  writeFileSync(place("one"), Buffer.concat([Buffer.alloc(1_048_576), Buffer.from("end")]));
  await copySparse(place("one"), place("two"), signal);
  const seen = statSync(place("two"));
  expect([seen.size, seen.blocks * 512 < 1_048_576, seen.mode & 0o777]).toEqual([1_048_579, true, 0o600]);
  symlinkSync(secret, place("link"));
  expect(await failureOf(copySparse(place("one"), place("link"), signal))).toMatchObject({ code: "EEXIST" });
  expect(readFileSync(secret, "utf8")).toBe("the host's");
});

test("what is open is copied, whatever comes into its place", async () => {
  writeFileSync(place("disk"), "disk");
  const disk = await openUntrusted(place("disk"), constants.O_RDONLY);
  rmSync(place("disk"));
  symlinkSync(secret, place("disk"));
  await copySparse(disk, place("copy"), signal);
  await disk.close();
  expect(readFileSync(place("copy"), "utf8")).toBe("disk");
});

test("a file in a machine's folder is written in its place; a link or a pipe there is not", async () => {
  writeFileSync(place("disk"), "old and longer");
  await rewriteUntrusted(place("disk"), Buffer.from("new"));
  expect(readFileSync(place("disk"), "utf8")).toBe("new and longer");
  symlinkSync(secret, place("link"));
  expect(await failureOf(rewriteUntrusted(place("link"), Buffer.from("new")))).toMatchObject({ code: "ELOOP" });
  expect(readFileSync(secret, "utf8")).toBe("the host's");
  execFileSync("mkfifo", [place("pipe")]);
  expect((await failureOf(openUntrusted(place("pipe"), constants.O_RDONLY))).message).toMatch(
    /pipe is no regular file/,
  );
});

test("a channel is a pipe, and neither a link to one nor a file", () => {
  execFileSync("mkfifo", [place("pipe")]);
  openPipe(folder, "pipe", "read").destroy();
  symlinkSync(place("pipe"), place("link"));
  expect(() => openPipe(folder, "link", "write")).toThrow("ELOOP");
  expect(() => openPipe(folder, "secret", "write")).toThrow("is no pipe");
});
