// Which way imports may go. The rooms and the reasons: docs/architecture.md.
const TYPES_ONLY = ["type-only"]; // an import that is gone at run time ties nothing together
const rooms = ["images", "machines", "networks", "ssh"]; // side by side: none may know another
const above = ["resources", "engine", "diagnose"];

/** One rule: code in `from` must not import `to`, but for types. */
const forbid = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });
const anyOf = (names) => `(${names.join("|")})`;

module.exports = {
  forbidden: [
    forbid(
      "no-circular",
      "A cycle has no order to be read or built in: move what both need to a third file.",
      {},
      {
        circular: true,
        viaOnly: { dependencyTypesNot: TYPES_ONLY },
      },
    ),
    forbid("no-unresolvable", "This import leads nowhere.", {}, { couldNotResolve: true }),
    forbid(
      "sdk-takes-types-only",
      "The SDK reaches the provider by name at run time (sdk/dynamic-resource.ts): a program loads nothing of it.",
      { path: "^sdk/" },
      { path: "^(provider|cli|scripts)/", dependencyTypesNot: TYPES_ONLY },
    ),
    forbid(
      "sdk-knows-the-schema-only",
      "Of the provider, the SDK may know the inputs' types.",
      { path: "^sdk/" },
      { path: "^provider/(?!schema/)" },
    ),
    forbid(
      "host-is-the-floor",
      "`host` knows nothing but itself and errors.",
      { path: "^provider/host/" },
      { path: "^(provider/(?!host/|errors)|cli/|sdk/)" },
    ),
    forbid(
      "errors-is-a-leaf",
      "Errors are used by all and use nothing.",
      { path: "^provider/errors" },
      { path: "^(provider/(?!errors)|cli/|sdk/)", dependencyTypesNot: TYPES_ONLY },
    ),
    forbid(
      "schema-is-a-leaf",
      "A schema is read by the SDK's users, the engine and the command line: it may use errors only.",
      { path: "^provider/schema/" },
      { path: "^(provider/(?!schema/|errors)|cli/|sdk/)" },
    ),
    ...rooms.map((room) =>
      forbid(
        `${room}-not-sideways`,
        "Rooms side by side meet in a resource; hand in what is needed, or take its type.",
        { path: `^provider/${room}/` },
        {
          path: `^(provider/(${[...above, ...rooms.filter((other) => other !== room)].join("|")})/|provider/(index|compose|reap)|cli/|sdk/)`,
          dependencyTypesNot: TYPES_ONLY,
        },
      ),
    ),
    forbid(
      "diagnose-gets-its-instruments",
      "A diagnosis looks with what it is handed, so that it can be judged by facts as data; of other rooms it knows types.",
      { path: "^provider/diagnose/" },
      {
        path: `^(provider/${anyOf([...rooms, "resources", "engine"])}/|provider/(index|compose|reap)|cli/|sdk/)`,
        dependencyTypesNot: TYPES_ONLY,
      },
    ),
    forbid(
      "resources-get-their-rooms",
      "A handler works with what its context hands it, so that tests can hand in something else.",
      // Files of the user's own are read at `check`, which has no context.
      { path: "^provider/resources/", pathNot: "^provider/resources/(copy-file|directory-sync)\\.ts$" },
      {
        path: `^(provider/${anyOf([...rooms, "host", "diagnose", "engine"])}/|provider/(index|compose)|cli/|sdk/)`,
        dependencyTypesNot: TYPES_ONLY,
      },
    ),
    forbid(
      "engine-knows-no-room",
      "The engine speaks Pulumi's wire and calls handlers; what these do is not its business.",
      { path: "^provider/engine/" },
      {
        path: `^(provider/${anyOf([...rooms, "diagnose"])}/|provider/index|cli/|sdk/)`,
        dependencyTypesNot: TYPES_ONLY,
      },
    ),
    forbid(
      "context-is-types",
      "The context only says what a handler is given.",
      { path: "^provider/context\\.ts$" },
      { path: ".", dependencyTypesNot: TYPES_ONLY },
    ),
    forbid(
      "only-host-starts-programs",
      "Use `run` of provider/host/run.ts: deadlines, evidence and clean-up are there.",
      { path: "^(sdk|provider|cli)/", pathNot: "^provider/host/" },
      { path: "^(node:)?child_process$|node_modules/execa/" },
    ),
    forbid(
      "only-sdk-and-engine-know-pulumi",
      "Pulumi's wire ends at the engine; take types, or let the engine translate.",
      { path: "^(provider|cli)/", pathNot: "^provider/engine/" },
      { path: "node_modules/@pulumi/", dependencyTypesNot: TYPES_ONLY },
    ),
    forbid(
      "zod-where-inputs-are-read",
      "Inputs are checked once, at the edge: schema, engine, the command line's arguments.",
      { path: "^(sdk|provider|cli)/", pathNot: "^(provider/(schema|engine)/|cli/args/)" },
      { path: "node_modules/zod/", dependencyTypesNot: TYPES_ONLY },
    ),
    forbid(
      "provider-knows-no-front",
      "The provider serves the SDK and the command line; it knows neither.",
      { path: "^provider/" },
      { path: "^(sdk|cli|scripts|tests|examples|bench)/", dependencyTypesNot: TYPES_ONLY },
    ),
  ],
  options: {
    tsPreCompilationDeps: true, // see type imports too, and tell them apart
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)dist/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
