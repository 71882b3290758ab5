import type { Command } from "commander";
import type { MachineRecord } from "../../provider/machines/record";
import { eachOf, tellOutcome } from "../each";
import { bytes as show, note, print } from "../output";
import { openSession, type Session } from "../rooms";
import { verbWithJson } from "../verb";

interface PruneOptions {
  readonly all?: true;
  readonly templates?: true;
  readonly images?: true;
  readonly disks?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Something that may go. */
interface Leftover {
  readonly kind: "vm" | "network" | "template" | "image" | "build";
  readonly name: string;
  readonly reason: string;
  /** Whether it may still go when its turn comes; absent: what it is cannot change. */
  readonly stillGoes?: () => Promise<boolean>;
  readonly remove: () => Promise<void>;
}

const UNREADABLE = "its record cannot be read";

/** `mayfly prune`: removes what is nobody's any more. */
export function prune(): Command {
  return verbWithJson(
    "prune",
    "Remove what is left behind: VMs whose maker died half-way, whose time or session is over; the command's own that have ended, but for those with a disk; " +
      "its private networks that no VM is in; builds of images and templates whose maker was killed; what has a record that cannot be read.",
    [
      "mayfly prune --dry-run",
      "mayfly prune --all   # also what the next VM makes anew: templates, and what images are booted from",
    ],
  )
    .option("--all", "the same as --templates --images")
    .option("--templates", "also templates that no VM runs from")
    .option(
      "--images",
      "also what images are booted from, where no VM or template needs it and nobody has asked for it in the last ten " +
        "minutes; the images in podman's store stay",
    )
    .option("--disks", "also VMs that have ended and have a disk, by which `mayfly start` would bring them back")
    .option("-n, --dry-run", "only say what would be removed")
    .action(clean);
}

async function clean({ all, disks, dryRun, json, ...also }: PruneOptions): Promise<void> {
  using session = await openSession("prune");
  const [withTemplates, withImages] = [also.templates ?? all, also.images ?? all];
  const unusedTemplates = withTemplates === true ? await templates(session) : [];
  const found = [
    ...(await vms(disks === true, session)),
    ...(await networks(session)),
    ...(await builds(session)),
    ...(await killedTemplates(session)),
    ...unusedTemplates,
    ...(withImages === true ? await artefacts(session, new Set(unusedTemplates.map(({ name }) => name))) : []),
  ];
  const take = async ({ kind, name, reason, stillGoes, remove }: Leftover) => {
    if (stillGoes !== undefined && !(await stillGoes())) return [];
    if (dryRun !== true) await remove();
    if (json !== true) print(`${dryRun === true ? "would remove" : "removed"} ${kind} ${name}: ${reason}`);
    return [{ kind, name, reason }];
  };
  const [first, last] = [found.filter(({ kind }) => kind !== "image"), found.filter(({ kind }) => kind === "image")];
  const gone = await eachOf(first, session, take);
  // A template that could not be removed may need one of them.
  const images = gone.failed.length === 0 ? await eachOf(last, session, take) : { done: [], failed: [] };
  await sweep(dryRun, session);
  const outcome = { done: [...gone.done, ...images.done], failed: [...gone.failed, ...images.failed] };
  tellOutcome(outcome, json, outcome.done.flat());
}

/** Small things that nobody would miss go without a word. */
async function sweep(dryRun: true | undefined, { machines }: Session): Promise<void> {
  if (dryRun !== true) await machines.sweep();
}

async function vms(withDisks: boolean, { machines, signal }: Session): Promise<Leftover[]> {
  const [{ isDoubtful, leftover }, { isOfCommand }] = await Promise.all([
    import("../../provider/reap.js"),
    import("../vms/find.js"),
  ]);
  const found: Leftover[] = [];
  for (const [id, record] of await machines.list()) {
    const isSpared = !isOfCommand(record.owner) || (hasDisk(record) && !withDisks);
    const reason = leftover(record, Date.now() / 1_000, false, false);
    const vm = { kind: "vm" as const, name: id, remove: () => machines.remove(id, signal) };
    const stillGoes = async () => hasEnded(id, machines); // it may be started meanwhile
    if (reason !== undefined) found.push({ ...vm, reason });
    else if (!isSpared && (await stillGoes())) found.push({ ...vm, reason: "it has ended", stillGoes });
    else if (isDoubtful(record)) tellOfDoubt(id, record);
  }
  for (const id of await machines.unreadable())
    found.push({ kind: "vm", name: id, reason: UNREADABLE, remove: () => machines.remove(id, signal) });
  return found;
}

/** What may be a stack's is not removed here. */
function tellOfDoubt(id: string, { owner }: Pick<MachineRecord, "owner">): void {
  note(
    `kept ${id}: the run that made it for ${owner.project}/${owner.stack} was killed. If that stack does not have it ` +
      `(\`pulumi stack\` lists what it has), it is nobody's: mayfly rm --force ${id}`,
  );
}

/** Whether it ran once, was not stopped, and nobody is about to start it. */
async function hasEnded(id: string, machines: Session["machines"]): Promise<boolean> {
  if (await machines.isBeingTurned(id)) return false; // before the look at its qemu, which is there when that is over
  const record = await machines.record(id);
  if (record === undefined || record.phase === "starting" || record.stoppedAt !== undefined) return false;
  return !(await machines.isAlive(id));
}

/** Whether something of it has outlived its end: what the guest has written is there when it is started again. */
function hasDisk({ size, agentless }: MachineRecord): boolean {
  return size?.scratchMiB !== undefined || agentless === true;
}

async function networks(session: Session): Promise<Leftover[]> {
  const [{ leftover }, { isEmpty, removeEmptyNetworks }] = await Promise.all([
    import("../../provider/reap.js"),
    import("../vms/networks.js"),
  ]);
  const { networks: room, signal } = session;
  const found: Leftover[] = [];
  const take = (name: string, reason: string) =>
    found.push({ kind: "network", name, reason, remove: () => room.remove(name, signal) });
  for (const [id, record] of await room.list()) {
    const reason = leftover(record, Date.now() / 1_000, false, false);
    const stillGoes = async () => isEmpty(id, record, session);
    const remove = async () => {
      await removeEmptyNetworks(new Set([id]), session);
    };
    if (reason !== undefined) take(id, reason);
    else if (await stillGoes()) found.push({ kind: "network", name: id, reason: "no VM is in it", stillGoes, remove });
  }
  for (const id of await room.unreadable()) take(id, UNREADABLE);
  return found;
}

async function builds({ images }: Session): Promise<Leftover[]> {
  return (await images.killedBuilds()).map((name) => ({
    ...{ kind: "build" as const, name, reason: "the process that built this image died" },
    remove: () => images.removeKilledBuild(name),
  }));
}

async function killedTemplates({ machines }: Session): Promise<Leftover[]> {
  return (await machines.killedTemplates()).map((key) => ({
    ...{ kind: "template" as const, name: key, reason: "the process that made it died" },
    remove: () => machines.removeKilledTemplate(key),
  }));
}

async function templates({ machines }: Session): Promise<Leftover[]> {
  const unused = (await machines.allTemplates()).filter(({ machines: users }) => users === 0);
  return unused.map(({ key }) => ({
    ...{ kind: "template" as const, name: key, reason: "no VM runs from it" },
    remove: () => machines.removeTemplate(key),
  }));
}

async function artefacts({ machines, images }: Session, doomed: ReadonlySet<string>): Promise<Leftover[]> {
  const unused = await images.unused(await machines.bootsInUse(doomed));
  return unused.map(({ id, bytes }) => ({
    ...{ kind: "image" as const, name: id.slice(0, 12), reason: `no VM needs it (${show(bytes)})` },
    remove: () => images.removeArtefacts(id),
  }));
}
