/** @type {import("jest").Config} `npm test` says which ring: tests/unit, tests/contract or tests/e2e. */
module.exports = {
  testEnvironment: "node",
  roots: ["<rootDir>/tests"],
  testMatch: ["**/*.test.ts"],
  // Types are checked once, by `npm run typecheck`; here each file is only translated (isolatedModules).
  transform: { "^.+\\.ts$": ["ts-jest", { tsconfig: "<rootDir>/tests/tsconfig.json" }] },
  // Dynamic imports name the compiled file, as Node wants it; here there is only the source.
  moduleNameMapper: {
    "^(\\.{1,2}/[^/]+)\\.js$": "$1",
    "^((?:\\.\\./)+(?:provider|args|vms|completion)/.+)\\.js$": "$1",
  },
  modulePathIgnorePatterns: ["<rootDir>/sdk/dist/"],
};
