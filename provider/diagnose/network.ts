import type { Facts, PortSight } from "./facts";
import { broken, ok, unknown, type Broken, type Rung, type Verdict } from "./ladder";
import type { Traffic } from "./report";
import { inGuest, type MachineWords } from "./words";

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
  const nobody = "nobody listens on the guest's port 64022, which SSH comes in by";
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
  const isKnown = network.isUp !== undefined; // else the guest has no eth0, and goes by a card of another name
  if (network.isUp === false)
    return broken(text, "the guest's network card eth0 is down", inGuest(machine, "ip link set eth0 up"));
  if (isKnown && network.addresses.length === 0)
    return broken(
      text,
      "the guest's network card has no address",
      inGuest(machine, "ip addr add 10.53.0.15/24 dev eth0"),
    );
  const since = difference(guest?.report?.traffic, network.traffic);
  if (since.accepted > 0 || network.connections.includes("established"))
    return broken(
      text,
      seen.ended === undefined
        ? "sshd's port takes the connection, but sshd does not say a word"
        : "sshd takes the connection and ends it at once",
      inGuest(machine, "see sshd's log (journalctl -t sshd); MaxStartups and a full disk are usual causes"),
    );
  return keptOut(machine, text, network.firewall[0], since);
}

/** The guest's kernel does not let the connection in. A rule says so; the counters say whether it tells the sender. */
function keptOut(machine: MachineWords, text: string, rule: string | undefined, since: Traffic): Broken {
  const how = since.resets > 0 || since.unreachables > 0 ? "rejects (REJECT)" : "drops (DROP)";
  const who =
    rule === undefined ? "a firewall or a route in the guest" : `a firewall of the guest, by the rule "${rule}",`;
  const remedy = "let TCP port 64022 in (see: nft list ruleset, iptables -S, ip route)";
  return broken(text, `${who} ${how} the packets to its SSH server`, inGuest(machine, remedy));
}

function lookInside({ name, replace }: MachineWords): string {
  return `see: mayfly logs ${name}; or get a new one: ${replace}`;
}

/** The way of the connection, hop by hop. */
function evidence({ address, ended, seconds, relays = [], network }: PortSight): string {
  const state = /TCP\[(\w+)\]/.exec(relays.find((line) => !line.includes("HOST_FORWARD")) ?? "")?.[1];
  return [
    `${address} takes the connection, then ${ended === undefined ? `says nothing for ${seconds.toFixed(1)} s` : "ends it"}`,
    ...(state === undefined ? [] : [`QEMU's network has it as ${state}`]),
    ...(network === undefined
      ? []
      : [
          `in the guest: eth0 is ${network.isUp === false ? "down" : "up"}, addresses ${network.addresses.join(" ") || "none"}, ` +
            `connections at port 64022: ${network.connections.join(", ") || "none"}`,
          ...network.firewall.map((rule) => `firewall: ${rule}`),
          ...network.routes
            .filter((route) => /^(blackhole|prohibit|unreachable)/.test(route))
            .map((route) => `route: ${route}`),
        ]),
  ].join("\n");
}

function difference(before: Traffic | undefined, after: Traffic): Traffic {
  if (before === undefined) return { accepted: 0, resets: 0, unreachables: 0 };
  return {
    accepted: after.accepted - before.accepted,
    resets: after.resets - before.resets,
    unreachables: after.unreachables - before.unreachables,
  };
}
