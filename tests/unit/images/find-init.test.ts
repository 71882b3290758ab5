import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { FIND_INIT } from "../../../provider/images/look";
import { IMAGE_FILES } from "../../../provider/images/mounted";

// The rule by which an image's init is found, with the ways into an image that lies in a folder. That a boot finds the
// same is shown by tests/e2e/images.test.ts.

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mayfly image "));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Paths of files and, with `link:`, of links. */
type Files = Readonly<Record<string, string>>;

const BUSYBOX = { "bin/busybox": "", "sbin/init": "link:/bin/busybox" };

test.each<[string, string, Files]>([
  ["no init", "minimal ", { "bin/app": "" }],
  ["Debian's systemd", "systemd /sbin/init", { "lib/systemd/systemd": "", "sbin/init": "link:/lib/systemd/systemd" }],
  [
    "systemd by way of several links",
    "systemd /sbin/init",
    {
      ...{ sbin: "link:usr/sbin", "usr/sbin/init": "link:/etc/alternatives/init" },
      ...{ "etc/alternatives/init": "link:../../usr/lib/systemd/systemd", "usr/lib/systemd/systemd": "" },
    },
  ],
  ["systemd without a name of its own", "systemd /usr/lib/systemd/systemd", { "usr/lib/systemd/systemd": "" }],
  ["another init beside systemd", "other /sbin/init", { "sbin/init": "", "lib/systemd/systemd": "" }],
  ["sysvinit and its scripts", "scripts /sbin/init", { "sbin/init": "", ...inittab("/etc/init.d/rcS") }],
  ["sysvinit and a table of its own", "other /sbin/init", { "sbin/init": "", "etc/inittab": "# /etc/init.d/rc\n" }],
  ["an init at the top", "other /init", { init: "" }],
  ["a link that leads round", "other /sbin/init", { "sbin/init": "link:init" }],
  ["busybox and nothing to start", "minimal ", BUSYBOX],
  ["busybox and its script", "other /sbin/init", { ...BUSYBOX, "etc/init.d/rcS": "" }],
  ["busybox and OpenRC", "scripts /sbin/init", { ...BUSYBOX, ...inittab("/sbin/openrc sysinit"), "sbin/openrc": "" }],
  ["busybox and a table of what is not there", "minimal ", { ...BUSYBOX, ...inittab("/sbin/openrc sysinit") }],
  [
    "the table of Mayfly's own init",
    "minimal ",
    { ...BUSYBOX, "etc/inittab": "# Written by Mayfly; inittab(5)\n::sysinit:/sbin/openrc\n", "sbin/openrc": "" },
  ],
])("in an image with %s: %s", (_what, found, files) => {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (content.startsWith("link:")) symlinkSync(content.slice("link:".length), join(root, path));
    else writeFileSync(join(root, path), content);
  }
  const script = `root=$1\n${IMAGE_FILES}${FIND_INIT}\necho "$kind $init"`;
  expect(execFileSync("sh", ["-euc", script, "sh", root], { encoding: "utf8" })).toBe(`${found}\n`);
});

function inittab(start: string): Files {
  return { "etc/inittab": `# Alpine's\n::sysinit:${start}\n::wait:/sbin/openrc boot\n` };
}
