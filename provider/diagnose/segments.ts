import type { Facts, SegmentSight } from "./facts";
import { broken, ok, unknown, type Broken, type Rung, type Verdict } from "./ladder";
import type { GuestReport } from "./report";
import { asRoot } from "./words";

/** What has to be right between a guest and the private networks that it is in. */
export const segmentRungs: readonly Rung[] = [{ name: "networks", from: "guest", isBeside: true, judge: segments }];

function segments(facts: Facts): Verdict {
  const { segments: places = [], guest } = facts;
  if (places.length === 0) return ok("it is in no private one");
  const lost = places.find(({ exists }) => !exists);
  if (lost !== undefined)
    return broken(`there is no record of ${lost.network}`, "a private network of it is gone", facts.machine.anew);
  const wrong = places.find(({ isSwitched }) => !isSwitched);
  if (wrong !== undefined)
    return broken(
      `the process that is the switch of ${wrong.network} does not run`,
      "it was killed: the private network carries nothing until it runs again",
      facts.machine.reconnect,
    );
  const cards = guest?.report?.cards;
  if (cards === undefined) return unknown("the guest's agent does not say");
  for (const place of places) {
    const trouble = cardTrouble(facts, place, cards);
    if (trouble !== undefined) return trouble;
  }
  return ok(places.map(({ network, address }) => `${address} in ${network}`).join(", "));
}

/**
 * What is wrong with the card of one. Its address may as well be on what is above it and has its hardware address: a bridge,
 * a bond.
 */
function cardTrouble(
  { machine }: Facts,
  { network, address, prefix, mac }: SegmentSight,
  cards: NonNullable<GuestReport["cards"]>,
): Broken | undefined {
  const those = cards.filter((one) => one.mac === mac);
  const hasAddress = (one: (typeof cards)[number]) => one.addresses.some((text) => text.split("/")[0] === address);
  if (those.some((one) => one.isUp && hasAddress(one))) return undefined;
  const card = those.find(hasAddress) ?? those[0];
  if (card === undefined)
    return broken(`no card of the guest is ${mac}`, `its card in ${network} is gone`, machine.replace);
  const seen = `${card.name} is ${card.isUp ? "up" : "down"}, addresses ${card.addresses.join(" ") || "none"}`;
  if (!card.isUp)
    return broken(seen, `the guest's card in ${network} is down`, asRoot(machine, `ip link set ${card.name} up`));
  return broken(
    seen,
    `the guest does not have its address ${address} in ${network}`,
    asRoot(machine, `ip addr add ${address}/${String(prefix)} dev ${card.name}`),
  );
}
