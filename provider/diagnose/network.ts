import type { Facts, PortSight } from "./facts";
import { lackOfMemory } from "./guest";
import { broken, ok, unknown, type Broken, type Rung, type Verdict } from "./ladder";
import type { NetworkReport, Traffic } from "./report";
import { inGuest, MORE_MEMORY, type MachineWords } from "./words";

/** What has to be right between a guest that runs and the first word of its SSH server. */
export const networkRungs: readonly Rung[] = [
  { name: "sshd", from: "guest", judge: sshd },
  { name: "port", from: "port", judge: port },
];

function sshd({ machine, guest }: Facts): Verdict {
  const seen = guest?.report?.sshd;
  if (seen?.listens === undefined) return unknown("the guest's agent does not say");
  if (seen.listens) {
    if (seen.state !== "T") return ok("it listens");
    const cause = "sshd was stopped by a signal: the kernel takes connections, and nobody serves them";
    const remedy = inGuest(machine, "kill -CONT $(cat /etc/mayfly/sshd.pid)");
    return broken("it listens, but its process is stopped (state T)", cause, remedy);
  }
  const nobody = `nobody listens on the guest's port ${PORT}, which SSH comes in by`;
  const [complaint] = seen.complaints;
  if (complaint !== undefined)
    return broken(
      [nobody, ...seen.complaints].join("\n"),
      `sshd does not start: ${complaint}`,
      inGuest(machine, "mend what it names; it is started again every second"),
    );
  return broken(
    nobody,
    "sshd does not run; its configuration is in order",
    `look again in a few seconds, as it is started anew; else: mayfly logs ${machine.name}`,
  );
}

function port(facts: Facts): Verdict {
  const { machine, port: seen, host } = facts;
  if (seen === undefined) return unknown("nobody knows the port");
  if (seen.banner !== undefined) return ok(`${seen.address} answers: ${seen.banner}`);
  if (seen.ended === "ECONNREFUSED") {
    const now = host?.sshPort;
    const moved = now !== undefined && !seen.address.endsWith(`:${String(now)}`);
    return broken(
      `${seen.address}: connection refused${moved ? `; podman publishes ${String(now)} instead` : ""}`,
      "nothing of this host leads to the guest at this port",
      moved
        ? machine.replace
        : `see whether podman still publishes it: podman port ${machine.container}; then: ${machine.replace}`,
    );
  }
  return silent(facts, seen);
}

/** The port is there, and qemu takes the connection; so the guest does not answer as it should. */
function silent(facts: Facts, seen: PortSight): Broken {
  const { machine, guest } = facts;
  const { network } = seen;
  const text = evidence(seen);
  if (network === undefined) return broken(text, "the guest does not answer its connections", lookInside(machine));
  const card = cardTrouble(network);
  if (card !== undefined) return broken(text, card.cause, inGuest(machine, card.command));
  const since = difference(guest?.report?.traffic, network.traffic);
  if (since.accepted === 0 && !network.connections.includes("established"))
    return notLetIn(facts, { ...seen, network }, since);
  const lack = lackOfMemory(guest?.report);
  const cause = `the guest takes the connection, ${accepted(seen)}`;
  if (lack !== undefined) return broken(text, `${cause}; ${lack}`, MORE_MEMORY);
  return broken(text, cause, inGuest(machine, "see sshd's log (journalctl -t sshd), MaxStartups first"));
}

/** The guest's kernel has taken no connection. */
function notLetIn(
  { machine, guest }: Facts,
  seen: PortSight & { readonly network: NetworkReport },
  since: Traffic,
): Broken {
  const text = evidence(seen);
  // No firewall is blamed for an sshd that may not listen: a guest that is slow says only a part of what it is asked.
  if (guest?.report?.sshd.listens === undefined)
    return broken(
      text,
      "the guest lets nobody in, and does not say whether its SSH server listens",
      lookInside(machine),
    );
  const letIn = `let TCP port ${PORT} in (see: nft list ruleset, iptables -S, ip route)`;
  return broken(text, keptOut(seen, seen.network, since), inGuest(machine, letIn));
}

function accepted({ ended }: PortSight): string {
  return ended === undefined ? "but sshd does not say a word" : "and sshd ends it at once";
}

/** The counters, and whether the connection ended, tell whether the guest says to the sender that it does not want it. */
function keptOut({ ended }: PortSight, network: NetworkReport, { resets, unreachables }: Traffic) {
  const isRejected = ended !== undefined || resets > 0 || unreachables > 0;
  return `${whoKeepsOut(network)} ${isRejected ? "rejects (REJECT)" : "drops (DROP)"} the packets to its SSH server`;
}

const PORT = "64022"; // of the guest, that SSH comes in by; `guest/agent.sh` has it too

/** What is wrong with the card itself. A guest that has renamed it says nothing of `eth0`. */
function cardTrouble({ isUp, addresses }: NetworkReport) {
  if (isUp === false) return { cause: "the guest's network card eth0 is down", command: "ip link set eth0 up" };
  if (isUp === undefined || addresses.length > 0) return undefined;
  return { cause: "the guest's network card eth0 has no address", command: "ip addr add 10.53.0.15/24 dev eth0" };
}

function whoKeepsOut({ firewall }: NetworkReport): string {
  const rule = firewall.find((line) => line.includes(PORT));
  if (rule !== undefined) return `a firewall of the guest, by the rule "${rule}",`;
  return firewall.length === 0
    ? "a firewall or a route in the guest"
    : "a firewall of the guest, whose rules are named,";
}

function lookInside({ name, replace }: MachineWords): string {
  return `see: mayfly logs ${name}; or else: ${replace}`;
}

/** The way of the connection, hop by hop. */
function evidence(seen: PortSight): string {
  const { address, ended, seconds, network } = seen;
  const how = ended === undefined ? `says nothing for ${seconds.toFixed(1)} s` : "ends it";
  const lines = [`${address} takes the connection, then ${how}`, ...relayed(seen)];
  return [...lines, ...(network === undefined ? [] : received(network))].join("\n");
}

/** Connections of others, that have ended, may still be in the table; so only while this one stands. */
function relayed({ relays = [], ended }: PortSight): readonly string[] {
  const [, state] = /TCP\[(\w+)\]/.exec(relays.find((line) => !line.includes("HOST_FORWARD")) ?? "") ?? [];
  return state === undefined || ended !== undefined ? [] : [`QEMU's network has it as ${state}`];
}

function received({ isUp, addresses, connections, firewall, routes }: NetworkReport): readonly string[] {
  const card = `eth0 is ${isUp === false ? "down" : "up"}, addresses ${addresses.join(" ") || "none"}`;
  return [
    `in the guest: ${card}, connections at port ${PORT}: ${connections.join(", ") || "none"}`,
    ...firewall.map((rule) => `firewall: ${rule}`),
    ...routes.filter((route) => /^(?:blackhole|prohibit|unreachable)/.test(route)).map((route) => `route: ${route}`),
  ];
}

function difference(before: Traffic | undefined, after: Traffic): Traffic {
  if (before === undefined) return { accepted: 0, resets: 0, unreachables: 0 };
  return {
    accepted: after.accepted - before.accepted,
    resets: after.resets - before.resets,
    unreachables: after.unreachables - before.unreachables,
  };
}
