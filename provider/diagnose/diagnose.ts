import type { GuestFacts } from "../machines/agent";
import type { Inspection, MachineSight } from "../machines/inspection";
import type { Seat } from "../machines/seats";
import type { Networks } from "../networks/networks";
import type { Endpoint, Ssh } from "../ssh/ssh";
import { bootRungs } from "./boot";
import type { Facts, GuestSight, LoginFacts, PortSight, SegmentSight, Source } from "./facts";
import { guestRungs } from "./guest";
import { climb, unknown, type Diagnosis, type Rung } from "./ladder";
import { networkRungs } from "./network";
import { printable, readNetwork, readState } from "./report";
import { segmentRungs } from "./segments";
import { sshRungs } from "./ssh";
import { wordsFor } from "./words";

/** All that has to be right with a machine, from the bottom up. */
export const RUNGS: readonly Rung[] = [...bootRungs, ...networkRungs, ...sshRungs, ...guestRungs, ...segmentRungs];

/** Which machine, and how one wants to work with it. */
export interface Patient {
  readonly id: string;
  /** How commands name it. @default its id */
  readonly name?: string | undefined;
  /** The way to it; `undefined` where nobody has got that far. */
  readonly endpoint: Endpoint | undefined;
}

/** What a diagnosis needs of the other rooms. */
export interface Instruments {
  readonly machines: Pick<Inspection, "look" | "report" | "relays">;
  readonly networks: Pick<Networks, "exists" | "isUp">;
  readonly ssh: Pick<Ssh, "knock" | "tryLogin" | "parsePublicKey">;
}

/** Seconds that a guest gets to answer: a hundred times of what it takes, as many may be at work at a time. */
const PATIENCE = { report: 10, ofTheDead: 1, sign: 3, banner: 4, lateBanner: 10 } as const;

/** Of a machine of which there is not enough yet to be looked at. */
function unfinished(seen: string): Diagnosis {
  const rungs = RUNGS.map(({ name }) => ({ name, ...unknown(seen) }));
  return { rungs, firstBroken: undefined, whyNoLogin: undefined, isHealthy: false };
}

const LOOPBACK = "127.0.0.1"; // where the SSH port of every machine is published

/** Finds out why a machine does not do what it should. Changes nothing of it. */
export class Diagnose {
  /** @param instruments What it looks with. */
  constructor(private readonly instruments: Instruments) {}

  /** Climbs the ladder. Rejects with the signal's reason, or where podman fails. */
  async machine({ id, name = id, endpoint }: Patient, signal: AbortSignal): Promise<Diagnosis> {
    const host = await this.instruments.machines.look(id, signal);
    if (host.isBeingMade) return unfinished("it is still being made; see: mayfly logs --follow");
    if (host.container === undefined && host.record?.phase === "starting") return unfinished("it was not started yet");
    const user = endpoint?.user ?? "root";
    const segments = await this.segments(host);
    const begin: Facts = { machine: wordsFor(id, name, user, host), host, segments };
    return climb(RUNGS, begin, async (source, facts) => this.look(source, facts, { id, endpoint }, signal));
  }

  private async segments({ record }: MachineSight): Promise<readonly SegmentSight[]> {
    const { networks } = this.instruments;
    const look = async (seat: Seat) => ({
      ...seat,
      exists: await networks.exists(seat.network),
      isSwitched: await networks.isUp(seat.network),
    });
    return Promise.all((record?.seats ?? []).map(look));
  }

  private async look(
    source: Source,
    facts: Facts,
    { id, endpoint }: Pick<Patient, "id" | "endpoint">,
    signal: AbortSignal,
  ): Promise<Facts> {
    const way = endpoint ?? wayTo(facts);
    switch (source) {
      case "host":
        return facts;
      case "guest":
        return { ...facts, guest: await this.guest(id, facts, way, signal) };
      case "port":
        return way === undefined ? facts : { ...facts, port: await this.port(id, facts, way, signal) };
      case "login":
        return endpoint === undefined ? facts : { ...facts, login: await this.login(id, facts, endpoint, signal) };
    }
  }

  private async guest(id: string, facts: Facts, way: Way | undefined, signal: AbortSignal): Promise<GuestSight> {
    const isOver = facts.host?.console.isOver === true;
    const seconds = isOver ? PATIENCE.ofTheDead : PATIENCE.report;
    const { user } = facts.machine;
    const from = nowSeconds();
    const report = await this.instruments.machines.report(id, { section: "state", user, seconds }, signal);
    if (report !== undefined) return { report: readState(report), asked: { from, to: nowSeconds() } };
    if (isOver || way === undefined) return { report, banner: false };
    using knock = this.instruments.ssh.knock(way);
    await knock.hear(PATIENCE.sign, signal);
    return { report, banner: knock.banner !== undefined };
  }

  private async port(
    id: string,
    { machine: { user }, guest }: Facts,
    way: Way,
    signal: AbortSignal,
  ): Promise<PortSight> {
    const { machines, ssh } = this.instruments;
    using knock = ssh.knock(way);
    await knock.hear(PATIENCE.banner, signal);
    const seen = () => ({
      address: `${way.host}:${String(way.port ?? 22)}`,
      banner: knock.banner === undefined ? undefined : printable(knock.banner),
      ended: knock.ended,
      seconds: knock.seconds,
    });
    if (knock.banner !== undefined || knock.ended === "ECONNREFUSED") return seen();
    // While the connection stands: how far has it come?
    const relays = await machines.relays(id, signal);
    if (guest?.report === undefined) return { ...seen(), relays };
    const report = await machines.report(id, { section: "network", user, seconds: PATIENCE.report }, signal);
    const network = report === undefined ? undefined : readNetwork(report);
    if (network?.connections.includes("established") === true) await knock.hear(PATIENCE.lateBanner, signal);
    return { ...seen(), relays, network };
  }

  private async login(
    id: string,
    { machine: { user }, guest }: Facts,
    endpoint: Endpoint,
    signal: AbortSignal,
  ): Promise<LoginFacts> {
    const { machines, ssh } = this.instruments;
    const sight = await ssh.tryLogin(endpoint, signal);
    const seen = sight.seen.split("\n").map(printable).join("\n");
    if (sight.reached === "open" || guest?.report === undefined)
      return { ...sight, seen, log: [], keysInGuest: undefined, ownHostKey: undefined };
    const report: GuestFacts | undefined = await machines.report(
      id,
      { section: "log", user, seconds: PATIENCE.report },
      signal,
    );
    const fingerprint = (line: string) => {
      try {
        return ssh.parsePublicKey(line.replace(/^.*?(?=(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-)/, "")).fingerprint;
      } catch {
        return undefined; // a comment, or a line that sshd cannot read either
      }
    };
    return {
      ...{ ...sight, seen, log: (report?.get("log") ?? []).map(printable) },
      ownHostKey: fingerprint(guest.report.sshd.hostKey ?? ""),
      keysInGuest: guest.report.account.keys.map(fingerprint),
    };
  }
}

function nowSeconds(): number {
  return Date.now() / 1_000;
}

type Way = Pick<Endpoint, "host" | "port">;

function wayTo({ host }: Facts): Way | undefined {
  return host?.sshPort === undefined ? undefined : { host: LOOPBACK, port: host.sshPort };
}
