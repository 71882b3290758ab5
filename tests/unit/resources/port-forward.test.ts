import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../../provider/host/until";
import type { Context } from "../../../provider/context";
import { difference } from "../../../provider/engine/diff";
import { checkInputs } from "../../../provider/engine/inputs";
import { LOOK } from "../engine/things";
import { portForward } from "../../../provider/resources/port-forward";
import type { AnyHandler } from "../../../provider/resources/registry";
import { portForwardSchema, type PortForwardSpec } from "../../../provider/schema/port-forward";
import { Ssh } from "../../../provider/ssh/ssh";
import type { TunnelRecord } from "../../../provider/ssh/tunnel-spec";
import { failureOf, TestContext } from "../../support/context";
import { freePort, Sshd } from "../../support/sshd";
import { portOf, say, TestTunnel, wait } from "../../support/tunnel";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const ssh = new Ssh();
const handler: AnyHandler = portForward as never;
let server: Sshd;
let tunnel: TestTunnel;
let fixture: TestContext;
let context: Context;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  tunnel = await TestTunnel.start(server.endpoint);
  for (const id of ["vm-1", "vm-2"]) {
    mkdirSync(join(tunnel.home, id));
    writeFileSync(join(tunnel.home, id, "id"), server.read("user"));
    writeFileSync(join(tunnel.home, id, "connection.json"), JSON.stringify(server.endpoint));
  }
  fixture = new TestContext(ssh, (id, name) => join(tunnel.home, id, name));
  context = { ...fixture.context, tunnels: tunnel.tunnels };
});
afterEach(async () => {
  await tunnel[Symbol.asyncDispose]();
});

/** What a test sets beside, or instead of, the way there. */
interface Fields {
  readonly vmId?: string;
  readonly [name: string]: unknown;
}

function spec(fields: Fields): PortForwardSpec {
  const { privateKey: _key, ...way } = server.endpoint;
  const connection = fields.vmId === undefined ? server.endpoint : { ...way, keyOf: fields.vmId };
  return portForwardSchema.parse({ connection, guestPort: portOf(tunnel.echoPlace), ...fields });
}

async function created(fields: Fields) {
  const inputs = spec(fields);
  return { ...inputs, ...(await portForward.create("web-1", inputs, context)) };
}

test("to a VM it lives in the VM's folder, without the VM's key", async () => {
  const saved = await created({ vmId: "vm-1" });
  expect(await say({ address: saved.host, port: saved.port })).toBe("hello");
  expect(existsSync(join(tunnel.home, "vm-1", "tunnel", "tunnel.json"))).toBe(true);
  expect(await portForward.needsUpdate?.("web-1", saved, saved, context)).toBe(false);
  expect(await portForward.read?.("web-1", saved, context)).toEqual({ host: saved.host, port: saved.port, socket: "" });
  await portForward.delete("web-1", saved, context);
  await portForward.delete("web-1", saved, context);
  expect(existsSync(join(tunnel.home, "vm-1", "tunnel"))).toBe(false);
});

test("moves to a new VM with its port", async () => {
  const saved = await created({ vmId: "vm-1" });
  const next = { ...saved, vmId: UNKNOWN, connection: UNKNOWN };
  expect(difference(handler, saved, next)).toMatchObject({ changes: true, replaces: [] });
  const moved = await portForward.update("web-1", saved, spec({ vmId: "vm-2" }), context);
  expect(moved.port).toBe(saved.port);
  expect(await say({ address: moved.host, port: moved.port })).toBe("hello");
  expect(existsSync(join(tunnel.home, "vm-1", "tunnel"))).toBe(false);
  await portForward.delete("web-1", { ...saved, vmId: "vm-2" }, context);
});

test("a killed process shows in the preview, and the update brings the forward back", async () => {
  const saved = await created({ connection: server.endpoint, hostPort: await freePort() });
  const folder = await tunnel.tunnels.folderFor(saved.connection);
  const { keeper } = JSON.parse(readFileSync(join(folder, "tunnel.json"), "utf8")) as TunnelRecord;
  process.kill(keeper?.pid ?? 0, "SIGKILL");
  const gone = async () => ((await tunnel.tunnels.has(folder, "web-1")) ? undefined : true);
  await until("it is dead", gone, wait());
  expect(await portForward.needsUpdate?.("web-1", saved, saved, context)).toBe(true);
  expect(fixture.said).toEqual(["nobody listens at its place any more; it will be opened again"]);
  expect(await portForward.read?.("web-1", saved, context)).toBeUndefined();
  expect(await portForward.update("web-1", saved, saved, context)).toMatchObject({ port: saved.port });
  expect(await say({ address: saved.host, port: saved.port })).toBe("hello");
  await portForward.delete("web-1", saved, context);
});

test("a move that fails leaves the forward where it was", async () => {
  const saved = await created({ vmId: "vm-1" });
  const connection = { ...server.endpoint, privateKey: undefined, password: "wrong" };
  const moving = portForward.update("web-1", saved, spec({ connection }), context);
  expect(await failureOf(moving)).toMatchObject({ code: "CONNECT_FAILED" });
  expect(await say({ address: saved.host, port: saved.port })).toBe("hello");
  await portForward.delete("web-1", saved, context);
});

describe("the check", () => {
  const look = (more: object = {}) => ({
    ...{ ...LOOK, owner: context.owner, signal: context.signal, openRooms: () => Promise.resolve(context) },
    ...more,
  });
  const failures = async (fields: Fields, more: object = {}) =>
    ((await portForward.check?.(spec(fields), look(more))) ?? []).map(
      ({ property, reason }) => `${property}: ${reason}`,
    );

  test("finds that a fixed port is taken, but by the forward itself", async () => {
    const { port } = tunnel.echoPlace as { port: number };
    const taken = [expect.stringMatching(`^hostPort: 127\\.0\\.0\\.1:${String(port)} is taken.*or 0 for a free one$`)];
    expect(await failures({ vmId: "vm-1", hostPort: port })).toEqual(taken);
    const saved = await created({ vmId: "vm-1" });
    const old = { isNew: false };
    expect(await failures({ vmId: "vm-1", hostPort: saved.port }, old)).toEqual([]);
    expect(await failures({ vmId: "vm-1", hostPort: port }, old)).toEqual(taken);
    expect(await failures({ vmId: "vm-2", hostPort: saved.port }, old)).toEqual([]); // it moves, and lets go first
    expect(await failures({ vmId: "vm-1", type: "remote", hostPort: port })).toEqual([]); // that is where it leads to
    const namesake = await portForward.create("web-2", spec({ vmId: "vm-1" }), context); // of another component
    for (const mine of [saved, namesake])
      expect(await failures({ vmId: "vm-1", hostPort: mine.port }, old)).toEqual([]);
    for (const id of ["web-1", "web-2"]) await portForward.delete(id, saved, context);
  });

  test("finds that the folder of a socket is not there", async () => {
    const hostSocket = join(tunnel.home, "nowhere", "x.sock");
    expect(await failures({ hostSocket })).toEqual([
      `hostSocket: must be in a folder of this host; ${join(tunnel.home, "nowhere")} does not exist; ` +
        `make one that only you can enter: mkdir -p -m 700 '${join(tunnel.home, "nowhere")}'`,
    ]);
    expect(await failures({ hostSocket: join(tunnel.home, "x.sock") })).toEqual([]);
  });
});

test("with its VM gone it is gone, and nothing is made in the VM's place", async () => {
  const saved = { ...spec({ vmId: "vm-3" }), host: "127.0.0.1", port: 1, socket: "" };
  fixture.machinesAlive = false;
  await portForward.delete("web-1", saved, context);
  expect(await portForward.read?.("web-1", saved, context)).toBeUndefined();
  expect(await portForward.needsUpdate?.("web-1", saved, saved, context)).toBe(false);
  const error = await failureOf(portForward.create("web-1", saved, context));
  expect(error).toMatchObject({ code: "CONNECT_FAILED", message: expect.stringMatching(/the VM vm-3 does not run/) });
  expect(existsSync(join(tunnel.home, "vm-3"))).toBe(false);
});

test("a new key is a change for another host, and for a way of the program's own; not for a VM, which keeps its key", () => {
  const other = { connection: { ...server.endpoint, privateKey: "other" } };
  expect(difference(handler, spec({}), spec(other))).toMatchObject({ changes: true, replaces: [] });
  const onVm = { vmId: "vm-1" };
  expect(difference(handler, spec(onVm), spec({ ...onVm, ...other }))).toMatchObject({ changes: true, replaces: [] });
  const { connection } = spec(onVm);
  const moved = spec({ ...onVm, connection: { ...connection, port: 1 } });
  expect(difference(handler, spec(onVm), moved)).toMatchObject({ changes: false });
  const unknown = { ...spec(onVm), connection: UNKNOWN };
  expect(difference(handler, spec(onVm), unknown)).toMatchObject({ changes: false });
});

test("to a VM by a way of the program's own it logs in as that way says", async () => {
  writeFileSync(join(tunnel.home, "vm-1", "id"), "no key of anybody's");
  const saved = await created({ vmId: "vm-1", connection: server.endpoint });
  expect(await say({ address: saved.host, port: saved.port })).toBe("hello");
  await portForward.delete("web-1", saved, context);
});

test.each<[string, object, RegExp]>([
  ["nothing in the VM", {}, /^guestPort: is required, or else guestSocket/],
  ["port 0 in the VM", { guestPort: 0 }, /^guestPort: is required, or else guestSocket/],
  ["two ends in the VM", { guestPort: 80, guestSocket: "/x" }, /^guestSocket: can't be set beside guestPort/],
  ["two ends on this host", { guestPort: 80, hostPort: 0, hostSocket: "/x" }, /^hostSocket: can't be set beside hostP/],
  ["nothing on this host", { type: "remote", guestPort: 80 }, /^hostPort: is required, or else hostSocket/],
  ["a proxy to somewhere", { type: "dynamic", guestPort: 80 }, /^guestPort: is not for dynamic/],
  ["a port that is none", { guestPort: 99_999 }, /^guestPort: must be a port from 1 to 65535, got 99999/],
  ["a relative socket", { guestSocket: "x.sock" }, /^guestSocket: must be an absolute path of a unix socket/],
  ["a socket's path that no kernel takes", { guestSocket: `/${"x".repeat(107)}` }, /^guestSocket: .*at most 107 bytes/],
])("%s is refused at preview", async (_what, fields, expected) => {
  for (const way of [{ connection: server.endpoint }, { connection: UNKNOWN, vmId: UNKNOWN }]) {
    const { failures } = await checkInputs(handler, { ...way, ...fields }, LOOK);
    expect(failures.map(({ property, reason }) => `${property}: ${reason}`)).toEqual([expect.stringMatching(expected)]);
  }
});
