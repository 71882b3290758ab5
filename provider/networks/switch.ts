import { parseAddress } from "../schema/ipv4";
import { PREFIX } from "./frames";

/** Who is at the end of a cable. */
export interface Port {
  /** Hardware address of the card there, as `52:54:00:01:02:03`. */
  readonly mac: string;
  /** Its IPv4 address. */
  readonly address: string;
}

const MAX_PLACES = 4_096; // a machine can make up as many addresses as it likes
const GROUP = 1; // the bit of an address's first byte that broadcast and multicast have

const ARP = 0x0806;
const VLAN = 0x8100; // a tag of four bytes before the type, which a receiver may take no notice of
const IPV4_OVER_ETHERNET = 0x0001_0800; // the kinds of addresses that an ARP message is about
const SENDER = 14; // where its sender's IPv4 address is in it

/**
 * A learning Ethernet switch, without its cables: tells to which ports a frame goes. A machine may have further addresses
 * behind its card (bridges, containers), but none that is another machine's: neither its card's, nor, by what it
 * says over ARP, the IPv4 address that goes with it.
 */
export class Switch<P extends Port> {
  readonly #ports = new Map<number, P>();
  readonly #holders = new Map<number | undefined, P>();
  readonly #places = new Map<number, P>();

  /** Plugs a cable in. */
  add(port: P): void {
    this.#ports.set(parseMac(port.mac), port);
    this.#holders.set(parseAddress(port.address), port);
  }

  /** Pulls it out, and forgets what was behind it. */
  remove(port: P): void {
    const address = parseMac(port.mac);
    if (this.#ports.get(address) === port) this.#ports.delete(address); // else it has a successor
    const held = parseAddress(port.address);
    if (this.#holders.get(held) === port) this.#holders.delete(held);
    for (const [behind, place] of this.#places) if (place === port) this.#places.delete(behind);
  }

  /** Where a frame goes, given with its length before it; nowhere when it should not have come. */
  route(from: P, packet: Buffer): Iterable<P> {
    const to = packet.readUIntBE(PREFIX, 6);
    const source = packet.readUIntBE(PREFIX + 6, 6);
    if (isGroup(packet, PREFIX + 6) || !this.#isItself(from, source, arpSender(packet))) return [];
    this.#learn(source, from);
    const target = isGroup(packet, PREFIX) ? undefined : (this.#ports.get(to) ?? this.#places.get(to));
    if (target !== undefined) return target === from ? [] : [target];
    return [...this.#ports.values()].filter((port) => port !== from);
  }

  /** Whether neither the one nor the other of a frame's senders is another machine. */
  #isItself(from: P, card: number, address: number | undefined): boolean {
    if ((this.#ports.get(card) ?? from) !== from) return false;
    return address === undefined || (this.#holders.get(address) ?? from) === from;
  }

  #learn(address: number, port: P): void {
    if (this.#ports.has(address) || this.#places.get(address) === port) return;
    if (this.#places.size >= MAX_PLACES) this.#places.clear(); // until they are learned again, frames go to all
    this.#places.set(address, port);
  }
}

/** The IPv4 address that a frame says its sender has, where it is of ARP. */
function arpSender(packet: Buffer): number | undefined {
  let at = PREFIX + 12;
  while (at + 2 <= packet.length && packet.readUInt16BE(at) === VLAN) at += 4;
  const message = at + 2;
  if (message + SENDER + 4 > packet.length || packet.readUInt16BE(at) !== ARP) return undefined;
  return packet.readUInt32BE(message) === IPV4_OVER_ETHERNET ? packet.readUInt32BE(message + SENDER) : undefined;
}

function isGroup(packet: Buffer, at: number): boolean {
  return ((packet[at] ?? 0) & GROUP) !== 0;
}

function parseMac(mac: string): number {
  return Number.parseInt(mac.replaceAll(":", ""), 16);
}
