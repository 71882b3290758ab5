import { z } from "zod";
import { port, portOrZero } from "./fields";
import type { Complain } from "./rule";

/** A port of the guest that is reachable on the host. */
const publishedPort = z.strictObject({
  /** Port in the guest. */
  guest: port,
  /** Port on the host; 0 takes a free one, see the output `publishedPorts`. Fails with `PORT_TAKEN`. @default 0 */
  host: portOrZero.default(0),
  /** Address on the host to listen on. Others than this host reach it only if you say so. @default "127.0.0.1" */
  hostAddress: z.ipv4("must be an IPv4 address of this host").default("127.0.0.1"),
  /** TCP or UDP; an isolated VM has TCP only. @default "tcp" */
  protocol: z.enum(["tcp", "udp"]).default("tcp"),
});

/** Ports of the guest on the host. */
export const publishedPorts = z.array(publishedPort);

interface Fields {
  readonly ports: readonly z.output<typeof publishedPort>[];
  readonly network: string;
}

/** Ports that are in each other's way, or cannot be published; a rule of the schema. */
export function checkPorts({ ports, network }: Fields, complain: Complain): void {
  ports.forEach(({ guest, host, hostAddress, protocol }, index) => {
    const same = (other: (typeof ports)[number]) =>
      other.protocol === protocol && other.host === host && meet(other.hostAddress, hostAddress);
    if (host !== 0 && ports.findIndex(same) !== index)
      complain(["ports", index, "host"], `${String(host)} is published twice`);
    if (network === "isolated" && protocol === "udp")
      complain(["ports", index, "protocol"], 'must be "tcp": an isolated guest\'s answers by UDP do not come out');
    if (guest === 22 && protocol === "tcp")
      complain(["ports", index, "guest"], "22 is published already: see the outputs `host` and `port`");
  });
}

/** Whether a listener at the one address leaves no room for one at the other. */
function meet(one: string, other: string): boolean {
  return one === other || one === "0.0.0.0" || other === "0.0.0.0";
}
