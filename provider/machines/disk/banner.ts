import { once } from "node:events";
import { connect } from "node:net";
import { until } from "../../host/until";

const PROBE_MS = 5_000; // QEMU takes a connection before the guest does, and may never hear of the guest
const PAUSE_MS = 250;

/**
 * Waits until an SSH server says its name at a port of this host. That a connection is taken says nothing: QEMU takes it.
 * Ends with the signal only.
 */
export async function sshBanner(port: number, signal: AbortSignal): Promise<void> {
  await until("an SSH server says its name", async () => (await speaksSsh(port, signal)) || undefined, {
    ...{ signal, interval: PAUSE_MS },
    diagnose: () => ({ remedy: "see the machine's console" }),
  });
}

async function speaksSsh(port: number, signal: AbortSignal): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    const [data] = (await once(socket, "data", {
      signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]),
    })) as [Buffer];
    return data.toString("latin1").startsWith("SSH-");
  } catch {
    return false; // refused, reset, or silent: the guest is not that far
  } finally {
    socket.destroy();
  }
}
