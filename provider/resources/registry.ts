import type { z } from "zod";
import type { Context } from "../context";
import type { ResourceHandler } from "./resource";

/** A handler whose kind is not known: what `engine` works with. The same contract, without the types of one kind. */
export interface AnyHandler extends Omit<
  ResourceHandler,
  "replaceOnChanges" | "ignoreChanges" | "identityInputs" | "secretOutputs" | "lost"
> {
  /** See {@link ResourceHandler.replaceOnChanges}. */
  readonly replaceOnChanges: readonly string[];
  /** See {@link ResourceHandler.ignoreChanges}. */
  readonly ignoreChanges?: readonly string[];
  /** See {@link ResourceHandler.identityInputs}. */
  readonly identityInputs?: readonly string[];
  /** See {@link ResourceHandler.secretOutputs}. */
  secretOutputs?(state: object): readonly string[];
  /** See {@link ResourceHandler.lost}. */
  lost?(id: string, state: object, context: Context): Promise<string | undefined>;
}

/** Handlers by kind. Each file is read when its kind is first asked for: the preview of an SshKey needs no VM code. */
const HANDLERS = {
  VM: async () => erase((await import("./vm.js")).vm),
  Image: async () => erase((await import("./image.js")).image),
  SshKey: async () => erase((await import("./ssh-key.js")).sshKey),
  SshCommand: async () => erase((await import("./ssh-command.js")).sshCommand),
} satisfies Record<string, () => Promise<AnyHandler>>;

/** The kinds of things there are. Part of each resource's URN: never renamed. */
export type Kind = keyof typeof HANDLERS;

/** All kinds. */
export const kinds = Object.keys(HANDLERS) as readonly Kind[];

/** Whether there is such a kind. */
export function isKind(name: string): name is Kind {
  return Object.hasOwn(HANDLERS, name);
}

/** The handler of a kind. */
export function handlerOf(kind: Kind): Promise<AnyHandler> {
  return HANDLERS[kind]();
}

function erase<Schema extends z.ZodObject, State extends object>(handler: ResourceHandler<Schema, State>): AnyHandler {
  return handler as unknown as AnyHandler; // sound: engine gives a handler only what the same handler checked or made
}
