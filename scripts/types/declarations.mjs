import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { fieldsOf, oneLine, openProgram } from "./fields.mjs";

/** @typedef {import("./fields.mjs").Field} Field */

const SCHEMA = join("provider", "schema");

/**
 * Writes the published types of all inputs: plain interfaces, with each field's doc comment for a user's editor. What
 * tsc makes of a schema is its inferred type, which has no comments and asks for zod's types.
 *
 * @param {string} root The clone, built.
 */
export function writeDeclarations(root) {
  const names = readdirSync(join(root, SCHEMA)).filter((name) => name.endsWith(".ts"));
  const sources = names.map((name) => join(root, SCHEMA, name));
  const program = openProgram(root, sources);
  const checker = program.getTypeChecker();
  for (const name of names) {
    const inputs = inputTypes(checker, program.getSourceFile(join(root, SCHEMA, name)));
    const file = join(root, "sdk", "dist", SCHEMA, name.replace(/\.ts$/, ".d.ts"));
    // Parts that several schemas share are in what is made here already.
    if (inputs.length === 0) rmSync(file, { force: true });
    else writeFileSync(file, `${inputs.join("\n\n")}\n`);
  }
}

/**
 * @param {ts.TypeChecker} checker Of the program.
 * @param {ts.SourceFile | undefined} source A schema.
 * @returns {readonly string[]} Declarations of the types that a program may write.
 */
function inputTypes(checker, source) {
  const file = source && checker.getSymbolAtLocation(source);
  const exported = file === undefined ? [] : checker.getExportsOfModule(file);
  return exported
    .filter(({ name, flags }) => name.endsWith("Inputs") && (flags & ts.SymbolFlags.TypeAlias) !== 0)
    .map((symbol) => {
      const fields = fieldsOf(checker, checker.getDeclaredTypeOfSymbol(symbol));
      const doc = oneLine(symbol.getDocumentationComment(checker));
      return `/** ${doc} */\nexport interface ${symbol.name} ${block(fields, "")}`;
    });
}

/**
 * @param {readonly Field[]} fields Fields of an object.
 * @param {string} indent Of the line that opens the block.
 * @returns {string} An object's type.
 */
function block(fields, indent) {
  const inner = `${indent}  `;
  const lines = fields.map((field) => {
    const doc = comment([field.doc, field.standard && `@default ${field.standard}`].filter(Boolean), inner);
    const type = field.type.replace("{…}", () => block(field.fields, inner));
    return `${doc}${inner}${field.name}${field.isOptional ? `?: ${type} | undefined` : `: ${type}`};`;
  });
  return `{\n${lines.join("\n")}\n${indent}}`;
}

/**
 * @param {readonly string[]} lines Of a doc comment.
 * @param {string} indent Of what it is for.
 */
function comment(lines, indent) {
  if (lines.length === 0) return "";
  if (lines.length === 1) return `${indent}/** ${lines.join("")} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}
