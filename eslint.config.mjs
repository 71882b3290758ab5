import { defineConfig } from "eslint/config";
import jsdoc from "eslint-plugin-jsdoc";
import tseslint from "typescript-eslint";

// Each message names the replacement.
const NO_DEFAULT_EXPORT = {
  selector: "ExportDefaultDeclaration",
  message: "Export by name: one word per thing, everywhere.",
};
const NO_REGEXP_AS_VALUE = {
  selector: "CallExpression[callee.property.name='toMatchObject'] Property > Literal[regex]",
  message: "toMatchObject takes any value for a regular expression: write expect.stringMatching(/…/).",
};
const NO_SLEEP = {
  // Only the bare sleep: a timer beside something else in a promise is a deadline.
  selector: ["CallExpression.body", "BlockStatement[body.length=1] > ExpressionStatement > CallExpression"]
    .map((body) => `NewExpression[callee.name='Promise'] > ArrowFunctionExpression > ${body}[callee.name='setTimeout']`)
    .join(","),
  message:
    "Wait for an event, or with `until` (provider/host/until.ts). Where time itself is meant: `setTimeout` of node:timers/promises, with a signal.",
};
const NO_EXIT = {
  selector: "CallExpression[callee.object.name='process'][callee.property.name='exit']",
  message:
    "Throw, or set `process.exitCode`: an exit cuts off output and clean-up, and Pulumi's call is never answered.",
};

export default defineConfig(
  { ignores: ["**/dist/", "**/node_modules/", "**/*.cjs"] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        // One program for all rooms: a project service would look through each type once for each of their tsconfig.json.
        project: ["tsconfig.check.json", "examples/tsconfig.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-empty-object-type": ["error", { allowInterfaces: "with-single-extends" }],
      "@typescript-eslint/dot-notation": ["error", { allowIndexSignaturePropertyAccess: true }], // environment["HOME"]
      "@typescript-eslint/no-unused-vars": [
        "error",
        { varsIgnorePattern: "^_", argsIgnorePattern: "^_", ignoreRestSiblings: true },
      ],
      "@typescript-eslint/no-unsafe-enum-assignment": "off", // there is no enum, and to look for one takes a tenth of all
      "@typescript-eslint/require-await": "off", // an interface's method may have nothing to wait for
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error", // either form of `type`, but always one
      "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
      "max-lines-per-function": ["error", { max: 50, skipBlankLines: true, skipComments: true }],
      complexity: ["error", 10],
      "no-console": "error",
      "no-restricted-syntax": ["error", NO_DEFAULT_EXPORT, NO_SLEEP, NO_EXIT],
    },
  },
  {
    files: ["sdk/**/*.ts", "provider/**/*.ts", "cli/**/*.ts"],
    plugins: { jsdoc },
    rules: {
      "jsdoc/require-jsdoc": [
        "error",
        {
          publicOnly: true,
          require: { ClassDeclaration: true, FunctionDeclaration: true },
          contexts: ["TSInterfaceDeclaration", "TSTypeAliasDeclaration"],
        },
      ],
    },
  },
  {
    files: ["tests/**/*.ts"],
    rules: {
      "max-lines-per-function": "off",
      "no-restricted-syntax": ["error", NO_DEFAULT_EXPORT, NO_SLEEP, NO_EXIT, NO_REGEXP_AS_VALUE],
    },
  },
  {
    // Plain JavaScript, as the set-up must run before anything is installed. `npm run typecheck` checks its types.
    files: ["**/*.mjs"],
    extends: [tseslint.configs.disableTypeChecked],
    plugins: { jsdoc },
    rules: {
      "jsdoc/require-jsdoc": ["error", { publicOnly: true, require: { ClassDeclaration: true } }],
      "jsdoc/check-param-names": "error",
      "no-restricted-syntax": ["error", NO_DEFAULT_EXPORT, NO_SLEEP],
    },
  },
  { files: ["eslint.config.mjs"], rules: { "no-restricted-syntax": "off" } }, // ESLint wants a default export
);
