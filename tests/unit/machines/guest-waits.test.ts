import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { findProgram } from "../../../provider/host/podman";
import { GuestScratch } from "../../support/guest-scratch";

// The guest's own scripts that wait for something, in a scratch root.

const GUEST = join(__dirname, "..", "..", "..", "provider", "guest");
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
  for (const name of ["until-true.sh", "names.sh"])
    guest.write(`usr/lib/mayfly/${name}`, readFileSync(join(GUEST, name), "utf8"));
});
afterEach(() => {
  guest[Symbol.dispose]();
});

const WAIT = ". /usr/lib/mayfly/until-true.sh; cd /tmp";

test("a wait ends when it has come true, and its command's words stay words", () => {
  const find = 'find() { echo . >>tries; [ "$(grep -c . tries)" -ge 3 ] && [ "$*" = "a b c" ] && found=$2; }';
  expect(guest.run(`${WAIT}; ${find}; until_true 60 find a "b c"; echo "$? $found"`)).toBe("0 b c\n");
});

test("a wait for what never comes ends in time, and has looked once at least", () => {
  const look = "look() { echo looks; return 1; }";
  const script = `${WAIT}; ${look}; read -r from rest </proc/uptime; until_true 1 look | uniq; read -r to rest </proc/uptime
until_true 0 false; echo "$? $((\${to%.*} - \${from%.*} < 10))"`;
  expect(guest.run(script)).toBe("looks\n1 1\n");
});

test.each([
  { shell: ["busybox", "sh"], pipe: true, path: "/nowhere" },
  { shell: ["bash", "--norc"], pipe: true, path: "/nowhere" }, // by itself: it finds no program
  { shell: ["busybox", "sh"], pipe: false, path: process.env["PATH"] },
  { shell: ["sh"], pipe: true, path: process.env["PATH"] }, // that of Debian, dash, knows no time for `read`
])("a pause is never none: $shell, with a pipe to wait at: $pipe", ({ shell, pipe, path }) => {
  const silence = join(guest.folder, "silence");
  if (pipe) execFileSync("mkfifo", [silence]);
  const pauses = Array.from({ length: 20 }, () => "pause 4").join("; ");
  const script = `. "${join(GUEST, "until-true.sh")}"; silence="${silence}"; read -r from rest </proc/uptime; ${pauses}
read -r to rest </proc/uptime; echo "$from $to"`;
  const [name = "", ...args] = shell;
  const said = spawnSync(findProgram(name) ?? name, [...args, "-c", script], { encoding: "utf8", env: { PATH: path } });
  expect(said.stderr).toBe("");
  const [from = NaN, to = NaN] = said.stdout.split(" ").map(Number);
  expect(to - from).toBeGreaterThan(0.7); // 20 of 40 ms
});

test("a wait within a wait has a time of its own", () => {
  const outer = "outer() { until_true 0 false; echo . >>tries; [ $(grep -c . tries) = 2 ]; }";
  expect(guest.run(`${WAIT}; ${outer}; until_true 60 outer; echo $?`)).toBe("0\n");
});

/** Two ports: pipes in their place, so names.sh may read its own question, too. */
const PORTS = `mount -t tmpfs tmpfs "$0/dev"; mkfifo "$0/dev/vport1" "$0/dev/vport2"; : >"$0/dev/null"
mkdir -p "$0/sys/class/virtio-ports/vport1" "$0/sys/class/virtio-ports/vport2"
echo mayfly.names0 >"$0/sys/class/virtio-ports/vport2/name"; echo mayfly.names1 >"$0/sys/class/virtio-ports/vport1/name"`;
const tell = (port: string, ...lines: string[]) =>
  `printf '${["begin", ...lines, "end", ""].join("\\n")}' >/dev/${port}`;
const known = (line: string) => `until_true 10 grep -q "^${line} # mayfly network$" /etc/hosts || echo no ${line}`;

test("names of two networks come and go, and leave the other lines of the file as they are", () => {
  guest.write("etc/mayfly/networks", "0\tmac\t10.80.0.2/24\n1\tmac\t10.81.0.2/24\n");
  guest.write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 web\n::1 ip6-localhost\n");
  const script = [
    ". /usr/lib/mayfly/until-true.sh; sh /usr/lib/mayfly/names.sh &",
    tell("vport2", "10.80.0.2 web", "10.80.0.3 old"),
    known("10.80.0.3 old"),
    tell("vport1", "10.81.0.3 other"),
    known("10.81.0.3 other"),
    tell("vport2", "10.80.0.2 web", "10.80.0.4 new"),
    known("10.80.0.4 new"),
  ];
  expect(guest.run(script.join("\n"), PORTS)).toBe("");
  expect(guest.read("etc/hosts").split("\n")).toEqual([
    ...["10.80.0.2 web", "10.80.0.4 new", "10.81.0.3 other"].map((line) => `${line} # mayfly network`),
    ...["127.0.0.1 localhost", "::1 ip6-localhost", ""],
  ]);
});

test("a clone that hears nothing begins by itself what it has put off, also where half a word has come", () => {
  const agent = readFileSync(join(GUEST, "agent.sh"), "utf8");
  const [hearHost = ""] = /^hear_host\(\) \{\n[^]*?^\}\n/m.exec(agent) ?? [];
  const script = `${WAIT}; mkfifo port; exec 3<>port; patience="-t 1" is_clone=yes init=systemd
${["begin", "greet", "keep_clock", "use_all_cpus"].map((name) => `${name}() { echo ${name}; }`).join("\n")}
release_journal() { echo released | tee /tmp/released; patience=; }
power_off() { echo off; exit; }
${hearHost}
{ printf 'begin - 0\\nverif' >&3; until_true 10 test -e released; printf 'ied - 0\\npoweroff - 0\\n' >&3; } &
hear_host`;
  expect(guest.run(script)).toBe("begin\nuse_all_cpus\nreleased\ngreet\nkeep_clock\noff\n");
});
