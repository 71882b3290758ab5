import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import { endpointNow, endpointOf } from "../../../provider/resources/vm-connection";
import { failureOf } from "../../support/context";

const address = { host: "127.0.0.1", port: 4_022, hostKey: "ssh-ed25519 AAAA" };
const [old, kept] = [
  { ...address, user: "root", privateKey: "an old one" },
  { ...address, user: "ada", privateKey: "the one that opens it" },
];
const known = () => ({
  log: { file: join(folder, "web-1", "sessions.jsonl"), resource: "run" },
  isEmulated: accelerator === "tcg",
});
let folder: string;
let context: Context;
let accelerator: string;

beforeEach(() => {
  accelerator = "tcg";
  folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  mkdirSync(join(folder, "web-1"));
  writeFileSync(join(folder, "web-1", "connection.json"), JSON.stringify(kept));
  const file = (id: string, name: string) => join(folder, id, name);
  const record = () => Promise.resolve({ size: { accelerator } });
  context = { machines: { file, record }, owner: { resource: "run" } } as unknown as Context;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const ofVM = (id: string) => ({ connection: { ...address, user: "root", keyOf: id }, vmId: id });

test("a VM says what logs in: its user, its key, as they are now", async () => {
  for (const find of [endpointOf, endpointNow])
    expect(await find(ofVM("web-1"), context)).toEqual({ ...kept, ...known() });
});

test("of a VM it is known whether its CPU is emulated", async () => {
  accelerator = "kvm";
  expect(await endpointOf(ofVM("web-1"), context)).toMatchObject({ isEmulated: false });
});

test("a VM whose folder has no key is an error", async () => {
  for (const find of [endpointOf, endpointNow])
    expect(await failureOf(find(ofVM("web-2"), context))).toMatchObject({
      code: "CONNECT_FAILED",
      message: expect.stringContaining("no key of the VM web-2") as unknown,
    });
});

test("a program's own way to a VM stays as it is, and its sessions are the VM's", async () => {
  const own = { connection: { ...old, port: 22 }, vmId: "web-1" };
  for (const find of [endpointOf, endpointNow])
    expect(await find(own, context)).toEqual({ ...own.connection, ...known() });
});

test("what was saved with a key, by us before, is the VM's own way: only now it counts as the VM says", async () => {
  const saved = { connection: { ...old, user: kept.user }, vmId: "web-1" };
  expect(await endpointOf(saved, context)).toEqual({ ...saved.connection, ...known() });
  expect(await endpointNow(saved, context)).toEqual({ ...kept, ...known() });
});

test("a program's own way to the same door as another user stays that user's", async () => {
  const own = { connection: { ...old, user: "bob" }, vmId: "web-1" };
  for (const find of [endpointOf, endpointNow])
    expect(await find(own, context)).toEqual({ ...own.connection, ...known() });
});

test("a host that is not ours has no log", async () => {
  for (const find of [endpointOf, endpointNow]) expect(await find({ connection: old }, context)).toEqual(old);
});
