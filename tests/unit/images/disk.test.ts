import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "@jest/globals";
import { openPaths } from "../../../provider/host/paths";
import { Podman } from "../../../provider/host/podman";
import type { StoredDisk } from "../../../provider/images/disk";
import { Images } from "../../../provider/images/images";
import { failureOf } from "../../support/context";
import { gpt, mbr, qemuImg, TYPES, writeRaw } from "../../support/small-disks";

const MIB = 1_048_576;
const SECTORS = (16 * MIB) / 512;
const folder = mkdtempSync(join(tmpdir(), "mayfly disks "));
const raw = join(folder, "disk.raw");
const qcow2 = join(folder, "disk.qcow2");
const paths = openPaths({ MAYFLY_HOME: join(folder, "data") });
const images = new Images(paths, new Podman(paths), () => Promise.resolve([]));
const signal = AbortSignal.timeout(120_000);

beforeEach(() => {
  for (const name of readdirSync(folder)) if (name !== "data") rmSync(join(folder, name));
  writeRaw(raw, mbr([{ type: "83", start: 2_048, count: 4_096 }], { code: true }), 16 * MIB);
  qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, qcow2);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const take = async (disk: string, firmware: "auto" | "bios" | "uefi" = "auto") => {
  const name = await images.disk({ disk, firmware }, signal);
  return [name, (await images.resolve(name, signal, () => undefined)) as StoredDisk] as const;
};

test("a disk is copied once by its content, and found by its name; the file stays as it is", async () => {
  const before = readFileSync(qcow2);
  const [[name, stored], [twin]] = await Promise.all([take(qcow2), take(qcow2)]);
  expect(twin).toBe(name);
  expect(name).toBe(`localhost/mayfly/disk@${stored.digest}`);
  expect(stored.disk).toMatchObject({ format: "qcow2", bytes: 16 * MIB, firmware: "bios" });
  expect(readFileSync(join(stored.disk.folder, "disk"))).toEqual(before);
  expect(readFileSync(qcow2)).toEqual(before);
  rmSync(stored.disk.folder, { recursive: true, force: true });
  expect(await images.find(name, signal)).toBeUndefined();
  expect(await failureOf(images.resolve(name, signal, () => undefined))).toMatchObject({ code: "IMAGE_NOT_FOUND" });
  expect((await take(qcow2))[0]).toBe(name);
});

const ESP = { type: TYPES.esp, start: 2_048, count: 4_096 };
const ROOT = { type: TYPES.linux, start: 8_192, count: 4_096 };

test.each<[string, Buffer, string]>([
  ["an MBR with code", mbr([{ type: "83", start: 1, count: 9 }], { code: true }), "bios"],
  ["an MBR with an ESP alone", mbr([{ type: "ef", start: 1, count: 9 }]), "uefi"],
  ["a GPT with an ESP", gpt(SECTORS, [ESP, ROOT]), "uefi"],
  ["a GPT with an ESP, and code that only says so", gpt(SECTORS, [ESP, ROOT], { code: true }), "uefi"],
  ["a GPT for both", gpt(SECTORS, [{ ...ESP, type: TYPES.biosBoot }, ESP, ROOT], { code: true }), "bios"],
  ["a GPT with code and no ESP", gpt(SECTORS, [ROOT], { code: true }), "bios"],
  ["a file system with a loader", Buffer.concat([Buffer.alloc(510, 0x41), Buffer.from([0x55, 0xaa])]), "bios"],
])("%s boots as it can", async (_what, head, firmware) => {
  writeRaw(raw, head, 16 * MIB);
  expect((await take(raw))[1].disk.firmware).toBe(firmware);
});

test("the firmware can be chosen where a disk has a road for it", async () => {
  const both = gpt(SECTORS, [{ ...ESP, type: TYPES.biosBoot }, ESP], { code: true });
  writeRaw(raw, both, 16 * MIB);
  const [name, { disk }] = await take(raw, "uefi");
  expect([disk.firmware, name]).toEqual(["uefi", expect.stringContaining("/disk:uefi@sha256:")]);
  expect((await take(raw))[1].disk.firmware).toBe("bios");
  const error = await failureOf(images.disk({ disk: qcow2, firmware: "uefi" }, signal));
  expect(error.message).toContain('firmware is "uefi", and it has no EFI system partition');
});

/** Breaks the table that says where the disk's parts are in the file. */
function corrupt(file: string): void {
  const bytes = readFileSync(file);
  const table = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(40)) % 2 ** 48) & 0x00ff_ffff_ffff_fe00n);
  bytes.fill(0x5a, table, table + 64);
  writeFileSync(file, bytes);
}

test.each<[string, () => string, RegExp]>([
  ["is empty", () => (writeFileSync(raw, ""), raw), /the file is empty\nTo fix: make or fetch it again/],
  ["is a text", () => (writeFileSync(raw, "hello\n"), raw), /neither code in its boot sector nor an EFI system/],
  [
    "was just made",
    () => (qemuImg("create", "-q", "-f", "qcow2", `${raw}.new`, "16M"), `${raw}.new`),
    /neither code in/,
  ],
  ["has no loader", () => (writeRaw(raw, gpt(SECTORS, [ROOT]), 16 * MIB), raw), /neither code in its boot sector/],
  ["is packed", () => (execFileSync("gzip", [qcow2]), `${qcow2}.gz`), /packed by gzip\nTo fix: unpack it: gunzip/],
  [
    "is a VMDK",
    () => (qemuImg("convert", "-O", "vmdk", raw, `${raw}.vmdk`), `${raw}.vmdk`),
    /a VMDK.*\n.*qemu-img convert -f vmdk/,
  ],
  [
    "is a VDI",
    () => (qemuImg("convert", "-O", "vdi", raw, `${raw}.vdi`), `${raw}.vdi`),
    /a VDI.*\n.*qemu-img convert -f vdi/,
  ],
  [
    "is cut off",
    () => (truncateSync(qcow2, 100_000), qcow2),
    /no disk that a machine can boot from\n.+\nTo fix: fetch/,
  ],
  [
    "is cut off, as raw",
    () => (writeRaw(raw, gpt(SECTORS, [ESP]), 8 * MIB), raw),
    /cut off: its partitions need 16777216/,
  ],
  ["is corrupt", () => (corrupt(qcow2), qcow2), /no disk that a machine can boot from\n.+\nTo fix: fetch/],
  [
    "is a part of another",
    () => (qemuImg("create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", `${qcow2}.over`), `${qcow2}.over`),
    /in another file, .*disk\.raw\nTo fix: make one file of them: qemu-img convert/,
  ],
  [
    "is for another processor",
    () => (writeRaw(raw, gpt(SECTORS, [ESP, { ...ROOT, type: TYPES.rootArm64 }]), 16 * MIB), raw),
    /its root partition is for arm64\nTo fix: take the image's amd64 form/,
  ],
])("a disk that %s is refused, and nothing of it stays", async (_what, make, message) => {
  const kept = readdirSync(paths.artefacts);
  const error = await failureOf(images.disk({ disk: make(), firmware: "auto" }, signal));
  expect(error).toMatchObject({ code: "IMAGE_NOT_BOOTABLE", message: expect.stringMatching(message) });
  expect(readdirSync(paths.artefacts)).toEqual(kept);
  expect(readdirSync(paths.scratch)).toEqual([]);
});
