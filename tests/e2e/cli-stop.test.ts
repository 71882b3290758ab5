import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { CommandHome, PATIENCE } from "../support/command";
import { eventually } from "../support/eventually";

// A VM of a template that other tests use as well. Once it was stopped it boots through its kernel.

let command: CommandHome;

beforeAll(async () => {
  command = await CommandHome.open();
});

afterAll(async () => {
  await command[Symbol.asyncDispose]();
});

const mayfly = async (...args: string[]) => command.run(...args);

/** Whether an SSH server answers there. */
async function greets(address: string): Promise<boolean> {
  const [host = "", port] = address.split(":");
  const socket = connect(Number(port), host).setEncoding("utf8");
  const signal = AbortSignal.timeout(60_000); // the guest may have to wait for a busy host
  const [text = ""] = (await once(socket, "data", { signal }).catch(() => [])) as string[];
  socket.destroy();
  return text.startsWith("SSH-2.0-");
}

test("stop and start: the same machine, with what is on its disk; restart; what is refused meanwhile", async () => {
  const run = ["run", "-d", "--name", "st", "--cpus", "1", "--disk", "1GiB", "--port", "80"];
  expect(await mayfly(...run)).toMatchObject({ code: 0, out: "st\n" });
  const look = async () => {
    const inspected = await mayfly("inspect", "st");
    expect(inspected).toMatchObject({ code: 0, err: "" });
    const [{ ssh, ports }] = JSON.parse(inspected.out) as [{ ssh: object; ports: object }];
    return { ssh, ports };
  };
  const before = await look();
  const self_ = "cat /root/kept /etc/machine-id; cat /proc/sys/kernel/random/boot_id";
  await mayfly("exec", "st", "--", "sh", "-c", "echo kept >/root/kept; touch /run/in-memory; sync");
  const bornAs = (await mayfly("exec", "st", "--", "sh", "-c", self_)).out.split("\n");
  const stopped = await mayfly("stop", "--json", "st");
  expect(stopped).toMatchObject({ code: 0, err: "stopped st\n" });
  expect(JSON.parse(stopped.out)).toMatchObject([{ name: "st", orderly: true }]);
  expect((await mayfly("ls", "--quiet", "--state", "stopped")).out).toBe("st\n");
  const containers = () => execFileSync("podman", ["ps", "--all", "--quiet", "--filter", "label=mayfly.resource=st"]);
  expect(containers().toString()).toBe("");
  expect(await mayfly("exec", "st", "true")).toMatchObject({
    code: 125,
    err: expect.stringMatching(/mayfly start st/),
  });
  expect(await mayfly("diagnose", "st")).toMatchObject({ code: 1, err: expect.stringMatching(/mayfly start st/) });
  expect(await mayfly("stop", "st")).toMatchObject({ code: 0 }); // it is
  expect((await mayfly("prune", "--dry-run")).out).toBe("");
  expect(await mayfly("start", "st")).toMatchObject({ code: 0, err: "started st\n" });
  expect(await look()).toEqual(before);
  const isNow = (await mayfly("exec", "st", "--", "sh", "-c", `${self_}; ls /run/in-memory`)).out.split("\n");
  expect(isNow.slice(0, 2)).toEqual(bornAs.slice(0, 2));
  expect(isNow[2]).not.toBe(bornAs[2]);
  expect(isNow.slice(3)).toEqual([""]);
  expect(await mayfly("start", "st")).toMatchObject({ code: 1, err: expect.stringMatching(/runs already/) });

  const { out: forwarded } = await mayfly("forward", "-d", "--json", "st", "22");
  const [{ listen }] = JSON.parse(forwarded) as [{ listen: string }];
  expect(await mayfly("restart", "st")).toMatchObject({ code: 0, err: "restarted st\n" });
  await eventually("the forward leads to the restarted guest", PATIENCE, async () => greets(listen));
  expect((await mayfly("exec", "st", "cat", "/root/kept")).out).toBe("kept\n");

  // As a reboot of the host ends it: what the guest is writing just then is lost, and no more.
  const busy =
    "mkdir /root/many && sync && (while :; do for i in $(seq 300); do echo $i >/root/many/$i; done; sync; done " +
    "</dev/null >/dev/null 2>&1 &) && timeout 300 sh -c 'until [ -e /root/many/300 ]; do sleep 0.1; done' && echo written";
  expect((await mayfly("exec", "st", "--", "sh", "-c", busy)).out).toBe("written\n");
  execFileSync("podman", ["kill", "--signal", "KILL", containers().toString().trim()]);
  const hasEnded = async () => (await mayfly("ls", "--quiet", "--state", "ended")).out === "st\n";
  await eventually("it has ended", PATIENCE, hasEnded);
  expect((await mayfly("prune", "--dry-run")).out).toBe("");
  expect((await mayfly("prune", "--dry-run", "--disks")).out).toMatch(/^would remove vm st-\w+: it has ended\n$/);
  expect(await mayfly("start", "st")).toMatchObject({ code: 0, err: "started st\n" });
  const sound = "cat /root/kept; dmesg | grep 'EXT4-fs error'; rm -r /root/many && echo gone";
  expect((await mayfly("exec", "st", "--", "sh", "-c", sound)).out).toBe("kept\ngone\n");
  expect(await mayfly("rm", "--json", "st")).toMatchObject({ code: 0, out: expect.stringMatching(/"name": "st"/) });
});
