import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import zlib from "node:zlib";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ARCHITECTURES } from "../../../provider/architectures";
import { guestFiles, hostBusybox, packInitramfs } from "../../../provider/images/initramfs";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly initramfs "));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Packs an initramfs with these modules; what is in each of its files of modules. */
async function modulesOf(modules: Readonly<Record<string, Buffer>>): Promise<Record<string, string>> {
  const [root, file] = [join(folder, "root"), join(folder, "initramfs")];
  mkdirSync(join(root, "modules"), { recursive: true });
  for (const [name, content] of Object.entries(modules)) writeFileSync(join(root, "modules", name), content);
  const guest = { ...guestFiles(ARCHITECTURES.amd64, hostBusybox()), extra: new Map<string, string>() };
  await packInitramfs(root, file, guest, AbortSignal.timeout(60_000));
  const out = join(folder, "out");
  mkdirSync(out);
  execFileSync(hostBusybox(), ["cpio", "-i", "-d", "-F", file, "modules/*"], { cwd: out, stdio: "ignore" });
  const names = execFileSync("ls", [join(out, "modules")])
    .toString()
    .trimEnd()
    .split("\n");
  const content = (name: string) => execFileSync("cat", [join(out, "modules", name)]).toString();
  return Object.fromEntries(names.map((name) => [name, content(name)]));
}

const PLAIN = Buffer.from("a module");
const MODULES = { "a.ko": PLAIN, "b.ko.gz": zlib.gzipSync(PLAIN), "c.ko.zst": zlib.zstdCompressSync(PLAIN) };
const UNPACKED = { "a.ko": "a module", "b.ko": "a module", "c.ko": "a module" };

test("modules are in it unpacked, however they were packed", async () => {
  const xz = execFileSync("xz", ["--stdout"], { input: PLAIN });
  expect(await modulesOf({ ...MODULES, "d.ko.xz": xz })).toEqual({ ...UNPACKED, "d.ko": "a module" });
});

test("by the program zstd, where Node is older than its own (22.15)", async () => {
  const shims = join(folder, "shims");
  mkdirSync(shims);
  writeFileSync(join(shims, "zstd"), '#!/bin/sh\nfor last; do :; done\nprintf "by zstd" >"${last%.zst}"\n', {
    mode: 0o755,
  });
  const [path, own] = [process.env["PATH"] ?? "", Object.getOwnPropertyDescriptor(zlib, "zstdDecompressSync")];
  process.env["PATH"] = `${shims}:${path}`;
  Reflect.deleteProperty(zlib, "zstdDecompressSync");
  try {
    expect(await modulesOf(MODULES)).toEqual({ ...UNPACKED, "c.ko": "by zstd" });
  } finally {
    process.env["PATH"] = path;
    if (own !== undefined) Object.defineProperty(zlib, "zstdDecompressSync", own);
  }
});
