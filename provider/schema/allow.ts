import { z } from "zod";
import { parseAddress, parseSubnet, sizeOf } from "./ipv4";
import type { Complain } from "./rule";

const WANTED = 'must be "HOST:PORT", such as "db.example.com:5432" or "192.0.2.7:443": a host name or an IPv4 address';

const LABEL = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;

/** Addresses that lead to no other host: this network, loopback, the guest's own network, multicast and what is beyond. */
const NOWHERE = ["0.0.0.0/8", "127.0.0.0/8", "10.53.0.0/24", "224.0.0.0/3"];
/** Addresses beside the link-local ones at which clouds hand a host its credentials: Azure's WireServer, Alibaba's metadata. */
export const CLOUDS_OWN = ["168.63.129.16", "100.100.100.200"];
/** Where clouds do so: only for whoever writes the address itself. */
const CREDENTIALS = ["169.254.0.0/16", ...CLOUDS_OWN.map((address) => `${address}/32`)];

function isIn(address: number, subnets: readonly string[]): boolean {
  return subnets.some((text) => {
    const subnet = parseSubnet(text);
    return subnet !== undefined && address >= subnet.base && address < subnet.base + sizeOf(subnet.prefix);
  });
}

/** One entry of an `allow` list, read. */
export interface AllowedHost {
  /** Host name or IPv4 address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
}

/** Reads `db.example.com:5432`; `undefined` when the text is no entry of an `allow` list. */
export function parseAllowed(text: string): AllowedHost | undefined {
  const [, host = "", digits = ""] = /^([^:\s]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  if (/(?:^|\.)\d+$/.test(host)) return parseAddress(host) === undefined ? undefined : { host, port };
  return host.length <= 253 && host.split(".").every((label) => LABEL.test(label)) ? { host, port } : undefined;
}

/** Whether an address can be opened at all: it is another host's, or an outward one of this host. */
function canBeAllowed(address: string): boolean {
  const number = parseAddress(address);
  return number !== undefined && !isIn(number, NOWHERE);
}

/** Whether an address that a name stands for may be opened: whoever answers for the name must not lead a guest astray. */
export function mayStandFor(address: string): boolean {
  return canBeAllowed(address) && !isIn(parseAddress(address) ?? 0, CREDENTIALS);
}

/** What an isolated VM may reach. */
export const allowList = z.array(
  z
    .string(WANTED)
    .refine((entry) => parseAllowed(entry) !== undefined, WANTED)
    .refine((entry) => {
      const host = parseAllowed(entry)?.host ?? "";
      return host !== "localhost" && (parseAddress(host) === undefined || canBeAllowed(host));
    }, "must be another host's, or an outward address of this host: loopback, 10.53.0.0/24 (the guest's own network) and multicast stay closed"),
);

/** A list that would close nothing; a rule of the schema. */
export function checkAllow(
  { allow, network }: { readonly allow: readonly string[]; readonly network: string },
  complain: Complain,
): void {
  if (allow.length > 0 && network !== "isolated")
    complain(
      ["allow"],
      'needs network "isolated": with "user" the VM reaches everything, and a list would close nothing',
    );
}
