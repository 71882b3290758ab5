import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { freePort } from "../../tests/support/sshd";
import { atLeast, median, series, timed, type Figure } from "../figures";
import { eventually } from "../../tests/support/eventually";
import { HOSTNAME, type Site } from "./site";

const ROUNDS = 3;
const MIB = 1_048_576;
const SIZE = 32;
const GUEST_PORT = 7_001;

/** Bytes out of the guest through a `PortForward` and through `ssh -L`, both to the same server in the guest. */
export async function measureForward(site: Site): Promise<Figure[]> {
  const serve = `/usr/lib/mayfly/busybox nc -ll -p ${String(GUEST_PORT)} -e head -c ${String(SIZE * MIB)} /dev/zero`;
  await site.guest(`setsid ${serve} </dev/null >/dev/null 2>&1 &`);
  await site.declare(
    `exports.forwardPort = new mayfly.PortForward("forward", { vm, guestPort: ${String(GUEST_PORT)} }).port;`,
  );
  await site.program.pulumi("up", "--yes", "--skip-preview");
  const { forwardPort = 0 } = await site.outputs();
  const port = await freePort();
  const to = `127.0.0.1:${String(port)}:127.0.0.1:${String(GUEST_PORT)}`;
  const client = spawn("ssh", ["-F", site.config, "-N", "-L", to, HOSTNAME], { stdio: "ignore" });
  try {
    await eventually("ssh -L listens", 60, async () => (await fetchAll(port)) > 0);
    const rounds = await series(ROUNDS, async () => ({ theirs: await rateAt(port), ours: await rateAt(forwardPort) }));
    return [
      {
        what: `\`ssh -L\`, ${String(SIZE)} MiB out of the guest`,
        value: `${median(rounds.map((one) => one.theirs)).toFixed(1)} MiB/s`,
      },
      atLeast("`PortForward`, of that", median(rounds.map((one) => one.ours / one.theirs)), 0.9, "×"),
    ];
  } finally {
    client.kill();
  }
}

/** MiB in a second. */
async function rateAt(port: number): Promise<number> {
  const { seconds, result } = await timed(() => fetchAll(port));
  if (result !== SIZE * MIB) throw new Error(`${String(result)} bytes came through port ${String(port)}`);
  return SIZE / seconds;
}

/** How many bytes a server sends; 0 where nobody listens. */
async function fetchAll(port: number): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
  try {
    await once(socket, "end");
  } catch {
    return 0;
  } finally {
    socket.destroy();
  }
  return bytes;
}
