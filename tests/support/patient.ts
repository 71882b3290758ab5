import { RUNGS } from "../../provider/diagnose/diagnose";
import type { Facts, Source } from "../../provider/diagnose/facts";
import { climb } from "../../provider/diagnose/ladder";
import { readNetwork, readState } from "../../provider/diagnose/report";
import { wordsFor } from "../../provider/diagnose/words";
import type { MachineSight } from "../../provider/machines/inspection";
import { readConsole } from "../../provider/machines/inspection";

// One healthy machine by facts as data, and what may be different in a broken one.

export const FINGERPRINT = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

/** What an agent tells of a healthy guest; lines that replace its own, by name. */
export function state(change: Readonly<Record<string, readonly string[]>> = {}) {
  const lines = {
    snmp: ["Icmp: InMsgs OutDestUnreachs", "Icmp: 0 0", "Tcp: PassiveOpens OutRsts", "Tcp: 5 0"],
    uptime: ["100.5 180.0"],
    load: ["0.10 0.20 0.30 1/80 700"],
    "memory-total": ["1000000 kB"],
    "memory-available": ["800000 kB"],
    disk: ["/ 4096 200000 190000 50000 49000", "/run 4096 50000 49000 0 0"],
    init: ["systemd"],
    pid1: ["S systemd"],
    systemd: ["running"],
    sshd: ["S sshd"],
    door: ["open"],
    account: ["0:/bin/bash"],
    "shell-runs": ["yes"],
    path: ["644 0 /etc/mayfly/access.1/keys/root", "755 0 /etc/mayfly", "755 0 /"],
    clock: ["1000005"],
    segment: [`${MAC} eth1 0x1003 10.80.0.7/24`],
    segments: ["told"],
    ...change,
  };
  return { report: readState(new Map(Object.entries(lines))), asked: { from: 1_000_003.2, to: 1_000_004.1 } };
}

export const MAC = "02:4d:0a:50:00:07";
export const segment = { network: "lan-1", address: "10.80.0.7", prefix: 24, mac: MAC, exists: true, isSwitched: true };

export function network(change: Readonly<Record<string, readonly string[]>> = {}) {
  const lines = {
    snmp: ["Icmp: InMsgs OutDestUnreachs", "Icmp: 0 0", "Tcp: PassiveOpens OutRsts", "Tcp: 5 0"],
    "card-flags": ["0x1003"],
    "card-address": ["inet 10.53.0.15/24 scope global eth0"],
    ...change,
  };
  return readNetwork(new Map(Object.entries(lines)));
}

export const host: MachineSight = {
  record: undefined,
  isBeingMade: false,
  canStartAgain: true,
  container: { status: "running", exitCode: 0 },
  qemu: { pid: 77, processState: "S", cpuShare: 0.1, status: "running" },
  sshPort: 40_000,
  console: readConsole("mayfly: starting /sbin/init\n"),
};
const port = { address: "127.0.0.1:40000", banner: "SSH-2.0-x", ended: undefined, seconds: 0.1 };
export const silent = {
  ...port,
  banner: undefined,
  seconds: 4,
  relays: ["TCP[SYN_SENT] 9 10.0.2.100 2222 10.53.0.15 64022"],
};
export const login = {
  reached: "open",
  seen: "",
  seconds: 0.6,
  log: [],
  keysInGuest: undefined,
  ownHostKey: undefined,
} as const;
const healthy = { host, guest: state(), port, login };

export const refused = (seen: string, keysInGuest?: readonly string[]) => ({
  ...{ ...login, reached: "key" as const, seen, keysInGuest },
  log: ["Failed publickey for root"],
});

/** What is different from a healthy machine, source by source. */
export type Change = Partial<Record<Source, unknown>> & Pick<Facts, "segments">;

/** Climbs, over facts that are given out source by source. */
export async function diagnosis({ segments = [segment], ...change }: Change = {}) {
  const seen: Source[] = [];
  const facts = { ...healthy, ...change } as Required<Omit<Facts, "machine">>;
  const machine = wordsFor("web-1", "web", "root", host);
  const judged = await climb(RUNGS, { machine, segments }, (source, before) => {
    seen.push(source);
    return Promise.resolve({ ...before, [source]: facts[source] });
  });
  return { ...judged, seen };
}
