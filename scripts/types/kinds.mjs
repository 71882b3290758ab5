import { join } from "node:path";
import ts from "typescript";
import { describe, fieldsOf, oneLine, openProgram } from "./fields.mjs";

/** @typedef {import("./fields.mjs").Field} Field */

/**
 * A kind of resource, as the doc comments of `sdk/` and `provider/schema/` have it.
 *
 * @typedef {object} Kind
 * @property {string} name Its class.
 * @property {string} doc What it is.
 * @property {readonly string[]} examples Programs.
 * @property {readonly Field[]} inputs What a program may write.
 * @property {readonly Field[]} outputs What it gets back.
 */

/**
 * All kinds, in the order of the SDK's index.
 *
 * @param {string} root The clone.
 * @returns {readonly Kind[]} Kinds.
 */
export function readKinds(root) {
  const index = join(root, "sdk", "index.ts");
  const program = openProgram(root, [index]);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(index);
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) throw new Error(`${index} exports nothing.`);
  const exported = checker.getExportsOfModule(module).map((symbol) => resolve(checker, symbol));
  return exported
    .filter(({ flags }) => (flags & ts.SymbolFlags.Class) !== 0)
    .map((symbol) => ({
      name: symbol.name,
      doc: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
      examples: symbol
        .getJsDocTags(checker)
        .filter(({ name }) => name === "example")
        .map(({ text }) => ts.displayPartsToString(text)),
      inputs: inputsOf(checker, exported, symbol.name),
      outputs: outputsOf(checker, symbol),
    }));
}

/**
 * @param {ts.TypeChecker} checker Of the program.
 * @param {ts.Symbol} symbol Maybe one that only names another.
 */
function resolve(checker, symbol) {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

/**
 * @param {ts.TypeChecker} checker Of the program.
 * @param {readonly ts.Symbol[]} exported What the SDK exports.
 * @param {string} kind A class's name.
 * @returns {readonly Field[]} What its constructor takes: the fields of the schema, as plain values, but for those that
 *   the SDK declares itself.
 */
function inputsOf(checker, exported, kind) {
  const args = exported.find(({ name }) => name === `${kind}Args`);
  if (args === undefined) throw new Error(`The SDK exports no ${kind}Args.`);
  const plain = new Map(plainInputs(checker, args).map((field) => [field.name, field]));
  const order = [...plain.keys()]; // what only the SDK has is its own choice of the same, and comes first
  const symbols = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(args));
  const sorted = [...symbols].sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
  return sorted.map((symbol) => {
    const field = plain.get(symbol.name);
    const text = textInSdk(symbol);
    if (text === undefined && field !== undefined) return field;
    const isPlain = field !== undefined && text?.includes("Inputs<") === true;
    return {
      ...(isPlain ? field : { type: withoutWrappers(text ?? ""), fields: [] }),
      name: symbol.name,
      isOptional: (symbol.flags & ts.SymbolFlags.Optional) !== 0,
      doc: oneLine(symbol.getDocumentationComment(checker)),
      standard: oneLine(symbol.getJsDocTags(checker).find(({ name }) => name === "default")?.text),
    };
  });
}

/** @param {ts.Symbol} field Of a class's arguments. @returns {string | undefined} Its type, where the SDK declares it. */
function textInSdk(field) {
  const declared = field.declarations?.find((node) => node.getSourceFile().fileName.includes("/sdk/"));
  return declared !== undefined && ts.isPropertySignature(declared) ? declared.type?.getText() : undefined;
}

/**
 * @param {ts.TypeChecker} checker Of the program.
 * @param {ts.Symbol} args The arguments of a class; their declaration names the schema's type.
 * @returns {readonly Field[]} That type's fields.
 */
function plainInputs(checker, args) {
  /** @type {ts.Type | undefined} */
  let found;
  /** @param {ts.Node} node Of the declaration. */
  const look = (node) => {
    if (ts.isTypeReferenceNode(node) && /^\w+Inputs$/.test(node.typeName.getText()))
      found ??= checker.getTypeFromTypeNode(node);
    else ts.forEachChild(node, look);
  };
  for (const declaration of args.declarations ?? []) ts.forEachChild(declaration, look);
  return found === undefined ? [] : fieldsOf(checker, found);
}

/** @param {string} text A type as it is written in the SDK. @returns {string} What stays when all is known. */
function withoutWrappers(text) {
  let bare = text.replaceAll(/\s+/g, " ").replaceAll(/ \| undefined$/g, "");
  while (/pulumi\.Input</.test(bare)) {
    const shorter = bare.replaceAll(/pulumi\.Input<((?:[^<>]|<[^<>]*>)*)>/g, "$1");
    if (shorter === bare) break;
    bare = shorter;
  }
  return bare.replaceAll("pulumi.", "");
}

/**
 * @param {ts.TypeChecker} checker Of the program.
 * @param {ts.Symbol} kind A class.
 * @returns {readonly Field[]} Its outputs.
 */
function outputsOf(checker, kind) {
  return [...(kind.members?.values() ?? [])].flatMap((symbol) => {
    const declared = symbol.valueDeclaration;
    if (declared === undefined || !ts.isPropertyDeclaration(declared)) return [];
    const type = declared.type;
    const [value] = type !== undefined && ts.isTypeReferenceNode(type) ? (type.typeArguments ?? []) : [];
    if (value === undefined) throw new Error(`${kind.name}.${symbol.name} is no output.`);
    const doc = oneLine(symbol.getDocumentationComment(checker));
    const { type: text, fields } = describe(checker, checker.getTypeFromTypeNode(value));
    return [{ name: symbol.name, type: text, fields, isOptional: false, doc, standard: "" }];
  });
}
