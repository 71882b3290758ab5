import type { Command, Option } from "commander";

/** A verb, as a shell's completion has to know it. */
export interface VerbWords {
  /** `template build`. */
  readonly name: string;
  readonly description: string;
  /** `--memory`, `-d`, with what each is for, and which values it takes where these are few. */
  readonly options: readonly { readonly flag: string; readonly description: string; readonly values: Values }[];
  /** The same of its own words. */
  readonly values: Values;
  /** Whether names of VMs may follow it. */
  readonly takesNames: boolean;
}

type Values = readonly string[];

/** Reads the words out of the very definitions that `--help` shows. */
export function wordsOf(command: Command, path = ""): readonly VerbWords[] {
  return command.commands.flatMap((verb) => {
    const description = first(verb.description());
    const options = verb
      .createHelp()
      .visibleOptions(verb)
      .flatMap((option) =>
        [option.short ?? undefined, option.long ?? undefined].flatMap((flag) =>
          flag === undefined ? [] : [{ flag, description: first(option.description), values: valuesOf(option) }],
        ),
      );
    const takesNames = verb.registeredArguments.some((argument) => NAMES.has(argument.name()));
    const values = verb.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    return [verb.name(), ...verb.aliases()].flatMap((word) => {
      const name = `${path}${word}`;
      return [{ name, description, options, values, takesNames }, ...wordsOf(verb, `${name} `)];
    });
  });
}

/** Those that an option is defined with, or that `--help` shows: `--arch <amd64|arm64>`. */
function valuesOf({ argChoices, flags }: Option): Values {
  const [, shown = ""] = /<(\w+(?:\|\w+)+)>$/.exec(flags) ?? [];
  return argChoices ?? shown.split("|").filter((word) => word !== "");
}

/** Arguments that stand for a VM, by the name that they have in `--help`. */
const NAMES = new Set(["name", "name|image", "paths", "source", "target"]);

/** Up to the first colon, stop or semicolon: a line has room for no more. */
function first(description: string): string {
  const cut = description.split(/[:.;]\s/)[0] ?? "";
  return cut.replace(/ \([^)]*$/, "").replace(/\.$/, ""); // no half of a remark
}
