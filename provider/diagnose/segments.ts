import type { Facts, SegmentSight } from "./facts";
import { broken, ok, unknown, type Broken, type Rung, type Verdict } from "./ladder";
import type { GuestReport } from "./report";

/** What has to be right between a guest and the private networks that it is in. */
export const segmentRungs: readonly Rung[] = [{ name: "networks", from: "guest", judge: segments }];

function segments(facts: Facts): Verdict {
  const { segments: places = [], guest } = facts;
  if (places.length === 0) return ok("it is in no private one");
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

/** What is wrong with the card of one. */
function cardTrouble(
  { machine: { name, replace } }: Facts,
  { network, address, prefix, mac }: SegmentSight,
  cards: NonNullable<GuestReport["cards"]>,
): Broken | undefined {
  const card = cards.find((one) => one.mac === mac);
  if (card === undefined) return broken(`no card of the guest is ${mac}`, `its card in ${network} is gone`, replace);
  const seen = `${card.name} is ${card.isUp ? "up" : "down"}, addresses ${card.addresses.join(" ") || "none"}`;
  const asRoot = `mayfly exec ${name} -- ip`;
  if (!card.isUp) return broken(seen, `the guest's card in ${network} is down`, `${asRoot} link set ${card.name} up`);
  if (card.addresses.some((one) => one.split("/")[0] === address)) return undefined;
  return broken(
    seen,
    `the guest does not have its address ${address} in ${network}`,
    `${asRoot} addr add ${address}/${String(prefix)} dev ${card.name}`,
  );
}
