/**
 * Ids of the things that Pulumi's state knows for certain. What is on the host and not among them may be a leftover of
 * a run that was killed.
 */
export class KnownIds {
  readonly #ids = new Set<string>();
  readonly #made = new Set<string>();

  /** All known ids: named by Pulumi in a verb, or handed to it. */
  get all(): ReadonlySet<string> {
    return this.#ids;
  }

  /** Those handed to Pulumi by this process. Saved in its state once the engine ended in order. */
  get made(): readonly string[] {
    return [...this.#made];
  }

  /** Pulumi named this id: its state holds it. */
  add(id: string): void {
    if (id !== "") this.#ids.add(id);
  }

  /** Pulumi was told of this id, as the result of a `create`. */
  addMade(id: string): void {
    this.add(id);
    this.#made.add(id);
  }

  /** Whether Pulumi knows this id. */
  has(id: string): boolean {
    return this.#ids.has(id);
  }
}
