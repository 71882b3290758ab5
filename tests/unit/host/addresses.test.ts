import { expect, test } from "@jest/globals";
import { networkInterfaces } from "node:os";
import { hostAddresses } from "../../../provider/host/addresses";

/** As Linux 6.1 prints it: a bridge without carrier, an address on lo, a range that is local as a whole, and what TPROXY wants. */
const ROUTES = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 172.17.0.0/16 2 0 2
        +-- 172.17.0.0/31 1 0 0
           |-- 172.17.0.0
              /16 link UNICAST
           |-- 172.17.0.1
              /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 127.0.0.0
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
     |-- 192.0.2.53
        /32 link UNICAST
        /32 host LOCAL
     |-- 198.51.100.0
        /24 host LOCAL
Id 100:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 host LOCAL
`;

test("all that the kernel answers at, once each, that of an idle bridge included, but not loopback", () => {
  expect(hostAddresses(ROUTES)).toEqual(["172.17.0.1", "192.0.2.53", "198.51.100.0/24"]);
});

test("on this host, those of all its interfaces that run", () => {
  const running = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const theirs = running.filter(({ family, internal }) => family === "IPv4" && !internal);
  expect(hostAddresses()).toEqual(expect.arrayContaining(theirs.map(({ address }) => address)));
});
