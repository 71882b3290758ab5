import { randomBytes } from "node:crypto";
import type { Context } from "../../provider/context";
import type { ProcessIdentity } from "../../provider/host/process-identity";
import type { VMSpec } from "../../provider/schema/vm";
import { readArchitecture } from "../args/architecture";
import { readLogDir, type LogDir } from "../args/log-dir";
import { readMachine, tellFailures, type AskedMachine, type MachineOptions } from "../args/machine";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";
import { allVMs, isOfCommand } from "./find";
import { withHostParts } from "./host-parts";
import { nameToCheck, resolveImage } from "./image";
import { keepLogs, withLogFiles } from "./log-dir";
import { nthSubnet, withNetworks, type JoinedNetwork } from "./networks";

/** A machine of the command's. */
export interface MadeVM {
  readonly id: string;
  readonly name: string;
  /** The host's ports that lead to those of the guest. */
  readonly ports: VMSpec["ports"];
  /** From the start of its container to a verified login. */
  readonly bootSeconds: number;
}

/** How a machine is made. */
export interface Making {
  readonly image: string;
  readonly options: MachineOptions;
  /** The session that it lives and dies with; absent: it stays. */
  readonly session?: ProcessIdentity;
  /** Called with its id before there is anything of it. */
  readonly onId?: (id: string) => Promise<void>;
}

/**
 * Makes a machine, up to a verified login. On failure nothing of it is left.
 *
 * @throws {UsageError} With all that is wrong with the options.
 * @throws {MayflyError} As the resource `VM`.
 */
export async function createVM({ image, options, session: tied, onId }: Making, session: Session): Promise<MadeVM> {
  const [{ vm }, { newId }, { withLock }] = await Promise.all([
    import("../../provider/resources/vm.js"),
    import("../../provider/engine/ids.js"),
    import("../../provider/host/locks.js"),
  ]);
  const name = options.name ?? nameAfter(image);
  const asked = await withHostParts(readMachine({ ...options, name }), options, session);
  const architecture = readArchitecture(options.arch);
  const logDir = options.logDir === undefined ? undefined : readLogDir(options.logDir);
  await check(nameToCheck(image), asked, name, session); // before anything is made
  await refuseTwice(name, session); // else whoever makes one of that name is waited for first
  return withLock(session.paths.locks, `vm-${name}`, session.signal, async () => {
    await refuseTwice(name, session);
    // Not earlier: the logs may be those of a VM of that name.
    return withLogFiles(logDir, session, async () => {
      const stored = await resolveImage(image, architecture, session);
      return withNetworks(asked.networks, name, session, async (networks) => {
        const inputs = await check(stored, asked, name, session, networks);
        const id = newId(name);
        await onId?.(id);
        const owner = { project: "", stack: "", resource: name, ...(tied !== undefined && { session: tied }) };
        const context: Context = { ...session, owner, known: new Set(), leaving: new Set() };
        const state = await vm.create(id, inputs, context);
        if (logDir !== undefined) await keepLogsOrRemove({ id, name, logDir }, session);
        session.machines.commitSync([id]); // nobody else has to hear of it
        return { id, name, ports: state.publishedPorts as VMSpec["ports"], bootSeconds: state.bootSeconds };
      });
    });
  });
}

const REMOVAL_MS = 60_000;

async function keepLogsOrRemove(
  { id, name, logDir }: { readonly id: string; readonly name: string; readonly logDir: LogDir },
  session: Session,
): Promise<void> {
  const { orCleanUp } = await import("../../provider/host/clean-up.js");
  const remove = async () => session.machines.remove(id, AbortSignal.timeout(REMOVAL_MS));
  await orCleanUp(async () => keepLogs(id, logDir, session), remove, {
    ...{ what: `the VM ${name}`, remedy: `mayfly rm ${name}` },
  });
}

/** A name after the image, with a few digits. */
function nameAfter(image: string): string {
  const [last = ""] = image.split("/").slice(-1);
  const base = (last.split(/[:@]/)[0] ?? "").replaceAll(/[^a-z0-9-]+/gi, "-").replaceAll(/^-+|-+$/g, "");
  return `${base.slice(0, 40) || "vm"}-${randomBytes(2).toString("hex")}`;
}

async function check(
  image: string,
  { inputs, origins, networks: choices }: AskedMachine,
  name: string,
  session: Session,
  networks?: readonly JoinedNetwork[],
): Promise<VMSpec> {
  const [{ vmSchema }, { parse }, { checkVM }] = await Promise.all([
    import("../../provider/schema/vm.js"),
    import("../../provider/engine/parse.js"),
    import("../../provider/resources/vm-check.js"),
  ]);
  const members =
    networks?.map(({ membership }) => membership) ??
    choices.map(({ name: network }, index) => ({ network, subnet: nthSubnet(index) })); // the true ones are not known yet
  const asked = { ...inputs, image, networks: members, networkIds: networks?.map(({ id }) => id) ?? [] };
  const { value, failures } = parse(vmSchema, asked);
  if (failures.length > 0) throw tellFailures(failures, new Map([...origins, ["image", `image ${image}`]]));
  const spec = value as VMSpec;
  if (networks === undefined) {
    const owner = { project: "", stack: "", resource: name };
    const { signal, say } = session;
    const look = { owner, own: new Set<string>(), isNew: true, openRooms: async () => session, signal, say };
    const found = await checkVM(spec, look);
    if (found.length > 0) throw tellFailures(found, origins);
  }
  return spec;
}

async function refuseTwice(name: string, session: Session): Promise<void> {
  const same = (await allVMs(session)).find(({ record: { owner } }) => isOfCommand(owner) && owner.resource === name);
  if (same === undefined) return;
  throw new CommandError(`there is a VM ${name} already`, `mayfly rm ${name}, or choose another --name`);
}
