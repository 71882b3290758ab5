import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// join-networks.sh in a scratch root, whose cards are files, and `ip` a function that renames them.

const GUEST = join(__dirname, "..", "..", "..", "provider", "guest");
const IP = `ip() { echo "$@" >>/said; [ "$3 $4" != "$stuck name" ] || return 1; case $4 in name) [ ! -e /sys/class/net/$5 ] && mv /sys/class/net/$3 /sys/class/net/$5 ;; esac; }`;

/** What is done where these cards, by name, have the hardware addresses of these networks, by number. */
function joined(cards: Readonly<Record<string, number>>, stuck = ""): string[] {
  using guest = new GuestScratch();
  const mac = (network: number) => `02:4d:0a:50:00:0${String(network)}`;
  for (const [name, network] of Object.entries(cards))
    guest.write(`sys/class/net/${name}/address`, `${mac(network)}\n`);
  const line = (network: number) => `${String(network)}\t${mac(network)}\t10.8${String(network)}.0.7/24\n`;
  guest.write("etc/mayfly/networks", [0, 1, 2].map(line).join(""));
  guest.write("said", "");
  guest.write("usr/lib/mayfly/until-true.sh", readFileSync(join(GUEST, "until-true.sh"), "utf8"));
  guest.write("tmp/join.sh", `stuck=${stuck}\n${IP}\n${readFileSync(join(GUEST, "join-networks.sh"), "utf8")}`);
  guest.run("sh /tmp/join.sh", `mount -t tmpfs tmpfs "$0/proc/sys"`); // whose settings are this host's
  const said = guest.read("said").trim().split("\n");
  return said.map((one) => one.replace("link set ", "").replace("addr add ", ""));
}

const UP = [0, 1, 2].flatMap((network) => {
  const card = `eth${String(network + 1)}`;
  return [`10.8${String(network)}.0.7/24 dev ${card}`, `${card} up`];
});

test("the first network's card is eth1, and so on, in whichever order they have come", () => {
  expect(joined({ eth0: 9, eth1: 0, eth2: 1, eth3: 2 })).toEqual(UP);
  const moves = ["eth3 name mayfly0", "eth1 name mayfly1", "eth2 name mayfly2"];
  expect(joined({ eth0: 9, eth1: 1, eth2: 2, eth3: 0 })).toEqual([
    ...moves,
    ...["mayfly0 name eth1", "mayfly1 name eth2", "mayfly2 name eth3"],
    ...UP,
  ]);
});

test("cards that the image has other names for keep them, as does one whose name is taken, or that cannot get another", () => {
  expect(joined({ ens5: 1, ens6: 0, ens7: 2 }).filter((line) => line.endsWith("up"))).toEqual(
    ["ens6", "ens5", "ens7"].map((card) => `${card} up`),
  );
  expect(joined({ eth1: 9, eth2: 0, eth3: 1, eth4: 2 }).filter((line) => line.endsWith("up"))).toEqual(
    ["eth2", "eth3", "eth4"].map((card) => `${card} up`),
  );
  expect(joined({ eth1: 1, eth2: 2, eth3: 0 }, "eth1").filter((line) => line.endsWith("up"))).toEqual(
    ["eth3", "eth1", "eth2"].map((card) => `${card} up`),
  );
});
