import { Command } from "commander";

const examples = new WeakMap<Command, readonly string[]>();

/** What a verb's help shows beside its options; `scripts/docs.mjs` asks. @public */
export function examplesOf(command: Command): readonly string[] {
  return examples.get(command) ?? [];
}

/**
 * Begins a verb of the command.
 *
 * @param description One sentence, and more where it is needed.
 * @param shown Command lines, each with what it does behind a `#`, for `--help` and the manual.
 */
export function verb(name: string, description: string, shown: readonly string[]): Command {
  const command = new Command(name)
    .description(description)
    .summary(firstSentence(description))
    .option("-v, --verbose", "show the host's programs that are run, and where an error comes from");
  examples.set(command, shown);
  const title = shown.length === 1 ? "Example" : "Examples";
  return command.addHelpText("after", `\n${title}:\n${shown.map((line) => `  $ ${line}`).join("\n")}`);
}

/** What the list of verbs has room for. */
function firstSentence(description: string): string {
  return /^[^.:;]+/.exec(description)?.[0] ?? description;
}

/** A verb that can print what it found for programs. */
export function verbWithJson(name: string, description: string, shown: readonly string[]): Command {
  return verb(name, description, shown).option("--json", "print JSON");
}

/** An option that may be given several times. */
export function repeated(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
