import { spawnSync } from "node:child_process";
import { expect, test } from "@jest/globals";
import { closedTo, NEVER_ROUTED, openOnly } from "../../../provider/machines/way-out";

/** Runs a command as root of a network of its own, as podman does; needs no rights on the host. */
const inNewNetwork = (command: readonly string[]) =>
  spawnSync("unshare", ["--user", "--map-root-user", "--net", "--", ...command], { encoding: "utf8" });

test("addresses are closed first, then the command runs as it was given, without any capability", () => {
  const look = 'echo "$1"; busybox ip route; grep ^Cap /proc/self/status; busybox ip route del prohibit 192.0.2.7';
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
  const prepare = `
    printf '${lines}' >/tmp/servers && mount --bind /tmp/servers /etc/resolv.conf
    ip link set lo up && ip route add 10.0.0.0/8 dev lo && ip route add default via 10.0.0.1 && exec "$@"`;
  const { stdout } = spawnSync(
    "unshare",
    [
      ...["--user", "--map-root-user", "--net", "--mount", "--", "sh", "-euc", `mount -t tmpfs tmpfs /tmp; ${prepare}`],
      ...["sh", ...closedTo(NEVER_ROUTED, ["busybox", "ip", "route"])],
    ],
    { encoding: "utf8" },
  );
  const seen = stdout.split("\n").filter((line) => /^(?:prohibit )?1(?:69\.254|68\.63|00\.100)/.test(line));
  const closed = ["169.254.0.0/16", "168.63.129.16", "100.100.100.200"].filter((address) => !open.includes(address));
  const routes = [
    ...closed.map((address) => `prohibit ${address} `),
    ...open.map((to) => `${to} via 10.0.0.1 dev lo `),
  ];
  expect(seen.sort()).toEqual(routes.sort());
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
