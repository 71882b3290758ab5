/**
 * The manual of the command, out of the very definitions that its `--help` shows.
 *
 * @typedef {import("commander").Command} Command
 * @typedef {object} Definitions
 * @property {Command} mayfly The command.
 * @property {(command: Command) => readonly string[]} examplesOf Command lines that show a verb.
 * @property {readonly (readonly [code: string, meaning: string])[]} exitCodes What exit codes mean.
 * @property {readonly { theirs: string, ours: string, note: string }[]} fromBcvk Words of bcvk, and those that stand for them.
 */

/**
 * Renders `docs/cli.md`.
 *
 * @param {Definitions} definitions What there is to tell.
 */
export function manual({ mayfly, examplesOf, exitCodes, fromBcvk }) {
  const verbs = leaves(mayfly, "mayfly");
  const list = verbs.map(
    ({ name, verb }) => `| [${name}](#${anchor(name)}) | ${cell(verb.summary() || verb.description())} |`,
  );
  return [
    "# mayfly",
    "<!-- Made by `npm run docs` from the definitions in cli/: change those. -->",
    mayfly.description(),
    ["| verb | what it does |", "| --- | --- |", ...list].join("\n"),
    GENERAL,
    "## Exit codes",
    [
      "| code | meaning |",
      "| --- | --- |",
      ...exitCodes.map(([code, meaning]) => `| ${code} | ${cell(meaning)} |`),
    ].join("\n"),
    "## Coming from bcvk",
    "What `bcvk ephemeral`, of the bootc project's VM tool, has, and how it is said here; options are those of its `run`.",
    [
      "| bcvk | here | what is different |",
      "| --- | --- | --- |",
      ...fromBcvk.map(
        ({ theirs, ours, note }) =>
          `| \`${theirs}\` | ${ours === "" ? "not there" : ours === "same" ? ours : `\`${ours}\``} | ${cell(note)} |`,
      ),
    ].join("\n"),
    ...verbs.map(({ name, verb }) => section(name, verb, examplesOf(verb))),
  ].join("\n\n");
}

const GENERAL = `A NAME is that of a VM made by \`mayfly run\`, or of a Pulumi stack's VM: \`web\`, \`STACK/web\`, \`PROJECT/STACK/web\`, or its id. An
IMAGE is an OCI image as podman names it, or \`debian[:SUITE]\`, which is made from Debian's packages and needs no registry;
\`debian:12\`, with a number, is an OCI image.

Results go to standard output, all else to standard error. Progress is shown on a terminal for what takes over a second,
elsewhere a line of it every ten seconds; colours only on a terminal, unless \`NO_COLOR\` is set. \`MAYFLY_HOME\` is the data
folder: VMs are those of one user and one folder.

A VM that is made for a session (\`ssh IMAGE\`; \`run\` with neither \`-d\` nor \`--execute\`; \`run --rm --execute\`) ends with
it, however that ends: a process beside it holds one end of a pipe whose other end the kernel closes with the session. All
others stay until \`mayfly rm\`, or until their \`--expires\`; they may be stopped and started. A root without \`--disk\` is in
memory: after \`stop\` and \`start\`, as after a reboot, it is the image's again. VMs of stacks are not stopped: a program that
declares a VM has one that runs, and the next \`pulumi up\` would make another.`;

/**
 * @param {Command} command Where to begin.
 * @param {string} path Its name.
 * @returns {{ name: string, verb: Command }[]} Verbs that do something.
 */
function leaves(command, path) {
  return command.commands.flatMap((verb) => {
    const name = `${path} ${verb.name()}`;
    return verb.commands.length > 0 ? leaves(verb, name) : [{ name, verb }];
  });
}

/**
 * @param {string} name As it is called.
 * @param {Command} verb What there is to tell.
 * @param {readonly string[]} examples Command lines.
 */
function section(name, verb, examples) {
  const help = verb.createHelp();
  const rows = help
    .visibleOptions(verb)
    .map((option) => `| \`${option.flags.replaceAll("|", "\\|")}\` | ${cell(help.optionDescription(option))} |`);
  const words = verb.registeredArguments.map((word) => {
    const name = word.name().replaceAll("|", "\\|");
    return `| \`${word.required ? name : `[${name}]`}\` | ${cell(help.argumentDescription(word))} |`;
  });
  const aliases = verb.aliases().map((alias) => `\`mayfly ${alias}\``);
  return [
    `## ${name}`,
    aliases.length === 0 ? verb.description() : `${verb.description()} Also ${aliases.join(", ")}.`,
    ["```", `${name} ${verb.usage()}`, "```"].join("\n"),
    ["| argument or option | meaning |", "| --- | --- |", ...words, ...rows].join("\n"),
    ["```", ...examples.map((line) => `$ ${line}`), "```"].join("\n"),
  ].join("\n\n");
}

/** @param {string} name Of a section. */
function anchor(name) {
  return name.replaceAll(" ", "-");
}

/** @param {string} text For a table. */
function cell(text) {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
