import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HELPER } from "./helper";

const GUEST = join(__dirname, "..", "..", "provider", "guest");
const BUSYBOX = ["/usr/bin/busybox", "/bin/busybox"];

/**
 * A folder that looks like a guest's root to our scripts: busybox where they look for it, account files of an image, a
 * /proc of its own. They run in it as its root, without a machine: in milliseconds, and with failures where one wants them.
 */
export class GuestScratch implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "mayfly-guest-"));

  constructor() {
    for (const name of [
      "dev",
      "proc",
      "tmp",
      "root",
      "home",
      "etc/sudoers.d",
      "etc/mayfly",
      "etc/skel",
      "usr/lib/mayfly/bin",
    ])
      mkdirSync(join(this.folder, name), { recursive: true });
    this.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nimage:x:1000:1000::/home/image:/bin/sh\n");
    this.write("etc/shadow", "root:*:19000:0:99999:7:::\nimage:*:19700:0:99999:7:::\n");
    this.write("etc/group", "root:x:0:\nshadow:x:42:\nvideo:x:44:image\nimage:x:1000:\n");
    const own = join(this.folder, "usr/lib/mayfly");
    const [busybox = ""] = BUSYBOX.filter((path) => spawnSync(path, ["true"]).status === 0);
    copyFileSync(busybox, join(own, "busybox"));
    copyFileSync(join(GUEST, "apply-access.sh"), join(own, "apply-access.sh"));
    copyFileSync(HELPER, join(own, "helper"));
    this.run("/usr/lib/mayfly/busybox --install -s /usr/lib/mayfly/bin");
  }

  /** Writes a file of the guest. */
  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  /** A file of the guest. */
  read(path: string): string {
    return readFileSync(join(this.folder, path), "utf8");
  }

  /**
   * Runs shell text as the guest's root; what it printed. All that it started ends with it.
   *
   * @param outside Bash text that runs first, with this host's programs; its processes are there for the guest to see.
   */
  run(text: string, outside = ":"): string {
    // podman, as Ubuntu lets no other program mount in a user namespace of an ordinary user's: not even unshare(1) within
    // podman's, from 25.04 on. Hence busybox, and that from here, where no profile of AppArmor knows it.
    const asRoot = process.getuid?.() === 0 ? [] : ["podman", "unshare"];
    const busybox = join(this.folder, "usr/lib/mayfly/busybox");
    const unshare = ["timeout", "--signal=KILL", "20", busybox, "unshare", "-m", "-p", "-f"];
    const enter =
      'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && cd "$0" && eval "$OUTSIDE" && exec chroot "$0" "$@"';
    const inside = [this.folder, "/usr/lib/mayfly/busybox", "sh", "-c", `PATH=/usr/lib/mayfly/bin; ${text}`];
    const withParent = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "bash", "-c", enter]; // by its path: busybox has one
    const [file = "", ...args] = [...asRoot, ...unshare, ...withParent, ...inside];
    return execFileSync(file, args, { encoding: "utf8", env: { ...process.env, OUTSIDE: outside } });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}
