import { lookup } from "node:dns/promises";
import { MayflyError } from "../errors";
import { mayStandFor } from "../schema/allow";
import { parseAddress } from "../schema/ipv4";
import type { ExitSpec } from "./spec";

/** A way out of an isolated machine: one TCP port of one address. */
export interface Exit {
  readonly address: string;
  readonly port: number;
  /** The name that the guest knows the address by; absent where the address itself was declared. */
  readonly name?: string;
}

/** Finds a name's IPv4 addresses as this host's programs do, /etc/hosts included. */
type Lookup = (name: string) => Promise<readonly string[]>;

const byHost: Lookup = async (name) => (await lookup(name, { family: 4, all: true })).map(({ address }) => address);

/**
 * The addresses behind an `allow` list. Names are looked up here, on the host, and once: an isolated guest has no resolver,
 * as questions to one are a way out themselves. A search lasts as long as the host's resolver is patient.
 *
 * @throws {MayflyError} `BAD_INPUT` for a name without an IPv4 address, or with one that must stay closed.
 */
export async function findExits(allow: readonly ExitSpec[], signal: AbortSignal, find = byHost): Promise<Exit[]> {
  const found = await Promise.all(
    allow.map(async ({ host, port }) => {
      if (parseAddress(host) !== undefined) return [{ address: host, port }];
      return (await addressesOf(host, find)).map((address) => ({ address, port, name: host }));
    }),
  );
  signal.throwIfAborted();
  return found.flat();
}

async function addressesOf(name: string, find: Lookup): Promise<readonly string[]> {
  let addresses: readonly string[];
  try {
    addresses = await find(name);
  } catch (cause) {
    throw new MayflyError("BAD_INPUT", `"${name}" in \`allow\` has no IPv4 address that this host can find`, {
      evidence: cause instanceof Error ? cause.message : undefined,
      remedy: `\`getent ahostsv4 ${name}\` must answer on this host; or declare the address itself`,
      cause,
    });
  }
  const closed = addresses.find((address) => !mayStandFor(address));
  if (closed === undefined) return addresses;
  throw new MayflyError("BAD_INPUT", `"${name}" in \`allow\` stands for ${closed}, which stays closed to guests`, {
    remedy: "declare an outward address (of this host: see `ip -4 address`) instead of the name",
  });
}

/** Lines of the guest's /etc/hosts by which it finds what it may reach. Pure. */
export function exitLines(exits: readonly Exit[]): string {
  const lines = exits.flatMap(({ address, name }) => (name === undefined ? [] : [`${address} ${name}\n`]));
  return [...new Set(lines)].join("");
}
