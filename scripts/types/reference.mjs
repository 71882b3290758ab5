/** @typedef {import("./fields.mjs").Field} Field */

const HEAD = `# Reference

Made by \`npm run docs\` from the doc comments of \`sdk/\` and \`provider/schema/\`; \`npm run lint\` fails when it is not
current.

Every input may be an output of another resource. Sizes are \`"512MiB"\`, \`"2GiB"\` or a number of MiB; durations are a
number of seconds or \`"90s"\`, \`"5m"\`, \`"2h"\`, \`"1d"\`. What cannot be fails at preview, by field, all at once. What each
error code means: [errors.md](errors.md).
`;

/**
 * The reference of all kinds, in Markdown.
 *
 * @param {readonly import("./kinds.mjs").Kind[]} kinds What to describe.
 * @returns {string} The page.
 */
export function reference(kinds) {
  const sections = kinds.map(({ name, doc, examples, inputs, outputs }) =>
    [
      `## ${name}`,
      doc,
      ...examples.map((program) => `\`\`\`ts\n${program.trim()}\n\`\`\``),
      "### Inputs",
      table(["field", "type", "default", "meaning"], rows(inputs, true)),
      "### Outputs",
      table(["field", "type", "meaning"], rows(outputs, false)),
    ].join("\n\n"),
  );
  return `${[HEAD, ...sections].join("\n\n").replaceAll(/\{@link (\w+)\}/g, "`$1`")}\n`;
}

/**
 * @param {readonly Field[]} fields Fields of an object.
 * @param {boolean} isInput Whether a program may leave some out.
 * @param {string} prefix Path of the object.
 * @returns {readonly (readonly string[])[]} A row per field, those of inner objects after it.
 */
function rows(fields, isInput, prefix = "") {
  return fields.flatMap((field) => {
    const path = `${prefix}${field.name}`;
    const standard = field.isOptional ? field.standard && code(field.standard) : "**required**";
    const type = field.type.replace("{…}[]", "list").replace("{…}", "object");
    const inner = `${path}${field.type.endsWith("[]") ? "[]" : ""}.`;
    return [
      [`\`${path}\``, `\`${type}\``, ...(isInput ? [standard] : []), field.doc],
      ...rows(field.fields, isInput, inner),
    ];
  });
}

/** @param {string} standard What \`@default\` says: a value, or words. */
function code(standard) {
  return /^(?:"[^"]*"|\d+|\[\d*\]|\{\}|true|false)$/.test(standard) ? `\`${standard}\`` : standard;
}

/**
 * @param {readonly string[]} head Its columns.
 * @param {readonly (readonly string[])[]} body Its rows.
 */
function table(head, body) {
  const line = (/** @type {readonly string[]} */ cells) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
