import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Session } from "../rooms";
import { createVM, type MadeVM, type Making } from "./create";
import { removeEmptyNetworks } from "./networks";

const REMOVAL_MS = 60_000;

/**
 * Makes a machine for this process alone, works with it, and removes it. When this process ends before it could do that,
 * by whatever signal, a keeper does: the kernel closes its pipe.
 *
 * @param making What the making runs in: `beforeRun` for those who end with the exit code of a command in it.
 */
export async function withSessionVM<T>(
  asked: Pick<Making, "image" | "options" | "onId">,
  session: Session,
  work: (vm: MadeVM) => Promise<T>,
  making: <M>(make: () => Promise<M>) => Promise<M> = (make) => make(),
): Promise<T> {
  const [{ thenCleanUp }, { startLifeline }, { identifySelf }] = await Promise.all([
    import("../../provider/host/clean-up.js"),
    import("../../provider/host/detached.js"),
    import("../../provider/host/process-identity.js"),
  ]);
  const folder = join(session.paths.home, "sessions");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const log = join(folder, `${String(process.pid)}-${String(Date.now())}.log`);
  const own = identifySelf();
  let made: string | undefined;
  const onId = async (id: string) => {
    made = id;
    await startLifeline(process.execPath, [KEEPER, id, log], log);
    await asked.onId?.(id);
  };
  const run = async () => work(await making(async () => createVM({ ...asked, session: own, onId }, session)));
  const cleanUp = async () => {
    if (made !== undefined) await removeAll(made, { ...session, signal: AbortSignal.timeout(REMOVAL_MS) });
    await rm(log, { force: true });
  };
  return thenCleanUp(run, cleanUp, {
    what: "its VM",
    remedy: "wait until its keeper has removed it, or: mayfly prune",
  });
}

/** The keeper's program, beside the compiled command. */
const KEEPER = join(__dirname, "..", "..", "provider", "lifeline.js");

async function removeAll(id: string, session: Session): Promise<void> {
  const seats = (await session.machines.record(id))?.seats ?? [];
  await session.machines.remove(id, session.signal);
  await removeEmptyNetworks(new Set(seats.map(({ network }) => network)), session);
}
