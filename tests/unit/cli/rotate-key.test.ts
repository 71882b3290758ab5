import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Session } from "../../../cli/rooms";
import type { FoundVM } from "../../../cli/vms/find";
import { rotateKey } from "../../../cli/vms/rotate-key";
import type { Access } from "../../../provider/machines/spec";
import { Ssh } from "../../../provider/ssh/ssh";

// The guest is a list of the keys that it takes, in the order in which it was told.

let folder: string;
let old: Awaited<ReturnType<Ssh["makeKey"]>>;
let taken: (readonly string[])[];
let refusesAt: number | undefined;
let loginFails: boolean;

const vm: FoundVM = {
  id: "dev-1",
  record: { owner: { project: "", stack: "", resource: "dev" } } as FoundVM["record"],
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-rotate-"));
  const ssh = new Ssh();
  old = await ssh.makeKey({ algorithm: "ed25519", comment: "dev-1" });
  const { publicKey: hostKey } = await ssh.makeKey({ algorithm: "ed25519" });
  const way = { host: "127.0.0.1", port: 22, user: "root", hostKey, privateKey: old.privateKey };
  writeFileSync(join(folder, "connection.json"), JSON.stringify(way));
  writeFileSync(join(folder, "id"), old.privateKey);
  [taken, refusesAt, loginFails] = [[], undefined, false];
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function session(): Session {
  const machines = {
    file: (_: string, name: string) => join(folder, name),
    record: () => Promise.resolve(vm.record),
    keepFile: (_: string, name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return Promise.resolve(join(folder, name));
    },
    changeAccess: (_: string, { rootKeys }: Access) => {
      taken.push(rootKeys);
      return taken.length === refusesAt ? Promise.reject(new Error("refused")) : Promise.resolve();
    },
  };
  const ssh = Object.assign(new Ssh(), {
    login: () => (loginFails ? Promise.reject(new Error("no login")) : Promise.resolve()),
  });
  const rest = { owner: { project: "", stack: "", resource: "test" }, signal: new AbortController().signal };
  return { machines, ssh, paths: { locks: join(folder, "locks") }, ...rest } as unknown as Session;
}

const kept = () => readFileSync(join(folder, "id"), "utf8");
const inUse = () =>
  (JSON.parse(readFileSync(join(folder, "connection.json"), "utf8")) as { readonly privateKey: string }).privateKey;

test("the new key is tried while the old one still opens, then it is the only one", async () => {
  const next = await rotateKey(vm, session());
  expect(taken).toEqual([[old.publicKey, next.publicKey], [next.publicKey]]);
  expect([kept(), inUse()]).toEqual([next.privateKey, next.privateKey]);
});

test.each(["the guest refuses", "nobody can log in"])("where %s, all is as it was", async (what) => {
  [refusesAt, loginFails] = what === "the guest refuses" ? [1, false] : [undefined, true];
  await expect(rotateKey(vm, session())).rejects.toThrow(/refused|no login/);
  expect(taken.at(-1)).toEqual([old.publicKey]);
  expect([kept(), inUse()]).toEqual([old.privateKey, old.privateKey]);
});

test("where the old key can't be shut out, the new one works, and the next rotation ends them both", async () => {
  refusesAt = 2;
  await expect(rotateKey(vm, session())).rejects.toThrow("refused");
  const [, second] = taken[0] ?? [];
  refusesAt = undefined;
  taken = [];
  const next = await rotateKey(vm, session());
  expect(taken).toEqual([[second, next.publicKey], [next.publicKey]]);
});
