import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// clock.sh in a scratch root. The clocks are files there, but for the kernel's count of seconds, which is real: `date` and
// `sleep` are functions, of which the second one is what happens between two looks.

const SCRIPT = join(__dirname, "..", "..", "..", "provider", "guest", "clock.sh");
const START = 1_000_000; // a time that no host has
const RTC = "sys/class/rtc/rtc0/since_epoch";
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
  guest.write("clock", String(START));
  guest.write(RTC, `${String(START)}\n`);
});
afterEach(() => {
  guest[Symbol.dispose]();
});

/** What the guest's clock has been set to, while these commands happened, one between two looks each. */
function setTo(...happenings: readonly string[]): string[] {
  const cases = happenings.map((what, index) => `${String(index + 1)}) ${what} ;;`).join("\n");
  // Functions, as busybox's shell has no other way to be kept from its own programs: they would set this host's clock.
  const script = `
date() { case $1 in -s) echo "\${2#@}" >/clock; echo "\${2#@}" >>/set ;; *) cat /clock ;; esac; }
add() { echo $(($(cat $1) + $2)) >$1; }
looks=0
sleep() { looks=$((looks + 1)); case $looks in ${cases} *) exit ;; esac; }
${readFileSync(SCRIPT, "utf8")}`;
  guest.write("set", "");
  guest.write("tmp/clock.sh", script);
  const dev = `mount -t tmpfs tmpfs "$0/dev"; : >"$0/dev/null"`; // also in place of /dev/kmsg, which is this host's
  guest.run("sh /tmp/clock.sh", dev);
  return guest.read("set").split("\n").filter(Boolean);
}

const rtc = (seconds: number) => `add /${RTC} ${String(seconds)}`;
const clock = (seconds: number) => `add /clock ${String(seconds)}`;

test("a clock that has stood still is put forward, each time, by what it lacks", () => {
  expect(setTo(rtc(600), "true", rtc(30))).toEqual([String(START + 600), String(START + 630)]);
});

test("a clock that goes wrong little by little is set once it is some seconds off", () => {
  expect(setTo(rtc(1), rtc(1), rtc(1), rtc(-1))).toEqual([String(START + 3)]);
});

test("a clock that somebody sets is theirs from then on", () => {
  expect(setTo(clock(5_000), rtc(600))).toEqual([]);
});

test("… until they set it right", () => {
  expect(setTo(clock(-5_000), rtc(600), clock(5_600), rtc(60))).toEqual([String(START + 660)]);
});

test("without a real-time clock nothing is done", () => {
  rmSync(join(guest.folder, RTC));
  expect(setTo(clock(600))).toEqual([]);
});
