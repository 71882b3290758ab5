import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Context, Rooms } from "../context";
import { MayflyError } from "../errors";
import { portForwardSchema, type PortForwardSpec } from "../schema/port-forward";
import type { Forward, Place, TunnelSite } from "../ssh/tunnels";
import { isMachineGone } from "./machine-gone";
import type { CheckContext, InputFailure, ResourceHandler } from "./resource";
import { ignoredWay, isOwnWay } from "./target";
import { endpointOf, logsInOtherwise } from "./vm-connection";

/** What is known of a forward. */
interface PortForwardState {
  /** Address at which it listens: on this host, for a remote one in the VM; empty for a socket. */
  readonly host: string;
  /** Port at which it listens; 0 for a socket. */
  readonly port: number;
  /** Path of the socket at which it listens; empty for a port. */
  readonly socket: string;
}

type Site = Pick<PortForwardSpec, "vmId" | "connection">;

/** The life of a forward: an entry in its machine's tunnel. */
export const portForward: ResourceHandler<typeof portForwardSchema, PortForwardState> = {
  schema: portForwardSchema,
  replaceOnChanges: [], // it moves, and keeps its port
  ignoreChanges: ignoredWay,
  identityInputs: ["vmId"],
  deadlines: { create: 120, update: 120, read: 30, delete: 60 },

  check: async (inputs, look) => (inputs.type === "remote" ? [] : checkListening(inputs, look)),

  create: (id, inputs, context) => open(id, inputs, 0, context),

  async read(id, state: PortForwardState & Partial<PortForwardSpec>, context) {
    const saved = state as PortForwardState & PortForwardSpec;
    return (await isUp(id, saved, context)) ? outputsOf(saved) : undefined;
  },

  async needsUpdate(id, state, inputs, context) {
    // With its machine gone it moves to the new one, and that is a change of an input.
    if (await isMachineGone(state, context)) return false;
    if (state.vmId !== undefined && logsInOtherwise(state.connection, inputs.connection)) return true;
    if (await isUp(id, state, context)) return false;
    context.say("nobody listens at its place any more; it will be opened again");
    return true;
  },

  async update(id, state, inputs, context) {
    const [before, after] = [await folderOf(state, context), await folderOf(inputs, context)];
    if (before === after) return open(id, inputs, state.port, context);
    await context.tunnels.close(before, id, context.signal); // or its port would be taken
    try {
      return await open(id, inputs, state.port, context);
    } catch (error) {
      await open(id, state, state.port, context).catch(() => undefined); // the former one, if its VM is still there
      throw error;
    }
  },

  async delete(id, state, context) {
    await context.tunnels.close(await folderOf(state, context), id, context.signal);
  },
};

async function open(
  id: string,
  inputs: PortForwardSpec,
  preferredPort: number,
  context: Context,
): Promise<PortForwardState> {
  const { tunnels, signal } = context;
  if (await isMachineGone(inputs, context))
    throw new MayflyError("CONNECT_FAILED", `the VM ${inputs.vmId ?? ""} does not run`, {
      remedy: "bring it back: pulumi up",
    });
  const forward: Forward = {
    ...{ id, owner: ownerOf(context), type: inputs.type },
    ...endsOf(inputs),
  };
  return stateOf(await tunnels.open(await siteOf(inputs, context), forward, preferredPort, signal));
}

function ownerOf({ owner: { project, stack, resource } }: Pick<Context, "owner">): string {
  return `${project}/${stack}/${resource}`;
}

/** What only a look at this host can tell of the end at which a forward listens here. */
async function checkListening(inputs: PortForwardSpec, look: CheckContext): Promise<InputFailure[]> {
  const { hostAddress, hostPort = 0, hostSocket } = inputs;
  if (hostSocket !== undefined) {
    const folder = dirname(hostSocket);
    const seen = await stat(folder).catch(() => undefined);
    if (seen?.isDirectory() === true) return [];
    const remedy = `make one that only you can enter: mkdir -p -m 700 '${folder}'`;
    return [
      { property: "hostSocket", reason: `must be in a folder of this host; ${folder} does not exist; ${remedy}` },
    ];
  }
  if (hostPort === 0) return [];
  const rooms = await look.openRooms();
  const problem = await rooms.tunnels.portProblem(hostAddress, hostPort, look.signal);
  if (problem === undefined || (await mayBeOurs(inputs, look, rooms))) return [];
  const reason = `${hostAddress}:${String(hostPort)} ${problem}; choose another, or 0 for a free one`;
  return [{ property: "hostPort", reason }];
}

/** Whether it may be this very forward that listens there: one that stays, or moves from another VM with its port. */
async function mayBeOurs(inputs: PortForwardSpec, look: CheckContext, rooms: Rooms): Promise<boolean> {
  const isKnown = inputs.vmId !== undefined || typeof inputs.connection === "object"; // else it shows at `up`
  const forwards = isKnown ? await rooms.tunnels.list(await folderOf(inputs, rooms)) : [];
  const own = forwards.filter(({ owner }) => owner === ownerOf(look)); // several, where components name theirs alike
  if (own.length === 0) return !look.isNew;
  return own.some(({ type, host }) => type !== "remote" && "port" in host && host.port === inputs.hostPort);
}

function endsOf(inputs: PortForwardSpec): Pick<Forward, "host" | "guest"> {
  const { type, hostAddress, hostPort = 0, hostSocket, guestAddress, guestPort = 0, guestSocket } = inputs;
  const host = hostSocket === undefined ? { address: hostAddress, port: hostPort } : { socket: hostSocket };
  const guest = guestSocket === undefined ? { address: guestAddress, port: guestPort } : { socket: guestSocket };
  return type === "dynamic" ? { host } : { host, guest };
}

async function isUp(id: string, state: Site, context: Context): Promise<boolean> {
  if (await isMachineGone(state, context)) return false;
  return context.tunnels.has(await folderOf(state, context), id);
}

/** A tunnel to a VM is in the VM's own folder, and goes with it. */
async function folderOf({ vmId, connection }: Site, { machines, tunnels }: Rooms): Promise<string> {
  return vmId === undefined ? tunnels.folderFor(connection) : machines.file(vmId, "tunnel");
}

/** By the VM's own way the key stays in the VM's file, where a new one will be, too. */
async function siteOf(inputs: Site, context: Context): Promise<TunnelSite> {
  const { vmId } = inputs;
  const folder = await folderOf(inputs, context);
  const { privateKey, ...endpoint } = await endpointOf(inputs, context);
  if (vmId === undefined || privateKey === undefined || !isOwnWay(inputs))
    return { folder, endpoint: { ...endpoint, privateKey } };
  return { folder, endpoint, privateKeyFile: context.machines.file(vmId, "id") };
}

function stateOf(place: Place): PortForwardState {
  if ("socket" in place) return { host: "", port: 0, socket: place.socket };
  return { host: place.address, port: place.port, socket: "" };
}

function outputsOf({ host, port, socket }: PortForwardState): PortForwardState {
  return { host, port, socket };
}
