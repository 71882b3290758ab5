import type { Session } from "../rooms";
import type { Distribution } from "./distribution";

/** What was seen of one thing that VMs need of this host. */
export interface Finding {
  /** What was looked at. */
  readonly name: string;
  /** `warn`: VMs run, but something is slower or missing. `fail`: they do not. */
  readonly state: "ok" | "warn" | "fail";
  /** What was seen. */
  readonly found: string;
  /** What to do, as a command for this distribution where there is one. */
  readonly fix?: string | undefined;
}

/** What a check is given. */
export interface Look {
  readonly session: Session;
  readonly distribution: Distribution;
}

/** One group of checks; changes nothing of the host. */
export type Check = (look: Look) => Promise<readonly Finding[]>;
