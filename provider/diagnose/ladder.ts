import type { Facts, Source } from "./facts";

/** Names of the rungs, from the bottom up: what fails on one makes all above it fail. */
export type RungName =
  | "container"
  | "qemu"
  | "kernel"
  | "init"
  | "sshd"
  | "port"
  | "host-key"
  | "key"
  | "session"
  | "load"
  | "memory"
  | "disk"
  | "clock"
  | "networks";

/** What is made of what was seen. */
export type Verdict =
  | { readonly state: "ok"; readonly seen: string }
  /** It could not be seen, or was not looked at. */
  | { readonly state: "unknown"; readonly seen: string }
  | Broken;

/** Something is wrong on this rung. */
export interface Broken {
  readonly state: "broken";
  /** What was seen, in the words of whoever said it. */
  readonly seen: string;
  /** What is wrong, in one sentence. */
  readonly cause: string;
  /** What to do, as a command where there is one. */
  readonly remedy: string;
}

/** One thing that has to be right for a session, and how to tell. */
export interface Rung {
  readonly name: RungName;
  /** Where the facts are from that it is judged by. */
  readonly from: Source;
  /** It is of no account to a login: what is wrong there does not explain why one fails. */
  readonly isBeside?: true;
  /** Judges it; pure. It is only asked when there was a look at such facts, and at all those from before. */
  readonly judge: (facts: Facts) => Verdict;
}

/** A rung that was judged. */
export type JudgedRung = Verdict & { readonly name: RungName };

/** What came of a diagnosis. */
export interface Diagnosis {
  /** All rungs, from the bottom up. */
  readonly rungs: readonly JudgedRung[];
  /** The one to mend first: what is wrong above it may be its doing. `undefined`: none that could be seen. */
  readonly firstBroken: BrokenRung | undefined;
  /** The same, where that can be why a login fails. */
  readonly whyNoLogin: BrokenRung | undefined;
  /** Nothing is broken, and a command ran. */
  readonly isHealthy: boolean;
}

/** A rung that is broken. */
export type BrokenRung = Broken & { readonly name: RungName };

/**
 * Climbs from the bottom up and looks only as far as it has to: once a rung is broken, those above it are judged by what
 * was seen already.
 *
 * @param look Adds the facts of one source.
 */
export async function climb(
  rungs: readonly Rung[],
  begin: Facts,
  look: (source: Source, facts: Facts) => Promise<Facts>,
): Promise<Diagnosis> {
  const judged: JudgedRung[] = [];
  const looked = new Set<Source>();
  let facts = begin;
  let firstBroken: BrokenRung | undefined;
  let whyNoLogin: BrokenRung | undefined;
  for (const { name, from, isBeside, judge } of rungs) {
    if (!looked.has(from) && firstBroken === undefined) {
      facts = await look(from, facts);
      looked.add(from);
    }
    const verdict = looked.has(from) ? judge(facts) : NOT_LOOKED_AT;
    judged.push({ name, ...verdict });
    if (verdict.state !== "broken") continue;
    firstBroken ??= { name, ...verdict };
    if (isBeside === undefined) whyNoLogin ??= { name, ...verdict };
  }
  const hasSession = judged.some(({ name, state }) => name === "session" && state === "ok");
  return { rungs: judged, firstBroken, whyNoLogin, isHealthy: firstBroken === undefined && hasSession };
}

const NOT_LOOKED_AT: Verdict = { state: "unknown", seen: "not looked at, as what it stands on is broken" };

/** For {@link Rung.judge}. */
export function ok(seen: string): Verdict {
  return { state: "ok", seen };
}

/** For {@link Rung.judge}. */
export function unknown(seen: string): Verdict {
  return { state: "unknown", seen };
}

/** For {@link Rung.judge}. */
export function broken(seen: string, cause: string, remedy: string): Broken {
  return { state: "broken", seen, cause, remedy };
}
