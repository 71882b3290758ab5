import { CLOUDS_OWN } from "../schema/allow";
import type { Exit } from "./exits";
import type { MachineSpec } from "./spec";

/** What the scripts here need: for routes and rules, and for giving up these very rights. */
export const CLOSING_CAPABILITIES = ["NET_ADMIN", "SETPCAP"];

/** Where clouds hand a host its credentials (link-local; Azure's and Alibaba's apart), and multicast, which the host would hear. */
export const NEVER_ROUTED = ["169.254.0.0/16", ...CLOUDS_OWN, "224.0.0.0/4"];

/** Number of a routing table that nobody else has in a container's network. */
const CLOSED_TABLE = 99;

const WITHOUT_RIGHTS = 'exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all -- "$@"';

/**
 * `$1` the addresses, then the command, which is left with no capability at all. They are in a table of their own, before
 * the usual one: pasta brings the host's routes there, one to the cloud's metadata perhaps, which would go before ours or
 * be in their place. The name server that QEMU asks, the first, stays open though its address is among them: pasta has one
 * of its own at 169.254.1.1, in podman from version 5 on, and Azure's is at its metadata's address. All of it is on the way
 * of each start: a program more takes a millisecond.
 */
const CLOSE = `
open=
busybox ip rule add pref 50 table ${String(CLOSED_TABLE)}
[ ! -e /etc/resolv.conf ] || while read -r keyword server rest; do
  case $keyword,$server in
  nameserver,169.254.* | nameserver,${CLOUDS_OWN.join(" | nameserver,")})
    busybox ip route add throw "$server" table ${String(CLOSED_TABLE)}
    open=$server
    break
    ;;
  nameserver,*.*) break ;;
  esac
done </etc/resolv.conf
for address in $1; do [ "$address" = "$open" ] || busybox ip route add prohibit "$address" table ${String(CLOSED_TABLE)}; done
shift
${WITHOUT_RIGHTS}
`;

/**
 * The same command, out of whose network some addresses cannot be reached. slirp4netns and pasta close the host's loopback,
 * but connect from the host's own network, where the host's other addresses lead to all that listens on them. Addresses
 * that the host gets later are not known here. Pure.
 */
export function closedTo(addresses: readonly string[], command: readonly string[]): string[] {
  return ["/usr/bin/sh", "-euc", CLOSE, "mayfly", addresses.join(" "), ...command];
}

/**
 * `$1` what is open, `$2` the ports that are led into the guest. By iproute2, whose rules know ports, as busybox's do not;
 * protocols by number, as the container has no /etc/protocols: 6 TCP, 17 UDP, 1 ICMP. Not simply all of IP, as the kernel
 * also asks these rules whether it may answer its neighbours' ARP.
 */
const OPEN = `
PATH=$PATH:/usr/sbin:/usr/bin
for exit in $1; do ip rule add pref 100 to "\${exit%:*}" ipproto 6 dport "\${exit#*:}" lookup main; done
for port in $2; do ip rule add pref 100 ipproto 6 sport "$port" lookup main; done
for protocol in 6 17 1; do ip rule add pref 200 ipproto "$protocol" prohibit; done
shift 2
${WITHOUT_RIGHTS}
`;

/**
 * Whether these rules keep an isolated machine in. Else QEMU's `restrict` does, which knows no exceptions, and tells a guest
 * that asks by DHCP of no router: that could not answer who connects to it from outside its network, as podman does.
 */
export function isKeptInByRules({
  isolated,
  allow,
  asksDhcp,
}: Pick<MachineSpec, "isolated" | "allow" | "asksDhcp">): boolean {
  return isolated && (allow.length > 0 || asksDhcp === true);
}

/**
 * The same command, out of whose network only these exits can be reached, and answers only given from these ports. By the
 * kernel's routing rules in the container's own network: QEMU's guestfwd knows no addresses outside its own network, and
 * starts a program for each connection, which its sandbox forbids; a packet filter is not there on every host, and a proxy
 * would have to be told to the guest's programs. The guest cannot choose the port that it is seen from: QEMU connects anew
 * for it, from ports of the kernel's choice, far above these. Pure.
 */
export function openOnly(exits: readonly Exit[], ports: readonly number[], command: readonly string[]): string[] {
  const open = new Set(exits.map(({ address, port }) => `${address}:${String(port)}`)); // no rule can be there twice
  return ["/usr/bin/sh", "-euc", OPEN, "mayfly", [...open].join(" "), ports.join(" "), ...command];
}
