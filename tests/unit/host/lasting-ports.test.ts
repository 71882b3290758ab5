import { describe, expect, test } from "@jest/globals";
import { readFileSync } from "node:fs";
import { lastingPorts } from "../../../provider/host/lasting-ports";

describe("ports that last", () => {
  test.each<[string, [number, number], (port: number) => boolean]>([
    ["below and above", [32_768, 60_999], (port) => (port >= 20_000 && port < 32_768) || port > 60_999],
    ["above only", [1_024, 65_533], (port) => port === 65_534 || port === 65_535],
    ["below only", [20_001, 65_535], (port) => port === 20_000],
    ["low numbers only", [1_024, 10_000], (port) => port >= 20_000],
  ])("are none that the kernel gives away: %s", (_, range, isRight) => {
    const many = Array.from({ length: 200 }, () => lastingPorts(range)).flat();
    expect(many.length).toBeGreaterThan(1_000);
    expect(many.filter((port) => !isRight(port) || port > 65_535)).toEqual([]);
  });

  test("are none where the kernel gives away all", () => {
    expect(lastingPorts([1_024, 65_535])).toEqual([]);
  });

  test("are of this host", () => {
    const [first = 0, last = 0] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
      .split(/\s+/)
      .map(Number);
    expect(lastingPorts().filter((port) => port >= first && port <= last)).toEqual([]);
  });
});
