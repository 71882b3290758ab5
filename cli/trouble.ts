import { MayflyError } from "../provider/errors";
import { leftBehindBy } from "../provider/host/clean-up";
import { EXIT } from "./exit-codes";
import { colouredNote, note } from "./output";

/** A command line that can't be meant so. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A failure of which the reader is told what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  /** @param remedy A command, or what to change. */
  constructor(
    summary: string,
    readonly remedy: string,
  ) {
    super(summary);
  }
}

/** Something of a machine went wrong before the command in it could begin. */
class NotRun extends Error {
  override readonly name = "NotRun";

  /** @param cause What went wrong. */
  constructor(cause: unknown) {
    super("not run", { cause });
  }
}

/** Something went wrong with some of several things; the rest is done. */
export class SomeFailed extends Error {
  override readonly name = "SomeFailed";

  /** @param errors What went wrong, one after the other. */
  constructor(readonly errors: readonly unknown[]) {
    super("some failed");
  }
}

/** Runs work that must not be taken for the command that was to run in a machine. */
export async function beforeRun<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new NotRun(error);
  }
}

/** Tells of a failure, and says with which exit code to end. */
export function tellTrouble(error: unknown, isVerbose: boolean): number {
  if (error instanceof NotRun) {
    warnOf(leftBehindBy(error));
    const code = tellTrouble(error.cause, isVerbose);
    return code === EXIT.failed ? EXIT.notRun : code;
  }
  if (error instanceof SomeFailed) return Math.max(...error.errors.map((one) => tellTrouble(one, isVerbose)));
  if (!(error instanceof Error)) return tellTrouble(new Error(String(error)), isVerbose);
  if (!isInterrupted(error) && error.name !== "CommanderError") tell(error, isVerbose); // who did it knows; it has said so
  warnOf(leftUntold(error));
  return codeOf(error);
}

function tell(error: Error, isVerbose: boolean): void {
  const name = error instanceof MayflyError ? `error[${error.code}]:` : "error:";
  note(`${colouredNote("red", name)} ${describe(error)}`);
  if (isVerbose) note(colouredNote("dim", error.stack ?? ""));
}

/** What was left behind that is not in what is told of an error: one of ours has it in its remedy. */
function leftUntold(error: Error): readonly string[] {
  if (isInterrupted(error)) return leftBehindAnywhere(error);
  return error instanceof MayflyError ? [] : leftBehindBy(error);
}

function warnOf(left: readonly string[]): void {
  for (const one of left) note(`${colouredNote("yellow", "warning:")} ${one}`);
}

function leftBehindAnywhere(error: Error): readonly string[] {
  return [...leftBehindBy(error), ...(error.cause instanceof Error ? leftBehindAnywhere(error.cause) : [])];
}

/** Whether it is Ctrl-C, also as the cause of what it has broken off. */
function isInterrupted({ name, cause }: Error): boolean {
  return name === "Interrupted" || (cause instanceof Error && isInterrupted(cause));
}

function codeOf(error: Error): number {
  if (isInterrupted(error)) return EXIT.interrupted;
  // Commander ends also for --help, with 0.
  if (error.name === "CommanderError") return "exitCode" in error && error.exitCode === 0 ? 0 : EXIT.usage;
  return error.name === "UsageError" ? EXIT.usage : EXIT.failed;
}

function describe(error: Error): string {
  if (error instanceof CommandError) return `${error.message}\n  to fix: ${error.remedy}`;
  if (!(error instanceof MayflyError)) return error.message;
  const { message, evidence, remedy } = error;
  const [summary = ""] = message.split("\n");
  const seen = (evidence ?? "").split("\n").filter((line) => line.trim() !== "");
  const fix = inOurWords(remedy).replaceAll("\n", "\n  ");
  return [summary, ...seen.map((line) => `  ${line}`), `  to fix: ${fix}`].join("\n");
}

/** What a Pulumi program calls otherwise than the command does. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bbootTimeout\b/g, "--boot-timeout"],
  [/\bhostPort\b/g, "port of this host"],
  [/\bdeleteExtra: true\b/g, "--delete"],
  [/\bkernelArgs\b/g, "--karg"],
  [/\buserData\b/g, "--user-data"],
  [/`networks\[\]\.address`/g, "address (--network NAME:ADDRESS)"],
  [/\bvm\.consoleLog\b/g, "its console (mayfly logs)"],
  [/`warmBoot: "auto"` boots/g, "`mayfly run` boots"],
  [/; what a command makes there, [^;]*\{ dependsOn: \[command\] \}/g, ""],
  [/: pulumi up$/, ""],
  [/`pulumi up` again/g, "the same again"],
];

/** A remedy of the rooms, which speak to a Pulumi program's author, for who has typed a command. */
function inOurWords(remedy: string): string {
  return WORDS.reduce((text, [theirs, ours]) => text.replace(theirs, ours), remedy);
}
