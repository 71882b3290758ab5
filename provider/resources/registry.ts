import type { z } from "zod";
import type { Context } from "../context";
import type { ResourceHandler } from "./resource";

/** A handler whose kind is not known: what `engine` works with. The same contract, without the types of one kind. */
export interface AnyHandler extends Omit<
  ResourceHandler,
  | "replaceOnChanges"
  | "ignoreChanges"
  | "identityInputs"
  | "onlyWhileUnknown"
  | "secretOutputs"
  | "lost"
  | "deleteFirst"
> {
  /** See {@link ResourceHandler.replaceOnChanges}. */
  readonly replaceOnChanges: readonly string[];
  /** See {@link ResourceHandler.ignoreChanges}. */
  readonly ignoreChanges?: readonly string[] | IgnoresByInputs;
  /** See {@link ResourceHandler.identityInputs}. */
  readonly identityInputs?: readonly string[];
  /** See {@link ResourceHandler.onlyWhileUnknown}. */
  readonly onlyWhileUnknown?: readonly string[];
  /** See {@link ResourceHandler.secretOutputs}. */
  secretOutputs?(state: object): readonly string[];
  /** See {@link ResourceHandler.deleteFirst}. */
  deleteFirst?(old: object, next: object): boolean;
  /** See {@link ResourceHandler.lost}. */
  lost?(id: string, state: object, context: Context): Promise<string | undefined>;
}

/** A method's type: what it takes is what the same handler checked. */
type IgnoresByInputs = { bivariant(inputs: Record<string, unknown>): readonly string[] }["bivariant"];

/** Handlers by kind. Each file is read when its kind is first asked for: the preview of an SshKey needs no VM code. */
const HANDLERS = {
  VM: async () => erase((await import("./vm.js")).vm),
  Image: async () => erase((await import("./image.js")).image),
  Network: async () => erase((await import("./network.js")).network),
  SshConfig: async () => erase((await import("./ssh-config.js")).sshConfig),
  SshKey: async () => erase((await import("./ssh-key.js")).sshKey),
  CopyFile: async () => erase((await import("./copy-file.js")).copyFile),
  DirectorySync: async () => erase((await import("./directory-sync.js")).directorySync),
  PortForward: async () => erase((await import("./port-forward.js")).portForward),
  SshCommand: async () => erase((await import("./ssh-command.js")).sshCommand),
} satisfies Record<string, () => Promise<AnyHandler>>;

/** The kinds of things there are. Part of each resource's URN: never renamed. */
type Kind = keyof typeof HANDLERS;

/**
 * The handler of a kind.
 *
 * @throws {Error} When there is none: the program or its state is newer than this package.
 */
export async function handlerOf(kind: string): Promise<AnyHandler> {
  if (!Object.hasOwn(HANDLERS, kind))
    throw new Error(
      `this pulumi-mayfly has no resource "${kind}"; a newer one may: install the version that has changed this stack last`,
    );
  return HANDLERS[kind as Kind]();
}

function erase<Schema extends z.ZodObject, State extends object>(handler: ResourceHandler<Schema, State>): AnyHandler {
  return handler; // sound: engine gives a handler only what the same handler checked or made
}
