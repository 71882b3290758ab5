import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { failureOf } from "../../tests/support/context";
import { timed } from "../figures";
import { imageOf, type Fields, type Maker } from "./guests";

/** What is no guest. */
interface Refusal {
  readonly what: string;
  /** Makes what is to be refused; returns the kind of the resource that names it, and its fields. */
  readonly make: (maker: Maker) => Promise<readonly [kind: string, fields: Fields]>;
}

/** How it was refused. */
export interface Refused {
  readonly what: string;
  readonly seconds: number;
  /** What the user reads. */
  readonly message: string;
  /** What is left of it on the host; nothing is expected. */
  readonly left: readonly string[];
}

const REFUSALS: readonly Refusal[] = [
  {
    what: "a name that nothing has",
    make: async () => ["VM", { image: "localhost/no/such-image" }],
  },
  {
    what: "a file that is no archive",
    make: async ({ workshop }) => {
      writeFileSync(join(workshop.home, "letter.tar"), "Dear reader\n");
      return ["Image", { rootfs: join(workshop.home, "letter.tar") }];
    },
  },
  {
    what: "an archive that is cut off",
    make: async ({ images }) => {
      const tar = await images.tar("cut", { files: { "bin/busybox": { from: "/usr/bin/busybox" } } });
      truncateSync(tar, 200_000);
      return ["Image", { rootfs: tar }];
    },
  },
  {
    what: "an image without a file",
    make: async ({ images }) => ["VM", { image: await images.make("empty", {}) }],
  },
  {
    what: "an image for a processor that no QEMU here emulates",
    make: async ({ images }) => {
      const files = { program: "for another processor" };
      return ["VM", { image: await images.make("foreign", { files, architecture: "s390x" }) }];
    },
  },
  {
    what: "a disk image that nothing boots from",
    make: async ({ workshop }) => {
      const disk = join(workshop.home, "data.qcow2");
      await workshop.run("qemu-img", "create", "-q", "-f", "qcow2", disk, "64M");
      return ["Image", { disk }];
    },
  },
  {
    what: "a file that is no disk image",
    make: async ({ workshop }) => {
      writeFileSync(join(workshop.home, "letter.qcow2"), "Dear reader\n");
      return ["Image", { disk: join(workshop.home, "letter.qcow2") }];
    },
  },
  {
    what: "a kernel without virtio",
    make: async (maker) => {
      const debian = await imageOf(maker, { debian: {} });
      const script = "rm /usr/lib/modules/*/kernel/drivers/block/virtio_blk.ko && depmod $(ls /usr/lib/modules)";
      return ["VM", { image: await maker.images.build("no-virtio", `FROM ${debian}\nRUN ${script}\n`) }];
    },
  },
  {
    what: "a Containerfile whose build fails",
    make: async (maker) => {
      const debian = await imageOf(maker, { debian: {} });
      return ["Image", { containerfile: { text: `FROM ${debian}\nRUN make all\n` } }];
    },
  },
];

/** Has each of them refused. */
export async function tryRefusals(maker: Maker): Promise<Refused[]> {
  const found: Refused[] = [];
  for (const { what, make } of REFUSALS) {
    const [kind, fields] = await make(maker);
    const { seconds, result } = await timed(() => failureOf(maker.engine.create(kind, fields)));
    found.push({ what, seconds, message: result.message, left: leftOf(maker) });
  }
  return found;
}

/** What there is of machines, and of what is being made. */
function leftOf({ engine, workshop }: Maker): string[] {
  const all = ["machines", join("records", "machines"), "scratch"];
  const folders = all.filter((folder) => existsSync(join(engine.home, folder)));
  const files = folders.flatMap((folder) => readdirSync(join(engine.home, folder)).map((name) => join(folder, name)));
  const ofThisRun = ["--filter", `label=mayfly.project=${workshop.name}`, "--format", "{{.Names}}"];
  const containers = execFileSync("podman", ["ps", "--all", ...ofThisRun], { encoding: "utf8" });
  return [...files, ...containers.split("\n").filter(Boolean)];
}
