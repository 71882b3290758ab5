import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { Ssh } from "../../../provider/ssh/ssh";
import { failureOf } from "../../support/context";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh();
const soon = () => AbortSignal.timeout(30_000);
const command = "echo up";

afterEach(() => ssh.close());

test.each([
  ["the first", 0],
  ["the second", 1],
])("of two who wait for a server, %s gives up after its attempts, and the other one waits on", async (_who, hasty) => {
  await using server = await Sshd.start();
  await server.kill();
  const wait = (dialErrorLimit: number) => ssh.exec({ ...server.endpoint, dialErrorLimit }, { command }, soon());
  const [one, two] = [wait(hasty === 0 ? 2 : -1), wait(hasty === 1 ? 2 : -1)];
  const [left, stays] = hasty === 0 ? [one, two] : [two, one];
  const error = await failureOf(left);
  expect(error).toMatchObject({ code: "CONNECT_FAILED", evidence: expect.stringMatching(/^2 attempts in /) });
  await server.restart();
  expect((await stays).stdout).toBe("up\n");
});

test("an attempt goes on for the one who has the time, and is over for the one who has not", async () => {
  await using server = await Sshd.start();
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const endpoint = { ...server.endpoint, port: (silent.address() as AddressInfo).port };
  const end = new AbortController();
  try {
    const patient = failureOf(ssh.exec({ ...endpoint, perDialTimeout: 0 }, { command }, end.signal));
    await once(silent, "connection");
    const hasty = { ...endpoint, perDialTimeout: 0.2, dialErrorLimit: 2 };
    const error = await failureOf(ssh.exec(hasty, { command }, soon()));
    expect(error).toMatchObject({ evidence: expect.stringMatching(/^2 attempts .* timed out after 0\.2 s$/) });
    expect(sockets).toHaveLength(1);
    end.abort(new Error("enough"));
    expect((await patient).message).toBe("enough");
  } finally {
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});
