import { readFile } from "node:fs/promises";
import type { Context } from "../context";
import { MayflyError } from "../errors";
import type { Endpoint, Hop } from "../ssh/endpoint";
import type { LoginProof } from "./vm-access";

/** A way to a host as a program gives it: with `keyOf` it is for the VM of that id to say what logs in. */
type Way = Endpoint & { readonly keyOf?: string | undefined };

/** A thing on a host; with `vmId` on a VM of ours. */
interface OnHost {
  readonly connection: Way;
  readonly vmId?: string | undefined;
}

/** What is asked of a context here: the VMs' folders, and who wants a session. */
type Asker = Pick<Context, "machines" | "owner">;

/** The way to a VM. Field names of `remote.Command` in `@pulumi/command`. */
export interface VMConnection extends LoginProof {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly hostKey: string;
}

// In the VM's folder.
const FILE = "connection.json";
const CLIENT_CONFIG = "ssh_config";

/** Keeps the way to a VM where those find it who were given an older one. */
async function keepConnection(id: string, connection: Endpoint, machines: Context["machines"]): Promise<void> {
  await machines.keepFile(id, FILE, JSON.stringify(connection));
}

/** Path of the log of our sessions on a VM. */
export function sessionLog(id: string, machines: Asker["machines"]): string {
  return machines.file(id, "sessions.jsonl");
}

/** A way to a VM, with what only this host knows of it; sessions are written down in the name of the one who asks. */
export async function onVM<Way extends Hop>(
  id: string,
  way: Way,
  { machines, owner }: Asker,
): Promise<Way & Pick<Endpoint, "log" | "isEmulated">> {
  const isEmulated = await isEmulatedVM(id, machines);
  return { ...way, isEmulated, log: { file: sessionLog(id, machines), resource: owner.resource } };
}

async function isEmulatedVM(id: string, machines: Asker["machines"]): Promise<boolean> {
  return (await machines.record(id))?.size?.accelerator === "tcg";
}

/**
 * The way to a host as the program gives it, for what it is to do now.
 *
 * @throws {MayflyError} `CONNECT_FAILED` where a VM was to say what logs in, and this host has no key of it any more.
 */
export async function endpointOf({ connection, vmId }: OnHost, context: Asker): Promise<Endpoint> {
  const { keyOf, ...way } = connection;
  if (keyOf !== undefined) return (await endpointOfVM(keyOf, context)) ?? refuse(keyOf);
  return vmId === undefined ? way : onVM(vmId, way, context);
}

function refuse(id: string): never {
  throw new MayflyError("CONNECT_FAILED", `this host has no key of the VM ${id}`, {
    evidence: `there is no ${FILE} in its folder`,
    remedy: "have the VM made anew: pulumi up --replace and its URN, which `pulumi stack --show-urns` tells",
  });
}

/**
 * The way to a host by what was saved, for `read` and `delete`, which see no program. A VM's key may be another since then,
 * which is no change of what is on it: so it is asked of the VM, also where states of former versions have it. A program's
 * own way as another user stays what it is: his files are not root's.
 */
export async function endpointNow(saved: OnHost, context: Asker): Promise<Endpoint> {
  const { connection, vmId } = saved;
  const now = vmId === undefined || connection.keyOf !== undefined ? undefined : await endpointOfVM(vmId, context);
  const isSame = (["host", "port", "hostKey", "user"] as const).every((field) => now?.[field] === connection[field]);
  return now !== undefined && isSame ? now : endpointOf(saved, context);
}

/** The way to a VM as it keeps it, for those who know nothing but its id; `undefined` where it never was reached. */
export async function endpointOfVM(id: string, context: Asker): Promise<Endpoint | undefined> {
  const text = await readFile(context.machines.file(id, FILE), "utf8").catch(() => undefined);
  return text === undefined ? undefined : onVM(id, JSON.parse(text) as Endpoint, context);
}

/** What a person types to log in, for an error; `undefined` for a VM that has no configuration for OpenSSH's client. */
export async function loginCommand(
  { connection, vmId }: OnHost,
  { machines, ssh }: Pick<Context, "machines" | "ssh">,
): Promise<string | undefined> {
  const { user, host, port = 22 } = connection;
  if (vmId === undefined) return `ssh -p ${String(port)} ${user ?? "root"}@${host}`;
  const alias = await clientAlias(vmId, machines);
  return alias === undefined ? undefined : ssh.renderLogin(machines.file(vmId, CLIENT_CONFIG), alias);
}

/**
 * The name by which a VM's configuration for OpenSSH's client has it: the guest's host name, also where the resource was
 * renamed since. `undefined` for a VM that has no such configuration.
 */
export async function clientAlias(id: string, machines: Asker["machines"]): Promise<string | undefined> {
  const text = await readFile(machines.file(id, CLIENT_CONFIG), "utf8").catch(() => "");
  return /^Host (.+)$/m.exec(text)?.[1];
}

/**
 * Whether a VM is logged in to otherwise than by a key in its file: as another user, or with an agent.
 *
 * @param now Of the program; parts that are not known yet are no change.
 */
export function logsInOtherwise(saved: Endpoint, now: Partial<Endpoint>): boolean {
  if (typeof now !== "object" || now.user === undefined) return false;
  return now.user !== saved.user || now.agentSocketPath !== saved.agentSocketPath;
}

/** Writes what OpenSSH's client needs to reach the VM by name; returns the configuration's path. */
export async function keepClientFiles(
  id: string,
  hostname: string,
  connection: VMConnection,
  [publicKey = ""]: readonly string[],
  { machines, ssh }: Pick<Context, "machines" | "ssh">,
): Promise<string> {
  const { host, port, user, hostKey, privateKey, agentSocketPath: agentSocket } = connection;
  const identityFile = await machines.keepFile(id, "id", privateKey ?? `${publicKey}\n`); // ssh(1) asks the agent for it
  const knownHostsFile = await machines.keepFile(id, "known_hosts", ssh.renderKnownHosts(hostname, hostKey));
  await keepConnection(id, connection, machines);
  const isEmulated = await isEmulatedVM(id, machines);
  const way = { alias: hostname, host, port, user, identityFile, identitiesOnly: true, agentSocket, knownHostsFile };
  return machines.keepFile(id, CLIENT_CONFIG, ssh.renderClientConfig({ ...way, isEmulated }));
}
