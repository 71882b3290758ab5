import { MayflyError } from "../errors";
import type { PortSpec } from "./spec";

/**
 * Numbers of ports on the host: for 0 a free one, none twice in this process within some seconds. Between this look and
 * the use somebody else may take it; of UDP only that shows.
 *
 * @throws {MayflyError} `PORT_TAKEN` when there is none.
 */
export async function chooseHostPorts(wanted: readonly Pick<PortSpec, "host" | "hostAddress">[]): Promise<number[]> {
  const { default: getPort } = await import("get-port"); // ESM only
  const exclude = wanted.map(({ host }) => host).filter((host) => host !== 0);
  const choose = async (hostAddress: string) => {
    try {
      return await getPort({ host: hostAddress, exclude });
    } catch (cause) {
      throw new MayflyError("PORT_TAKEN", `no port of ${hostAddress} is free`, {
        evidence: cause instanceof Error ? cause.message : undefined,
        remedy: "`ss -tn` shows what has so many; end some of it, or correct `ports[].hostAddress`",
        cause,
      });
    }
  };
  return Promise.all(wanted.map(async ({ host, hostAddress }) => (host === 0 ? choose(hostAddress) : host)));
}
