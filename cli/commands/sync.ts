import { resolve } from "node:path";
import type { Command } from "commander";
import type { SyncRequest } from "../../provider/ssh/ssh";
import { note, print, printJson } from "../output";
import { openSession, type Session } from "../rooms";
import { CommandError, UsageError } from "../trouble";
import { repeated, verbWithJson } from "../verb";
import { readPlaces } from "./cp";

interface SyncOptions {
  readonly watch?: true;
  readonly delete?: true;
  readonly exclude?: readonly string[];
  readonly owner?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `mayfly sync`: a folder kept like another one. */
export function sync(): Command {
  return verbWithJson(
    "sync",
    "Make a folder of a VM like one of this host, or the other way round; only what differs travels. With --watch again after " +
      "each change, until Ctrl-C.",
    ["mayfly sync --watch --exclude node_modules ./site dev:/srv/site", "mayfly sync dev:/var/log ./logs"],
  )
    .argument("<source>", "the folder to be like; NAME:PATH is in a VM")
    .argument("<target>", "the folder that is changed")
    .option("--watch", "after each change of the source, which is of this host then")
    .option("--delete", "remove at the target what the source has not")
    .option("--exclude <pattern>", "as in .gitignore: neither copied nor removed; may be repeated", repeated)
    .option("--owner <user[:group]>", "whose it is in the VM (default: who logs in)")
    .option("-n, --dry-run", "only say what would be done")
    .action(make);
}

async function make(source: string, target: string, options: SyncOptions): Promise<void> {
  const { names, places } = readPlaces([source, target]);
  const [name, ...others] = names;
  if (name === undefined || others.length > 0)
    throw new UsageError("one side must be in a VM, as NAME:PATH, the other here");
  const isUp = places[0]?.vm === undefined;
  if (options.watch === true && (!isUp || options.dryRun === true))
    throw new UsageError("--watch is for a folder of this host, and for real");
  const [here, there] = isUp ? [source, target] : [target, source];
  const request: SyncRequest = {
    ...{ direction: isUp ? "up" : "down", localPath: resolve(here), remotePath: there.slice(name.length + 1) },
    ...{ exclude: options.exclude ?? [], removes: options.delete === true, owner: options.owner },
  };
  await checkPaths(request, here, there);
  using session = await openSession("sync");
  await work(name, request, options, session);
}

async function checkPaths(
  { remotePath, localPath, direction }: SyncRequest,
  here: string,
  there: string,
): Promise<void> {
  if (!/^(?:\/|~\/)/.test(remotePath))
    throw new UsageError(`the path in the VM must be absolute, or begin with ~/, in "${there}"`);
  if (direction === "down") return;
  const { stat } = await import("node:fs/promises");
  const seen = await stat(localPath).catch(() => undefined);
  if (seen?.isDirectory() !== true)
    throw new UsageError(`${here}: must be a folder on this host; for a file there is mayfly cp`);
}

async function work(name: string, request: SyncRequest, options: SyncOptions, session: Session): Promise<void> {
  const [{ findRunningVM }, { endpointOf }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/connect.js"),
  ]);
  const vm = await findRunningVM(name, session);
  const endpoint = await endpointOf(vm, session);
  const { ssh, signal, step } = session;
  const tell = (outcome: { readonly summary: string; readonly files: number; readonly size: number }) => {
    if (options.json === true) printJson(outcome);
    else print(outcome.summary);
  };
  if (options.watch !== true) {
    const both = () =>
      options.dryRun === true ? ssh.previewSync(endpoint, request, signal) : ssh.sync(endpoint, request, signal);
    tell(await step("Syncing", both));
    return;
  }
  const { direction: _, lastBegun: __, ...watched } = request;
  const { untilGone } = await import("../vms/follow.js");
  const over = new AbortController();
  const whileItRuns = AbortSignal.any([signal, over.signal]);
  const gone = untilGone(vm.id, { ...session, signal: whileItRuns }).then(
    () => {
      over.abort();
    },
    () => undefined, // Ctrl-C
  );
  await ssh.watch(
    endpoint,
    {
      ...watched,
      onSync: (outcome) => {
        if (outcome.kind === "synced") tell(outcome);
        else note(`not in step: ${outcome.error instanceof Error ? outcome.error.message : String(outcome.error)}`);
      },
    },
    whileItRuns,
  );
  await gone;
  if (over.signal.aborted) throw new CommandError(`${name} does not run any more`, "see: mayfly ls");
}
