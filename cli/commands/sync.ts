import type { Command } from "commander";
import type { Synced, SyncRequest } from "../../provider/ssh/ssh";
import { readSync, type SyncOptions } from "../args/sync";
import { note, print, printJson } from "../output";
import { openSession, type Session } from "../rooms";
import { CommandError } from "../trouble";
import { repeated, verbWithJson } from "../verb";

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
  const { name, request } = await readSync(source, target, options);
  using session = await openSession("sync");
  await work(name, request, options, session);
}

async function work(name: string, request: SyncRequest, options: SyncOptions, session: Session): Promise<void> {
  const [{ findRunningVM }, { endpointOf }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/connect.js"),
  ]);
  const vm = await findRunningVM(name, session);
  const endpoint = await endpointOf(vm, session);
  const { ssh, signal, step } = session;
  const tell = (outcome: Synced) => {
    const { settled: _, ...told } = outcome; // for the next sync of a resource
    if (options.json !== true) print(told.summary);
    else if (options.watch === true) print(JSON.stringify(told));
    else printJson(told);
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
