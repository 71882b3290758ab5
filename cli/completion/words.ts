import type { Command } from "commander";

/** A verb, as a shell's completion has to know it. */
export interface VerbWords {
  /** `template build`. */
  readonly name: string;
  readonly description: string;
  /** `--memory`, `-d`, with what each is for. */
  readonly options: readonly { readonly flag: string; readonly description: string }[];
  /** Whether names of VMs may follow it. */
  readonly takesNames: boolean;
}

/** Reads the words out of the very definitions that `--help` shows. */
export function wordsOf(command: Command, path = ""): readonly VerbWords[] {
  return command.commands.flatMap((verb) => {
    const name = `${path}${verb.name()}`;
    const options = verb
      .createHelp()
      .visibleOptions(verb)
      .flatMap(({ short, long, description }) =>
        [short ?? undefined, long ?? undefined].flatMap((flag) =>
          flag === undefined ? [] : [{ flag, description: first(description) }],
        ),
      );
    const takesNames = verb.registeredArguments.some((argument) => NAMES.has(argument.name()));
    return [{ name, description: first(verb.description()), options, takesNames }, ...wordsOf(verb, `${name} `)];
  });
}

/** Arguments that stand for a VM, by the name that they have in `--help`. */
const NAMES = new Set(["name", "name|image", "paths", "source", "target"]);

/** Up to the first colon, stop or semicolon: a line has room for no more. */
function first(description: string): string {
  const cut = description.split(/[:.;]\s/)[0] ?? "";
  return cut.replace(/ \([^)]*$/, "").replace(/\.$/, ""); // no half of a remark
}
