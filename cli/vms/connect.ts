import { readFile } from "node:fs/promises";
import type { Endpoint } from "../../provider/ssh/endpoint";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";
import type { FoundVM } from "./find";

/** How OpenSSH's programs reach a machine. */
export interface SshFiles {
  /** The configuration that `-F` takes: address, port, key and pinned host key. */
  readonly config: string;
  /** The name that it has there. */
  readonly alias: string;
}

/** Finds the OpenSSH client configuration that each machine has, of a stack or the command's own. */
export async function sshFiles(id: string, { machines }: Pick<Session, "machines">): Promise<SshFiles> {
  const config = machines.file(id, "ssh_config");
  const text = await readFile(config, "utf8").catch(() => "");
  const [, alias] = /^Host (\S+)$/m.exec(text) ?? [];
  if (alias === undefined) throw notReachable(id);
  return { config, alias };
}

/** The way to a machine for our own client. */
export async function endpointOf({ id }: Pick<FoundVM, "id">, session: Session): Promise<Endpoint> {
  const { endpointOfVM } = await import("../../provider/resources/vm-connection.js");
  const endpoint = await endpointOfVM(id, session);
  if (endpoint === undefined) throw notReachable(id);
  return endpoint;
}

function notReachable(id: string): CommandError {
  return new CommandError(`${id} can't be logged in to yet`, `wait until it is up: mayfly wait --for running ${id}`);
}
