import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ask } from "../../../provider/ssh/tunnel-control";
import { failureOf } from "../../support/context";
import { eventually } from "../../support/eventually";
import { Sshd } from "../../support/sshd";
import { say, TestTunnel } from "../../support/tunnel";

// Tunnels to a guest that does not answer, or is down.

let own: Sshd;
let tunnel: TestTunnel;

beforeEach(async () => {
  own = await Sshd.start();
  tunnel = await TestTunnel.start(own.endpoint);
});
afterEach(async () => {
  await tunnel[Symbol.asyncDispose]();
  await own[Symbol.asyncDispose]();
});

test("a guest that does not answer holds up nobody who takes a remote forward away", async () => {
  await tunnel.open(tunnel.remote());
  await tunnel.open(tunnel.remote({ id: "s", owner: "s", guest: { socket: join(tunnel.home, "g.sock") } }));
  const stopped = await own.sessionProcesses();
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  await tunnel.close("api-1"); // within its 30 s; the connection is given up after 75
  await tunnel.close("s");
  await tunnel.keeperEnds();
  for (const pid of stopped) process.kill(pid, "SIGKILL");
});

test("a forward goes while another one waits for the guest", async () => {
  await tunnel.open(tunnel.local());
  await own.kill();
  let isOpen = false;
  const opening = tunnel.open(tunnel.local({ id: "other", owner: "other" })).then((place) => {
    isOpen = true;
    return place;
  });
  await tunnel.close("web-1");
  expect([isOpen, await tunnel.tunnels.has(tunnel.folder, "web-1")]).toEqual([false, false]);
  await own.restart();
  expect(await say(await opening)).toBe("hello"); // the keeper has not ended meanwhile
});

test("a forward that is taken away while it waits for the guest does not come back", async () => {
  await tunnel.open(tunnel.local());
  await own.kill();
  const log = () => readFileSync(join(tunnel.folder, "tunnel.log"), "utf8");
  await eventually("the keeper knows that the guest is down", 30, () => log().includes("no connection to"), log);
  const forward = tunnel.local({ id: "other", owner: "other" });
  const signal = AbortSignal.timeout(60_000);
  const opening = failureOf(ask(tunnel.folder, { verb: "add", forward, preferredPort: 0 }, signal));
  await ask(tunnel.folder, { verb: "hello" }, signal); // it hears one after the other
  await tunnel.close("other");
  await own.restart();
  expect(await opening).toMatchObject({ code: "CONNECT_FAILED", message: expect.stringContaining("was removed") });
  expect(tunnel.record?.forwards.map(({ id }) => id)).toEqual(["web-1"]);
});
