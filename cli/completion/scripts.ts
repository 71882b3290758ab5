import type { VerbWords } from "./words";

/** Prints the names that `ls` shows; asked for at each completion, as VMs come and go. */
const NAMES = "mayfly ls --quiet 2>/dev/null";

/** Completion for bash: `source <(mayfly completion bash)`. */
export function bashCompletion(verbs: readonly VerbWords[]): string {
  const cases = verbs.map(
    ({ name, options, values, takesNames }) =>
      `    ${quote(name)}) words=${quote([...flagsOf(options), ...values, ...subVerbs(name, verbs)].join(" "))}; names=${takesNames ? "1" : ""} ;;`,
  );
  const choices = verbs.flatMap(({ name, options }) =>
    options
      .filter(({ values }) => values.length > 0)
      .map(({ flag, values }) => `    ${quote(`${name} ${flag}`)}) words=${quote(values.join(" "))}; names="" ;;`),
  );
  return `# bash completion for mayfly: source <(mayfly completion bash)
_mayfly() {
  local current=\${COMP_WORDS[COMP_CWORD]} verb=\${COMP_WORDS[1]-} words="" names=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W ${quote(topLevel(verbs).join(" "))} -- "$current")
    return
  fi
  case "$verb" in ${groups(verbs).join(" | ")}) if [ "$COMP_CWORD" -gt 2 ]; then verb="$verb \${COMP_WORDS[2]}"; fi ;; esac
  case "$verb" in
${cases.join("\n")}
  esac
  case "$verb \${COMP_WORDS[COMP_CWORD-1]}" in
${choices.join("\n")}
  esac
  if [[ $current != -* && -n $names ]]; then words="$(${NAMES})"; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _mayfly mayfly
`;
}

/** Completion for zsh: `source <(mayfly completion zsh)`, or as `_mayfly` in a folder of `$fpath`. */
export function zshCompletion(verbs: readonly VerbWords[]): string {
  const top = verbs.filter(({ name }) => !name.includes(" "));
  const described = top.map(({ name, description }) => `    ${quote(`${name}:${description}`)}`);
  const cases = verbs.map(({ name, options, values: own, takesNames }) => {
    const flags = options.map(({ flag, description, values }) => {
      const choice = values.length === 0 ? "" : `:value:(${values.join(" ")})`;
      return quote(`${flag}[${description.replaceAll(/[[\]]/g, "")}]${choice}`);
    });
    const rest = takesNames ? `'*:VM:{compadd -- \${(f)"$(${NAMES})"}; _files}'` : `'*: :_files'`;
    const words = [...own, ...subVerbs(name, verbs)];
    return `    ${quote(name)}) _arguments ${[...flags, words.length > 0 ? `'*: :(${words.join(" ")})'` : rest].join(" ")} ;;`;
  });
  return `#compdef mayfly
_mayfly() {
  local -a verbs=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then _describe verb verbs; return; fi
  local verb=\${words[2]}
  if [[ $verb == (${groups(verbs).join("|")}) && CURRENT -gt 3 ]]; then verb="$verb \${words[3]}"; fi
  case $verb in
${cases.join("\n")}
  esac
}
if [[ \${funcstack[1]-} == _mayfly ]]; then _mayfly "$@"; else compdef _mayfly mayfly; fi
`;
}

/** Whether the words after `mayfly` begin so; fish's own condition finds a verb's name anywhere, as `rm` in `image rm`. */
const FISH_CONDITIONS = `function __mayfly_after
  set -l words (commandline -opc)
  test (count $words) -gt (count $argv); or return
  for index in (seq (count $argv))
    test $words[(math $index + 1)] = $argv[$index]; or return
  end
end
function __mayfly_at
  test (count (commandline -opc)) -eq (math (count $argv) + 1); and __mayfly_after $argv
end
`;

/** Completion for fish: `mayfly completion fish | source`. */
export function fishCompletion(verbs: readonly VerbWords[]): string {
  const lines = verbs.flatMap(({ name, description, options, values: own, takesNames }) => {
    const [verb = "", sub] = name.split(" ");
    const at = sub === undefined ? "__mayfly_at" : `__mayfly_at ${verb}`;
    const within = `__mayfly_after ${name}`;
    const flags = options.map(({ flag, description: what, values }) => {
      const kind = flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
      const choice = values.length === 0 ? "" : ` -x -a ${quote(values.join(" "))}`;
      return `complete -c mayfly -n ${quote(within)} ${kind}${choice} -d ${quote(what)}`;
    });
    const words = own.length === 0 ? [] : [`complete -c mayfly -f -n ${quote(within)} -a ${quote(own.join(" "))}`];
    const names = takesNames ? [`complete -c mayfly -n ${quote(within)} -a ${quote(`(${NAMES})`)}`] : [];
    return [
      `complete -c mayfly -f -n ${quote(at)} -a ${sub ?? verb} -d ${quote(description)}`,
      ...flags,
      ...words,
      ...names,
    ];
  });
  return `# fish completion for mayfly: mayfly completion fish | source
${FISH_CONDITIONS}${lines.join("\n")}
`;
}

function topLevel(verbs: readonly VerbWords[]): readonly string[] {
  return verbs.map(({ name }) => name).filter((name) => !name.includes(" "));
}

function subVerbs(name: string, verbs: readonly VerbWords[]): readonly string[] {
  return verbs.flatMap((verb) => (verb.name.startsWith(`${name} `) ? [verb.name.slice(name.length + 1)] : []));
}

/** Verbs that have verbs of their own. */
function groups(verbs: readonly VerbWords[]): readonly string[] {
  return topLevel(verbs).filter((name) => subVerbs(name, verbs).length > 0);
}

function flagsOf(options: VerbWords["options"]): readonly string[] {
  return options.map(({ flag }) => flag);
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
