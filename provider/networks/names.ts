/** A machine of a network, as far as its name goes. */
export interface NamedMember {
  readonly address: string;
  readonly names: readonly string[];
  /** Whether it is up: one that is being made has its name only where no other has it. */
  readonly isUp: boolean;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

/**
 * The lines by which a network's machines find each other, in the form of /etc/hosts. A name that two of them have, as
 * while a VM is being replaced, leads to the newer one from when that is up. Pure.
 */
export function nameLines(members: readonly NamedMember[]): string[] {
  const ranked = [...members].sort(
    (one, other) => Number(other.isUp) - Number(one.isUp) || other.createdAt - one.createdAt,
  );
  const given = new Set<string>();
  const lines = ranked.flatMap(({ address, names }) => {
    const own = names.filter((name) => !given.has(name));
    for (const name of own) given.add(name);
    return own.length === 0 ? [] : [`${address} ${own.join(" ")}`];
  });
  return lines.sort();
}
