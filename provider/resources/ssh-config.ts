import { resolve } from "node:path";
import type { Context } from "../context";
import { sshConfigSchema, type SshConfigSpec } from "../schema/ssh-config";
import { isMachineGone } from "./machine-gone";
import type { ResourceHandler } from "./resource";
import { logsInOtherwise } from "./vm-connection";

/** What is known of a configuration. */
interface SshConfigState {
  /** Path of the configuration. */
  readonly path: string;
  /** The name by which ssh knows the host. */
  readonly hostAlias: string;
  /** What logs in. */
  readonly command: string;
}

/** The life of an OpenSSH client configuration. It is about files of this host only, so it needs no guest. */
export const sshConfig: ResourceHandler<typeof sshConfigSchema, SshConfigState> = {
  schema: sshConfigSchema,
  replaceOnChanges: [],
  // A VM's key is read where the VM keeps it, so a new one is no change; another host's comes with the connection.
  ignoreChanges: ({ vmId }) => (vmId === undefined ? [] : ["connection"]),
  identityInputs: ["vmId"],
  deadlines: { create: 60, update: 60, read: 30, delete: 60 },

  create: (id, inputs, context) => write(id, inputs, context),

  async read(id, state: SshConfigState & Partial<SshConfigSpec>, context) {
    const saved = state as SshConfigState & SshConfigSpec;
    const isThere = await context.clientFiles.has(id, saved.include);
    return isThere && !(await isMachineGone(saved, context)) ? outputsOf(saved) : undefined;
  },

  async needsUpdate(id, { include, connection, vmId }, inputs, { clientFiles, say }) {
    if (vmId !== undefined && logsInOtherwise(connection, inputs.connection)) return true;
    if (await clientFiles.has(id, include)) return false;
    say("the configuration, or the line that includes it, was removed; it will be written again");
    return true;
  },

  update: (id, _state, inputs, context) => write(id, inputs, context),

  async delete(id, { hostAlias }, { clientFiles, signal }) {
    await clientFiles.remove(id, hostAlias, signal);
  },
};

async function write(id: string, inputs: SshConfigSpec, context: Context): Promise<SshConfigState> {
  const { connection, vmId, user = connection.user, include } = inputs;
  const { clientFiles, machines, owner, signal } = context;
  const alias = inputs.alias ?? aliasFrom(owner.resource);
  const ownFile = vmId === undefined ? undefined : machines.file(vmId, "id");
  const identityFile = inputs.identityFile === undefined ? ownFile : resolve(inputs.identityFile);
  await clientFiles.write(id, { alias, endpoint: { ...connection, user }, identityFile });
  try {
    await clientFiles.include(id, alias, include, signal);
  } catch (error) {
    await clientFiles.remove(id, alias, AbortSignal.timeout(CLEAN_UP_MS));
    throw error;
  }
  return { path: clientFiles.path(id), hostAlias: alias, command: clientFiles.command(id, alias, include) };
}

const CLEAN_UP_MS = 10_000;

function aliasFrom(resource: string): string {
  return resource.replaceAll(/[^\w.-]+/g, "-").replace(/^-+/, "") || "vm";
}

function outputsOf({ path, hostAlias, command }: SshConfigState): SshConfigState {
  return { path, hostAlias, command };
}
