import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";

const RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range";
const LOWEST = 20_000; // below are the ports that programs are known by
const HIGHEST = 65_535;
const CANDIDATES = 16;

/**
 * Some ports, at random, of those that the kernel gives nobody by itself, as it gives one to each connection that begins
 * here: what is kept while nobody listens there, by a VM that is stopped or a forward that starts anew, no connection takes
 * meanwhile. Whether they are free now is not looked at.
 *
 * @param range The ports that the kernel gives away, the first and the last: ip(7), `ip_local_port_range`.
 * @returns None where the kernel gives away all.
 */
export function lastingPorts([first, last] = kernelsRange()): number[] {
  const below = Math.max(0, first - LOWEST);
  const above = Math.max(0, HIGHEST - Math.max(last, LOWEST - 1));
  if (below + above === 0) return [];
  const nth = (index: number) => (index < below ? LOWEST + index : HIGHEST - (index - below));
  return Array.from({ length: CANDIDATES }, () => nth(randomInt(below + above)));
}

function kernelsRange(): [first: number, last: number] {
  try {
    const [first, last] = readFileSync(RANGE_FILE, "utf8").trim().split(/\s+/).map(Number);
    if (first !== undefined && last !== undefined) return [first, last];
  } catch {
    // a host that does not show it: what Linux has by default
  }
  return [32_768, 60_999];
}
