import type { z } from "zod";
import type { Context, Owner, Rooms } from "../context";
import type { Say } from "../host/progress";

/** The verbs that change something, each with a deadline of its own. */
type Verb = "create" | "read" | "update" | "delete";

/**
 * The life of one kind of thing. Each file in this folder exports exactly one; `engine` does for all kinds what Pulumi
 * asks beyond this: unknown values, checks, diffs, deadlines, saved state.
 */
export interface ResourceHandler<Schema extends z.ZodObject = z.ZodObject, State extends object = object> {
  /** Types, checks, defaults and docs of the inputs. */
  readonly schema: Schema;
  /** Inputs whose change needs a new thing. All other changes go through `update`. */
  readonly replaceOnChanges: readonly (keyof z.output<Schema> & string)[];
  /**
   * Inputs that steer us but not the thing (timeouts, retries): a change of these alone is no change. A function where
   * it depends on the new inputs, which may hold unknown values.
   */
  readonly ignoreChanges?: IgnoredInputs<z.output<Schema>>;
  /**
   * Inputs that name another thing (`vmId`). Unknown at preview means that the other thing will be a new one, so an
   * unknown value counts as changed.
   */
  readonly identityInputs?: readonly (keyof z.output<Schema> & string)[];
  /** Those of them whose known value says nothing, as another input says more. */
  readonly onlyWhileUnknown?: readonly (keyof z.output<Schema> & string)[];
  /**
   * Deadline of each verb in seconds, where the user sets none by `customTimeouts`. @default 600 each, and 60 for `check`, of
   * which `derive` is a part
   */
  readonly deadlines?: Partial<Record<Verb | "check", number>>;
  /** Which parts of the state are secret. They are encrypted in the stack's state and hidden in what is printed. */
  readonly secretOutputs?: (state: State) => readonly (keyof State & string)[];

  /**
   * Checks that need the host (a file that must exist), beyond the schema. All that is wrong at once, by field; runs at
   * preview too, so it changes nothing.
   */
  check?(inputs: z.output<Schema>, look: CheckContext): Promise<readonly InputFailure[]>;
  /**
   * Inputs that follow from the others and from the host: the hash of a file that is named. Part of the schema, never
   * written by a program. Runs at each `check` that found nothing wrong, so that `preview` shows what has changed. Is not
   * given what is unknown, as a whole or in part.
   */
  derive?(inputs: Partial<z.output<Schema>>, look: CheckContext): Promise<Partial<z.output<Schema>>>;
  /**
   * What `create` (without a state) or `update` will do, in words, where that is more than the inputs tell. Asked where
   * there is something to do and all inputs are known. Changes nothing; when it fails, nothing is said.
   */
  foresee?(
    state: (State & z.output<Schema>) | undefined,
    inputs: z.output<Schema>,
    context: Context,
  ): Promise<string | undefined>;
  /** Makes the thing. On failure removes whatever it had begun, or throws an `IncompleteError`. */
  create(id: string, inputs: z.output<Schema>, context: Context): Promise<State>;
  /** Looks at the host, not at the state. `undefined` means gone. Without it the thing is as the state says. */
  read?(id: string, state: State, context: Context): Promise<State | undefined>;
  /**
   * Quick look for `diff`: why the thing must be made anew although no input changed, or `undefined` when all is well.
   * Says the output that shows it (`status`), which Pulumi prints as the reason.
   */
  lost?(id: string, state: State, context: Context): Promise<(keyof State & string) | undefined>;
  /**
   * Whether the old thing must go before a new one can come: they would fight over something of the host (a port).
   * @default never: the new one comes up first
   */
  deleteFirst?(old: z.output<Schema>, next: z.output<Schema>): boolean;
  /**
   * Quick look for `diff`, at a thing that stays: whether `update` has something to do although no input changed (a
   * process of ours that died). May tell the user what an update will do.
   */
  needsUpdate?(
    id: string,
    state: State & z.output<Schema>,
    inputs: z.output<Schema>,
    context: Context,
  ): Promise<boolean>;
  /** Converges a living thing. Runs also with nothing changed, after a partial failure. */
  update(id: string, state: State & z.output<Schema>, inputs: z.output<Schema>, context: Context): Promise<State>;
  /** Succeeds when the thing is already gone. Bounded in time; never needs the guest's help. */
  delete(id: string, state: State & z.output<Schema>, context: Context): Promise<void>;
}

/** What a check is given beside the inputs. */
export interface CheckContext {
  readonly owner: Owner;
  /** Ids of what the resource has by now, whatever its name was when that was made. */
  readonly own: ReadonlySet<string>;
  /** No thing is there yet, or it will be replaced: what a new one needs of the host counts. */
  readonly isNew: boolean;
  /** Builds the rooms, when they are needed: a check that looks at texts alone does without. */
  readonly openRooms: () => Promise<Rooms>;
  /** Fires when the check must end. */
  readonly signal: AbortSignal;
  /** Tells the user something that is no reason to fail. */
  readonly say: Say;
}

/** Names of inputs, or what finds them. */
type IgnoredInputs<Inputs> =
  readonly (keyof Inputs & string)[] | ((inputs: Partial<Inputs>) => readonly (keyof Inputs & string)[]);

/** One input that can't be: the field's path and what is wrong with it. */
export interface InputFailure {
  /** `ports[0].host`; empty where it is no single field that is wrong. */
  readonly property: string;
  readonly reason: string;
}
