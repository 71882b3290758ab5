import { expect, test } from "@jest/globals";
import { once } from "node:events";
import { createServer, Socket, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { gatherWrites } from "../../../provider/ssh/gather-writes";

test("what is written in one go leaves together, in order, and at once when that is over", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new Socket().connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [[there]] = (await Promise.all([once(server, "connection"), once(client, "connect")])) as [[Socket], unknown];
  const received = text(there);
  for (const socket of [server, client, there]) socket.unref(); // should the test fail
  gatherWrites(client);
  for (const round of ["a", "b"]) {
    for (const part of ["1", "2", "3"]) client.write(round + part);
    expect(client.writableLength).toBe(6); // nothing has left yet
    await new Promise(setImmediate);
    expect(client.writableLength).toBe(0);
  }
  client.end();
  expect(await received).toBe("a1a2a3b1b2b3");
  server.close();
});
