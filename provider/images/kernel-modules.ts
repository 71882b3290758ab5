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
