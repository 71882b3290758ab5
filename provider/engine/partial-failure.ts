import { IncompleteError, MayflyError } from "../errors";
import type { AnyHandler } from "../resources/registry";
import { scrub } from "./scrub";
import { toOutputs, type Properties } from "./state";

/**
 * A failure as Pulumi's plugin process hands it to the engine: its message is what the user reads. With an `id` the
 * engine saves the thing with the error, goes on from there at the next `up`, and finds it at `destroy`.
 */
export class WireError extends Error {
  override readonly name: string = "Error";
  /** Set when something was made: its id. */
  readonly id?: string;
  /** Set with `id`: what is known of it. Must hold `__provider`: on this road Pulumi does not add it by itself. */
  readonly properties?: Properties;
  /** Set with `id`: why it is not finished. */
  readonly reasons?: readonly string[];

  /** @param left What is left of a thing that was begun, if anything is. */
  constructor(message: string, stack: string, left?: { id: string; properties: Properties }) {
    super(message);
    this.stack = stack;
    if (left === undefined) return;
    this.id = left.id;
    this.properties = left.properties;
    this.reasons = [message];
  }
}

/** Whatever was thrown, for Pulumi: without the secrets that the call was given. */
export function wireError(error: unknown, ...holders: readonly unknown[]): WireError {
  const { message, stack } = describe(error);
  return new WireError(scrub(message, ...holders), scrub(stack, ...holders));
}

/** The same for a call that may have left something behind: `inputs` are what it was to be made from. */
export function partialFailure(
  handler: AnyHandler,
  id: string,
  inputs: Properties,
  error: unknown,
  ...holders: readonly unknown[]
): WireError {
  if (!(error instanceof IncompleteError)) return wireError(error, inputs, ...holders);
  const { __provider, ...fields } = inputs;
  const properties = { ...toOutputs(handler, fields, error.state), __provider };
  const { message, stack } = describe(error.cause);
  const known = [inputs, error.state, ...holders];
  return new WireError(scrub(message, ...known), scrub(stack, ...known), { id, properties });
}

/** A full disk may show at any file that we write; a host program says so in its own words (`host/tool-error.ts`). */
function diskFull(error: NodeJS.ErrnoException): MayflyError | undefined {
  if (error.syscall === "watch") return undefined; // inotify(7) has the same word for its own limits
  if (error.code !== "ENOSPC" && error.code !== "EDQUOT") return undefined;
  return new MayflyError("DISK_FULL", "a disk of this host is full", {
    evidence: error.message,
    remedy: "free some space (`df -h`), or, once `mayfly ls` is empty, move the data folder: MAYFLY_HOME=/larger/disk",
    cause: error,
  });
}

/** Linux lets a user watch so many files, in so many ways at a time, and other programs do so, too. */
function watchesUsedUp(error: NodeJS.ErrnoException): MayflyError | undefined {
  if (error.syscall !== "watch" || !["ENOSPC", "EMFILE"].includes(error.code ?? "")) return undefined;
  const limit = error.code === "ENOSPC" ? "fs.inotify.max_user_watches" : "fs.inotify.max_user_instances";
  return new MayflyError("TOOL_FAILED", "this user may watch no more files on this host", {
    evidence: error.message,
    remedy: `raise the limit: sudo sysctl ${limit}=$(($(sysctl -n ${limit}) * 4)); or end what watches many files`,
    cause: error,
  });
}

/**
 * A failure that was foreseen speaks for itself. Of any other the stack is the evidence: it is a bug of ours. (Pulumi's
 * process prints the stack of what fails in check, diff, read and delete.)
 */
function describe(thrown: unknown): { message: string; stack: string } {
  if (!(thrown instanceof Error)) return { message: String(thrown), stack: "" };
  const error = diskFull(thrown) ?? watchesUsedUp(thrown) ?? thrown;
  if (error instanceof MayflyError) return { message: error.message, stack: "" };
  return { message: `${error.name}: ${error.message}`, stack: error.stack ?? "" };
}
