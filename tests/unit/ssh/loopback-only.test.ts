import { PassThrough } from "node:stream";
import { expect, test } from "@jest/globals";
import { isOnLoopbackOnly } from "../../../provider/ssh/loopback-only";

/** A server whose `cat` prints a table, or prints it and never ends. */
function server(table: string, ends = true) {
  const channel = Object.assign(new PassThrough(), { stderr: new PassThrough() });
  if (!ends) channel.end = () => channel;
  channel.write(table);
  return { start: () => Promise.resolve(channel) } as unknown as Parameters<typeof isOnLoopbackOnly>[0];
}

const line = (address: string, state = "0A") => `   0: ${address}:1F90 00000000:0000 ${state} 00000000:00000000\n`;
const LOOPBACK = "0100007F";
const LOOPBACK6 = "00000000000000000000000001000000";
const MAPPED = "0000000000000000FFFF00000100007F";
const ANY = "00000000";

test.each<[string, string, boolean]>([
  ["the loopback", line(LOOPBACK), true],
  ["both of them", line(LOOPBACK) + line(LOOPBACK6), true],
  ["the loopback as IPv6 has it", line(MAPPED), true],
  ["all addresses", line(ANY), false],
  ["another one as well", line(LOOPBACK) + line(ANY), false],
  ["no address: a connection is no listener", line(LOOPBACK, "01"), false],
])("a port that is listened at by %s", async (_what, table, expected) => {
  expect(await isOnLoopbackOnly(server(table), 8_080)).toBe(expected);
  expect(await isOnLoopbackOnly(server(table), 8_081)).toBe(false);
});

test("a server that does not come to an end holds nobody up", async () => {
  expect(await isOnLoopbackOnly(server(line(LOOPBACK), false), 8_080, 1)).toBe(false);
});
