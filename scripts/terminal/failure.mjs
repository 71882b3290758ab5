import { endAsAsked, Interrupted } from "./signals.mjs";

/** A failure that a person can act on: what happened, what was seen, what to do. */
export class Failure extends Error {
  /**
   * @param {string} message What happened.
   * @param {{ evidence?: string, remedy?: string, cause?: unknown }} [details] What was seen, and what to do about it.
   */
  constructor(message, { evidence = "", remedy = "", cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Failure";
    this.evidence = evidence;
    this.remedy = remedy;
  }

  /** The whole report, as it is printed. */
  report() {
    const evidence = this.evidence === "" ? [] : [this.evidence.replaceAll(/^/gm, "  | ")];
    const remedy = this.remedy === "" ? [] : [`To do: ${this.remedy}`];
    return [`Error: ${this.message}`, ...evidence, ...remedy].join("\n");
  }
}

/**
 * Waits for something that may fail.
 *
 * @param {Promise<unknown>} work What is being done.
 * @returns {Promise<Failure | undefined>} How it failed, or `undefined`. Mistakes of ours are thrown as they are.
 */
export async function failureOf(work) {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

/**
 * Runs an entry script. The one place where an error becomes text and an exit code, and where a signal that was held
 * ends us.
 *
 * @param {() => Promise<number | undefined>} work Answers with the exit code; nothing means 0.
 */
export async function main(work) {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    process.exitCode = 1;
    if (error instanceof Interrupted) return;
    const text = error instanceof Failure ? error.report() : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`\n${text}\n`);
  } finally {
    endAsAsked();
  }
}
