import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Program } from "../support/program";

// Twenty machines out of one template: whatever is random, or names a machine, must differ between any two.

const SIZE = 20;

/** How a machine's log has the command by which a login is tried. */
const hashOfTrue = `"sha256":"${createHash("sha256").update("true").digest("hex").slice(0, 12)}"`;

/**
 * Prints the initial sequence numbers of two TCP connections without the part that is the time of day, in which the
 * kernel's secret is all that is left: net/core/secure_seq.c has `hash(addresses, ports, secret) + (real time >> 6 ns)`.
 * The kernel's own stamp of the packet is exact to a microsecond: SIOCGSTAMP, packet(7).
 */
const SEQUENCE_NUMBERS = `
use Socket;
socket(my $sniffer, 17, 3, unpack("n", pack("S", 3))) or die "packet socket: $!";
my $none = pack("qq", 0, 0);
ioctl($sniffer, 0x8906, $none); # from the next packet on it has a stamp
for my $port (40001, 40002) {
  socket(my $client, PF_INET, SOCK_STREAM, 0) or die;
  setsockopt($client, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($client, sockaddr_in($port, inet_aton("127.0.0.1"))) or die "bind: $!";
  connect($client, sockaddr_in(9, inet_aton("127.0.0.1"))); # refused: its SYN is all that is wanted
  for (;;) {
    recv($sniffer, my $packet, 2048, 0);
    my ($type, $source, $target, $sequence) = unpack("x12 n x20 n n N", $packet);
    next unless $type == 0x800 && $source == $port && $target == 9;
    my $stamp = $none;
    ioctl($sniffer, 0x8906, $stamp) or die "no stamp: $!";
    my ($seconds, $microseconds) = unpack("qq", $stamp);
    print(($sequence - (($seconds * 1000000000 + $microseconds * 1000) >> 6)) & 0xffffffff, "\\n");
    last;
  }
}
`;

/** One fact a line; each line of one machine must differ from that line of any other, up to the empty one. */
const FACTS = `
hostname
cat /etc/machine-id /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid /sys/class/net/eth0/address
head -c 16 /dev/urandom | base64
uuidgen 2>/dev/null || cat /proc/sys/kernel/random/uuid
ssh-keygen -q -t ecdsa -N '' -C '' -f /tmp/key && cut -d ' ' -f 2 /tmp/key.pub # OpenSSL's generator
# As services are: under emulation, what a session starts has the same addresses each time.
systemd-run --quiet --pipe sh <<'end'
  perl -e 'printf "%x %s\\n", \\ my $x, join "", map { chr(97 + rand 26) } 1 .. 16' # its stack, and its own seed
  cut -d ' ' -f 28 /proc/self/stat # where the stack of a new process starts
end
systemd-id128 new
echo
systemctl is-system-running; date +%s
# Its journal starts a moment after the first login, so as not to stand in its way.
journal="/run/log/journal/$(cat /etc/machine-id)/system.journal /var/log/journal/$(cat /etc/machine-id)/system.journal"
logs() { { [ -e "$1" ] || [ -e "$2" ]; } && journalctl -b -q -n 1 -o cat 2>/dev/null | grep -q .; }
. /usr/lib/mayfly/until-true.sh
until_true 60 logs $journal && echo logged
`;

/** KiB of a file of the guest's that a qemu has for itself alone; `undefined` where it has not mapped it. See proc(5), smaps. */
function copiedOf(file: string, pid: string): number | undefined {
  const mappings = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const itsOwn = mappings.filter((mapping) => mapping.split("\n", 1)[0]?.endsWith(file));
  const dirty = itsOwn.map((mapping) => Number(/^Private_Dirty: +(\d+) kB$/m.exec(mapping)?.[1]));
  return dirty.length === 0 ? undefined : dirty.reduce((sum, kibibytes) => sum + kibibytes, 0);
}

let program: Program;
beforeAll(async () => {
  program = await Program.open("clones");
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
});

test(`${String(SIZE)} clones of a template have no secret and no name in common`, async () => {
  await program.write(`
const image = new mayfly.Image("debian", { debian: {} });
exports.clones = Array.from({ length: ${String(SIZE)} }, (_, index) => {
  const vm = new mayfly.VM("clone" + index, { image, cpus: 1, warmBoot: "required" });
  const facts = new mayfly.SshCommand("facts" + index, { vm, create: ${JSON.stringify(FACTS)}, logging: "none" });
  const numbers = new mayfly.SshCommand("numbers" + index, {
    vm, create: "perl", stdin: ${JSON.stringify(SEQUENCE_NUMBERS)}, logging: "none",
  });
  return { hostKey: vm.hostKey, report: facts.stdout, numbers: numbers.stdout };
});
`);
  await program.pulumi("up", "--yes", "--skip-preview");
  const { clones } = await program.outputs<{
    clones: readonly Record<"hostKey" | "report" | "numbers", string>[];
  }>();
  expect(clones).toHaveLength(SIZE);
  // A first machine shows that commands run on what the template has; the next ones are only logged in to.
  const logs = readdirSync(join(program.data, "machines")).map((id) =>
    readFileSync(join(program.data, "machines", id, "sessions.jsonl"), "utf8"),
  );
  expect(logs.filter((log) => log.includes(hashOfTrue)).length).toBeLessThan(SIZE);

  const copies = readdirSync(join(program.data, "machines")).map((id) =>
    copiedOf("/kernel-pvh", readFileSync(join(program.data, "machines", id, "qemu.pid"), "utf8").trim()),
  );
  expect(copies).toEqual(clones.map(() => 0));

  const reports = clones.map(({ report }) => report.split("\n\n"));
  const facts = clones.map(({ hostKey }, index) => [hostKey, ...(reports[index]?.[0]?.split("\n") ?? [])]);
  expect(facts.map((lines) => lines.length)).toEqual(clones.map(() => 12));
  for (const [index] of (facts[0] ?? []).entries()) {
    const seen = facts.map((lines) => lines[index]);
    expect(new Set(seen).size).toBe(SIZE); // the line that fails is shown by what there is of it
  }

  const numbers = clones.map(({ numbers: lines }) => lines.split("\n").map(Number));
  const near = (a = NaN, b = NaN) => Math.min((a - b) >>> 0, (b - a) >>> 0) < 10_000; // 0.6 ms of the clock
  for (const [index, [first, second]] of numbers.entries())
    for (const [otherFirst, otherSecond] of numbers.slice(index + 1))
      expect(near(first, otherFirst) && near(second, otherSecond)).toBe(false);

  for (const [, state = ""] of reports) {
    const [running, time, logged] = state.split("\n");
    expect([running, logged]).toEqual(["running", "logged"]);
    expect(Math.abs(Number(time) - Date.now() / 1_000)).toBeLessThan(300); // the template's clock stood still
  }
});
