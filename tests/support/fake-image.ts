import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Podman } from "../../provider/host/podman";
import type { StoredImage } from "../../provider/images/store";

/** An image with a kernel and an SSH server, of which only the name is there. */
export function fakeImage(id: string): StoredImage {
  const container = { command: [], environment: [], user: "", directory: "/", stopSignal: "SIGTERM" };
  return { id, digest: `sha256:${id}`, bytes: 1, architecture: "amd64", container };
}

/** A podman that shows such images. */
export class FakePodman {
  /** Ids of the images whose root filesystem was packed. */
  readonly packed: string[] = [];

  /** @param packMs How long packing takes; half of the file is there from the start. */
  constructor(private readonly packMs = 0) {}

  /** For rooms that want a real one. */
  get podman(): Podman {
    return this as unknown as Podman;
  }

  /** Does what the scripts of `look.ts` and `extract.ts` do. */
  async script(text: string, [id = "", folder = "", ...rest]: readonly string[]): Promise<string> {
    if (text.includes("mkfs.erofs")) {
      this.packed.push(id);
      writeFileSync(join(folder, "rootfs.erofs"), "half");
      await sleep(this.packMs);
      writeFileSync(join(folder, "rootfs.erofs"), "half and half");
    } else if (folder === "")
      return "file bin\ninit systemd\nsshd usr/sbin/sshd\nkernel 6.1 boot/vmlinuz lib/modules/6.1";
    else if (rest.length > 0) {
      mkdirSync(join(folder, "initramfs", "modules"), { recursive: true });
      writeFileSync(join(folder, "kernel"), "kernel");
    }
    return "";
  }
}
