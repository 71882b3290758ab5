import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Session } from "../../../cli/rooms";
import { removeEmptyNetworks, withNetworks } from "../../../cli/vms/networks";
import type { Owner } from "../../../provider/context";
import type { NetworkRecord } from "../../../provider/networks/record";
import type { Seat } from "../../../provider/machines/seats";

let locks: string;
let networks: Map<string, NetworkRecord>;
let seats: Seat[];
let session: Session;

beforeEach(() => {
  locks = mkdtempSync(join(tmpdir(), "mayfly-networks-"));
  networks = new Map();
  seats = [];
  const room = {
    list: () => Promise.resolve(new Map(networks)),
    create: async (id: string, owner: Owner, subnet: string) => {
      await new Promise(setImmediate); // its switch takes a while to start
      networks.set(id, { owner, subnet, phase: "ready" } as NetworkRecord);
    },
    commitSync: () => undefined,
    remove: (id: string) => Promise.resolve(networks.delete(id)),
  };
  session = {
    ...{ networks: room, machines: { list: () => Promise.resolve(new Map([["vm", { seats }]])) } },
    ...{ paths: { locks }, signal: AbortSignal.timeout(60_000) },
  } as unknown as Session;
});
afterEach(() => {
  rmSync(locks, { recursive: true });
});

const lan = { name: "lan", address: undefined };

test("two VMs that want the same network at once are in the same one", async () => {
  const idFor = (vm: string) => withNetworks([lan], vm, session, ([joined]) => Promise.resolve(joined?.id));
  const [one, other] = await Promise.all([idFor("one"), idFor("other")]);
  expect(one).toBe(other);
  expect([...networks.keys()]).toEqual([one]);
});

test("a network that a VM is about to be in is not empty", async () => {
  const remove = async () => removeEmptyNetworks(new Set(networks.keys()), session);
  await withNetworks([lan, { name: "other", address: "10.80.7.7" }], "one", session, async (joined) => {
    expect(joined.map(({ membership }) => membership)).toEqual([
      { network: "lan", subnet: "10.80.0.0/24" },
      { network: "other", subnet: "10.80.7.0/24", address: "10.80.7.7" },
    ]);
    expect(await remove()).toEqual([]);
    seats.push({ network: joined[0]?.id ?? "" } as Seat);
  });
  expect(await remove()).toEqual(["other"]);
  seats.length = 0;
  expect(await remove()).toEqual(["lan"]);
});

test("networks of one VM differ in their addresses, and from those that are there", async () => {
  networks.set("other", {
    owner: { project: "p", stack: "s", resource: "x" },
    subnet: "10.80.0.0/23",
  } as NetworkRecord);
  const choices = ["a", "b", "c"].map((name) => ({ name, address: name === "b" ? "192.168.7.9" : undefined }));
  const subnets = await withNetworks(choices, "one", session, (joined) =>
    Promise.resolve(joined.map(({ membership }) => membership.subnet)),
  );
  expect(subnets).toEqual(["10.80.2.0/24", "192.168.7.0/24", "10.80.3.0/24"]);
  const atOnce = ["d", "e"].map((name) => withNetworks([{ ...lan, name }], name, session, () => Promise.resolve()));
  await Promise.all(atOnce);
  expect(new Set([...networks.values()].map(({ subnet }) => subnet)).size).toBe(6);
  expect(
    await withNetworks([{ name: "f", address: "8.8.8.8" }], "f", session, ([f]) => Promise.resolve(f)),
  ).toMatchObject(
    { membership: { subnet: "10.80.6.0/24", address: "8.8.8.8" } }, // which the VM's check then refuses
  );
});

test("a network of a stack that is not there is not made", async () => {
  const asked = withNetworks([{ ...lan, name: "p/s/lan" }], "one", session, () => Promise.resolve());
  await expect(asked).rejects.toThrow("there is no network p/s/lan");
  expect(networks.size).toBe(0);
});

const names = () => [...networks.values()].map(({ owner }) => owner.resource);
const fail = () => Promise.reject(new Error("no image"));

test("where a VM does not come up, the networks that were made for it go, and no others", async () => {
  await withNetworks([{ ...lan, name: "old" }], "first", session, () => Promise.resolve());
  await expect(withNetworks([lan, { ...lan, name: "old" }], "one", session, fail)).rejects.toThrow("no image");
  expect(names()).toEqual(["old"]);
});

test("nor does one go that another VM is about to be in", async () => {
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (end = resolve));
  let other = Promise.resolve();
  const failing = withNetworks([lan], "one", session, async () => {
    await new Promise<void>((begun) => {
      other = withNetworks([lan], "other", session, () => (begun(), over));
    });
    await fail();
  });
  await expect(failing).rejects.toThrow("no image");
  expect(names()).toEqual(["lan"]);
  end();
  await other;
});
