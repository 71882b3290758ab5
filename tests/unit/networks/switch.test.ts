import { expect, test } from "@jest/globals";
import { Switch, type Port } from "../../../provider/networks/switch";
import { arp, packet } from "../../support/packets";

const BROADCAST = "ff:ff:ff:ff:ff:ff";
const MULTICAST = "33:33:00:00:00:01";
const BEHIND = "02:00:00:00:00:aa"; // of a container in a VM

const port = (number: number): Port => ({
  mac: `52:54:00:00:00:0${String(number)}`,
  address: `10.80.0.${String(number)}`,
});
const [a, b, c] = [port(1), port(2), port(3)];

function threePorts() {
  const machine = new Switch<Port>();
  for (const port of [a, b, c]) machine.add(port);
  const route = (from: Port, to: string, source = from.mac) => [...machine.route(from, packet(to, source))];
  return { machine, route };
}

test("a machine's card is known before it has said anything", () => {
  const { route } = threePorts();
  expect(route(a, b.mac)).toEqual([b]);
});

test("broadcast, multicast and unknown addresses go to all others", () => {
  const { route } = threePorts();
  for (const to of [BROADCAST, MULTICAST, BEHIND]) expect(route(a, to)).toEqual([b, c]);
});

test("an address behind a card is learned, moves with who has it, and goes with the cable", () => {
  const { machine, route } = threePorts();
  expect(route(b, a.mac, BEHIND)).toEqual([a]);
  expect(route(a, BEHIND)).toEqual([b]);
  route(c, BROADCAST, BEHIND);
  expect(route(a, BEHIND)).toEqual([c]);
  machine.remove(c);
  expect(route(a, BEHIND)).toEqual([b]); // which is all others
  machine.add(c);
  expect(route(a, BEHIND)).toEqual([b, c]);
});

test("a card whose successor is there already leaves that alone", () => {
  const { machine, route } = threePorts();
  const next = { ...a };
  machine.add(next);
  machine.remove(a);
  expect(route(b, a.mac)).toEqual([next]);
});

test("a frame for where it came from goes nowhere", () => {
  const { route } = threePorts();
  route(a, BROADCAST, BEHIND);
  expect(route(a, BEHIND)).toEqual([]);
  expect(route(a, a.mac)).toEqual([]);
});

test("nobody speaks, or listens, as another machine", () => {
  const { route } = threePorts();
  expect(route(c, BROADCAST, b.mac)).toEqual([]);
  expect(route(a, b.mac)).toEqual([b]);
  expect(route(c, a.mac, BROADCAST)).toEqual([]); // no card has such an address
});

test.each([[[]], [[0x81, 0, 0, 0]], [[0x81, 0, 0, 0, 0x81, 0, 0, 0]]])(
  "nobody says over ARP that another machine's address is its own, tagged %j either",
  (tag) => {
    const { machine } = threePorts();
    const say = (from: Port, address: string) => [...machine.route(from, arp(BROADCAST, from.mac, address, tag))];
    expect(say(b, a.address)).toEqual([]);
    expect(say(a, a.address)).toEqual([b, c]);
    expect(say(b, "10.80.0.77")).toEqual([a, c]); // of a container in it, or one that moves between machines
    machine.remove(a);
    expect(say(b, a.address)).toEqual([c]); // free to take
  },
);

test("addresses without end make it forget, not grow", () => {
  const { route } = threePorts();
  for (let i = 0; i < 10_000; i += 1) route(a, b.mac, `02:00:00:00:${(i >> 8).toString(16)}:${(i & 255).toString(16)}`);
  expect(route(c, "02:00:00:00:0:1")).toEqual([a, b]); // forgotten
  expect(route(c, "02:00:00:00:27:0f")).toEqual([a]); // learned since
});
