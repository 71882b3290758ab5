import type { Context, Rooms } from "../context";
import { step, type Say } from "../host/progress";
import { handlerOf, isKind, type AnyHandler } from "../resources/registry";
import type { Verb } from "../resources/resource";
import { newId } from "./ids";
import { parseTimeout, withDeadline, type Call } from "./deadline";
import { difference, type Difference } from "./diff";
import { checkInputs } from "./inputs";
import { KnownIds } from "./known";
import { Life } from "./life";
import { partialFailure, wireError } from "./partial-failure";
import { takeApart, toOutputs, wireName, type Parts, type Properties } from "./state";

const DEFAULT_SECONDS = 600; // where neither the user nor the kind says how long a verb may take
const DIFF_SECONDS = 60; // a look at the host, at most

/** What Pulumi's dynamic provider wants of a `check`. */
interface CheckResult {
  readonly inputs: Properties;
  readonly failures: { property: string; reason: string }[];
}

/** The verbs in the form in which Pulumi's dynamic-provider process calls them, the same for all kinds. */
export class Dynamic {
  private readonly known = new KnownIds();
  private rooms: Promise<Rooms> | undefined;
  private opened: Rooms | undefined;
  private readonly life = new Life(() => {
    this.opened?.machines.commitSync(this.known.made);
  });

  /**
   * @param openRooms Builds the rooms; asked for once, when a verb first needs them.
   * @param say Where progress goes. Pulumi prints what this process prints.
   */
  constructor(
    private readonly openRooms: () => Promise<Rooms>,
    private readonly say: Say,
  ) {}

  /** Checks and completes the inputs. */
  async check(kind: string, news: Properties): Promise<CheckResult> {
    const handler = await this.handler(kind);
    try {
      const { inputs, failures } = await checkInputs(handler, news);
      return { inputs, failures: failures.map(({ property, reason }) => ({ property, reason })) };
    } catch (error) {
      throw wireError(error, news);
    }
  }

  /** Compares saved outputs with new inputs, and looks whether the thing still lives. */
  async diff(kind: string, id: string, olds: Properties, news: Properties): Promise<Difference> {
    const handler = await this.handler(kind);
    this.known.add(id);
    const old = takeApart(handler, olds);
    const found = difference(handler, old.inputs, takeApart(handler, news).inputs);
    if (handler.lost === undefined || found.replaces.length > 0) return found;
    const lost = await this.call(kind, handler, "diff", old, DIFF_SECONDS, (context) =>
      (handler.lost as NonNullable<AnyHandler["lost"]>)(id, old.state, context),
    ).catch((error: unknown) => {
      throw wireError(error, olds, news);
    });
    return lost === undefined ? found : { ...found, changes: true, replaces: [wireName(handler, lost)] };
  }

  /** Makes a thing. */
  async create(kind: string, news: Properties): Promise<{ id: string; outs: Properties }> {
    const handler = await this.handler(kind);
    const parts = takeApart(handler, news);
    const id = newId(parts.owner.resource || kind);
    try {
      const state = await this.call(kind, handler, "create", parts, undefined, (context) =>
        handler.create(id, parts.inputs, context),
      );
      this.known.addMade(id);
      return { id, outs: toOutputs(handler, withoutProvider(news), state) };
    } catch (error) {
      this.known.addMade(id); // an unfinished thing is saved too
      throw partialFailure(handler, id, news, error);
    }
  }

  /** Looks at a thing; an empty answer tells Pulumi that it is gone. */
  async read(kind: string, id: string, props: Properties): Promise<{ id?: string; props?: Properties }> {
    const handler = await this.handler(kind);
    this.known.add(id);
    if (handler.read === undefined) return { id, props };
    const parts = takeApart(handler, props);
    try {
      const state = await this.call(kind, handler, "read", parts, undefined, (context) =>
        (handler.read as NonNullable<AnyHandler["read"]>)(id, { ...parts.inputs, ...parts.state }, context),
      );
      if (state === undefined) return {};
      const own = handlerState(handler, parts, state as Properties);
      return { id, props: { ...toOutputs(handler, withoutProvider(props), own), __provider: parts.provider } };
    } catch (error) {
      throw wireError(error, props);
    }
  }

  /** Changes a living thing. */
  async update(kind: string, id: string, olds: Properties, news: Properties): Promise<{ outs: Properties }> {
    const handler = await this.handler(kind);
    this.known.add(id);
    const old = takeApart(handler, olds);
    const parts = takeApart(handler, news);
    try {
      const before = { ...old.inputs, ...old.state };
      const state = await this.call(kind, handler, "update", parts, undefined, (context) =>
        handler.update(id, before, parts.inputs, context),
      );
      return { outs: toOutputs(handler, withoutProvider(news), handlerState(handler, old, state as Properties)) };
    } catch (error) {
      throw partialFailure(handler, id, news, error, olds);
    }
  }

  /** Removes a thing; a thing that is gone already is removed. */
  async delete(kind: string, id: string, props: Properties): Promise<void> {
    const handler = await this.handler(kind);
    this.known.add(id);
    const parts = takeApart(handler, props);
    try {
      await this.call(kind, handler, "delete", parts, undefined, (context) =>
        handler.delete(id, { ...parts.inputs, ...parts.state }, context),
      );
    } catch (error) {
      throw wireError(error, props);
    }
  }

  private async handler(kind: string): Promise<AnyHandler> {
    if (!isKind(kind))
      throw new Error(`this pulumi-mayfly knows no "${kind}"; a newer one may: npm install pulumi-mayfly`);
    return handlerOf(kind);
  }

  /** Runs one verb with its deadline and everything that a handler is given. */
  private async call<T>(
    kind: string,
    handler: AnyHandler,
    verb: Call["verb"],
    { owner, customTimeouts }: Parts,
    seconds: number | undefined,
    work: (context: Context) => Promise<T>,
  ): Promise<T> {
    const call: Call = { kind, name: owner.resource, verb };
    const own = handler.deadlines?.[verb as Verb] ?? DEFAULT_SECONDS;
    const limit = seconds ?? parseTimeout(customTimeouts[verb]) ?? own;
    this.rooms ??= this.openRooms();
    const rooms = await this.rooms;
    this.opened = rooms;
    const say: Say = (text) => {
      this.say(owner.resource === "" ? text : `${owner.resource}: ${text}`);
    };
    return this.life.run((ended) =>
      withDeadline(call, limit, ended, (signal) =>
        work({
          ...rooms,
          ...{ owner, signal, say },
          known: this.known.all,
          step: (title, stepWork) => step(say, title, stepWork),
        }),
      ),
    );
  }
}

/** A handler's state only: what it returned, without the inputs that it was shown beside it. */
function handlerState(handler: AnyHandler, { state: old }: Parts, state: Properties): Properties {
  const fields = Object.keys(handler.schema.shape);
  return Object.fromEntries(Object.entries(state).filter(([key]) => !fields.includes(key) || key in old));
}

function withoutProvider({ __provider: _, ...rest }: Properties): Properties {
  return rest;
}
