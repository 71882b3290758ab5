import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// The guest's own script, in a scratch root. That one can log in afterwards is shown by tests/e2e/images.test.ts.

const SCRIPT = join(__dirname, "..", "..", "..", "provider", "guest", "lend-sshd.sh");
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
  guest.write("usr/lib/mayfly/lend-sshd.sh", readFileSync(SCRIPT, "utf8"));
  guest.write("etc/mayfly/sshd_config", "Port 22\n");
});
afterEach(() => {
  guest[Symbol.dispose]();
});

const lend = () => guest.run("sh /usr/lib/mayfly/lend-sshd.sh; sh /usr/lib/mayfly/lend-sshd.sh"); // as at two boots

const SSHD = (id: number) => `sshd:x:${String(id)}:65534::/etc/sshd:/bin/false\n`;

test.each([
  ["no account", "", "root:x:0:0:root:/root:/bin/sh\n"],
  [
    "no root, and no end of the last line",
    "app:x:990:5::/:/app",
    "root:x:0:0:root:/root:/bin/sh\napp:x:990:5::/:/app\n",
  ],
  ["a root without a shell", "root:x:0:0:root:/root:/sbin/nologin\n", "root:x:0:0:root:/root:/bin/sh\n"],
  ["a root whose shell is not there", "root:x:0:0:root:/root:/bin/bash\n", "root:x:0:0:root:/root:/bin/sh\n"],
])("an image with %s gets what a login needs, once", (_what, passwd, expected) => {
  guest.write("etc/passwd", passwd);
  expect(lend()).toBe("");
  expect(guest.read("etc/passwd")).toBe(expected + SSHD(passwd.includes(":990:") ? 989 : 990));
  expect(guest.run("ls -l /bin/sh | sed 's/.*sh -/sh -/'; stat -c '%a %U' /root /etc/sshd; echo works")).toBe(
    "sh -> /usr/lib/mayfly/bin/sh\n755 root\n755 root\nworks\n",
  );
});

test("what the image has stays as it is", () => {
  const passwd = `root:x:0:0:root:/root:/usr/lib/mayfly/bin/ash\n${SSHD(77)}`;
  guest.write("etc/passwd", passwd);
  guest.write("bin/sh", "its own");
  guest.run("chmod 755 /bin/sh");
  expect(lend()).toBe("");
  expect(guest.read("etc/passwd")).toBe(passwd);
  expect(guest.read("bin/sh")).toBe("its own");
  expect(guest.read("etc/mayfly/sshd_config.lent")).toMatch(/^Port 22\n(.*\n)*UsePAM yes\n$/);
});
