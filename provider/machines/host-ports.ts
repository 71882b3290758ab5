import { MayflyError } from "../errors";
import { lastingPorts } from "../host/lasting-ports";
import type { PortSpec } from "./spec";

type HostPort = Omit<PortSpec, "guest">;

/** A port with its number on the host. */
export interface ChosenPort extends HostPort {
  /** Any free one would do, and this is what we have chosen. */
  readonly isOurs: boolean;
}

/**
 * Gives ports their numbers on the host: for 0 a free one, none twice in this process within some seconds, which should be
 * free again when a machine that was stopped is started. Between this look and the use somebody else may take it; of UDP
 * only that shows.
 *
 * @throws {MayflyError} `PORT_TAKEN` when there is none.
 */
export async function choosePorts(wanted: readonly HostPort[]): Promise<ChosenPort[]> {
  const { default: getPort } = await import("get-port"); // ESM only
  const exclude = wanted.map(({ host }) => host).filter((host) => host !== 0);
  const choose = async (hostAddress: string) => {
    try {
      return await getPort({ host: hostAddress, port: lastingPorts(), exclude });
    } catch (cause) {
      throw new MayflyError("PORT_TAKEN", `no port of ${hostAddress} is free`, {
        evidence: cause instanceof Error ? cause.message : undefined,
        remedy: "`ss -tn` shows what has so many; end some of it, or correct `ports[].hostAddress`",
        cause,
      });
    }
  };
  return Promise.all(
    wanted.map(async (port) => {
      const isOurs = port.host === 0;
      return { ...port, host: isOurs ? await choose(port.hostAddress) : port.host, isOurs };
    }),
  );
}

/** podman's word for a port that somebody else has; it differs with the network and the version. */
const IN_USE = /address already in use|port is already allocated|cannot expose (?:privileged )?port/i;

/** Which ports podman could not have; `undefined` when that is not what went wrong. */
export function takenOf(chosen: readonly ChosenPort[], error: unknown): readonly ChosenPort[] | undefined {
  const { evidence = "" } = error instanceof MayflyError ? error : {};
  if (!IN_USE.test(evidence)) return undefined;
  const named = chosen.filter(({ host }) => new RegExp(`\\b${String(host)}\\b`).test(evidence));
  const asked = chosen.filter(({ isOurs }) => !isOurs);
  return [named, asked, chosen].find((ports) => ports.length > 0);
}

/** The error for them, with podman's own words. */
export function portTaken(error: MayflyError, ports: readonly ChosenPort[]): MayflyError {
  const names = ports.map(({ hostAddress, host }) => `${hostAddress}:${String(host)}`);
  return new MayflyError("PORT_TAKEN", `the host port ${names.join(" or ")} cannot be taken`, {
    evidence: error.evidence,
    remedy:
      "`ss -ltnp` shows who has it: end that, or choose another `ports[].host`, or 0 for a free one (ports below 1024 need root)",
    cause: error,
  });
}
