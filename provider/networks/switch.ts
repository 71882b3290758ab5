import { PREFIX } from "./frames";

/** Who is at the end of a cable. */
export interface Port {
  /** Hardware address of the card there, as `52:54:00:01:02:03`. */
  readonly mac: string;
}

const MAX_PLACES = 4_096; // a machine can make up as many addresses as it likes
const GROUP = 1; // the bit of an address's first byte that broadcast and multicast have

/**
 * A learning Ethernet switch, without its cables: tells to which ports a frame goes. A machine may have further addresses
 * behind its card (bridges, containers), but none that is another machine's card.
 */
export class Switch<P extends Port> {
  readonly #ports = new Map<number, P>();
  readonly #places = new Map<number, P>();

  /** Plugs a cable in. */
  add(port: P): void {
    this.#ports.set(parseMac(port.mac), port);
  }

  /** Pulls it out, and forgets what was behind it. */
  remove(port: P): void {
    const address = parseMac(port.mac);
    if (this.#ports.get(address) === port) this.#ports.delete(address); // else it has a successor
    for (const [behind, place] of this.#places) if (place === port) this.#places.delete(behind);
  }

  /** Where a frame goes, given with its length before it; nowhere when it should not have come. */
  route(from: P, packet: Buffer): Iterable<P> {
    const to = packet.readUIntBE(PREFIX, 6);
    const source = packet.readUIntBE(PREFIX + 6, 6);
    if (isGroup(packet, PREFIX + 6) || (this.#ports.get(source) ?? from) !== from) return [];
    this.#learn(source, from);
    const target = isGroup(packet, PREFIX) ? undefined : (this.#ports.get(to) ?? this.#places.get(to));
    if (target !== undefined) return target === from ? [] : [target];
    return [...this.#ports.values()].filter((port) => port !== from);
  }

  #learn(address: number, port: P): void {
    if (this.#ports.has(address) || this.#places.get(address) === port) return;
    if (this.#places.size >= MAX_PLACES) this.#places.clear(); // until they are learned again, frames go to all
    this.#places.set(address, port);
  }
}

function isGroup(packet: Buffer, at: number): boolean {
  return ((packet[at] ?? 0) & GROUP) !== 0;
}

function parseMac(mac: string): number {
  return Number.parseInt(mac.replaceAll(":", ""), 16);
}
