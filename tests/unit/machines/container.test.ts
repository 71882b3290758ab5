import { spawnSync } from "node:child_process";
import { expect, test } from "@jest/globals";
import { closedTo } from "../../../provider/machines/container";

/** Runs a command as root of a network of its own, as podman does; needs no rights on the host. */
const inNewNetwork = (command: readonly string[]) =>
  spawnSync("unshare", ["--user", "--map-root-user", "--net", "--", ...command], { encoding: "utf8" });

test("addresses are closed first, then the command runs as it was given, without any capability", () => {
  const look = 'echo "$1"; busybox ip route; grep ^Cap /proc/self/status; busybox ip route del prohibit 192.0.2.7';
  const { stdout, stderr } = inNewNetwork(closedTo(["192.0.2.7", "198.51.100.0/24"], ["sh", "-c", look, "sh", "a $b"]));
  expect(stdout).toMatch(/^a \$b\nprohibit 192.0.2.7 \nprohibit 198.51.100.0\/24 \n(?:Cap\w+:\t0{16}\n){5}$/);
  expect(stderr).toMatch(/not permitted/);
});

test("a route that cannot be set ends the container before its command starts", () => {
  const { stdout, status } = inNewNetwork(closedTo(["192.0.2.7", "192.0.2.7"], ["echo", "started"]));
  expect(stdout).not.toContain("started");
  expect(status).not.toBe(0);
});
