import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../../provider/host/until";
import type { Place } from "../../../provider/ssh/tunnels";
import { failureOf } from "../../support/context";
import { freePort, Sshd } from "../../support/sshd";
import { answers, portOf, say, TestTunnel, wait } from "../../support/tunnel";

let server: Sshd;
let tunnel: TestTunnel;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  tunnel = await TestTunnel.start(server.endpoint);
});
afterEach(async () => {
  await tunnel[Symbol.asyncDispose]();
});

const address = "127.0.0.1";

async function occupy(place: Place): Promise<Server> {
  const other = createServer((socket) => socket.end("somebody else")).listen(portOf(place), address);
  await once(other, "listening");
  return other;
}

async function release(other: Server): Promise<void> {
  other.close();
  await once(other, "close");
}

describe("a change that can't be leaves the forward that works", () => {
  test.each<[string, () => Promise<Place> | Place, string]>([
    ["another port, which is taken", () => tunnel.echoPlace, "PORT_TAKEN"],
    ["another address, which is none of this host's", () => ({ address: "192.0.2.1", port: 0 }), "BAD_INPUT"],
    ["a socket in a folder that is not there", () => ({ socket: "/no/such/folder/x.sock" }), "BAD_INPUT"],
  ])("to %s", async (_what, to, code) => {
    const place = await tunnel.open(tunnel.local());
    const host = await to();
    expect(await failureOf(tunnel.open(tunnel.local({ host })))).toMatchObject({ code });
    expect(await say(place)).toBe("hello");
    expect(await tunnel.tunnels.has(tunnel.folder, "web-1")).toBe(true);
  });

  test("in the guest, too", async () => {
    const place = await tunnel.open(tunnel.remote());
    const guest = tunnel.echoPlace;
    expect(await failureOf(tunnel.open(tunnel.remote({ guest })))).toMatchObject({ code: "PORT_TAKEN" });
    expect(await say(place)).toBe("hello");
  });

  test("one that can be takes the former's place", async () => {
    const place = await tunnel.open(tunnel.local());
    const host = { address, port: await freePort() };
    expect(await tunnel.open(tunnel.local({ host }))).toEqual(host);
    expect(await say(host)).toBe("hello");
    expect(await answers(place)).toBeUndefined();
    expect(tunnel.record?.forwards).toHaveLength(1);
  });
});

describe.each<["local" | "remote", string]>([
  ["local", "web-1"],
  ["remote", "api-1"],
])("a %s forward whose port somebody else has when its process comes back", (type, id) => {
  test("does not stand, until the port is free again", async () => {
    const place = await tunnel.open(tunnel[type]());
    await tunnel.kill();
    const free = async () => (await answers(place)) === undefined || undefined;
    await until("the port is free", free, wait());
    const other = await occupy(place);
    try {
      await tunnel.open(tunnel.local({ id: "b", owner: "b" }));
      const has = () => tunnel.tunnels.has(tunnel.folder, id);
      await until("it is seen that it does not stand", async () => !(await has()) || undefined, wait());
      expect(await tunnel.tunnels.list(tunnel.folder)).toContainEqual(expect.objectContaining({ id }));
      await release(other);
      await until("it stands", async () => (await has()) || undefined, wait());
      expect(await say(place)).toBe("hello");
    } finally {
      if (other.listening) await release(other);
    }
  });
});

describe("a remote forward for all who reach the guest", () => {
  const everywhere = { address: "0.0.0.0", port: 0 };

  test("is refused by a server that would listen at its loopback instead, in silence", async () => {
    const error = await failureOf(tunnel.open(tunnel.remote({ guest: everywhere })));
    expect(error).toMatchObject({
      code: "BAD_INPUT",
      message: expect.stringMatching(/may listen at 127\.0\.0\.1 only, not at 0\.0\.0\.0:[^]*GatewayPorts clientspec/),
    });
    expect(tunnel.record).toBeUndefined();
  });

  test("listens where it says, with a server that may", async () => {
    await using open = await Sshd.start({ config: ["GatewayPorts clientspecified"] });
    tunnel.site = { ...tunnel.site, endpoint: open.endpoint };
    const place = await tunnel.open(tunnel.remote({ guest: everywhere }));
    expect(await say({ address: "127.0.0.2", port: portOf(place) })).toBe("hello");
    await tunnel.close("api-1");
  });
});

describe("another way to the same host", () => {
  const broken = () => ({ ...server.endpoint, privateKey: undefined, password: "wrong" });

  test("that does not let us in is refused, and the forwards that stand go on as they were", async () => {
    const place = await tunnel.open(tunnel.local());
    const site = { ...tunnel.site, endpoint: broken() };
    const more = tunnel.local({ id: "b", owner: "b" });
    const opening = tunnel.tunnels.open(site, more, 0, AbortSignal.timeout(30_000));
    expect(await failureOf(opening)).toMatchObject({ code: "CONNECT_FAILED" });
    for (const pid of await server.sessionProcesses()) process.kill(pid, "SIGKILL");
    await until("it answers by the way that works", () => answers(place), wait());
    expect(tunnel.record?.endpoint.password).toBeUndefined();
  });

  test("that lets us in is taken", async () => {
    await tunnel.open(tunnel.local());
    tunnel.site = { ...tunnel.site, endpoint: { ...server.endpoint, perDialTimeout: 7 } };
    await tunnel.open(tunnel.local({ id: "b", owner: "b" }));
    expect(tunnel.record?.endpoint.perDialTimeout).toBe(7);
  });
});
