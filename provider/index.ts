/**
 * What the text in users' state files calls by name (`sdk/dynamic-resource.ts`). Frozen: a state may be older than this
 * package by any number of versions, and its `delete` has to work.
 */
import type { dynamic as pulumi } from "@pulumi/pulumi";
import { Dynamic } from "./engine/dynamic";
import { wireError } from "./engine/partial-failure";
import { MayflyError } from "./errors";
import { nodeProblem } from "./node-version";
import { handlerOf } from "./resources/registry";

const dynamic = new Dynamic({
  handlerOf,
  openRooms: async () => (await import("./compose.js")).compose(), // check, and diff of most kinds, need none of it
  say: (text) => {
    process.stdout.write(`${text}\n`); // Pulumi prints what this process prints
  },
});

/** What goes over Pulumi's wire. The published types of this file name nothing of ours: it is frozen, the rooms are not. */
type Properties = Record<string, unknown>;

/**
 * A kind as Pulumi's dynamic-provider process wants it, which then calls its verbs.
 *
 * @throws {WireError} `TOOL_MISSING` where Node is too old, at the first verb: at preview.
 */
export function provider(kind: string): pulumi.ResourceProvider {
  const problem = nodeProblem();
  if (problem !== undefined)
    throw wireError(
      new MayflyError("TOOL_MISSING", problem, { remedy: "put a newer node on PATH, and run `pulumi up` again" }),
    );
  return {
    configure: (request) => configure(kind, request),
    check: (olds: Properties | undefined, news: Properties) => check(kind, olds, news),
    diff: (id, olds: Properties, news: Properties) => diff(kind, id, olds, news),
    create: (inputs: Properties) => create(kind, inputs),
    read: (id, props: Properties) => read(kind, id, props),
    update: (id, olds: Properties, news: Properties) => update(kind, id, olds, news),
    delete: (id, props: Properties) => remove(kind, id, props),
  };
}

// The verbs by themselves, as the first states call them: each holds a text that Pulumi made of seven functions.

/** Nothing is configured: all is in a resource's inputs. Pulumi does not wait for this one before other calls. */
export function configure(_kind: string, _request: unknown): Promise<void> {
  return Promise.resolve();
}

/** See {@link Dynamic.check}. */
export function check(kind: string, olds: Properties | undefined, news: Properties): Promise<pulumi.CheckResult> {
  return dynamic.check(kind, olds, news);
}

/** See {@link Dynamic.diff}. */
export function diff(kind: string, id: string, olds: Properties, news: Properties): Promise<pulumi.DiffResult> {
  return dynamic.diff(kind, id, olds, news);
}

/** See {@link Dynamic.create}. */
export function create(kind: string, inputs: Properties): Promise<pulumi.CreateResult> {
  return dynamic.create(kind, inputs);
}

/** See {@link Dynamic.read}. */
export function read(kind: string, id: string, props: Properties): Promise<pulumi.ReadResult> {
  return dynamic.read(kind, id, props);
}

/** See {@link Dynamic.update}. */
export function update(kind: string, id: string, olds: Properties, news: Properties): Promise<pulumi.UpdateResult> {
  return dynamic.update(kind, id, olds, news);
}

/** See {@link Dynamic.delete}. */
function remove(kind: string, id: string, props: Properties): Promise<void> {
  return dynamic.delete(kind, id, props);
}
/** `delete` is a reserved word: only an export can be called that. */
export { remove as delete };
