import type { Owner } from "../context";

/**
 * Ids of the things that Pulumi's state knows for certain. What is on the host and not among them may be a leftover of
 * a run that was killed.
 */
export class KnownIds {
  readonly #ids = new Set<string>();
  readonly #names = new Map<string, string>();
  readonly #leaving = new Set<string>();

  /**
   * All known ids: named by Pulumi in a verb, or handed to it. Its state holds all of them once the engine has ended in
   * order.
   */
  get all(): ReadonlySet<string> {
    return this.#ids;
  }

  /** Those that Pulumi removes before what takes their place is made. */
  get leaving(): ReadonlySet<string> {
    return this.#leaving;
  }

  /** Pulumi named this id, so that its state holds it; or was told of it, as the result of a `create`. */
  add(id: string): void {
    if (id !== "") this.#ids.add(id);
  }

  /** Pulumi compared what has this id with what a resource wants now. */
  addCompared(id: string, owner: Owner, isLeaving: boolean): void {
    this.#names.set(id, nameOf(owner));
    if (isLeaving) this.#leaving.add(id);
    else this.#leaving.delete(id);
  }

  /** Ids of what a resource has by now, whatever its name was when that was made. */
  of(owner: Owner): ReadonlySet<string> {
    const own = nameOf(owner);
    return new Set([...this.#names].filter(([, name]) => name === own).map(([id]) => id));
  }

  /** Whether Pulumi knows this id. */
  has(id: string): boolean {
    return this.#ids.has(id);
  }
}

function nameOf({ project, stack, resource }: Owner): string {
  return JSON.stringify([project, stack, resource]);
}
