import { text } from "node:stream/consumers";
import type { SshConnection } from "./connection";

/** Whether an address is one at which nobody else can connect. */
export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || address.startsWith("127.");
}

const LOOK_MS = 10_000; // takes a journey and a program's start

/**
 * Whether a port over there is listened at by its loopback alone. An SSH server that may not listen elsewhere for us
 * (GatewayPorts no) does that and says nothing of it. `false` where the kernel there does not tell, or not in time.
 */
export async function isOnLoopbackOnly(
  connection: Pick<SshConnection, "start">,
  port: number,
  lookMs = LOOK_MS,
): Promise<boolean> {
  const channel = await connection.start("exec cat /proc/net/tcp /proc/net/tcp6");
  const tooLong = setTimeout(() => channel.destroy(), lookMs);
  channel.stderr.resume();
  channel.end();
  const table = await text(channel).catch(() => ""); // the connection broke, which whoever uses it hears of
  clearTimeout(tooLong);
  const addresses = listenersIn(table, port);
  return addresses.length > 0 && addresses.every((address) => LOOPBACK.test(address));
}

/** In the kernel's words: 127.x.x.x and ::1, each four bytes from the last to the first. */
const LOOPBACK = /^(?:(?:0{16}F{4}0{4})?[0-9A-F]{6}7F|0{24}01000000)$/;

function listenersIn(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = table.matchAll(/^\s*\d+: (?<address>[0-9A-F]+):(?<port>[0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /gm);
  return [...lines].filter(({ groups }) => groups?.["port"] === wanted).map(({ groups }) => groups?.["address"] ?? "");
}
