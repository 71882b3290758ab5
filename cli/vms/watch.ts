import type { Socket } from "node:net";
import type { MachineOptions } from "../args/machine";
import { clearProgress, note } from "../output";
import { Interrupted, type Session } from "../rooms";
import type { IsOver } from "./follow";
import { withSessionVM } from "./session-vm";

/** How a machine is watched. */
interface Watching {
  readonly image: string;
  readonly options: MachineOptions & { readonly console?: true; readonly output?: "console" | "journal" };
}

/**
 * Makes a machine that is shown on standard output as long as it and this process are there. Returns an exit code: that of
 * the guest's journalctl, where it is that.
 */
export async function watchVM({ image, options }: Watching, session: Session): Promise<number> {
  if (options.output !== "journal") {
    await (options.console === true ? joinFromStart : showConsole)({ image, options }, session);
    return 0;
  }
  const { printJournal } = await import("./journal.js");
  return withSessionVM({ image, options }, session, async (vm) => {
    tellUp(vm.name);
    return printJournal(vm.id, { follow: true, json: false }, session);
  });
}

/** The console, from the first line of the boot on. */
async function showConsole({ image, options }: Watching, session: Session): Promise<void> {
  const [{ eachConsoleLine }, { goneOr }] = await Promise.all([import("./console-log.js"), import("./follow.js")]);
  let isOver: IsOver = () => Promise.resolve(false); // not while it boots
  let shown = Promise.resolve();
  const onId = async (id: string) => {
    shown = eachConsoleLine(id, { isOver: async () => isOver(), stream: "stdout" }, session, ({ text }) => {
      clearProgress();
      process.stdout.write(text);
    });
    shown.catch(() => undefined); // waited for below
    return Promise.resolve();
  };
  try {
    await withSessionVM({ image, options, onId }, session, async (vm) => {
      tellUp(vm.name);
      isOver = goneOr(true, vm.id, session);
      await shown;
    });
  } finally {
    isOver = () => Promise.resolve(true);
  }
}

/** The console with both hands, from the first line of the boot on: also one that hangs can be typed at. */
async function joinFromStart({ image, options }: Watching, session: Session): Promise<void> {
  const { joinConsole } = await import("./join-console.js");
  const left = new AbortController();
  const over = new AbortController();
  const signal = AbortSignal.any([session.signal, left.signal]);
  let joined = Promise.resolve();
  const onId = async (id: string) => {
    joined = connect(id, session, AbortSignal.any([signal, over.signal]))
      .then(async (socket) => joinConsole(socket, signal))
      .finally(() => left.abort(new Interrupted())); // a boot that is under way then ends, too
    joined.catch(() => undefined);
    return Promise.resolve();
  };
  try {
    await withSessionVM({ image, options, onId }, { ...session, signal }, async (vm) => {
      note(`${vm.name} is up; Ctrl-] ends it\r`);
      await joined;
      session.signal.throwIfAborted(); // else it was left by Ctrl-]
    });
  } finally {
    over.abort(new Interrupted());
  }
}

/** As soon as there is a console. */
async function connect(id: string, { paths }: Session, signal: AbortSignal): Promise<Socket> {
  const [{ connectConsole }, { until }] = await Promise.all([
    import("../../provider/machines/console.js"),
    import("../../provider/host/until.js"),
  ]);
  const diagnose = () => ({ remedy: "see what the boot says" });
  const look = async () => connectConsole(paths, id, signal).catch(() => undefined);
  return until("the VM has a console", look, { signal, interval: 20, diagnose });
}

function tellUp(name: string): void {
  note(`${name} is up: mayfly ssh ${name}   (it goes with Ctrl-C)`);
}
