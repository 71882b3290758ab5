/** A private subnet: its lowest address and the length of its prefix. */
export interface Subnet {
  readonly base: number;
  readonly prefix: number;
}

/** Reads `10.80.0.5` as a number; `undefined` when the text is no IPv4 address. */
export function parseAddress(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1);
  if (parts === undefined || parts.some((part) => Number(part) > 255 || String(Number(part)) !== part))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** Writes a number as an IPv4 address. */
export function spellAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => String((address >>> shift) & 255)).join(".");
}

/** Reads `10.80.0.0/24`; `undefined` when the text is no subnet, or an address within one. */
export function parseSubnet(text: string): Subnet | undefined {
  const [, address = "", length = ""] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const [base, prefix] = [parseAddress(address), Number(length)];
  if (base === undefined || prefix > 32 || base % sizeOf(prefix) !== 0) return undefined;
  return { base, prefix };
}

/** How many addresses a prefix leaves. */
export function sizeOf(prefix: number): number {
  return 2 ** (32 - prefix);
}

/** Whether an address may be a machine's: not that of the subnet itself, nor its broadcast address. */
export function isHostOf({ base, prefix }: Subnet, address: number): boolean {
  return address > base && address < base + sizeOf(prefix) - 1;
}

/** Whether two subnets have addresses in common. */
export function overlap(one: Subnet, other: Subnet): boolean {
  return one.base < other.base + sizeOf(other.prefix) && other.base < one.base + sizeOf(one.prefix);
}
