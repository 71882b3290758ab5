import { join } from "node:path";
import ts from "typescript";

/**
 * One field of a resource, as its users see it.
 *
 * @typedef {object} Field
 * @property {string} name Its name.
 * @property {string} type Its type; `{…}` stands for that of `fields`.
 * @property {boolean} isOptional Whether it may be left out.
 * @property {string} doc Its doc comment, on one line.
 * @property {string} standard What `@default` says; empty where it says nothing.
 * @property {readonly Field[]} fields Fields of the object that it is, or that its items are.
 */

/**
 * Reads sources as the compiler does, with the options that all of the package is compiled with.
 *
 * @param {string} root The clone.
 * @param {readonly string[]} sources Files.
 * @returns {ts.Program} What TypeScript knows of them.
 */
export function openProgram(root, sources) {
  const { config } = ts.readConfigFile(join(root, "tsconfig.base.json"), (path) => ts.sys.readFile(path));
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  return ts.createProgram(sources, options);
}

/**
 * The fields of an object's type, in the order of their declaration, with the doc comments that are beside them in the
 * source: TypeScript itself drops these when it writes down an inferred type.
 *
 * @param {ts.TypeChecker} checker Of the program that has the type.
 * @param {ts.Type} type An object's type.
 * @returns {readonly Field[]} Its fields.
 */
export function fieldsOf(checker, type) {
  const ofPrograms = checker.getPropertiesOfType(type).filter((symbol) => !isInternal(symbol, checker));
  return inOrder(ofPrograms).map((symbol) => {
    const whole = checker.getTypeOfSymbol(symbol);
    const bare = checker.getNonNullableType(whole);
    const parts = describe(checker, bare);
    const tags = symbol.getJsDocTags(checker).filter(({ name }) => name === "default");
    return {
      ...parts,
      name: symbol.name,
      isOptional: (symbol.flags & ts.SymbolFlags.Optional) !== 0,
      doc: oneLine(symbol.getDocumentationComment(checker)),
      standard: tags.map(({ text }) => oneLine(text)).join(" "),
    };
  });
}

/**
 * Whether a field is none that a program writes.
 *
 * @param {ts.Symbol} symbol A field.
 * @param {ts.TypeChecker} checker Of the program that has it.
 */
function isInternal(symbol, checker) {
  return symbol.getJsDocTags(checker).some(({ name }) => name === "internal");
}

/**
 * A schema's type lists what is required first; its author had a better order.
 *
 * @param {readonly ts.Symbol[]} symbols Fields of one object.
 */
function inOrder(symbols) {
  const places = new Map(symbols.map((symbol) => [symbol, symbol.declarations?.[0]]));
  const files = new Set([...places.values()].map((node) => node?.getSourceFile()));
  if (files.size !== 1) return symbols;
  return [...symbols].sort((one, other) => (places.get(one)?.pos ?? 0) - (places.get(other)?.pos ?? 0));
}

/**
 * Doc comment as one line.
 *
 * @param {ts.SymbolDisplayPart[] | undefined} parts As TypeScript gives it.
 */
export function oneLine(parts) {
  return ts.displayPartsToString(parts).replaceAll(/\s+/g, " ").trim();
}

/**
 * How a type is written.
 *
 * @param {ts.TypeChecker} checker Of the program that has the type.
 * @param {ts.Type} type A field's type, without `undefined`.
 * @returns {Pick<Field, "type" | "fields">} Its text and, of an object or a list of objects, the fields.
 */
export function describe(checker, type) {
  if (checker.isArrayType(type)) {
    const [item] = checker.getTypeArguments(/** @type {ts.TypeReference} */ (type));
    const { type: text, fields } = describe(checker, item ?? type);
    return { type: /[ |]/.test(text) && !text.startsWith("{") ? `(${text})[]` : `${text}[]`, fields };
  }
  const index = checker.getIndexTypeOfType(type, ts.IndexKind.String);
  if (index !== undefined) return { type: `Record<string, ${describe(checker, index).type}>`, fields: [] };
  const isObject = (type.flags & ts.TypeFlags.Object) !== 0 && checker.getPropertiesOfType(type).length > 0;
  if (isObject) return { type: "{…}", fields: fieldsOf(checker, type) };
  return { type: checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation), fields: [] };
}
