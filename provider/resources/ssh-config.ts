import type { Context } from "../context";
import { sshConfigSchema, type SshConfigSpec } from "../schema/ssh-config";
import type { NamedHost } from "../ssh/client-files";
import { pathOf } from "./own-key";
import type { ResourceHandler } from "./resource";
import { ignoredWay, isOwnWay } from "./target";
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
  ignoreChanges: ({ connection, vmId, jumpConnection, jumpId }) => [
    ...ignoredWay({ connection, vmId }),
    ...(isOwnWay({ connection: jumpConnection, vmId: jumpId }) ? (["jumpConnection"] as const) : []),
  ],
  identityInputs: ["vmId", "jumpId"],
  deadlines: { create: 60, update: 60, read: 30, delete: 60 },

  check(inputs) {
    const { proxyJump, vmId, networks } = inputs;
    const isOfVM = vmId !== undefined || networks.length > 0; // a new VM's id is not known at preview
    if (proxyJump === undefined || !isOfVM || sharedNetwork(inputs) !== undefined) return Promise.resolve([]);
    const listed = (names: readonly string[]) => names.join(", ") || "none";
    const reason = `must be a VM in a network of vm: it is in ${listed(proxyJump)}, vm in ${listed(networks)}`;
    return Promise.resolve([{ property: "proxyJump", reason }]);
  },

  create: (id, inputs, context) => write(id, inputs, context),

  async read(id, state: SshConfigState & Partial<SshConfigSpec>, context) {
    const saved = state as SshConfigState & SshConfigSpec;
    // It outlives its VM: there may be a line in the user's own file, and the next `up` writes it for the new one.
    return (await context.clientFiles.has(id, saved.include)) ? outputsOf(saved) : undefined;
  },

  async needsUpdate(id, { include, connection, vmId, jumpConnection }, inputs, { clientFiles, say }) {
    if (vmId !== undefined && logsInOtherwise(connection, inputs.connection)) return true;
    if (jumpConnection && inputs.jumpConnection && logsInOtherwise(jumpConnection, inputs.jumpConnection)) return true;
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
  const { include } = inputs;
  const { clientFiles, owner, signal } = context;
  const alias = inputs.alias ?? aliasFrom(owner.resource);
  await clientFiles.write(id, hostFor(alias, inputs, context));
  try {
    await clientFiles.include(id, alias, include, signal);
  } catch (error) {
    await clientFiles.remove(id, alias, AbortSignal.timeout(CLEAN_UP_MS));
    throw error;
  }
  return { path: clientFiles.path(id), hostAlias: alias, command: clientFiles.command(id, alias, include) };
}

function hostFor(alias: string, inputs: SshConfigSpec, { machines }: Context): NamedHost {
  const { connection, vmId, user = connection.user, jumpConnection, jumpId } = inputs;
  // A way of the program's own has a key of its own.
  const keyOf = (vmId: string | undefined, connection: unknown) =>
    vmId !== undefined && isOwnWay({ vmId, connection }) ? machines.file(vmId, "id") : undefined;
  const proxy = jumpConnection ?? connection.proxy;
  return {
    ...{ alias, endpoint: { ...connection, ...placeBehind(inputs, machines.guestSshPort), user, proxy } },
    identityFile: inputs.identityFile === undefined ? keyOf(vmId, connection) : pathOf(inputs.identityFile),
    proxyIdentityFile: keyOf(jumpId, jumpConnection),
  };
}

/** Where a VM is for another one that is in a network with it. */
function placeBehind(inputs: SshConfigSpec, port: number): { readonly host?: string; readonly port?: number } {
  const { proxyJump, vmId, addresses, networks } = inputs;
  if (proxyJump === undefined || vmId === undefined) return {};
  const host = addresses[networks.indexOf(sharedNetwork(inputs) ?? "")];
  if (host === undefined) throw new Error(`no address of ${vmId} in a network of ${proxyJump.join(", ")}`);
  return { host, port };
}

/** The first of the VM's networks that the VM to go through is in too. */
function sharedNetwork({ proxyJump, networks }: SshConfigSpec): string | undefined {
  return networks.find((name) => proxyJump?.includes(name));
}

const CLEAN_UP_MS = 10_000;

function aliasFrom(resource: string): string {
  return resource.replaceAll(/[^\w.-]+/g, "-").replace(/^-+/, "") || "vm";
}

function outputsOf({ path, hostAlias, command }: SshConfigState): SshConfigState {
  return { path, hostAlias, command };
}
