/**
 * Like `Promise.all`, but leaves no work behind: when one fails, it is told of once the other has ended, so that whoever
 * cleans up finds all that both have made.
 */
export async function bothEnded<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

/** The same for any number. The first that failed, in their order, is told of. */
export async function allEnded(works: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(works);
  await Promise.all(works);
}
