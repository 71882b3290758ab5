import { describe, expect, test } from "@jest/globals";
import { identifySelf } from "../../../provider/host/process-identity";
import type { MachineRecord } from "../../../provider/machines/record";
import { contested, freeAddress, giveSeats, type AddressClaim } from "../../../provider/machines/seats";

const self = identifySelf();
const dead = { ...self, startTime: "1" };
const owner = (resource: string) => ({ project: "shop", stack: "dev", resource });

const subnet = "10.80.0.0/29"; // six machines
const wish = (name: string, address?: string) => ({ network: "net-1", subnet, address, names: [name] });
const machine = (resource: string, address: string, more: Partial<MachineRecord> = {}): MachineRecord => ({
  ...{ owner: owner(resource), phase: "committed", madeBy: dead, createdAt: 0, qemu: self },
  seats: [{ network: "net-1", address, prefix: 29, mac: "52:54:00:00:00:01", names: [resource] }],
  ...more,
});
const addressOf = (name: string, records: Record<string, MachineRecord> = {}, address?: string) =>
  giveSeats([wish(name, address)], new Map(Object.entries(records)))[0]?.address;

describe("an address that is given", () => {
  test("is the same for the same name, and within the subnet", () => {
    expect(addressOf("web")).toBe(addressOf("web"));
    const given = new Set(Array.from({ length: 100 }, (_, index) => addressOf(`vm${String(index)}`)));
    expect([...given].sort()).toEqual([1, 2, 3, 4, 5, 6].map((last) => `10.80.0.${String(last)}`));
  });

  test("is nobody else's, as long as there is one", () => {
    const taken = new Set<string>();
    for (let count = 0; count < 6; count += 1) taken.add(freeAddress(subnet, "web", taken) ?? "none");
    expect(taken.size).toBe(6);
    expect(taken).not.toContain("none");
    expect(freeAddress(subnet, "web", taken)).toBeUndefined();
    const records = Object.fromEntries(
      [...taken].map((address, index) => [`vm-${String(index)}`, machine("vm", address)]),
    );
    expect(() => addressOf("web", records)).toThrow(
      "the address in 10.80.0.0/29 cannot be had\nall 6 addresses are given",
    );
  });

  test("may be that of a machine that is dead, not of one that is being made", () => {
    const address = addressOf("web") ?? "";
    const { qemu: _, ...young } = machine("db", address);
    expect(addressOf("web", { "db-1": machine("db", address, { qemu: dead }) })).toBe(address);
    expect(addressOf("web", { "db-1": { ...young, madeBy: self } })).not.toBe(address);
  });

  test("may not be that of one of the command's that has ended: it may be started again", () => {
    const owners = { project: "", stack: "", resource: "db" };
    const ended = (more: Partial<MachineRecord> = {}) => ({
      "db-1": machine("db", "10.80.0.5", { owner: owners, qemu: dead, ...more }),
    });
    expect(() => addressOf("web", ended(), "10.80.0.5")).toThrow('VM "db" has it');
    expect(addressOf("web", ended({ phase: "starting" }), "10.80.0.5")).toBe("10.80.0.5");
    expect(addressOf("web", ended({ owner: { ...owners, session: dead } }), "10.80.0.5")).toBe("10.80.0.5");
  });

  test("does not care about other networks", () => {
    const address = addressOf("web") ?? "";
    const other = machine("db", address);
    const elsewhere = { ...other, seats: (other.seats ?? []).map((seat) => ({ ...seat, network: "net-2" })) };
    expect(addressOf("web", { "db-1": elsewhere })).toBe(address);
  });
});

test("an address that is declared is given, but not twice", () => {
  expect(addressOf("web", {}, "10.80.0.5")).toBe("10.80.0.5");
  expect(() => addressOf("web", { "db-1": machine("db", "10.80.0.5") }, "10.80.0.5")).toThrow(
    'the address 10.80.0.5 cannot be had\nVM "db" of shop/dev has it',
  );
});

test("who takes over an address has the same card, so that the neighbours need not ask", () => {
  const macOf = (name: string, address: string) => giveSeats([wish(name, address)], new Map())[0]?.mac;
  expect(macOf("db", "10.80.0.5")).toBe("02:4d:0a:50:00:05");
  expect(macOf("web", "10.80.0.5")).toBe(macOf("db", "10.80.0.5"));
});

test("each place has a card of its own", () => {
  const seats = giveSeats([wish("web"), { ...wish("web"), network: "net-2", subnet: "10.81.0.0/16" }], new Map());
  expect(seats.map(({ prefix }) => prefix)).toEqual([29, 16]);
  expect(new Set(seats.map(({ mac }) => mac)).size).toBe(2);
});

describe("at preview", () => {
  const wanted = (address: string | undefined, id?: string) => [{ name: "net", id, address }];

  test("an address that two of one program want is named for the second, however often each asks", () => {
    const claims: AddressClaim[] = [];
    const ask = (name: string, address?: string) => contested(owner(name), wanted(address), new Map(), claims);
    expect([...ask("web", "10.80.0.5"), ...ask("web", "10.80.0.5"), ...ask("db"), ...ask("db", "10.80.0.6")]).toEqual(
      [],
    );
    expect(ask("pollux", "10.80.0.5")).toEqual([
      { index: 0, reason: '10.80.0.5 is wanted by VM "web" as well; choose another, or leave it out' },
    ]);
  });

  test("an address that another VM has is taken; its own it may have again", () => {
    const records = new Map([["db-1", machine("db", "10.80.0.5")]]);
    const [found] = contested(owner("web"), wanted("10.80.0.5", "net-1"), records, []);
    expect(found?.reason).toMatch(/^10\.80\.0\.5 is taken by VM "db"/);
    expect(contested(owner("db"), wanted("10.80.0.5", "net-1"), records, [])).toEqual([]);
    expect(contested(owner("web"), wanted("10.80.0.5", "net-2"), records, [])).toEqual([]);
  });
});
