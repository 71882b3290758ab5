import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// The guest's own script, in a scratch root. What its machine makes of the files is shown by tests/e2e.

const FOLDER = join(__dirname, "..", "..", "..", "provider", "guest");
const LENT = "/usr/lib/mayfly/ssh/mayfly-sshd";
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
  for (const name of ["prepare.sh", "lend-sshd.sh"])
    guest.write(`usr/lib/mayfly/${name}`, readFileSync(join(FOLDER, name), "utf8"));
  guest.write("etc/mayfly/sshd_config", "Port 22\n");
});
afterEach(() => {
  guest[Symbol.dispose]();
});

const SSHD = "/usr/sbin/sshd";

/** As at two boots. */
const prepare = (sshd: string) => {
  for (const _ of [1, 2]) expect(guest.run(`sh /usr/lib/mayfly/prepare.sh ${sshd}`)).toBe("");
};

test("a last line of /etc/environment that has no end stays a line of its own", () => {
  guest.write("etc/environment", "A=1");
  guest.write("usr/lib/mayfly/environment", "B=2\n");
  prepare(LENT);
  expect(guest.read("etc/mayfly/environment.image")).toBe("A=1\nB=2\n");
});

test.each([
  ["none", undefined, ""],
  ["an uninitialized one", "uninitialized\n", ""],
  ["one of its own", "0123456789abcdef0123456789abcdef\n", "0123456789abcdef0123456789abcdef\n"],
])("a template whose image has %s for a machine-id has no first boot", (_what, own, expected) => {
  guest.write("etc/mayfly/template", "");
  guest.write("etc/systemd/system/x", "");
  if (own !== undefined) guest.write("etc/machine-id", own);
  prepare(LENT);
  expect(guest.read("etc/machine-id")).toBe(expected);
});

test("the door listens at its own address only; the image's server where the image says", () => {
  guest.write("usr/sbin/sshd", "persourcepenalties\0");
  const image = "Include /etc/ssh/sshd_config.d/*.conf\nlistenaddress 0.0.0.0\nX11Forwarding yes\n";
  guest.write("etc/ssh/sshd_config", image);
  guest.write("etc/ssh/sshd_config.d/50-image.conf", " ListenAddress ::\nBanner none\n");
  prepare(SSHD);
  const ours = "PerSourcePenalties no\nPort 22\n";
  expect(guest.read("etc/ssh/sshd_config")).toBe(ours + image);
  expect(guest.read("etc/mayfly/sshd_config.door")).toBe(
    `${ours}Include /etc/mayfly/door.d/*.conf\nX11Forwarding yes\n`,
  );
  expect(guest.read("etc/mayfly/door.d/50-image.conf")).toBe("Banner none\n");
});

test("what the image's sshd needs and knows is found out from its program", () => {
  const seen = () => guest.run("cd /etc/mayfly; ls names-pam has-pam 2>/dev/null || :").trim().split("\n");
  guest.write("usr/sbin/sshd", "\x7fELF libpam.so.0\0port\0pamservicename\0");
  prepare(SSHD);
  expect(seen()).toEqual(["has-pam", "names-pam"]);
  guest.write("usr/sbin/sshd", "\x7fELF libpam.so.0\0port\0");
  prepare(SSHD);
  expect(seen()).toEqual(["has-pam"]);
  guest.write("usr/sbin/sshd", "\x7fELF port\0");
  prepare(SSHD);
  expect(seen()).toEqual([""]);
});

test("an image that names no address has no such text", () => {
  guest.write("usr/sbin/sshd", "");
  guest.write("etc/ssh/sshd_config", "#ListenAddress 0.0.0.0\n");
  prepare(SSHD);
  expect(guest.run("ls /etc/mayfly | grep door || echo none")).toBe("none\n");
});

test("whoever manages networks in the image gets rules for our cards", () => {
  prepare(LENT);
  expect(guest.run("ls -d /etc/systemd/network /etc/NetworkManager 2>/dev/null || echo none")).toBe("none\n");
  for (const program of ["usr/lib/systemd/systemd-networkd", "usr/sbin/NetworkManager"]) guest.write(program, "");
  guest.run("chmod 755 /usr/lib/systemd/systemd-networkd /usr/sbin/NetworkManager");
  prepare(LENT);
  expect(guest.read("etc/systemd/network/0-mayfly.network")).toMatch(/^Name=eth0$[^]*^Address=10\.53\.0\.15\/24$/m);
  expect(guest.read("etc/systemd/network/0-mayfly-networks.network")).toMatch(
    /^Name=eth\[1-9\]\*$[^]*^Unmanaged=yes$/m,
  );
  expect(guest.read("etc/NetworkManager/conf.d/zz-mayfly.conf")).toMatch(/^unmanaged-devices=interface-name:eth\*$/m);
});
