/**
 * What the trampoline in users' state files calls, by name and with the kind first. Frozen: a state may be older than
 * this package by any number of versions, and its `delete` has to work.
 */
import { Dynamic } from "./engine/dynamic";
import type { Properties } from "./engine/state";
import { handlerOf } from "./resources/registry";

const dynamic = new Dynamic({
  handlerOf,
  openRooms: async () => (await import("./compose.js")).compose(), // check, and diff of most kinds, need none of it
  say: (text) => {
    process.stdout.write(`${text}\n`); // Pulumi prints what this process prints
  },
});

/** Nothing is configured: all is in a resource's inputs. Pulumi does not wait for this one before other calls. */
export function configure(_kind: string, _request: unknown): Promise<void> {
  return Promise.resolve();
}

/** See {@link Dynamic.check}. */
export function check(kind: string, _olds: Properties, news: Properties): ReturnType<Dynamic["check"]> {
  return dynamic.check(kind, news);
}

/** See {@link Dynamic.diff}. */
export function diff(kind: string, id: string, olds: Properties, news: Properties): ReturnType<Dynamic["diff"]> {
  return dynamic.diff(kind, id, olds, news);
}

/** See {@link Dynamic.create}. */
export function create(kind: string, inputs: Properties): ReturnType<Dynamic["create"]> {
  return dynamic.create(kind, inputs);
}

/** See {@link Dynamic.read}. */
export function read(kind: string, id: string, props: Properties): ReturnType<Dynamic["read"]> {
  return dynamic.read(kind, id, props);
}

/** See {@link Dynamic.update}. */
export function update(kind: string, id: string, olds: Properties, news: Properties): ReturnType<Dynamic["update"]> {
  return dynamic.update(kind, id, olds, news);
}

/** See {@link Dynamic.delete}. */
function remove(kind: string, id: string, props: Properties): ReturnType<Dynamic["delete"]> {
  return dynamic.delete(kind, id, props);
}
/** `delete` is a reserved word: only an export can be called that. */
export { remove as delete };
