import { networkInterfaces } from "node:os";

/**
 * IPv4 addresses by which this host's services can be reached from the host itself, loopback (127.0.0.0/8) aside: those
 * of all interfaces, bridges of other container engines included.
 */
export function hostAddresses(interfaces: typeof networkInterfaces = networkInterfaces): string[] {
  const all = Object.values(interfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.filter(({ family, address }) => family === "IPv4" && !address.startsWith("127."));
  return [...new Set(found.map(({ address }) => address))];
}
