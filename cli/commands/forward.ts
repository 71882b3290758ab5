import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import type { Forward, Place, TunnelSite } from "../../provider/ssh/tunnels";
import { note, print, printJson } from "../output";
import { openSession, type Session } from "../rooms";
import { UsageError } from "../trouble";
import { verbWithJson } from "../verb";

interface ForwardOptions {
  readonly detach?: true;
  readonly stop?: true;
  readonly json?: true;
}

const OWNER = "mayfly forward"; // on the tunnel's record: those of stacks have other ones
const END_MS = 10_000;

/** `mayfly forward`: ports of a VM on this host, through SSH. */
export function forward(): Command {
  return verbWithJson(
    "forward",
    "Forward ports of this host to a VM, through SSH. Forwards survive a connection that drops, and end with Ctrl-C; with -d they stay " +
      "until --stop, or until the VM is gone. Without ports: list them.",
    [
      "mayfly forward dev 8080:80",
      "mayfly forward -d dev 5432      # on a free port of this host, which is printed",
      "mayfly forward dev              # lists them",
      "mayfly forward --stop dev",
    ],
  )
    .argument("<name>", "the VM")
    .argument("[ports...]", "[[address:]host:]guest; the host's port is a free one by default")
    .option("-d, --detach", "run in the background: return once they listen")
    .option("--stop", "end those that -d has left")
    .action(open);
}

async function open(name: string, ports: string[], options: ForwardOptions): Promise<void> {
  checkWanted(ports, options);
  const wanted = ports.map(readForward);
  using session = await openSession("forward");
  const site = await siteOf(name, session);
  if (options.stop === true) await endAll(name, site, options, session);
  else if (wanted.length === 0) show(name, await session.tunnels.standing(site.folder), options);
  else await stand(name, wanted, site, options, session);
}

async function endAll(name: string, site: TunnelSite, { json }: ForwardOptions, session: Session): Promise<void> {
  const all = await session.tunnels.list(site.folder);
  const left = all.filter(({ owner, endsWith }) => owner.startsWith(OWNER) && endsWith === undefined);
  await close(left, site, session);
  note(`ended ${String(left.length)} of ${name}`);
  if (json === true) printJson({ ended: left.length });
}

/** Has forwards stand; without `--detach` until Ctrl-C or the VM's end, and no longer than this process lives. */
async function stand(
  name: string,
  wanted: readonly Forward[],
  site: Site,
  options: ForwardOptions,
  session: Session,
): Promise<void> {
  const [{ untilGone }, { identifySelf }] = await Promise.all([
    import("../vms/follow.js"),
    import("../../provider/host/process-identity.js"),
  ]);
  const life = options.detach === true ? {} : { endsWith: identifySelf() };
  const opened: Forward[] = [];
  try {
    for (const one of wanted) {
      const place = await session.tunnels.open(site, { ...one, ...life }, 0, session.signal);
      opened.push({ ...one, host: place });
    }
    show(name, opened, options);
    if (options.detach !== true) await untilGone(site.id, session);
  } finally {
    const isOver = options.detach !== true || opened.length < wanted.length;
    if (isOver) await close(opened, site, session);
  }
}

function checkWanted(ports: readonly string[], { stop, detach }: ForwardOptions): void {
  if (ports.length > 0 && stop === true) throw new UsageError("--stop ends all, and takes no ports");
  if (ports.length === 0 && detach === true) throw new UsageError("name the ports that are to stay");
}

/** A tunnel, and the VM that it leads to. */
type Site = TunnelSite & { readonly id: string };

async function siteOf(name: string, session: Session): Promise<Site> {
  const [{ findRunningVM }, { endpointOf }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/connect.js"),
  ]);
  const { id } = await findRunningVM(name, session);
  const { privateKey, ...endpoint } = await endpointOf({ id }, session);
  const folder = session.machines.file(id, "tunnel");
  return privateKey === undefined
    ? { id, folder, endpoint }
    : { id, folder, endpoint, privateKeyFile: session.machines.file(id, "id") };
}

/** Prints forwards, each with the end that listens first. */
function show(name: string, forwards: readonly Forward[], { json }: ForwardOptions): void {
  const rows = forwards.map(({ type, host, guest }) => {
    const [here, there] = [placeOf(host), guest && placeOf(guest)];
    const ends = [here, [name, there ?? ""].join(" ").trimEnd()];
    return type === "remote"
      ? { json: { type, listen: there, host: here }, line: ends.toReversed().join(" -> ") }
      : { json: { type, listen: here, guest: there }, line: ends.join(" -> ") };
  });
  if (json === true) printJson(rows.map((row) => row.json));
  else for (const { line } of rows) print(line);
}

function placeOf(place: Place): string {
  return "socket" in place ? place.socket : `${place.address}:${String(place.port)}`;
}

async function close(forwards: readonly Forward[], { folder }: TunnelSite, { tunnels }: Session): Promise<void> {
  for (const { id } of forwards) await tunnels.close(folder, id, AbortSignal.timeout(END_MS));
}

/** Reads `[[ADDRESS:]HOST:]GUEST`. */
function readForward(text: string): Forward {
  const [, address = "127.0.0.1", host = "0", guest] = /^(?:(?:([\d.]+):)?(\d{1,5}):)?(\d{1,5})$/.exec(text) ?? [];
  if (guest === undefined || [host, guest].some((port) => Number(port) > 65_535) || Number(guest) === 0)
    throw new UsageError(`${text}: must be GUEST, HOST:GUEST or ADDRESS:HOST:GUEST, such as 8080:80`);
  // Two of the same ports are two forwards, and not one that was asked for again: so the owner is another one each time. Its
  // last part is what the session log says, as of a stack's.
  const id = `forward-${randomBytes(4).toString("hex")}`;
  return {
    ...{ id, owner: `${OWNER}/${id}/${OWNER} ${text}`, type: "local" },
    ...{ host: { address, port: Number(host) }, guest: { address: "127.0.0.1", port: Number(guest) } },
  };
}
