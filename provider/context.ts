import type { Diagnose } from "./diagnose/diagnose";
import type { Images } from "./images/images";
import type { Machines } from "./machines/machines";
import type { Networks } from "./networks/networks";
import type { ClientFiles } from "./ssh/client-files";
import type { Ssh } from "./ssh/ssh";
import type { Tunnels } from "./ssh/tunnels";
import type { ProcessIdentity } from "./host/process-identity";
import type { Say } from "./host/progress";

/** Who asked for a thing: written on its record and its container's labels. */
export interface Owner {
  /** Pulumi project; empty for what the command `mayfly` has made. */
  readonly project: string;
  /** Pulumi stack; empty for what the command `mayfly` has made. */
  readonly stack: string;
  /** Name of the resource within the program, or the name that the command was given. */
  readonly resource: string;
  /** The session of the command that the thing lives and dies with. Absent: it stays until it is removed. */
  readonly session?: ProcessIdentity | undefined;
}

/** The rooms that handlers work with. Built once a process, in `compose.ts`. */
export interface Rooms {
  readonly images: Images;
  readonly machines: Machines;
  readonly networks: Networks;
  readonly ssh: Ssh;
  readonly clientFiles: ClientFiles;
  readonly tunnels: Tunnels;
  readonly diagnose: Diagnose;
}

/** What a handler is given for one call. */
export interface Context extends Rooms {
  readonly owner: Owner;
  /** Ids that Pulumi has named to us in this process, or has got from us: its state knows these things. */
  readonly known: ReadonlySet<string>;
  /** Ids of what Pulumi removes before what takes its place is made, as it was told in this run. */
  readonly leaving: ReadonlySet<string>;
  /** Fires when the call's deadline has passed. Every wait, process and listener hangs on it. */
  readonly signal: AbortSignal;
  /** Tells the user something. */
  readonly say: Say;
  /** Runs one step of a longer piece of work; says so when it takes over a second. */
  readonly step: <T>(title: string, work: () => Promise<T>) => Promise<T>;
}
