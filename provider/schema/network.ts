import { z } from "zod";
import { hostname, text } from "./fields";
import { isHostOf, overlap, parseAddress, parseSubnet, type Subnet } from "./ipv4";

const SUBNET_WANTED =
  "must be a private IPv4 subnet such as 10.80.0.0/24: within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, its prefix from 16 to 29";

/** The ranges that RFC 1918 sets aside. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].flatMap((range) => parseSubnet(range) ?? []);

/** What is between qemu and each guest (`machines/qemu-command.ts`), and between qemu and its container. */
const OUR_OWN = ["10.53.0.0/24", "10.0.2.0/24"];

function isPrivate(subnet: Subnet): boolean {
  return subnet.prefix >= 16 && subnet.prefix <= 29 && PRIVATE.some((range) => overlap(range, subnet));
}

const subnet = z
  .string(SUBNET_WANTED)
  .refine((value) => {
    const parsed = parseSubnet(value);
    return parsed !== undefined && isPrivate(parsed);
  }, SUBNET_WANTED)
  .refine(
    (value) => {
      const parsed = parseSubnet(value);
      return parsed === undefined || !OUR_OWN.some((own) => overlap(parseSubnet(own) ?? parsed, parsed));
    },
    `must not overlap ${OUR_OWN.join(" or ")}, which every VM has between itself and its host`,
  );

/** Inputs of {@link Network}. */
export const networkSchema = z.strictObject({
  /**
   * Its addresses. Private ones, which must not be those of another network of the same VM; of several `Network`s each
   * has a segment of its own, also with the same addresses. @default "10.80.0.0/24"
   */
  subnet: subnet.default("10.80.0.0/24"),
});

/** A VM's place in a network. `sdk/vm.ts` fills in what is the network's. */
const membership = z
  .strictObject({
    /** Name of the network's resource. */
    network: text,
    /** The network's subnet. */
    subnet,
    /**
     * The VM's address in it. Fails with `ADDRESS_TAKEN` when another VM has it.
     * @default a free one, out of the host name, so that it is mostly the same again
     */
    address: z.string("must be an IPv4 address of the network's subnet").optional(),
    /** Names beside the host name by which the network's VMs find this one. @default [] */
    aliases: z.array(hostname).default([]),
  })
  .superRefine(({ subnet: range, address }, context) => {
    const parsed = parseSubnet(range);
    if (parsed === undefined || address === undefined) return; // the one is wrong, and said so; the other will be given
    const number = parseAddress(address);
    if (number !== undefined && isHostOf(parsed, number)) return;
    const message = `must be an address of a machine in ${range}, got "${address}"`;
    context.addIssue({ code: "custom", path: ["address"], message });
  });

const MAX_NETWORKS = 8; // a card and a port each, of the slots and ports that every machine has

/** The networks of one VM. */
export const memberships = z
  .array(membership)
  .max(MAX_NETWORKS, `must be at most ${String(MAX_NETWORKS)} networks`)
  .superRefine((list, context) => {
    list.forEach(({ network, subnet: range }, index) => {
      const former = list.slice(0, index);
      const complain = (field: string, message: string) => {
        context.addIssue({ code: "custom", path: [index, field], message });
      };
      if (former.some((other) => other.network === network))
        complain("network", `"${network}" is named twice: a VM has one place in a network`);
      else if (former.some((other) => meet(other.subnet, range)))
        complain(
          "network",
          `has the addresses of another network of this VM (${range}): give one of them another subnet`,
        );
    });
  });

function meet(one: string, other: string): boolean {
  const [first, second] = [parseSubnet(one), parseSubnet(other)];
  return first !== undefined && second !== undefined && overlap(first, second);
}

/** What a program may write. */
export type NetworkInputs = z.input<typeof networkSchema>;
