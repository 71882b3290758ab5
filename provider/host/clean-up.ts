import { MayflyError } from "../errors";

/** What is still there when a clean-up has failed. */
export interface LeftBehind {
  /** It by its name: `machine web-1a2b`. */
  readonly what: string;
  /** The command that removes it. */
  readonly remedy: string;
}

/**
 * Runs work, and cleans up behind it when it fails. Its error is what the caller gets, also when the clean-up fails too: one
 * of ours then says what was left behind, and for all there is {@link leftBehindBy}.
 */
export async function orCleanUp<T>(
  work: () => Promise<T>,
  cleanUp: () => Promise<unknown>,
  left: LeftBehind,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const trouble = await cleanUp().then(
      () => undefined,
      (second: unknown) => ({ second }),
    );
    throw trouble === undefined ? error : withLeftBehind(error, left, trouble.second);
  }
}

/**
 * The same, but for work that is cleaned up behind also when it succeeds.
 *
 * @throws {MayflyError} `TOOL_FAILED` where it has succeeded and the clean-up has not.
 */
export async function thenCleanUp<T>(
  work: () => Promise<T>,
  cleanUp: () => Promise<unknown>,
  left: LeftBehind,
): Promise<T> {
  const result = await orCleanUp(work, cleanUp, left);
  try {
    await cleanUp();
  } catch (cause) {
    const { what, remedy } = left;
    throw new MayflyError("TOOL_FAILED", `${what} could not be removed`, { evidence: wordsOf(cause), remedy, cause });
  }
  return result;
}

const LEFT = new WeakMap<object, readonly string[]>();

/** What clean-ups after an error have left behind: a sentence each, with how to remove it. */
export function leftBehindBy(error: object): readonly string[] {
  return LEFT.get(error) ?? [];
}

/** In the remedy, as the evidence is more than text: a template's refusal is kept by it. Other errors are remembered. */
function withLeftBehind(error: unknown, { what, remedy }: LeftBehind, second: unknown): unknown {
  const told = `${what} was left behind (${wordsOf(second)}): ${remedy}`;
  const marked = error instanceof MayflyError ? error.retold({ remedy: `${error.remedy}\n${told}` }) : error;
  if (marked instanceof Error) LEFT.set(marked, [...leftBehindBy(marked), told]);
  return marked;
}

function wordsOf(error: unknown): string {
  const { name, message = String(error) } = error as Partial<Error>;
  return name === "TimeoutError" ? "its removal took too long" : (message.split("\n")[0] ?? "");
}
