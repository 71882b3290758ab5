import { isDeepStrictEqual } from "node:util";
import { MayflyError } from "../errors";
import type { Owner } from "../context";
import type { AnyHandler } from "../resources/registry";
import { unwrapSecrets, wrapSecret } from "./secrets";

/** What goes over Pulumi's wire for one thing: its inputs, or its saved state. */
export type Properties = Record<string, unknown>;

/** Version of the shape of saved states. Raised with each change that `MIGRATIONS` has to undo. */
const SCHEMA_VERSION = 1;

/**
 * One step per version: from that version to the next. States are as old as the stacks that hold them, and `delete` of
 * an old one must work for ever. Version 0 is a state without a number; none was ever released, it reads as version 1.
 */
const MIGRATIONS: readonly ((saved: Properties) => Properties)[] = [(saved) => saved];

/** Keys that are Pulumi's or the engine's own, beside the fields of the kind. */
const ENGINE_KEYS = ["__provider", "owner", "customTimeouts", "schemaVersion"] as const;

/** Properties, taken apart. */
export interface Parts {
  /** Fields of the kind's schema. */
  readonly inputs: Properties;
  /** What the handler returned when it made the thing. */
  readonly state: Properties;
  /** Who asked for it. */
  readonly owner: Owner;
  /** The resource option of that name: deadlines by verb, as Pulumi spells them (`"5m"`). */
  readonly customTimeouts: Readonly<Record<string, unknown>>;
  /** What every saved state repeats: the inputs, the owner and the deadlines. */
  readonly echo: Properties;
}

/**
 * Name of an output on the wire. An output that has an input's name (`accelerator`: asked for, and taken) goes under a
 * name of its own, so that the input's echo, which `diff` needs, and the output both have their place, each with its
 * own secrecy, and Pulumi does not take the one for the other at preview. `sdk/` gives the output its short name back.
 */
export function wireName(handler: AnyHandler, output: string): string {
  return Object.hasOwn(handler.schema.shape, output) ? `${output}Output` : output;
}

/** Whatever JSON keeps of a value. One `undefined` fails the call after the thing was made (pulumi#2721). */
export function clean(properties: Properties): Properties {
  return JSON.parse(JSON.stringify(properties)) as Properties;
}

/** What Pulumi saves of a thing: all of its inputs, since `diff`, `read` and `delete` see nothing else, and its state. */
export function toOutputs(handler: AnyHandler, inputs: Properties, state: object): Properties {
  const secret = new Set(handler.secretOutputs?.(state) ?? []);
  const outputs = Object.entries(state as Properties)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [wireName(handler, key), secret.has(key) ? wrapSecret(value) : value] as const);
  return clean({ ...inputs, ...Object.fromEntries(outputs), schemaVersion: SCHEMA_VERSION });
}

/**
 * Takes properties apart: saved ones, of whatever version, or new inputs.
 *
 * @throws {MayflyError} `BAD_INPUT` for a state that a newer version of this package wrote.
 */
export function takeApart(handler: AnyHandler, properties: Properties): Parts {
  const plain = migrate(unwrapSecrets(properties) as Properties);
  const fields = Object.keys(handler.schema.shape);
  const inputs: Properties = {};
  const state: Properties = {};
  for (const [key, value] of Object.entries(plain)) {
    if ((ENGINE_KEYS as readonly string[]).includes(key)) continue;
    if (fields.includes(key)) inputs[key] = value;
    else state[fields.find((field) => `${field}Output` === key) ?? key] = value;
  }
  return {
    inputs,
    state,
    owner: ownerOf(plain["owner"]),
    customTimeouts: (plain["customTimeouts"] ?? {}) as Readonly<Record<string, unknown>>,
    echo: { ...inputs, owner: plain["owner"], customTimeouts: plain["customTimeouts"] },
  };
}

/**
 * What a handler returned, without the inputs that it was shown beside the old state and may have handed back. An
 * output that has an input's name is told from it by the old state, or by a value of its own.
 */
export function ownState(handler: AnyHandler, old: Parts, state: object): Properties {
  const isEcho = (key: string, value: unknown) =>
    Object.hasOwn(handler.schema.shape, key) &&
    !Object.hasOwn(old.state, key) &&
    isDeepStrictEqual(value, old.inputs[key]);
  return Object.fromEntries(Object.entries(state).filter(([key, value]) => !isEcho(key, value)));
}

function migrate(saved: Properties): Properties {
  const version = typeof saved["schemaVersion"] === "number" ? saved["schemaVersion"] : 0;
  if (version > SCHEMA_VERSION)
    throw new MayflyError("BAD_INPUT", "this stack was last changed by a newer pulumi-mayfly", {
      evidence: `its state has version ${String(version)}; this package knows up to ${String(SCHEMA_VERSION)}`,
      remedy: "install that newer version: npm install …/pulumi-mayfly-VERSION.tgz, and pulumi up again",
    });
  return MIGRATIONS.slice(version).reduce((properties, step) => step(properties), saved);
}

/** A state without an owner can still be read and deleted. */
function ownerOf(value: unknown): Owner {
  const owner = (value ?? {}) as Partial<Owner>;
  return { project: owner.project ?? "", stack: owner.stack ?? "", resource: owner.resource ?? "" };
}
