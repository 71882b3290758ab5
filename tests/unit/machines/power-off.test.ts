import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// How the guest's agent shuts down, in a scratch root. What an init makes of it is shown by tests/e2e.

const AGENT = readFileSync(join(__dirname, "..", "..", "..", "provider", "guest", "agent.sh"), "utf8");
const [POWER_OFF = ""] = /^power_off\(\) \{[^]*?^\}/m.exec(AGENT) ?? [];
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
});
afterEach(() => {
  guest[Symbol.dispose]();
});

test.each(["sbin", "usr/sbin"])("an init with scripts is asked by the image's own program in /%s", (folder) => {
  guest.write(`${folder}/poweroff`, '#!/usr/lib/mayfly/bin/sh\necho "$0" >/tmp/said\n');
  guest.run(
    `chmod 755 /${folder}/poweroff
     WITH_IMAGES_PROGRAMS=$PATH:/usr/sbin:/usr/bin:/sbin:/bin init=scripts
     ${POWER_OFF}
     power_off; wait`,
  );
  expect(guest.read("tmp/said")).toBe(`/${folder}/poweroff\n`);
});
