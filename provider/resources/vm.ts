import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Context } from "../context";
import type { MayflyError } from "../errors";
import type { MachinePlan } from "../machines/plan";
import type { Identity, MachineSpec, PortSpec } from "../machines/spec";
import { reap, reapBeside } from "../reap";
import { parseAllowed } from "../schema/allow";
import { bootsFromDisk } from "../schema/disk-image";
import { vmSchema, type VMSpec } from "../schema/vm";
import { diagnosed } from "./diagnosed";
import type { ResourceHandler } from "./resource";
import {
  accessChanged,
  accessOf,
  loginChanged,
  loginKeys,
  loginUser,
  runsWhatItsTemplateRuns,
  userIds,
  type LoginKeys,
} from "./vm-access";
import { checkVM, haveInCommon } from "./vm-check";
import { hasFirstBoot, needReadersIn } from "./vm-first-boot";
import { endSettling, isHalfSettled, settleAgain } from "./vm-disk-access";
import { firstAccess, moveIn } from "./vm-of-disk";
import { clientAlias, keepClientFiles, onVM, sessionLog, type VMConnection } from "./vm-connection";
import { waitUntilUp } from "./vm-up";

/** What is known of a VM. */
interface VMState {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Public host key, one line. */
  readonly hostKey: string;
  /** Secret: holds the private key. */
  readonly connection: VMConnection;
  readonly imageDigest: string;
  readonly accelerator: MachineSpec["accelerator"];
  /** Whether it started from a template. */
  readonly warm: boolean;
  /** From the start of its container to a verified login. */
  readonly bootSeconds: number;
  readonly machineId: string;
  readonly consoleLog: string;
  readonly status: "running" | "ended";
  readonly publishedPorts: readonly PortSpec[];
  /** Its address in each of `networks`. */
  readonly addresses: readonly string[];
  /** Path of the log of our SSH sessions on it. */
  readonly sessionLog: string;
  /** Path of an OpenSSH client configuration with everything that `ssh -F` needs. */
  readonly sshConfig: string;
}

const LOOPBACK = "127.0.0.1";

/** The life of a VM. */
export const vm: ResourceHandler<typeof vmSchema, VMState> = {
  schema: vmSchema,
  replaceOnChanges: [
    ...(["image", "cpus", "memory", "disk", "disks", "swap", "mounts", "ports", "network", "allow"] as const),
    ...(["hostname", "kernelArgs", "environment", "systemdUnits", "labels", "accelerator", "networks"] as const),
    ...(["networkIds", "userData", "ignition", "imageId"] as const),
  ],
  identityInputs: ["networkIds", "imageId"],
  onlyWhileUnknown: ["imageId"], // then the image will be another one; later its name tells what is in it
  ignoreChanges: ["bootTimeout", "waitFor", "warmBoot", "fromDisk"],
  deadlines: { create: 1_800, update: 120, read: 60, delete: 120 },
  secretOutputs: () => ["connection"],

  check: checkVM,
  deleteFirst: haveInCommon,

  async create(id, inputs, context) {
    const { images, machines, networks, signal, step, say } = context;
    await step("Removing what a crash has left", async () => reap(context));
    for (const network of inputs.networkIds) await networks.ensure(network, signal);
    const image = await step("Looking the image up", async () => images.resolve(inputs.image, signal, say));
    await needReadersIn(inputs, image, context);
    const boot = await step("Preparing the image for boot", async () => images.prepare(image, signal, say));
    const accelerator = await machines.chooseAccelerator(inputs.accelerator, boot, context);
    const [keys, identity] = await step("Making keys", async () =>
      Promise.all([loginKeys(id, inputs, context), newIdentity(id, inputs, context)]),
    );
    const spec = machineSpec(inputs, accelerator, identity.hostname);
    const plan = {
      ...{ owner: context.owner, image: inputs.image, identity, boot, spec, lifetime: inputs.expiresAfter },
      ...{
        warmBoot: hasFirstBoot(inputs) ? ("never" as const) : inputs.warmBoot,
        waits: inputs.waitFor !== "none",
        bootTimeout: inputs.bootTimeout,
      },
      ...{ userData: inputs.userData, ignition: inputs.ignition },
      access: bootsFromDisk(inputs) ? firstAccess(keys.publicKeys) : accessOf(inputs, keys),
    };
    const made = { imageDigest: image.digest, accelerator };
    return machines.inTurn(spec.memoryMiB, context, async () =>
      machines.orRemove(id, async () => ({ ...made, ...(await bringUp(id, inputs, plan, keys, context)) })),
    );
  },

  // What is left of one that ended is for the next `up` or `destroy` to remove: a preview reads, too.
  async read(id, state, { machines }) {
    if (await machines.isAlive(id)) return { ...state, status: "running" };
    return (await machines.record(id)) === undefined ? undefined : { ...state, status: "ended" };
  },

  async lost(id, _state, { machines, say }) {
    if (await machines.isAlive(id)) return undefined;
    say("it does not run any more, and will be made anew"); // Pulumi shows no reason that is no input
    return "status";
  },

  needsUpdate: (id, _state, _inputs, { machines }) => Promise.resolve(isHalfSettled(id, machines)),

  async update(id, state, inputs, context) {
    const { machines, ssh, signal } = context;
    const outputs = { ...outputsOf(state), status: "running" as const };
    if (inputs.expiresAfter !== state.expiresAfter) await machines.changeLifetime(id, inputs.expiresAfter);
    const settles = accessChanged(state, inputs) || isHalfSettled(id, machines);
    if (!settles && !loginChanged(state, inputs)) return outputs;
    const keys = await loginKeys(id, inputs, context, { sshKey: state.sshKey, proof: state.connection });
    const { host, port, hostKey } = state.connection;
    const user = loginUser(inputs);
    const connection = { host, port, user, hostKey, ...keys.proof };
    // Over the guest agent's channel, where there is one: it works whoever may log in.
    const access = accessOf(inputs, keys);
    if (settles)
      await (bootsFromDisk(inputs)
        ? settleAgain(id, state.connection, { access, connection }, context)
        : machines.changeAccess(id, access, signal));
    if (!isDeepStrictEqual(connection, state.connection)) await ssh.forget(state.connection);
    await ssh.login(await onVM(id, connection, context), signal);
    const alias = (await clientAlias(id, machines)) ?? hostnameFrom(context.owner.resource);
    await keepClientFiles(id, alias, connection, keys.publicKeys, context);
    await endSettling(id, machines);
    return { ...outputs, user, connection };
  },

  async delete(id, state, context) {
    const { machines, ssh, signal } = context;
    await ssh.forget(state.connection);
    await machines.remove(id, signal);
    await reapBeside(context);
  },
};

/** What is known of a VM once it is up, beside what it was made of. */
type Running = Omit<VMState, "imageDigest" | "accelerator">;

/** Starts a VM and sees that one can work with it. A failure tells what was seen; what there is of the VM stays. */
async function bringUp(
  id: string,
  inputs: VMSpec,
  plan: MachinePlan,
  keys: LoginKeys,
  context: Context,
): Promise<Running> {
  const { machines, step } = context;
  const begun = performance.now();
  const started = await diagnosed({ id, remedy: forNewOne }, context, () => machines.start(id, plan, context));
  const { hostPublicKey: hostKey, hostname } = plan.identity;
  const login = { host: LOOPBACK, port: started.sshPort, user: loginUser(inputs), hostKey };
  const connection = { ...login, ...keys.proof };
  const machineId = bootsFromDisk(inputs)
    ? await step("Settling who may log in", async () => moveIn(id, inputs, plan.identity, connection, keys, context))
    : plan.identity.machineId;
  const like = runsWhatItsTemplateRuns(inputs) ? started.template : undefined;
  const depth = like?.runsCommands === true ? "login" : "command";
  await step("Logging in", async () =>
    diagnosed({ id, endpoint: connection, remedy: forNewOne }, context, () =>
      waitUntilUp(id, inputs, { connection, depth }, context),
    ),
  );
  const sshConfig = await keepClientFiles(id, hostname, connection, keys.publicKeys, context);
  await machines.ready(id, depth === "command" ? like : undefined);
  return {
    ...{ ...login, connection, sshConfig, machineId },
    warm: started.template !== undefined,
    bootSeconds: Math.round(performance.now() - begun) / 1_000,
    consoleLog: started.consoleLog,
    status: "running",
    publishedPorts: started.ports,
    addresses: started.addresses,
    sessionLog: sessionLog(id, machines),
  };
}

/** A VM that does not come up is gone when the user reads of it: there is nothing to mend in it. */
function forNewOne({ code, remedy }: MayflyError): string {
  const isBoot = code === "BOOT_FAILED" || code === "BOOT_TIMEOUT";
  return isBoot
    ? remedy
    : "mend what the diagnosis names, in the image or in the VM's inputs, and run `pulumi up` again";
}

/** A host name out of a resource's name: what RFC 1123 does not allow becomes a hyphen. */
export function hostnameFrom(resource: string): string {
  const name = resource.replaceAll(/[^A-Za-z0-9-]+/g, "-").slice(0, 63);
  return name.replaceAll(/^-+|-+$/g, "") || "vm";
}

async function newIdentity(id: string, inputs: VMSpec, { machines, ssh, owner }: Context): Promise<Identity> {
  const hostKey = await ssh.makeKey({ algorithm: "ed25519", comment: `${id} host key` });
  return {
    hostname: inputs.hostname ?? hostnameFrom(owner.resource),
    ...machines.newNumbers(),
    hostPrivateKey: hostKey.privateKey,
    hostPublicKey: hostKey.publicKey,
    environment: inputs.environment,
    units: inputs.systemdUnits,
  };
}

function machineSpec(inputs: VMSpec, accelerator: MachineSpec["accelerator"], hostname: string): MachineSpec {
  const ids = userIds(inputs.users);
  return {
    cpus: inputs.cpus,
    memoryMiB: inputs.memory,
    scratchMiB: inputs.disk,
    disks: inputs.disks.map((disk) => ({ ...disk, source: resolve(disk.source) })),
    swapMiB: inputs.swap,
    labels: inputs.labels,
    mounts: inputs.mounts.map(({ source, target, readOnly, owner }) => ({
      ...{ source: resolve(source), target, readOnly },
      ownerId: ids.get(owner) ?? 0,
    })),
    ports: inputs.ports,
    segments: inputs.networks.map(({ subnet, address, aliases }, index) => ({
      ...{ network: inputs.networkIds[index] ?? "", subnet, address },
      names: [...new Set([hostname, ...aliases])],
    })),
    isolated: inputs.network === "isolated",
    asksDhcp: bootsFromDisk(inputs),
    allow: inputs.allow.flatMap((entry) => parseAllowed(entry) ?? []),
    kernelArgs: inputs.kernelArgs,
    accelerator,
  };
}

function outputsOf(state: VMState): VMState {
  const { host, port, user, hostKey, connection, imageDigest, accelerator, warm, bootSeconds, machineId } = state;
  const { consoleLog, status, publishedPorts, addresses, sessionLog, sshConfig } = state;
  return {
    ...{ host, port, user, hostKey, connection, imageDigest, accelerator, warm, bootSeconds, machineId },
    ...{ consoleLog, status, publishedPorts, addresses, sessionLog, sshConfig },
  };
}
