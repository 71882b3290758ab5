import { once } from "node:events";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { hostBootId, identifySelf } from "../../../provider/host/process-identity";
import { obstacles, type Demand, type PortClaim } from "../../../provider/machines/obstacles";
import type { MachineRecord } from "../../../provider/machines/record";

const owner = { project: "shop", stack: "dev", resource: "web" };
const modest: Demand = {
  ...{ owner, own: new Set<string>(), accelerator: "auto", memoryMiB: 512, scratchMiB: undefined },
  ...{ ports: [], networks: [] },
};
let paths: Paths;

beforeAll(() => {
  paths = openPaths({ MAYFLY_HOME: mkdtempSync(join(tmpdir(), "mayfly-obstacles-")) });
});
afterAll(() => {
  rmSync(paths.home, { recursive: true });
});

const find = async (demand: Partial<Demand>, records = new Map<string, MachineRecord>(), claims: PortClaim[] = []) =>
  obstacles({ ...modest, ...demand }, paths, { records, claims, addressClaims: [] }, AbortSignal.timeout(5_000));

test("nothing stands in the way of a modest machine", async () => {
  expect(
    await find({ scratchMiB: 64, ports: [{ guest: 80, host: 0, hostAddress: "127.0.0.1", protocol: "tcp" }] }),
  ).toEqual([]);
});

test("no host has that much memory or disk", async () => {
  expect(await find({ memoryMiB: 2 ** 30, scratchMiB: 2 ** 40 })).toEqual([
    {
      about: "memory",
      reason: expect.stringMatching(/^must be less than this host has, \d+ MiB; got 1073741824 MiB$/),
    },
    { about: "scratch", reason: expect.stringContaining(`of ${paths.home}; MAYFLY_HOME=/larger/disk`) },
  ]);
});

test("kvm where it was not proved names the reason", async () => {
  const verdict = { bootId: hostBootId(), accelerator: "tcg", reason: "KVM was too slow", tcgSeconds: 0.1 };
  for (const name of ["accelerator-dev-kvm.json", "accelerator--dev-kvm.json"])
    writeFileSync(join(paths.verdicts, name), JSON.stringify(verdict));
  expect(await find({ accelerator: "kvm" })).toEqual([
    { about: "accelerator", reason: expect.stringMatching(/^KVM cannot be used on this host\n.+\nTo fix: leave out/) },
  ]);
});

test("programs that are missing are all named, with their packages", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  try {
    const found = await find({ accelerator: "kvm", scratchMiB: 64 });
    expect(found.map(({ about }) => about)).toEqual(found.map(() => undefined));
    const text = found.map(({ reason }) => reason).join("\n");
    expect(text).toContain("sudo apt-get install podman");
    expect(text).toContain("sudo apt-get install qemu-system-x86");
  } finally {
    process.env["PATH"] = path;
  }
});

describe("a port", () => {
  const at = (host: number, more = {}) => ({
    guest: 80,
    host,
    hostAddress: "127.0.0.1",
    protocol: "tcp" as const,
    ...more,
  });

  test("that somebody listens on is taken, by whom", async () => {
    await using server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    expect(await find({ ports: [at(0), at(port), at(port, { protocol: "udp" })] })).toEqual([
      {
        about: ["ports", 1],
        reason: `127.0.0.1:${String(port)} is taken by node (pid ${String(process.pid)}); choose another, or 0 for a free one`,
      },
    ]);
    server.close();
    expect(await find({ ports: [at(port)] })).toEqual([]);
  });

  test("of udp has its own listeners", async () => {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    const found = await find({ ports: [at(port, { protocol: "udp" })] });
    socket.close();
    expect(found).toHaveLength(1);
  });

  test("of an address that this host does not have", async () => {
    const [found] = await find({ ports: [at(0, { hostAddress: "192.0.2.1" })] });
    expect(found?.reason).toContain("192.0.2.1 is no address of this host");
  });

  test("of another machine is taken, one of its own is not, nor one of a machine that ended", async () => {
    await using server = createServer().listen(0, "127.0.0.1"); // a machine's port is listened on
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const self = identifySelf();
    const record = (resource: string, qemu = self): MachineRecord => ({
      ...{ owner: { ...owner, resource }, phase: "committed", madeBy: self, createdAt: 0, qemu, ports: [at(port)] },
    });
    expect(await find({ ports: [at(port)] }, new Map([["web-1", record("web")]]))).toEqual([]);
    const renamed = { ports: [at(port)], own: new Set(["old-1"]) };
    expect(await find(renamed, new Map([["old-1", record("old")]]))).toEqual([]);
    const [other] = await find({ ports: [at(port, { hostAddress: "0.0.0.0" })] }, new Map([["db-1", record("db")]]));
    expect(other?.reason).toContain('is taken by VM "db" of shop/dev');
    const ofCommand = { ...record("db"), owner: { project: "", stack: "", resource: "db" } };
    const [another] = await find({ ports: [at(port)] }, new Map([["db-1", ofCommand]]));
    expect(another?.reason).toContain('is taken by VM "db"; choose another');
    const ended = record("web", { ...self, startTime: "1" });
    expect(await find({ ports: [at(port)] }, new Map([["web-1", ended]]))).toHaveLength(1);
  });

  test("that two of one program want is named for the second, however often each is asked for", async () => {
    const claims: PortClaim[] = [];
    const ask = (resource: string) =>
      find({ ports: [at(0), at(4_404)], owner: { ...owner, resource } }, undefined, claims);
    expect(await ask("castor")).toEqual([]);
    expect(await ask("castor")).toEqual([]);
    expect(await ask("pollux")).toEqual([
      { about: ["ports", 1], reason: expect.stringContaining('is wanted by VM "castor" as well; choose another') },
    ]);
  });
});
