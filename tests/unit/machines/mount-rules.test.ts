import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { openPaths } from "../../../provider/host/paths";
import { Podman } from "../../../provider/host/podman";
import { mountRules } from "../../../provider/machines/mount-rules";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly rules "));
  chmodSync(folder, 0o711);
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const CALLS = `
use Fcntl;
umask 0;
sub made { -e "x" ? sprintf("%04o", (stat "x")[2] & 07777) : "no file" }
sub try { my ($name, $call) = @_; print "$name: ", $call->() ? "" : "$!, ", made(), "\n"; unlink "x" }
sub plain { open(my $file, ">", "x") or die $!; $file }
chdir "/source" or die $!;
try "create 0755", sub { sysopen(my $file, "x", O_CREAT | O_WRONLY, 0755) };
try "create 4755", sub { sysopen(my $file, "x", O_CREAT | O_WRONLY, 04755) };
try "create 2755", sub { sysopen(my $file, "x", O_CREAT | O_WRONLY, 02755) };
try "chmod 0700", sub { plain; chmod 0700, "x" };
try "chmod 4755", sub { plain; chmod 04755, "x" };
try "fchmod 2755", sub { chmod 02755, plain };
try "chown root", sub { plain; chown 0, 0, "x" };
syscall(117, -1, 0, -1); # setresuid
print "acts as $>\n";
`;

/** What comes of the calls in a container as a mount's, under rules. */
async function outcome(rules: object): Promise<string[]> {
  const podman = new Podman(openPaths({ MAYFLY_HOME: folder }));
  const [file, source] = [join(folder, "rules.json"), join(folder, "source")];
  mkdirSync(source);
  chmodSync(source, 0o777);
  writeFileSync(file, JSON.stringify(rules));
  const args = [
    ...["run", "--rm", "--interactive", "--read-only", "--network", "none", "--cap-drop", "ALL", "--cap-add", "SETUID"],
    ...["--user", "1000:1000", "--passwd=false", "--volume", `${source}:/source`, "--security-opt", `seccomp=${file}`],
    ...[...podman.rootArgs(), "/usr/bin/perl", "-"],
  ];
  return (await podman.run(args, { signal: AbortSignal.timeout(20_000), input: CALLS })).split("\n");
}

test("no call gives a file set-user-ID or set-group-ID bits; root's part falls to the mount's owner", async () => {
  expect(await outcome(mountRules(true))).toEqual([
    "create 0755: 0755",
    "create 4755: Operation not permitted, no file",
    "create 2755: Operation not permitted, no file",
    "chmod 0700: 0700",
    "chmod 4755: Operation not permitted, 0666",
    "fchmod 2755: Operation not permitted, 0666",
    "chown root: 0666",
    "acts as 1000",
  ]);
}, 30_000);

test("where root is to stay root, only the bits are refused", async () => {
  const lines = await outcome(mountRules(false));
  expect(lines).toContain("chmod 4755: Operation not permitted, 0666");
  expect(lines.slice(-2)).toEqual(["chown root: Operation not permitted, 0666", "acts as 0"]);
}, 30_000);
