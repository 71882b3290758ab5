import type { NetworkInterfaceInfo } from "node:os";
import { expect, test } from "@jest/globals";
import { hostAddresses } from "../../../provider/host/addresses";

const info = (address: string, family: "IPv4" | "IPv6", internal = false) =>
  ({ address, family, internal, netmask: "", mac: "", cidr: null, scopeid: 0 }) as NetworkInterfaceInfo;

test("addresses of all interfaces once each, those on lo included, but not loopback or IPv6", () => {
  const interfaces = () => ({
    lo: [info("127.0.0.1", "IPv4", true), info("192.0.2.53", "IPv4", true), info("::1", "IPv6", true)],
    eth0: [info("192.0.2.2", "IPv4"), info("fd00::2", "IPv6")],
    docker0: [info("172.17.0.1", "IPv4"), info("192.0.2.2", "IPv4")],
    down0: undefined,
  });
  expect(hostAddresses(interfaces)).toEqual(["192.0.2.53", "192.0.2.2", "172.17.0.1"]);
});
