import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Session } from "../../../cli/rooms";
import type { FoundVM } from "../../../cli/vms/find";
import { rotateKey } from "../../../cli/vms/rotate-key";
import { MayflyError } from "../../../provider/errors";
import type { Access } from "../../../provider/machines/spec";
import { Ssh, type Endpoint } from "../../../provider/ssh/ssh";

// The guest is a list of the keys that it takes, in the order in which it was told: by its agent, or over SSH.

let folder: string;
let old: Awaited<ReturnType<Ssh["makeKey"]>>;
let taken: (readonly string[])[];
let inForce: readonly string[]; // over SSH
let refusesAt: number | undefined;
let loginFails: boolean;

const owner = { project: "", stack: "", resource: "dev" };
const byAgent: FoundVM = { id: "dev-1", record: { owner } as FoundVM["record"] };
const overSsh: FoundVM = { id: "dev-1", record: { owner, agentless: true } as FoundVM["record"] };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-rotate-"));
  const ssh = new Ssh();
  old = await ssh.makeKey({ algorithm: "ed25519", comment: "dev-1" });
  const { publicKey: hostKey } = await ssh.makeKey({ algorithm: "ed25519" });
  const way = { host: "127.0.0.1", port: 22, user: "root", hostKey, privateKey: old.privateKey };
  writeFileSync(join(folder, "connection.json"), JSON.stringify(way));
  writeFileSync(join(folder, "id"), old.privateKey);
  [taken, inForce, refusesAt, loginFails] = [[], [old.publicKey], undefined, false];
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function session(vm: FoundVM): Session {
  const machines = {
    file: (_: string, name: string) => join(folder, name),
    record: () => Promise.resolve(vm.record),
    keepFile: (_: string, name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return Promise.resolve(join(folder, name));
    },
    changeAccess: (_: string, { rootKeys }: Access) => {
      if (vm.record.agentless === true) throw new Error("it has no agent");
      taken.push(rootKeys);
      return taken.length === refusesAt ? Promise.reject(new Error("refused")) : Promise.resolve();
    },
    settleCommand: ({ rootKeys }: Access) =>
      Promise.resolve({ command: "settle", stdin: Buffer.from(JSON.stringify(rootKeys)) }),
  };
  const real = new Ssh();
  const exec = async ({ privateKey = "" }: Endpoint, { stdin }: { readonly stdin: Buffer }) => {
    const { publicKey } = await real.parseKey({ privateKey, comment: "dev-1" });
    if (!inForce.includes(publicKey)) throw new MayflyError("CONNECT_FAILED", "dev refused the login", { remedy: "" });
    const keys = JSON.parse(stdin.toString()) as string[];
    taken.push(keys);
    if (taken.length === refusesAt) return { exitCode: 1, stdout: "refused", stderr: "" };
    inForce = keys;
    return { exitCode: 0, stdout: "", stderr: "" };
  };
  const ssh = Object.assign(real, {
    exec,
    login: () => (loginFails ? Promise.reject(new Error("no login")) : Promise.resolve()),
  });
  const rest = { owner: { project: "", stack: "", resource: "test" }, signal: new AbortController().signal };
  return { machines, ssh, paths: { locks: join(folder, "locks") }, ...rest } as unknown as Session;
}

const kept = () => readFileSync(join(folder, "id"), "utf8");
const inUse = () =>
  (JSON.parse(readFileSync(join(folder, "connection.json"), "utf8")) as { readonly privateKey: string }).privateKey;

describe.each([
  ["by its agent", byAgent],
  ["over SSH, where it boots a disk image", overSsh],
])("a guest that is told %s", (_, vm) => {
  test("the new key is tried while the old one still opens, then it is the only one", async () => {
    const next = await rotateKey(vm, session(vm));
    expect(taken).toEqual([[old.publicKey, next.publicKey], [next.publicKey]]);
    expect([kept(), inUse()]).toEqual([next.privateKey, next.privateKey]);
    expect(existsSync(join(folder, "connections.next.json"))).toBe(false);
  });

  test.each(["the guest refuses", "nobody can log in"])("where %s, all is as it was", async (what) => {
    [refusesAt, loginFails] = what === "the guest refuses" ? [1, false] : [undefined, true];
    await expect(rotateKey(vm, session(vm))).rejects.toThrow(/refused|no login/);
    expect(taken.at(-1)).toEqual([old.publicKey]);
    expect([kept(), inUse()]).toEqual([old.privateKey, old.privateKey]);
  });

  test("where the old key can't be shut out, the new one works, and the next rotation ends them both", async () => {
    refusesAt = 2;
    await expect(rotateKey(vm, session(vm))).rejects.toThrow("refused");
    const [, second] = taken[0] ?? [];
    refusesAt = undefined;
    taken = [];
    const next = await rotateKey(vm, session(vm));
    expect(taken).toEqual([[second, next.publicKey], [next.publicKey]]);
  });
});
