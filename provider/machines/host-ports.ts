import type { PortSpec } from "./spec";

/**
 * Numbers of ports on the host: for 0 a free one, the same at most once in half a minute. Between this look and the use
 * somebody else may take it.
 */
export async function chooseHostPorts(wanted: readonly Pick<PortSpec, "host" | "hostAddress">[]): Promise<number[]> {
  const { default: getPort } = await import("get-port"); // ESM only
  return Promise.all(wanted.map(async ({ host, hostAddress }) => (host === 0 ? getPort({ host: hostAddress }) : host)));
}
