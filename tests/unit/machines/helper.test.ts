import { createHash, randomBytes } from "node:crypto";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../../provider/host/until";
import { identityTar } from "../../../provider/machines/identity";
import type { Access, Identity } from "../../../provider/machines/spec";

const FOLDER = join(__dirname, "..", "..", "..", "provider", "guest", "helper");
const HELPER = join(FOLDER, "helper-x86_64");

/** A root filesystem as a template's has come to be: prepared, with a sshd that waits for its host key. */
let root: string;
const guest = (...path: string[]) => join(root, ...path);
const textOf = (...path: string[]) => readFileSync(guest(...path), "utf8");

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mayfly-helper-"));
  for (const folder of ["etc/mayfly", "var/lib/dbus", "proc", "dev", "run"])
    mkdirSync(guest(folder), { recursive: true });
  writeFileSync(guest("etc/mayfly/hosts.image"), "::1 ip6-localhost\n");
  writeFileSync(guest("etc/mayfly/environment.image"), "LANG=C\n");
  writeFileSync(guest("var/lib/dbus/machine-id"), "old\n");
  cpSync(HELPER, guest("helper"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

const identity: Identity = {
  ...{ hostname: "web", machineId: "0123456789abcdef0123456789abcdef", mac: "52:54:00:12:34:56" },
  ...{ hostPrivateKey: "the host key\n", hostPublicKey: "ssh-ed25519 AAAA", environment: { GREETING: "good day" } },
};
const key = "ssh-ed25519 AAAAC3Nza me";
const user = { name: "ann", uid: 1_000, anyUid: true, groups: [], sudo: false, shell: undefined, home: undefined };
const access = (users: Access["users"] = []): Access => ({ rootKeys: [key], users });

/** With a kernel's host name and random pool to change, a root of its own, and no way out. */
const INSIDE = ["--uts", "--net", "--mount", "--map-root-user", "sh", "-euc"];
const ENTER = 'mount --rbind /dev "$1/dev"; mount --rbind /proc "$1/proc"; cd "$1"; exec chroot "$@"';

/** What the host sends: time and seed, then the identity. */
async function message(users?: Access["users"]): Promise<{ size: number; input: Buffer }> {
  const tar = await identityTar(identity, access(users), []);
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(Math.floor(Date.now() / 1_000)), 0);
  return { size: tar.length, input: Buffer.concat([time, randomBytes(40), tar]) };
}

test("the committed program was built from the committed sources", () => {
  const digest = createHash("sha256");
  for (const name of readdirSync(FOLDER)
    .filter((file) => /\.[ch]$/.test(file))
    .sort())
    digest.update(readFileSync(join(FOLDER, name)));
  expect(readFileSync(HELPER, "latin1")).toContain(`source-sha256:${digest.digest("hex")}`);
});

test("become does not take less than a whole seed", () => {
  const { status, stderr } = spawnSync(HELPER, ["become", "512"], { input: Buffer.alloc(10) });
  expect([status, stderr.toString()]).toEqual([1, "helper: read\n"]);
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;

asRoot(
  "become puts an identity into force, and gives sshd its key last [host lacks: root's rights to set a clock]",
  async () => {
    for (const pipe of ["ssh_host_key", "sshd-listens"])
      execFileSync("mkfifo", ["-m", "600", guest("etc/mayfly", pipe)]);
    // What a waiting sshd does: reads its key, listens, writes its pid file.
    const sshd = spawn("sh", [
      "-c",
      'cat "$1/ssh_host_key" >"$1/taken"; [ -L "$1/access" ] && echo "keys first" >>"$1/taken"; echo 7 >"$1/sshd-listens"',
      "sh",
      guest("etc/mayfly"),
    ]);
    await until(
      "it waits at the pipe",
      async () => readFileSync(`/proc/${String(sshd.pid)}/wchan`, "utf8") === "do_wait" || undefined,
      {
        signal: AbortSignal.timeout(5_000),
        interval: 10,
        diagnose: () => ({ remedy: "see /proc/PID/wchan" }),
      },
    );
    const { size, input } = await message();
    const args = [...INSIDE, ENTER, "sh", root, "/helper", "become", String(size)];
    const { status, stderr } = spawnSync("unshare", args, { input });
    expect([status, stderr.toString()]).toEqual([0, ""]);
    await once(sshd, "close");
    expect(textOf("etc/mayfly/taken")).toBe("the host key\nkeys first\n");
    expect(existsSync(guest("etc/mayfly/sshd-listens"))).toBe(false);
    expect(statSync(guest("etc/mayfly/ssh_host_key")).mode & 0o777).toBe(0o600);
    expect(textOf("etc/mayfly/ssh_host_key")).toBe("the host key\n");
    expect(textOf("etc/mayfly/access/keys/root")).toBe(`${key}\n`);
    expect(readlinkSync(guest("etc/mayfly/access"))).toMatch(/^access\.[0-9a-f]{32}$/);
    expectIdentity();
  },
);

asRoot(
  "identity alone does the same to the files, as at a cold boot [host lacks: root's rights for a host name]",
  async () => {
    execFileSync("tar", ["-x", "-C", root], { input: await identityTar(identity, access(), []) });
    const { status, stderr } = spawnSync("unshare", [...INSIDE, ENTER, "sh", root, "/helper", "identity"]);
    expect([status, stderr.toString()]).toEqual([0, ""]);
    expectIdentity();
  },
);

function expectIdentity(): void {
  expect(textOf("etc/hostname")).toBe("web\n");
  expect(textOf("etc/hosts")).toBe("127.0.0.1 localhost\n127.0.1.1 web\n::1 ip6-localhost\n");
  expect(textOf("etc/machine-id")).toBe(`${identity.machineId}\n`);
  expect(textOf("var/lib/dbus/machine-id")).toBe(`${identity.machineId}\n`);
  expect(textOf("etc/environment")).toBe('LANG=C\nGREETING="good day"\n');
}

asRoot(
  "without a sshd that waits nothing is begun but the renewal [host lacks: root's rights to set a clock]",
  async () => {
    const { size, input } = await message([{ ...user, authorizedKeys: [key] }]);
    const args = [...INSIDE, ENTER, "sh", root, "/helper", "become", String(size)];
    const { status, stderr } = spawnSync("unshare", args, { input });
    expect([status, stderr.toString()]).toEqual([1, "helper: sshd does not wait\n"]);
    expect(existsSync(guest("etc/hostname"))).toBe(false);
  },
);
