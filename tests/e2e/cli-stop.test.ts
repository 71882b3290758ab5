import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { execFile, execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Qmp } from "../../provider/machines/qmp";
import { CommandHome, PATIENCE } from "../support/command";
import { BUSYBOX, ContainerImages } from "../support/container-images";
import { eventually } from "../support/eventually";
import { hasSsh } from "../support/greeting";

// A VM of a template that other tests use as well, and a small one. Once they were stopped they boot through their kernel.

let command: CommandHome;
let images: ContainerImages;

beforeAll(async () => {
  command = await CommandHome.open();
  const run = async (file: string, ...args: readonly string[]) => (await promisify(execFile)(file, args)).stdout;
  images = new ContainerImages({ home: command.home, name: `stop-${String(process.pid)}`, run });
});

// What one test leaves when it fails, the next is not to find.
afterEach(async () => {
  await command.run("rm", "--all", "--force");
});

afterAll(async () => {
  await using _ = images; // after the VMs of it
  await command[Symbol.asyncDispose]();
});

const mayfly = async (...args: string[]) => command.run(...args);

const containers = () => execFileSync("podman", ["ps", "--all", "--quiet", "--filter", "label=mayfly.resource=st"]);

/** Where the SSH server listens by which Mayfly comes in; the image has none. */
const DOOR = "64022";
const SECONDS_ASLEEP = 10;

/** Has the VM stand still, and not know of it, as its host had been suspended for so many seconds. */
async function standStill(seconds: number): Promise<void> {
  const [machine = ""] = readdirSync(join(command.home, "data", "machines"));
  const signal = AbortSignal.timeout(60_000);
  using qmp = await Qmp.connect(join(command.home, "data", "machines", machine, "shared"), "qmp.sock", signal);
  await qmp.execute("stop", undefined, signal);
  const end = Date.now() + seconds * 1_000;
  await eventually("it has slept", PATIENCE, () => Date.now() > end);
  await qmp.execute("cont", undefined, signal);
}

test("stop and start: the same machine, with what is on its disk; what is refused meanwhile", async () => {
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
  await standStill(SECONDS_ASLEEP);
  const seconds = async () => Number((await mayfly("exec", "st", "date", "+%s")).out);
  const isRight = async () => Math.abs((await seconds()) - Date.now() / 1_000) < SECONDS_ASLEEP / 2;
  await eventually("its clock is right again", PATIENCE, isRight);

  const stopped = await mayfly("stop", "--json", "st");
  expect(stopped).toMatchObject({ code: 0, err: "stopped st\n" });
  expect(JSON.parse(stopped.out)).toMatchObject([{ name: "st", orderly: true }]);
  expect((await mayfly("ls", "--quiet", "--state", "stopped")).out).toBe("st\n");
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
});

/** An image of busybox alone, which boots in a fraction of the time of one with systemd. */
async function smallImage(): Promise<string> {
  const applets = ["cat", "dmesg", "mkdir", "rm", "seq", "sh", "sleep", "sync", "timeout"];
  return images.make("small", {
    files: { "bin/busybox": { from: BUSYBOX } },
    links: Object.fromEntries(applets.map((name) => [`bin/${name}`, "busybox"])),
  });
}

test("restart, and a lost power: what was on the disk is there", async () => {
  const run = ["run", "-d", "--name", "st", "--cpus", "1", "--memory", "256MiB", "--disk", "1GiB", await smallImage()];
  expect(await mayfly(...run)).toMatchObject({ code: 0, out: "st\n" });
  await mayfly("exec", "st", "--", "sh", "-c", "echo kept >/root/kept; sync");
  const { out: forwarded } = await mayfly("forward", "-d", "--json", "st", DOOR);
  const [{ listen }] = JSON.parse(forwarded) as [{ listen: string }];
  expect(await mayfly("restart", "st")).toMatchObject({ code: 0, err: "restarted st\n" });
  await eventually("the forward leads to the restarted guest", PATIENCE, async () => hasSsh(listen));
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

  // Stopped while it restarts itself: it was told as it went down, and is told again.
  await mayfly("exec", "st", "--", "/usr/lib/mayfly/busybox", "reboot");
  expect(await mayfly("stop", "st")).toMatchObject({ code: 0, err: "stopped st\n" });
  expect(await mayfly("rm", "--json", "st")).toMatchObject({ code: 0, out: expect.stringMatching(/"name": "st"/) });
});
