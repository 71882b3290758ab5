import type { MachineSight } from "../machines/inspection";
import type { Seat } from "../machines/seats";
import type { LoginSight } from "../ssh/ssh";
import type { GuestReport, NetworkReport } from "./report";
import type { MachineWords } from "./words";

/** All that was seen of a machine, as data. What was not looked at is not there. */
export interface Facts {
  readonly machine: MachineWords;
  /** From the host: container, qemu, console. */
  readonly host?: MachineSight;
  /** From the host: its places in private networks. */
  readonly segments?: readonly SegmentSight[];
  /** From inside the guest. */
  readonly guest?: GuestSight;
  /** At the port that leads to its sshd. */
  readonly port?: PortSight;
  /** Of an attempt to log in. */
  readonly login?: LoginFacts;
}

/** Where facts come from. What comes first is looked at first: it is quicker, and explains more. */
export type Source = "host" | "guest" | "port" | "login";

/** A machine's place in a private network. */
export interface SegmentSight extends Pick<Seat, "network" | "address" | "prefix" | "mac"> {
  /** Whether there is such a network still. */
  readonly exists: boolean;
  /** Whether its switch runs. */
  readonly isSwitched: boolean;
}

/** What the guest says. */
export interface GuestSight {
  /** What its agent tells; `undefined`: it does not answer. */
  readonly report: GuestReport | undefined;
  /** When it was asked and had answered, in seconds since 1970. */
  readonly asked?: { readonly from: number; readonly to: number };
  /** Where the agent is silent: whether an SSH server answers at least. */
  readonly banner?: boolean;
}

/** How the port answered. */
export interface PortSight {
  /** `127.0.0.1:40123` */
  readonly address: string;
  readonly banner: string | undefined;
  /** Why the connection ended without a banner: `ECONNREFUSED`, `closed`…; `undefined`: it stood, and nothing came. */
  readonly ended: string | undefined;
  readonly seconds: number;
  /** Where there was no banner: the connection as QEMU's network has it, and as the guest has. */
  readonly relays?: readonly string[];
  readonly network?: NetworkReport | undefined;
}

/** How far a login came. */
export interface LoginFacts extends LoginSight {
  /** What sshd has said in the guest, if a login did not come to its end. */
  readonly log: readonly string[];
  /** Fingerprint of the guest's own host key, as it says. */
  readonly ownHostKey: string | undefined;
  /** Fingerprints of the keys in the guest's file, by line; `undefined`: the guest did not say. */
  readonly keysInGuest: readonly (string | undefined)[] | undefined;
}
