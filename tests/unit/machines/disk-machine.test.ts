import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { findUefi } from "../../../provider/host/uefi";
import { diskCommand } from "../../../provider/machines/disk/command";
import { systemdCredential } from "../../../provider/machines/disk/credentials";
import { doorFiles, doorScript } from "../../../provider/machines/disk/door";
import { isoImage } from "../../../provider/machines/disk/iso9660";
import { makeDiskFolder } from "../../../provider/machines/disk/folder";
import { seedDisk } from "../../../provider/machines/disk/seed";
import type { Identity } from "../../../provider/machines/spec";
import { bareSpec } from "../../../provider/machines/spec";
import { isKeptInByRules } from "../../../provider/machines/way-out";
import { GuestScratch } from "../../support/guest-scratch";

const identity: Identity = {
  ...{ hostname: "web", machineId: "0123456789abcdef0123456789abcdef", mac: "52:54:00:01:02:03" },
  ...{ hostPrivateKey: "-----PRIVATE\nhalf-----\n", hostPublicKey: "ssh-ed25519 AAAA host", environment: {} },
};
const access = { rootKeys: ["ssh-ed25519 AAAA it's $mine"], users: [] };
const spec = bareSpec({ cpus: 2, memoryMiB: 512, scratchMiB: undefined, kernelArgs: [], accelerator: "tcg" });

let folder: string;
let guest: GuestScratch;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-disk-"));
  guest = new GuestScratch();
});
afterEach(() => {
  guest[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

test("the seed is a CD by the label that cloud-init looks for, with the user's data as they are", () => {
  const file = join(folder, "seed.iso");
  const data = "#cloud-config\n# Grüße\n";
  const seed = seedDisk(identity, access, data);
  writeFileSync(file, seed);
  const seen = execFileSync("/usr/sbin/blkid", ["-p", "-o", "export", file]).toString();
  expect(seen).toMatch(/^LABEL=CIDATA$/m);
  expect(seen).toMatch(/^TYPE=iso9660$/m);
  const at = seed.indexOf("USER-DATA.;1") - 33;
  const [sector, bytes] = [seed.readUInt32LE(at + 2), seed.readUInt32LE(at + 10)];
  expect(seed.subarray(sector * 2_048, sector * 2_048 + bytes).toString()).toBe(data);
});

test("a file that does not fit its sector has several, and an empty one has none of its neighbour's", () => {
  const image = isoImage(
    "X",
    new Map([
      ["a", "a".repeat(5_000)],
      ["b", ""],
      ["c", "c"],
    ]),
  );
  const sectors = ["A", "B", "C"].map((name) => image.readUInt32LE(image.indexOf(`${name}.;1`) - 31));
  expect(sectors).toEqual([21, 24, 25]);
  expect(image.length).toBe(26 * 2_048);
});

test("the door lets in the keys of the first boot; a reboot leaves what was declared since, another machine's goes", () => {
  guest.write("etc/ssh/sshd_config", "Port 23\n");
  guest.write("etc/mayfly/instance", "of another machine");
  guest.write("etc/mayfly/access/keys/root", "an old key");
  guest.write("door.sh", doorScript(doorFiles(identity, access), identity));
  guest.run("sh /door.sh");
  expect(guest.read("etc/mayfly/access/keys/root")).toBe("ssh-ed25519 AAAA it's $mine\n");
  expect(guest.read("etc/mayfly/ssh_host_key")).toBe(identity.hostPrivateKey);
  expect(guest.run("stat -c %a /etc/mayfly/ssh_host_key")).toBe("600\n");
  expect(guest.read("etc/ssh/sshd_config")).toMatch(/^# Written by Mayfly[^]*AuthorizedKeysFile [^]*Port 23\n$/); // it includes nothing
  guest.write("etc/mayfly/access.first-boot/keys/root", "declared since");
  guest.run("sh /door.sh");
  expect(guest.read("etc/mayfly/access/keys/root")).toBe("declared since");
});

test("a server that has a folder of rules keeps its own file", () => {
  guest.write("etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n");
  guest.write("door.sh", doorScript(doorFiles(identity, access), identity));
  guest.run("sh /door.sh");
  expect(guest.read("etc/ssh/sshd_config")).toBe("Include /etc/ssh/sshd_config.d/*.conf\n");
  expect(guest.read("etc/ssh/sshd_config.d/00-mayfly.conf")).toContain("HostKey /etc/mayfly/ssh_host_key");
});

test.each([
  ["022", 0o022],
  ["077", 0o077],
])("with umask %s its files are for this user only, and its folders let through", async (_, umask) => {
  const [place, before] = [join(folder, "machine", "shared"), process.umask(umask)];
  try {
    await makeDiskFolder(
      {
        ...{ folder: place, log: join(folder, "console.log"), diskMiB: undefined, identity, access },
        ...{ userData: undefined, ignition: "{}" },
        boot: { folder, file: "disk", format: "raw", bytes: 1_048_576, firmware: "bios", version: "1" },
      },
      AbortSignal.timeout(20_000),
    );
  } finally {
    process.umask(before);
  }
  const modes = readdirSync(place).map((name) => [name, statSync(join(place, name)).mode & 0o777] as const);
  expect(Object.fromEntries(modes)).toEqual({
    ...{ "disk.qcow2": 0o600, "seed.iso": 0o600, credential: 0o600, "ignition.json": 0o600 },
  });
  for (const each of [place, join(place, "..")]) expect(statSync(each).mode & 0o777).toBe(0o711);
});

test("systemd writes the host key at each boot, and keys only where there are none", () => {
  const [, encoded = ""] = systemdCredential(identity, access).split("tmpfiles.extra=");
  const lines = Buffer.from(encoded, "base64").toString().split("\n");
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  expect(lines).toContain(`f+~ /etc/mayfly/ssh_host_key 0600 root root - ${base64(identity.hostPrivateKey)}`);
  expect(lines).toContain(
    `f~ /etc/mayfly/access.first-boot/keys/root 0644 root root - ${base64("ssh-ed25519 AAAA it's $mine\n")}`,
  );
  expect(lines).toContain("L /etc/mayfly/access - - - - access.first-boot");
});

test("qemu is told of secrets by files, of UEFI by its two, and of SSH's own port", () => {
  const command = (uefiCode?: string, hasIgnition = false) =>
    diskCommand("mayfly-web", spec, identity, { uefiCode, hasIgnition }).join(" ");
  expect(command()).toContain("-smbios type=11,path=/machine/credential");
  expect(command()).toContain("-uuid 01234567-89ab-cdef-0123-456789abcdef");
  expect(command()).toContain("hostfwd=tcp::2222-:22");
  expect(command()).not.toContain("pflash");
  expect(command()).not.toContain("PRIVATE");
  expect(command()).not.toContain("fw_cfg");
  expect(command(undefined, true)).toContain("-fw_cfg name=opt/com.coreos/config,file=/machine/ignition.json");
  expect(command("/usr/share/a,b.fd")).toContain("file=/usr/share/a,,b.fd ");
  expect(command("/usr/share/x.fd")).toMatch(/readonly=on,file=\/usr\/share\/x\.fd .*file=\/machine\/uefi-settings/);
});

test("an isolated guest that asks by DHCP is told of its router: rules outside keep it in, not QEMU's restrict", () => {
  const files = { uefiCode: undefined, hasIgnition: false };
  const command = (more: object) =>
    diskCommand("mayfly-web", { ...spec, isolated: true, ...more }, identity, files).join(" ");
  expect(command({ asksDhcp: true })).toContain("restrict=off");
  expect(isKeptInByRules({ ...spec, isolated: true, asksDhcp: true })).toBe(true);
  expect(command({})).toContain("restrict=on");
  expect(isKeptInByRules({ ...spec, isolated: true })).toBe(false);
});

test("UEFI firmware is found by its description, never one with Secure Boot; without any the package is named", () => {
  const describe = (name: string, features: readonly string[], code = join(folder, "code.fd")) => {
    const mapping = {
      ...{ device: "flash", executable: { filename: code, format: "raw" } },
      "nvram-template": { filename: `${name}.fd`, format: "raw" },
    };
    const targets = [{ architecture: "x86_64", machines: ["pc-q35-*"] }];
    const text = JSON.stringify({ "interface-types": ["uefi"], mapping, targets, features });
    writeFileSync(join(folder, `${name}.json`), text);
  };
  describe("10-secure", ["secure-boot", "requires-smm"]);
  expect(() => findUefi(folder)).toThrow(/not installed on this host[^]*sudo apt-get install ovmf/);
  describe("20-gone", [], join(folder, "no.fd"));
  describe("30-plain", ["acpi-s3"]);
  writeFileSync(join(folder, "code.fd"), "");
  expect(findUefi(folder)).toEqual({ code: join(folder, "code.fd"), settings: "30-plain.fd" });
});
