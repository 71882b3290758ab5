/**
 * Like `Promise.all`, but does not leave work behind: when one fails, it is told of once the others have ended, so that
 * whoever cleans up finds all that they have made.
 */
export async function allEnded<T extends readonly unknown[]>(
  works: readonly [...{ [Key in keyof T]: Promise<T[Key]> }],
): Promise<T> {
  await Promise.allSettled(works);
  return Promise.all(works) as unknown as Promise<T>;
}
