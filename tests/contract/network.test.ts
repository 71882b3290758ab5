import { expect, test } from "@jest/globals";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../../provider/host/process-identity";
import { until } from "../../provider/host/until";
import type { NetworkRecord } from "../../provider/networks/record";
import { FakeMachine } from "../support/fake-machine";
import { packet } from "../support/packets";
import { Plugin } from "./support/plugin";
import { sentBy, UNKNOWN } from "./support/provider-text";

const BROADCAST = "ff:ff:ff:ff:ff:ff";

function switchOf(home: string, id: string): NonNullable<NetworkRecord["switch"]> {
  const record = JSON.parse(readFileSync(join(home, "records", "networks", `${id}.json`), "utf8")) as NetworkRecord;
  if (record.switch === undefined) throw new Error("there is no switch");
  return record.switch;
}

async function ended(home: string, id: string): Promise<void> {
  const self = switchOf(home, id);
  await until("the switch ends", () => Promise.resolve(isAlive(self) ? undefined : true), {
    signal: AbortSignal.timeout(10_000),
    diagnose: () => ({ remedy: "see switch.log" }),
  });
}

test("a network outlives the process that made it, heals when its switch dies, and goes with its resource", async () => {
  const home = mkdtempSync(join(tmpdir(), "mayfly network "));
  const environment = { MAYFLY_HOME: home };
  try {
    const first = await Plugin.start({ environment });
    const { inputs } = await first.check(sentBy("Network"));
    expect(inputs).toMatchObject({ subnet: "10.80.0.0/24" });
    const { id, outs } = await first.create(inputs);
    process.kill(-(first.process.pid ?? 0), "SIGINT"); // as the engine does at the end of each `up`
    await first.ended(); // its output is closed: nothing of ours holds it, or `pulumi up` would hang
    await first[Symbol.asyncDispose]();

    await using web = await FakeMachine.start(home, "web", id, 2);
    await using db = await FakeMachine.start(home, "db", id, 3);
    await using stranger = await FakeMachine.start(home, "stranger", "another", 4);
    const names = ["10.80.0.2 web", "10.80.0.3 db"];
    await Promise.all([web.knows(...names), db.knows(...names)]);
    db.ask(); // it has booted again
    await db.knows(...names);
    (await web.cable()).write(packet(BROADCAST, web.mac, "who has db?"));
    expect(await db.hears(1)).toEqual(["who has db?"]);
    (await db.cable()).write(packet(web.mac, db.mac, "I have"));
    expect(await web.hears(1)).toEqual(["I have"]);

    {
      await using late = await FakeMachine.start(home, "late", id, 5);
      await Promise.all([web, db, late].map((machine) => machine.knows(...names, "10.80.0.5 late")));
    }
    await web.knows(...names);

    await using second = await Plugin.start({ environment });
    expect(await second.diff(id, outs, inputs)).toEqual({ changes: false, replaces: [] });
    process.kill(switchOf(home, id).pid, "SIGKILL");
    await ended(home, id);
    expect((await second.read(id, outs)).id).toBe(id); // its VMs have their places in it
    expect(await second.diff(id, outs, inputs)).toEqual({ changes: true, replaces: [] });
    expect(await second.update(id, outs, inputs)).toMatchObject({ subnet: "10.80.0.0/24", log: outs["log"] });
    expect(await second.diff(id, outs, inputs)).toEqual({ changes: false, replaces: [] });
    web.ask();
    await web.knows(...names);
    (await web.cable()).write(packet(BROADCAST, web.mac, "still there?"));
    expect(await db.hears(1)).toEqual(["still there?"]);
    expect(stranger.frames).toEqual([]);

    const self = switchOf(home, id);
    await second.delete(id, outs);
    await second.delete(id, outs);
    expect(isAlive(self)).toBe(false);
    expect((await second.read(id, outs)).id).toBe("");
    expect(await second.diff(id, outs, inputs)).toEqual({ changes: true, replaces: ["log"] });
    expect([...readdirSync(join(home, "networks")), ...readdirSync(join(home, "records", "networks"))]).toEqual([]);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("one that Pulumi never heard of goes when its resource is made again, and no other", async () => {
  const home = mkdtempSync(join(tmpdir(), "mayfly network "));
  const environment = { MAYFLY_HOME: home };
  const other = { ...sentBy("Network"), owner: { project: "shop", stack: "dev", resource: "other" } };
  try {
    const made: string[] = [];
    {
      await using killed = await Plugin.start({ environment }); // by SIGKILL, with all that it has made
      for (const fields of [sentBy("Network"), other]) {
        const { inputs } = await killed.check(fields);
        made.push((await killed.create(inputs)).id);
      }
    }
    const [lost = "", kept = ""] = made;
    const before = switchOf(home, lost);
    await using plugin = await Plugin.start({ environment });
    const { inputs } = await plugin.check(sentBy("Network"));
    const { id, outs } = await plugin.create(inputs);
    expect(isAlive(before)).toBe(false);
    const records = readdirSync(join(home, "records", "networks"));
    expect(records.sort()).toEqual([`${kept}.json`, `${id}.json`].sort());
    for (const one of [id, kept]) await plugin.delete(one, outs);
    expect(readdirSync(join(home, "records", "networks"))).toEqual([]);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("one that takes nothing, and one that speaks nonsense, stand in nobody's way", async () => {
  const home = mkdtempSync(join(tmpdir(), "mayfly network "));
  try {
    await using owner = await Plugin.start({ environment: { MAYFLY_HOME: home } });
    const { inputs } = await owner.check(sentBy("Network"));
    const { id, outs } = await owner.create(inputs);
    await using web = await FakeMachine.start(home, "web", id, 2);
    await using slow = await FakeMachine.start(home, "slow", id, 3);
    await using db = await FakeMachine.start(home, "db", id, 4);
    await db.knows("10.80.0.2 web", "10.80.0.3 slow", "10.80.0.4 db");
    const cables = await Promise.all([web, slow, db].map((machine) => machine.cable()));
    cables[1]?.pause();
    const text = "x".repeat(1_400);
    for (let count = 1; count <= 4_000; count += 1) {
      cables[0]?.write(packet(BROADCAST, web.mac, text)); // five times what waits for a machine
      if (count % 100 === 0) expect(await db.hears(100)).toHaveLength(100);
    }
    const log = () => readFileSync(String(outs["log"]), "utf8");
    cables[1]?.resume();
    for (const word of ["over", "and over"]) {
      const cable = await slow.cable();
      cable.write(Buffer.alloc(64, 0xff)); // a frame longer than any
      cables[0]?.write(packet(BROADCAST, web.mac, word));
      expect(await db.hears(1)).toEqual([word]);
      await until("it is connected anew", async () => ((await slow.cable()) === cable ? undefined : true), {
        signal: AbortSignal.timeout(10_000),
        diagnose: () => ({ evidence: log(), remedy: "" }),
      });
    }
    slow.frames.length = 0;
    expect(log().match(/trouble.*/g)).toEqual(["trouble with slow (slow-1): RangeError: a frame of 4294967295 bytes"]);
    (await slow.cable()).write(packet(db.mac, slow.mac, "again"));
    expect(await db.hears(1)).toEqual(["again"]);

    // Nobody needs to tell it that all is gone.
    const record = join(home, "records", "networks", `${id}.json`);
    const self = switchOf(home, id);
    rmSync(record);
    await until("the switch ends", () => Promise.resolve(isAlive(self) ? undefined : true), {
      signal: AbortSignal.timeout(10_000),
      diagnose: () => ({ remedy: "see switch.log" }),
    });
    expect(existsSync(record)).toBe(false);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("what cannot be is said at preview, by field, with networks that are not known yet", async () => {
  await using plugin = await Plugin.start();
  for (const subnet of ["10.80.0.0", "10.80.0.1/24", "10.80.0.0/8", "8.8.8.0/24", "10.53.0.0/16"])
    expect((await plugin.check({ ...sentBy("Network"), subnet })).failures).toEqual([
      expect.stringMatching(/^subnet: must /),
    ]);
  const place = (more = {}) => ({ network: "net", subnet: "10.80.0.0/24", ...more });
  const networks = [
    place({ address: "10.81.0.5" }),
    place({ address: "10.84.0.255", network: "other", subnet: "10.84.0.0/24" }),
    place({ aliases: ["no name"], subnet: "10.82.0.0/24", network: "third" }),
  ];
  const { failures } = await plugin.check({
    ...sentBy("VM"),
    image: UNKNOWN,
    networks,
    networkIds: networks.map(() => UNKNOWN),
  });
  expect(failures.map((failure) => failure.split(":")[0]).sort()).toEqual([
    ...["networks[0].address", "networks[1].address", "networks[2].aliases[0]"],
  ]);
  const twice = [place(), place(), place({ network: "other" })];
  const again = await plugin.check({ ...sentBy("VM"), image: UNKNOWN, networks: twice, networkIds: UNKNOWN });
  expect(again.failures.map((failure) => failure.split(":")[0])).toEqual([
    "networks[1].network",
    "networks[2].network",
  ]);
  const many = Array.from({ length: 9 }, (_, index) => ({ network: `n${index}`, subnet: `10.8${index}.0.0/24` }));
  expect((await plugin.check({ ...sentBy("VM"), image: UNKNOWN, networks: many })).failures).toEqual([
    "networks: must be at most 8 networks",
  ]);
});

test("two VMs of a program cannot have the same address, which shows before there is a network", async () => {
  await using plugin = await Plugin.start();
  const vm = (resource: string) => ({
    ...{ ...sentBy("VM"), owner: { project: "shop", stack: "dev", resource }, image: "localhost/x" },
    networks: [{ network: "net", subnet: "10.80.0.0/24", address: "10.80.0.5" }],
    networkIds: [UNKNOWN],
  });
  expect((await plugin.check(vm("web"))).failures).toEqual([]);
  expect((await plugin.check(vm("db"))).failures).toEqual([
    'networks[0].address: 10.80.0.5 is wanted by VM "web" as well; choose another, or leave it out',
  ]);
});

test("a VM is made anew with its network, and before it lets go of an address it goes first", async () => {
  await using plugin = await Plugin.start();
  const news = {
    ...{ ...sentBy("VM"), image: "localhost/x", networkIds: ["net-1"] },
    networks: [{ network: "net", subnet: "10.80.0.0/24" }],
  };
  const { inputs } = await plugin.check(news);
  expect(await plugin.diff("web-1", inputs, { ...inputs, networkIds: [UNKNOWN] })).toEqual({
    ...{ changes: true, replaces: ["networkIds"] },
  });
  const fixed = (subnet: string) => ({
    ...inputs,
    networks: [{ network: "net", subnet, address: "10.80.0.5", aliases: [] }],
  });
  const [old, next] = [fixed("10.80.0.0/24"), { ...fixed("10.80.0.0/24"), memory: 2_048 }];
  expect(await plugin.diff("web-1", old, next)).toEqual({ changes: true, replaces: ["memory"], deleteFirst: true });
});
