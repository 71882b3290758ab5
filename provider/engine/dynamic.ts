import type { Context, Owner, Rooms } from "../context";
import { step, type Say } from "../host/progress";
import type { AnyHandler } from "../resources/registry";
import { newId } from "./ids";
import { parseTimeout, withDeadline, type Call } from "./deadline";
import { difference, withTimeouts, type Difference } from "./diff";
import { checkInputs, wireFailures } from "./inputs";
import { KnownIds } from "./known";
import { Life } from "./life";
import { partialFailure, wireError } from "./partial-failure";
import { scrubber } from "./scrub";
import { ownState, takeApart, toOutputs, wireName, type Parts, type Properties } from "./state";
import { holdsUnknown } from "./unknowns";

const DEFAULT_SECONDS = 600; // where neither the user nor the kind says how long a verb may take
const LOOK_SECONDS = 60; // for check and diff, which only look at the host
const FORESEE_SECONDS = 15; // for what nothing depends on

/** What Pulumi's dynamic provider wants of a `check`. */
interface CheckResult {
  readonly inputs: Properties;
  readonly failures: { property: string; reason: string }[];
}

/** What the engine is built from. */
export interface DynamicParts {
  /** Finds the handler of a kind; rejects when there is none. */
  readonly handlerOf: (kind: string) => Promise<AnyHandler>;
  /** Builds the rooms; asked for once, when a verb first needs them. */
  readonly openRooms: () => Promise<Rooms>;
  /** Where progress goes, line by line. */
  readonly say: Say;
}

/** The verbs in the form in which Pulumi's dynamic-provider process calls them, the same for all kinds. */
export class Dynamic {
  readonly #known = new KnownIds();
  readonly #life = new Life(() => {
    const known = [...this.#known.all];
    this.#opened?.machines.commitSync(known);
    this.#opened?.networks.commitSync(known);
    this.#opened?.ssh.recordEnd();
  });
  #rooms: Promise<Rooms> | undefined;
  #opened: Rooms | undefined;

  /** @param parts Injected, so that a test can bring kinds of its own. */
  constructor(private readonly parts: DynamicParts) {}

  /**
   * Checks and completes the inputs. Runs at preview, with unknown values, and again at `up`. Without old inputs there
   * is no thing yet, or the engine has decided to replace it and asks anew.
   */
  async check(kind: string, olds: Properties | undefined, news: Properties): Promise<CheckResult> {
    const handler = await this.#handler(kind);
    try {
      const { owner } = takeApart(handler, news);
      const call: Call = { kind, name: owner.resource, verb: "check" };
      const isNew = Object.keys(olds ?? {}).length === 0;
      const look = { owner, own: this.#known.of(owner), isNew, openRooms: () => this.#open() };
      const say = this.#sayer(owner, news);
      const seconds = handler.deadlines?.check ?? LOOK_SECONDS;
      const { inputs, failures } = await this.#life.run((ended) =>
        withDeadline(call, seconds, ended, (signal) => checkInputs(handler, news, { ...look, signal, say })),
      );
      if (isNew && failures.length === 0) await this.#foresee(kind, handler, undefined, takeApart(handler, inputs));
      return { inputs, failures: wireFailures(failures, news) };
    } catch (error) {
      throw wireError(error, news);
    }
  }

  /** Compares saved outputs with new inputs, and looks whether the thing still lives. */
  async diff(kind: string, id: string, olds: Properties, news: Properties): Promise<Difference> {
    const handler = await this.#handler(kind);
    this.#known.add(id);
    try {
      const old = takeApart(handler, olds);
      const next = takeApart(handler, news);
      const found = withTimeouts(difference(handler, old.inputs, next.inputs), old, next);
      this.#known.addCompared(id, next.owner, found.deleteBeforeReplace);
      if (found.replaces.length > 0) return found; // the engine then checks anew, as for a new thing
      const seen = await this.#look(kind, id, handler, old, next, found);
      if (seen.changes && seen.replaces.length === 0) await this.#foresee(kind, handler, old, next);
      return seen;
    } catch (error) {
      throw wireError(error, olds, news);
    }
  }

  /** Makes a thing. */
  async create(kind: string, news: Properties): Promise<{ id: string; outs: Properties }> {
    const handler = await this.#handler(kind);
    const parts = takeApart(handler, news);
    const id = newId(parts.owner.resource || kind);
    try {
      const state = await this.#call({ kind, verb: "create" }, handler, parts, (context) =>
        handler.create(id, parts.inputs, context),
      );
      this.#known.add(id);
      return { id, outs: toOutputs(handler, parts.echo, state) };
    } catch (error) {
      const failure = partialFailure(handler, id, news, error);
      if (failure.id !== undefined) this.#known.add(id); // Pulumi saves an unfinished thing too
      throw failure;
    }
  }

  /** Looks at a thing; an empty answer tells Pulumi that it is gone. */
  async read(kind: string, id: string, props: Properties): Promise<{ id?: string; props?: Properties }> {
    const handler = await this.#handler(kind);
    this.#known.add(id);
    try {
      const old = takeApart(handler, props);
      const state = await this.#call({ kind, verb: "read" }, handler, old, async (context) =>
        handler.read === undefined ? old.state : handler.read(id, { ...old.inputs, ...old.state }, context),
      );
      // Without `inputs` in the answer the engine keeps its own, which may be newer than those in the outputs.
      return state === undefined ? {} : { id, props: toOutputs(handler, old.echo, ownState(handler, old, state)) };
    } catch (error) {
      throw wireError(error, props);
    }
  }

  /** Changes a living thing, or goes on with one that a failure has left half made. */
  async update(kind: string, id: string, olds: Properties, news: Properties): Promise<{ outs: Properties }> {
    const handler = await this.#handler(kind);
    this.#known.add(id);
    try {
      const old = takeApart(handler, olds);
      const parts = takeApart(handler, news);
      const before = { ...old.inputs, ...old.state };
      const state = await this.#call({ kind, verb: "update" }, handler, parts, (context) =>
        handler.update(id, before, parts.inputs, context),
      );
      return { outs: toOutputs(handler, parts.echo, ownState(handler, old, state)) };
    } catch (error) {
      throw partialFailure(handler, id, news, error, olds);
    }
  }

  /** Removes a thing; a thing that is gone already is removed. */
  async delete(kind: string, id: string, props: Properties): Promise<void> {
    const handler = await this.#handler(kind);
    this.#known.add(id);
    try {
      const old = takeApart(handler, props);
      await this.#call({ kind, verb: "delete" }, handler, old, (context) =>
        handler.delete(id, { ...old.inputs, ...old.state }, context),
      );
    } catch (error) {
      throw wireError(error, props);
    }
  }

  /** Adds to a difference of inputs what only a look at the host can tell. */
  async #look(
    kind: string,
    id: string,
    handler: AnyHandler,
    old: Parts,
    next: Parts,
    found: Difference,
  ): Promise<Difference> {
    if (handler.lost === undefined && handler.needsUpdate === undefined) return found;
    return this.#call({ kind, verb: "diff" }, handler, old, async (context) => {
      const before = { ...old.inputs, ...old.state };
      const lost = await handler.lost?.(id, before, context);
      if (lost !== undefined) return { ...found, changes: true, replaces: [wireName(handler, lost)] };
      const needsUpdate = (await handler.needsUpdate?.(id, before, next.inputs, context)) ?? false;
      return { ...found, changes: found.changes || needsUpdate };
    });
  }

  /** Tells the user what will be done, where that can be known. */
  async #foresee(kind: string, handler: AnyHandler, old: Parts | undefined, next: Parts): Promise<void> {
    if (handler.foresee === undefined || holdsUnknown(next.inputs)) return;
    const before = old === undefined ? undefined : { ...old.inputs, ...old.state };
    try {
      await this.#call({ kind, verb: "diff" }, handler, next, async (context) => {
        const signal = AbortSignal.any([context.signal, AbortSignal.timeout(FORESEE_SECONDS * 1_000)]);
        const text = await handler.foresee?.(before, next.inputs, { ...context, signal });
        if (text !== undefined) context.say(text);
      });
    } catch {
      // No reason to fail: what can't be reached now may be by then, and `up` says it if not.
    }
  }

  #handler(kind: string): Promise<AnyHandler> {
    this.#life.watch();
    return this.parts.handlerOf(kind);
  }

  /** Runs one verb with its deadline and everything that a handler is given. */
  async #call<T>(
    { kind, verb }: { readonly kind: string; readonly verb: Exclude<Call["verb"], "check"> },
    handler: AnyHandler,
    { owner, customTimeouts, inputs, state }: Parts,
    work: (context: Context) => Promise<T>,
  ): Promise<T> {
    const call: Call = { kind, name: owner.resource, verb };
    const own = verb === "diff" ? LOOK_SECONDS : (handler.deadlines?.[verb] ?? DEFAULT_SECONDS);
    const seconds = parseTimeout(customTimeouts[verb]) ?? own;
    const rooms = await this.#open();
    const say = this.#sayer(owner, inputs, state);
    return this.#life.run((ended) =>
      withDeadline(call, seconds, ended, (signal) =>
        work({
          ...{ ...rooms, owner, signal, say, known: this.#known.all, leaving: this.#known.leaving },
          step: (title, stepWork) => step(say, title, stepWork),
        }),
      ),
    );
  }

  /** Says what a resource has to say, without the secrets that are in the given values. */
  #sayer({ resource }: Owner, ...holders: readonly unknown[]): Say {
    const scrub = scrubber(...holders);
    return (text) => {
      const line = scrub(text);
      this.parts.say(resource === "" ? line : `${resource}: ${line}`);
    };
  }

  #open(): Promise<Rooms> {
    this.#rooms ??= this.parts.openRooms().then(
      (rooms) => (this.#opened = rooms),
      (error: unknown) => {
        this.#rooms = undefined; // a full disk may be empty by the next call
        throw error;
      },
    );
    return this.#rooms;
  }
}
