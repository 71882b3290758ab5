import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Socket } from "node:net";
import { listenInFolder } from "../host/sockets";
import { INSIDE } from "./inside";
import { STATE_DESCRIPTOR, TEMPLATE_FILES } from "./qemu-command";
import type { Qmp, QmpEvent } from "./qmp";

/** The guest's memory is in a file of its own already: only the state of the devices has to move. */
const WITHOUT_MEMORY = { capabilities: [{ capability: "x-ignore-shared", state: true }] };
const STATE_SOCKET = "state.sock";

/**
 * Saves the state of a machine's devices, in QEMU's migration format, and stops it. What is left to do with the machine is
 * to end it. It is saved as one that runs, so a restored one goes on by itself.
 *
 * @param machine The machine's folder, which its container shares.
 * @param template The folder that gets the state; the guest's memory is there already.
 */
export async function save(qmp: Qmp, machine: string, template: string, signal: AbortSignal): Promise<void> {
  const events = { capabilities: [...WITHOUT_MEMORY.capabilities, { capability: "events", state: true }] };
  await qmp.execute("migrate-set-capabilities", events, signal);
  // qemu may not start programs (-sandbox), and files are beyond it before 8.2: so we take the state from a socket.
  const server = await listenInFolder(machine, STATE_SOCKET);
  try {
    const stored = once(server, "connection", { signal }).then(async ([socket]: Socket[]) => {
      if (socket === undefined) throw new Error("qemu did not connect");
      // The folder is qemu's, too: a new file, or none, and not where a link of qemu's leads.
      const state = createWriteStream(join(template, TEMPLATE_FILES.state), { flags: "wx", mode: 0o600 });
      await pipeline(socket, state, { signal });
    });
    stored.catch(() => undefined); // waited for below
    const ended = migrationEnd(qmp, signal);
    await qmp.execute("migrate", { uri: `unix:${INSIDE.machine}/${STATE_SOCKET}` }, signal);
    await ended;
    await stored;
  } finally {
    server.close();
  }
}

/** Waits for the end of a migration; rejects when it failed. */
async function migrationEnd(qmp: Qmp, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const look = ({ event, data }: QmpEvent) => {
        if (event !== "MIGRATION") return;
        if (data?.["status"] === "completed") resolve();
        else if (data?.["status"] === "failed") reject(new Error("qemu could not save its state"));
      };
      qmp.on("event", look);
      const stop = () => {
        qmp.off("event", look);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", stop, { once: true, signal: over.signal });
      over.signal.addEventListener("abort", () => qmp.off("event", look));
    });
  } finally {
    over.abort();
  }
}

/** Has a qemu that was started with `-incoming defer` go on where the template was saved. */
export async function restore(qmp: Qmp, signal: AbortSignal): Promise<void> {
  await qmp.execute("migrate-set-capabilities", WITHOUT_MEMORY, signal);
  // The guest has not moved: nobody has to learn anew where its card is, which QEMU would have it tell five times. Not 0:
  // QEMU 7.2 then dies when the guest restarts itself (its virtio-net deletes a timer that was never made).
  await qmp.execute("migrate-set-parameters", { "announce-rounds": 1 }, signal);
  await qmp.execute("migrate-incoming", { uri: `fd:${String(STATE_DESCRIPTOR)}` }, signal);
}
