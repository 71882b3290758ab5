import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// The guest's own script, in a scratch root. What an init makes of its mounts is shown by tests/e2e.

const SCRIPT = join(__dirname, "..", "..", "..", "provider", "guest", "mount-early.sh");
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
  guest.write("usr/lib/mayfly/mount-early.sh", readFileSync(SCRIPT, "utf8"));
});
afterEach(() => {
  guest[Symbol.dispose]();
});

/** Folders of the guest that are mounts of their own afterwards, with their modes. */
const mountsOf = (kind: string, ...targets: string[]) => {
  guest.write("etc/mayfly/mounts", targets.map((target, index) => `mount${String(index)}\t${target}\trw\n`).join(""));
  const look = "for folder in /run /tmp; do grep -q \" $folder tmpfs \" /proc/mounts && stat -c '%n %a' $folder; done";
  return guest.run(`sh /usr/lib/mayfly/mount-early.sh ${kind}; ${look}; true`).trim();
};
const UNIT = "usr/lib/systemd/system/tmp.mount";

test("systemd gets a mount on /run where a mount lies below it, and nowhere else", () => {
  guest.write(UNIT, "");
  expect(mountsOf("systemd", "/srv/x", "/run", "/tmp")).toBe("");
  expect(mountsOf("systemd", "/run/x")).toBe("/run 755");
  expect(mountsOf("systemd", "/var/run/x")).toBe("/run 755");
  expect(mountsOf("scripts", "/run/x", "/tmp/x")).toBe("/run 755");
  expect(mountsOf("minimal", "/run/x", "/tmp/x")).toBe("");
});

test("and one on /tmp where it has a unit for that, or a line", () => {
  expect(mountsOf("systemd", "/tmp/x")).toBe("");
  guest.write("etc/fstab", "#tmpfs /tmp tmpfs\n");
  expect(mountsOf("systemd", "/tmp/x")).toBe("");
  guest.write("etc/fstab", "tmpfs\t/tmp\ttmpfs\n");
  expect(mountsOf("systemd", "/tmp/x/y")).toBe("/tmp 1777");
  guest.write("etc/fstab", "");
  guest.write(UNIT, "");
  expect(mountsOf("systemd", "/tmp/x")).toBe("/tmp 1777");
  guest.run("mkdir -p /etc/systemd/system; ln -s /dev/null /etc/systemd/system/tmp.mount");
  expect(mountsOf("systemd", "/tmp/x")).toBe("");
});
