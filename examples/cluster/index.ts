import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const names = ["node1", "node2", "node3"];

const image = new mayfly.Image("debian", { debian: {} });
const net = new mayfly.Network("net", { subnet: "10.80.0.0/24" });
const nodes = names.map(
  (name) =>
    new mayfly.VM(name, {
      image,
      cpus: 1,
      network: "isolated", // no way out: it talks to the other nodes, and to nobody else
      networks: [{ network: net }],
    }),
);

// Finds each by its name, gets an answer from it, and hears what its SSH server says first.
const hello = new mayfly.SshCommand(
  "hello",
  {
    vm: nodes[0],
    create: `for node in ${names.join(" ")}; do
      ping -q -c 1 -w 10 "$node" >/dev/null || exit
      greeting=$(head -n 1 <"/dev/tcp/$node/22" | tr -d '\\r')
      echo "$(getent hosts "$node"): $greeting"
    done`,
  },
  { dependsOn: nodes },
);

// The last node by way of the first one, as if nothing but that were reachable from here.
const last = new mayfly.SshConfig("node3-by-node1", { vm: nodes[2], proxyJump: nodes[0] });

/** What the first node has heard of all three. */
export const report = hello.stdout;
/** Their addresses in the network. */
export const addresses = nodes.map((vm) => vm.addresses.apply(([address]) => address));
/** How to log in to each. */
export const connect = nodes.map((vm, index) => pulumi.interpolate`ssh -F '${vm.sshConfig}' ${names[index]}`);
/** How to log in to the last one through the first. */
export const through = last.command;
