import type * as pulumi from "@pulumi/pulumi";
import type { NetworkInputs } from "../provider/schema/network";
import { common, isOfKind, pending, type Inputs } from "./inputs";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link Network}. */
export type NetworkArgs = Inputs<NetworkInputs>;

/**
 * A private network of VMs: an Ethernet segment that they alone are on, in which they find each other by host name. It
 * leads nowhere else; a VM's way out is its `network`, which may be `isolated` all the same. VMs join by `networks`, later
 * ones too, and a VM that is replaced is found under its name again. VMs that run do not need `pulumi`: names and switch
 * are in the hands of a process of the network's own, which the next `up` starts again should it have died.
 *
 * Fails with `NETWORK_FAILED`.
 *
 * @example
 * const net = new mayfly.Network("net");
 * const db = new mayfly.VM("db", { image, networks: [{ network: net }], network: "isolated" });
 * const web = new mayfly.VM("web", { image, networks: [{ network: net, address: "10.80.0.5", aliases: ["www"] }] });
 * new mayfly.SshCommand("ping", { vm: web, create: "ping -c 1 db" }, { dependsOn: [db] });
 */
export class Network extends DynamicResource {
  /** Its addresses. */
  declare readonly subnet: pulumi.Output<string>;
  /** Path of the log of its switch. */
  declare readonly log: pulumi.Output<string>;

  /** @param args All optional. */
  constructor(name: string, args: NetworkArgs = {}, options?: pulumi.CustomResourceOptions) {
    const outputs = pending("subnet", "log");
    super("Network", name, { ...outputs, ...args, ...common(name, options) }, options);
  }

  /** Whether an object is a Network, also one of another copy of this package. */
  static override isInstance(object: unknown): object is Network {
    return isOfKind(object, "Network");
  }
}
