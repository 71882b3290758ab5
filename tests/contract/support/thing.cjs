// A kind that does what a test tells it to, behind the engine as it is shipped: for what no real kind does on demand.
const { appendFileSync } = require("node:fs");
const { join } = require("node:path");
const { z } = require("zod");

const provider = join(__dirname, "..", "..", "..", "sdk", "dist", "provider");
const { Dynamic } = require(join(provider, "engine", "dynamic.js"));
const { run } = require(join(provider, "host", "run.js"));
const { IncompleteError, MayflyError } = require(join(provider, "errors.js"));

const note = (line) => appendFileSync(process.env.THING_LOG, `${line}\n`);
const bad = (summary) => new MayflyError("BOOT_FAILED", summary, { evidence: "last line", remedy: "do better" });

const thing = {
  schema: z
    .strictObject({
      label: z.string("must be a text").min(1, "must not be empty"),
      size: z.union([z.int(), z.literal("auto")]).default("auto"),
      tags: z.array(z.strictObject({ key: z.string("must be a text"), value: z.string().default("none") })).default([]),
      password: z.string().optional(),
      parentId: z.string().optional(),
      patience: z.int().default(1),
      behaviour: z.enum(["good", "half", "bad", "hang", "stubborn", "lost", "gone", "unclear"]).default("good"),
    })
    .refine(({ label, password }) => label !== password, { path: ["password"], message: "must not be the label" }),
  replaceOnChanges: ["label", "tags", "parentId"],
  ignoreChanges: ["patience"],
  identityInputs: ["parentId"],
  secretOutputs: () => ["token"],

  async create(id, inputs, { owner, signal, say }) {
    say(`makes ${inputs.label} for ${owner.project}/${owner.stack}/${owner.resource} with ${inputs.password}`);
    if (inputs.behaviour === "bad") throw new Error(`broke with ${inputs.password}`);
    if (inputs.behaviour === "half") throw new IncompleteError({ token: "half-token" }, bad(`half ${inputs.password}`));
    if (inputs.behaviour === "hang") await hang(signal);
    return { size: inputs.size === "auto" ? 7 : inputs.size, token: `token-of-${id}`, nothing: undefined, steps: 1 };
  },
  async read(_id, state) {
    if (state.behaviour === "unclear") throw bad("nobody can tell");
    return state.behaviour === "gone" ? undefined : state;
  },
  async lost(_id, state) {
    return state.behaviour === "lost" ? "token" : undefined;
  },
  async update(id, state, inputs, { known }) {
    if (inputs.behaviour === "half") throw new IncompleteError({ token: "half-token" }, bad("half again"));
    note(`update of ${known.has(id) ? "a known" : "an unknown"} thing saw token ${state.token}`);
    return { size: 8, token: state.token, steps: (state.steps ?? 0) + 1 };
  },
  async delete(_id, state) {
    note(`delete saw token ${state.token} and label ${state.label}`);
  },
};

async function hang(signal) {
  // As every real kind, it starts programs of the host: whose library listens for our end, too.
  const waiting = run("sleep", ["1000"], { signal }).catch(() => undefined);
  note("hangs");
  await waiting;
  await new Promise((resolve) => setTimeout(resolve, 100)); // as podman takes its time
  note("cleans up");
  throw bad("the guest said nothing");
}

const engine = new Dynamic({
  handlerOf: () => Promise.resolve(thing),
  openRooms: () =>
    Promise.resolve({
      networks: { commitSync: () => undefined },
      machines: { commitSync: (ids) => note(`commits ${ids.join(" ")}`) },
      ssh: { recordEnd: () => undefined },
    }),
  say: (text) => process.stdout.write(`${text}\n`),
});

exports.provider = {
  check: (olds, news) => engine.check("Thing", olds, news),
  diff: (...values) => engine.diff("Thing", ...values),
  create: (news) => engine.create("Thing", news),
  read: (...values) => engine.read("Thing", ...values),
  update: (...values) => engine.update("Thing", ...values),
  delete: (...values) => engine.delete("Thing", ...values),
};
