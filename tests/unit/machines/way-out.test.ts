import { spawnSync } from "node:child_process";
import { expect, test } from "@jest/globals";
import { closedTo, NEVER_ROUTED, openOnly } from "../../../provider/machines/way-out";

/** Runs a command as root of a network of its own, as podman does; needs no rights on the host. */
const inNewNetwork = (command: readonly string[]) =>
  spawnSync("unshare", ["--user", "--map-root-user", "--net", "--", ...command], { encoding: "utf8" });

/** Prints each of its arguments, and whether a route leads there. */
const LOOK =
  'for to in "$@"; do busybox ip route get "$to" >/dev/null 2>&1 && echo "$to open" || echo "$to closed"; done';

test("addresses are closed first, then the command runs as it was given, without any capability", () => {
  const look = 'echo "$1"; busybox ip route show table 99; grep ^Cap /proc/self/status; busybox ip rule del pref 50';
  const { stdout, stderr } = inNewNetwork(closedTo(["192.0.2.7", "198.51.100.0/24"], ["sh", "-c", look, "sh", "a $b"]));
  expect(stdout).toMatch(/^a \$b\nprohibit 192.0.2.7 \nprohibit 198.51.100.0\/24 \n(?:Cap\w+:\t0{16}\n){5}$/);
  expect(stderr).toMatch(/not permitted/);
});

test.each([
  [["169.254.1.1", "192.0.2.53"], ["169.254.1.1"]], // pasta's own
  [["168.63.129.16"], ["168.63.129.16"]],
  [["10.0.2.3", "168.63.129.16", "169.254.1.1"], []], // slirp4netns', then those of the host, which nobody asks
  [["fe80::1", "169.254.1.1", "168.63.129.16"], ["169.254.1.1"]],
])("where clouds keep credentials is closed, but for the name server that is asked: of %j %j", (servers, open) => {
  const lines = servers.map((address) => String.raw`nameserver ${address}\n`).join("");
  // With the routes of a host in a cloud, which pasta brings: to the metadata, and to ranges that are closed here.
  const prepare = `
    printf '${lines}' >/tmp/servers && mount --bind /tmp/servers /etc/resolv.conf
    ip link set lo up && ip route add 10.0.0.0/8 dev lo && ip route add default via 10.0.0.1
    ip route add 169.254.169.254 via 10.0.0.1 && ip route add 169.254.0.0/16 dev lo && ip route add 168.63.129.16 dev lo
    exec "$@"`;
  const addresses = ["169.254.1.1", "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.2.1"];
  const { stdout, stderr } = spawnSync(
    "unshare",
    [
      ...["--user", "--map-root-user", "--net", "--mount", "--", "sh", "-euc", `mount -t tmpfs tmpfs /tmp; ${prepare}`],
      ...["sh", ...closedTo(NEVER_ROUTED, ["sh", "-c", LOOK, "sh", ...addresses])],
    ],
    { encoding: "utf8" },
  );
  const seen = addresses.map((to) => `${to} ${[...open, "192.0.2.1"].includes(to) ? "open" : "closed"}\n`);
  expect([stdout, stderr]).toEqual([seen.join(""), ""]);
});

test("a route that cannot be set ends the container before its command starts", () => {
  const { stdout, status } = inNewNetwork(closedTo(["192.0.2.7", "192.0.2.7"], ["echo", "started"]));
  expect(stdout).not.toContain("started");
  expect(status).not.toBe(0);
});

test("only what is listed can be connected to, by address and port", () => {
  // 192.0.2.0/24 has a route here and no hosts; a rule that does not hold shows as another error than EACCES (13).
  const look = `
    import errno, socket
    def seen(kind, *to):
        with socket.socket(socket.AF_INET, kind) as s:
            s.settimeout(0.2)
            try: s.connect(to)
            except OSError as error: return "closed" if error.errno == errno.EACCES else "open"
            return "open"
    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    print(seen(tcp, "192.0.2.7", 443), seen(tcp, "192.0.2.7", 80), seen(tcp, "192.0.2.8", 443), seen(udp, "192.0.2.7", 443))
    print(seen(tcp, "169.254.169.254", 80), seen(udp, "192.0.2.53", 53))`.replaceAll("\n    ", "\n");
  const route = 'ip link set lo up && ip route add 192.0.2.0/24 dev lo && exec "$@"';
  const exits = ["a.example", "b.example"].map((name) => ({ address: "192.0.2.7", port: 443, name })); // one rule for both
  const { stdout, stderr } = inNewNetwork([
    "sh",
    "-c",
    route,
    "sh",
    ...openOnly(exits, [2_222], ["python3", "-c", look]),
  ]);
  expect([stdout, stderr]).toEqual(["open closed closed closed\nclosed closed\n", ""]);
});

test("a rule that cannot be set ends the container before its command starts", () => {
  const { stdout, status } = inNewNetwork(openOnly([{ address: "nowhere", port: 1 }], [], ["echo", "started"]));
  expect(stdout).not.toContain("started");
  expect(status).not.toBe(0);
});
