/** What a guest needs before its own root filesystem is there. A name is that of the file, without `.ko`. */
const BOOT_MODULES: readonly string[] = [
  "virtio_pci",
  "virtio_blk",
  "virtio_net",
  "virtio_console",
  "virtio-rng",
  "erofs",
  "overlay",
  "ext4",
  "virtiofs",
];

/** Those of them without which no machine has a root filesystem. */
const NEEDED: readonly string[] = ["virtio_pci", "virtio_blk", "erofs", "overlay"];

/**
 * What a kernel lacks of what a machine cannot do without; pure.
 *
 * @param modulesDep Text of `modules.dep`.
 * @param modulesBuiltin Text of `modules.builtin`: a path for each that is in the kernel itself.
 */
export function missingDrivers(modulesDep: string, modulesBuiltin: string): string[] {
  const paths = [...modulesDep.split("\n").map((line) => line.split(":")[0] ?? ""), ...modulesBuiltin.split("\n")];
  const names = new Set(paths.map(moduleName));
  return NEEDED.filter((name) => !names.has(name));
}

const SUFFIX = /\.ko(?:\.(?:gz|xz|zst))?$/;

/**
 * Picks modules and what they need, in the order in which insmod takes them. A name that the kernel has built in, or
 * does not know, is left out: whoever misses it says so.
 *
 * @param modulesDep Text of `modules.dep`: per module, all modules that it needs, the last to be loaded first; depmod(8).
 * @returns Paths relative to the modules' folder.
 */
export function modulesInOrder(modulesDep: string, names: readonly string[] = BOOT_MODULES): string[] {
  const needs = new Map<string, string[]>();
  for (const line of modulesDep.split("\n")) {
    const [path = "", rest = ""] = line.split(":");
    if (path !== "") needs.set(path, rest.split(" ").filter(Boolean));
  }
  const wanted = names.flatMap((name) => [...needs.keys()].filter((path) => moduleName(path) === name));
  const ordered = new Set<string>();
  for (const path of wanted) for (const needed of [...(needs.get(path) ?? []).toReversed(), path]) ordered.add(needed);
  return [...ordered];
}

/** `kernel/fs/erofs/erofs.ko.xz` is `erofs`. */
export function moduleName(path: string): string {
  return (path.split("/").at(-1) ?? "").replace(SUFFIX, "");
}
