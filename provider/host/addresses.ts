import { readFileSync } from "node:fs";

/** The kernel's IPv4 routes, the local ones among them, as a tree: proc_net(5). */
const ROUTES = "/proc/net/fib_trie";

/**
 * IPv4 addresses by which this host's services can be reached from the host itself, loopback (127.0.0.0/8) aside: those
 * that the kernel has for its own. Those of an interface that is idle are among them (`docker0` without containers, a port
 * without its cable), though no list of interfaces that run has them.
 *
 * @param routes What the kernel's file of routes has.
 * @returns Addresses, or ranges of them (`198.51.100.0/24`), where the host answers at all of one.
 */
export function hostAddresses(routes = readFileSync(ROUTES, "utf8")): string[] {
  const leaves = routes.split("|-- ").slice(1); // the address, and then a line for each of its routes
  const found = leaves.flatMap((leaf) => {
    const address = leaf.split("\n", 1)[0]?.trim() ?? "";
    const prefixes = [...leaf.matchAll(/^ *\/(\d+) host LOCAL$/gm)].map(([, prefix]) => prefix ?? "");
    const own = prefixes.filter((prefix) => prefix !== "0"); // all there are: so TPROXY takes in what is marked for it
    return own.map((prefix) => (prefix === "32" ? address : `${address}/${prefix}`));
  });
  return [...new Set(found)].filter((address) => !address.startsWith("127."));
}
