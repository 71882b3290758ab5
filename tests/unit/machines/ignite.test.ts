import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// The guest's own script, in a scratch root, with a program that ends as Ignition does. What the real one makes of a
// configuration is shown by tests/e2e/disk-images.test.ts.

const SCRIPT = join(__dirname, "..", "..", "..", "provider", "guest", "ignite.sh");
const IGNITION = "usr/lib/dracut/modules.d/30ignition/ignition";
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
  guest.write("usr/lib/mayfly/ignite.sh", readFileSync(SCRIPT, "utf8"));
  guest.write("etc/mayfly/ignition.json", '{"password": "of-the-user"}');
});
afterEach(() => {
  guest[Symbol.dispose]();
});

/** What the script says and how it ends, and what is left of the configuration. */
function ignite(program?: string): string[] {
  if (program !== undefined) {
    guest.write(IGNITION, `#!/usr/lib/mayfly/bin/sh\n${program}\n`);
    guest.run(`chmod +x /${IGNITION}`);
  }
  const run =
    "sh /usr/lib/mayfly/ignite.sh; echo ends with $?; mkdir -p /var /run; grep -rl of-the-user /etc /var /run; :";
  return guest.run(run).trimEnd().split("\n");
}

test("an image without Ignition is refused, and the configuration goes", () => {
  expect(ignite()).toEqual(["the image has no Ignition", "ends with 1"]);
});

test("a stage that fails says so in Ignition's words, not in those of the configuration that it prints", () => {
  const said = ignite(`case $* in *=files*) ;; *) exit 0 ;; esac
echo 'INFO     : files: op(1): [started]  writing "/x"'
echo files failed; echo Full config:; echo '{'; echo '  "password": "of-the-user"'; echo '}'
echo 'CRITICAL : Ignition failed: no room'; exit 1`);
  expect(said).toEqual(['Ignition failed in its stage "files": CRITICAL : Ignition failed: no room', "ends with 1"]);
});

test("it runs once in the life of a root, by the configuration, and nothing of that stays", () => {
  const record =
    'echo "$*" | sed "s/.*--stage=\\([a-z]*\\).*/\\1/" >>/stages; cat $IGNITION_SYSTEM_CONFIG_DIR/user.ign >/seen';
  expect(ignite(record)).toEqual(["ends with 0"]);
  expect(guest.read("seen")).toContain("of-the-user");
  guest.write("etc/mayfly/ignition.json", '{"password": "of-the-user"}'); // the identity disk's, at the next boot
  expect(ignite()).toEqual(["ends with 0"]);
  expect(guest.read("stages").trim().split("\n")).toEqual(["fetch", "disks", "mount", "files", "umount"]);
  expect(guest.run("ls /etc/selinux 2>&1 | grep -c No; ls /run")).toBe("1\n");
});
