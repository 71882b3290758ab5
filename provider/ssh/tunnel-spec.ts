import type { ProcessIdentity } from "../host/process-identity";
import type { Endpoint } from "./endpoint";

/** An end of a forward: a TCP port, or a unix socket. */
export type Place = { readonly address: string; readonly port: number } | { readonly socket: string };

/** One forward of a tunnel. */
export interface Forward {
  /** Who may take it away again. */
  readonly id: string;
  /** Who asked for it. Made anew for the same one, it takes the place of the former and keeps its port. */
  readonly owner: string;
  /**
   * `local`: listens on this host and connects from the guest. `remote`: the other way round. `dynamic`: listens on this
   * host, as a SOCKS5 proxy into the guest.
   */
  readonly type: "local" | "remote" | "dynamic";
  /** Its end on this host. Port 0 where it listens: a free one, then kept. */
  readonly host: Place;
  /** Its end in the guest; a dynamic one has none. */
  readonly guest?: Place | undefined;
  /** The process that it is for: it goes when that has ended, even where nothing has taken it away. */
  readonly endsWith?: ProcessIdentity | undefined;
}

/** What is on disk about a tunnel, from before its keeper starts until it has ended. For this user only. */
export interface TunnelRecord {
  /** Where it leads. */
  readonly endpoint: Endpoint;
  /** A file with a newer private key than the endpoint's, read for each connection. */
  readonly privateKeyFile?: string | undefined;
  /** With the ports that they got. */
  readonly forwards: readonly Forward[];
  /** Ids of those that do not listen, though the keeper tries: somebody else has their place. @default none */
  readonly waiting?: readonly string[] | undefined;
  /** The process that keeps it up, once it runs. */
  readonly keeper?: ProcessIdentity | undefined;
}

/** The end of a forward at which somebody listens. */
export function listening({ type, host, guest }: Forward): Place {
  return type === "remote" ? (guest ?? host) : host;
}

/** The same forward, listening elsewhere. */
export function listeningAt(forward: Forward, place: Place): Forward {
  return forward.type === "remote" ? { ...forward, guest: place } : { ...forward, host: place };
}

/** A place as people write it. */
export function spell(place: Place): string {
  if ("socket" in place) return place.socket;
  const { address, port } = place;
  return `${address.includes(":") ? `[${address}]` : address}:${String(port)}`;
}
