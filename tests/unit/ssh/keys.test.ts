import { execFile } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Ssh, type NewKey, type OwnKey } from "../../../provider/ssh/ssh";

const execute = promisify(execFile);
const ssh = new Ssh();
let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "mayfly-keys-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** What OpenSSH itself makes of a private key. */
async function opensshOf(privateKey: string) {
  const file = join(folder, `key${String(files++)}`);
  await writeFile(file, privateKey, { mode: 0o600 });
  const [publicKey, listed] = await Promise.all([
    execute("ssh-keygen", ["-y", "-P", "", "-f", file]),
    execute("ssh-keygen", ["-l", "-f", file]),
  ]);
  return { publicKey: publicKey.stdout.trim(), fingerprint: listed.stdout.split(" ")[1] };
}

/** A key that OpenSSH made. */
async function byOpenssh(...options: string[]) {
  const file = join(folder, `own${String(files++)}`);
  await execute("ssh-keygen", ["-q", "-f", file, "-C", "own comment", ...options]);
  return { privateKey: await readFile(file, "utf8"), publicKey: (await readFile(`${file}.pub`, "utf8")).trim() };
}

/** The message of the failure, and a look that nothing of the key is in it. */
async function failureOf(key: OwnKey): Promise<string> {
  const error = await ssh.parseKey(key).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: "MayflyError", code: "BAD_KEY", cause: undefined });
  const { message } = error as Error;
  for (const line of key.privateKey.split("\n")) if (line.length > 20) expect(message).not.toContain(line);
  if (key.passphrase !== undefined) expect(message).not.toContain(key.passphrase);
  return message;
}

describe("makes keys that OpenSSH reads", () => {
  const kinds: [NewKey, RegExp][] = [
    [{ algorithm: "ed25519", comment: "me@host ünïcode" }, /^ssh-ed25519 \S+ me@host ünïcode$/],
    [{ algorithm: "ed25519" }, /^ssh-ed25519 \S+$/],
    [{ algorithm: "ecdsa", comment: "c" }, /^ecdsa-sha2-nistp256 /],
    [{ algorithm: "ecdsa", bits: 384, comment: "c" }, /^ecdsa-sha2-nistp384 /],
    [{ algorithm: "ecdsa", bits: 521, comment: "c" }, /^ecdsa-sha2-nistp521 /],
    [{ algorithm: "rsa", comment: "c" }, /^ssh-rsa /],
  ];
  test.each(kinds)("%j", async (kind, line) => {
    const made = await ssh.makeKey(kind);
    expect(made.publicKey).toMatch(line);
    expect(made.privateKey).toMatch(
      /^-----BEGIN OPENSSH PRIVATE KEY-----\n[\s\S]*\n-----END OPENSSH PRIVATE KEY-----\n$/,
    );
    expect(await opensshOf(made.privateKey)).toEqual({ publicKey: made.publicKey, fingerprint: made.fingerprint });
  });

  test("each one is another", async () => {
    const [one, other] = await Promise.all([
      ssh.makeKey({ algorithm: "ed25519" }),
      ssh.makeKey({ algorithm: "ed25519" }),
    ]);
    expect(one.fingerprint).not.toBe(other.fingerprint);
  });

  test.each([
    [{ algorithm: "ecdsa", bits: 255 }, "256, 384 or 521"],
    [{ algorithm: "rsa", bits: 2_048 }, "3072 to 16384"],
  ] as const)("refuses %j", async (kind, hint) => {
    await expect(ssh.makeKey(kind)).rejects.toThrow(hint);
  });
});

describe("reads keys of the user's own", () => {
  test.each([
    ["OpenSSH ed25519", ["-t", "ed25519", "-N", ""], undefined],
    ["OpenSSH rsa", ["-t", "rsa", "-b", "2048", "-N", ""], undefined],
    ["OpenSSH, encrypted", ["-t", "ed25519", "-N", "geheim ü", "-a", "4"], "geheim ü"],
    ["OpenSSH ecdsa, encrypted", ["-t", "ecdsa", "-b", "521", "-N", "secret", "-a", "4"], "secret"],
    ["PEM rsa", ["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""], undefined],
    ["PEM rsa, encrypted", ["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret"], "secret"],
    ["PEM ecdsa", ["-t", "ecdsa", "-b", "384", "-m", "PEM", "-N", ""], undefined],
    ["PKCS#8", ["-t", "ecdsa", "-m", "PKCS8", "-N", ""], undefined],
    ["PKCS#8, encrypted", ["-t", "rsa", "-b", "3072", "-m", "PKCS8", "-N", "secret"], "secret"],
  ])("%s", async (_name, options, passphrase) => {
    const own = await byOpenssh(...options);
    const read = await ssh.parseKey({ privateKey: own.privateKey, passphrase, comment: "own comment" });
    expect(read.publicKey).toBe(own.publicKey);
    const { fingerprint } = await opensshOf(read.privateKey);
    expect(read.fingerprint).toBe(fingerprint);
  });

  test("keeps its comment unless told another", async () => {
    const { privateKey } = await byOpenssh("-t", "ed25519", "-N", "");
    expect((await ssh.parseKey({ privateKey })).publicKey).toMatch(/ own comment$/);
    expect((await ssh.parseKey({ privateKey, comment: "new" })).publicKey).toMatch(/ new$/);
  });

  test("forgives what copying does to a text", async () => {
    const { privateKey, publicKey } = await byOpenssh("-t", "ed25519", "-N", "");
    const mangled = `\uFEFF\r\n    ${privateKey.trim().replaceAll("\n", "\r\n    ")}`;
    expect((await ssh.parseKey({ privateKey: mangled })).publicKey).toBe(publicKey);
  });

  test("does not hold the process up while it opens an encrypted one", async () => {
    const { privateKey } = await byOpenssh("-t", "ed25519", "-N", "secret", "-a", "16");
    let ticks = 0;
    const watch = setInterval(() => (ticks += 1), 5);
    await ssh.parseKey({ privateKey, passphrase: "secret" });
    clearInterval(watch);
    expect(ticks).toBeGreaterThan(3); // in this thread, where it takes 400 ms, there would be one at most
  });
});

describe("says what is wrong with a key", () => {
  test("wrong passphrase, none, for each way of encryption", async () => {
    const keys = await Promise.all([
      byOpenssh("-t", "ed25519", "-N", "right one", "-a", "2"),
      byOpenssh("-t", "ecdsa", "-m", "PEM", "-N", "right one"),
      byOpenssh("-t", "ecdsa", "-m", "PKCS8", "-N", "right one"),
    ]);
    for (const { privateKey } of keys) {
      expect(await failureOf({ privateKey, passphrase: "wrong one" })).toContain("the passphrase is wrong");
      expect(await failureOf({ privateKey })).toContain("is encrypted and no passphrase was given");
    }
  });

  test("a wrong passphrase that opens the padding by chance, and a cipher that nobody reads", async () => {
    const { privateKey } = await byOpenssh("-t", "ecdsa", "-m", "PEM", "-N", "right one");
    const byChance = (passphrase: string) => {
      try {
        createPrivateKey({ key: privateKey, passphrase });
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === "ERR_OSSL_UNSUPPORTED";
      }
    };
    const passphrase = Array.from({ length: 20_000 }, (_, index) => `wrong ${String(index)}`).find(byChance);
    expect(await failureOf({ privateKey, passphrase: passphrase ?? "" })).toContain("the passphrase is wrong");
    for (const cipher of ["DES-CBC,0011223344556677", "NONE-CBC,00"]) {
      const unread = privateKey.replace(/DEK-Info: .*/, `DEK-Info: ${cipher}`);
      expect(await failureOf({ privateKey: unread, passphrase: "right one" })).toContain("no longer reads");
    }
  });

  test("public keys", async () => {
    const { publicKey } = await byOpenssh("-t", "ed25519", "-N", "");
    expect(await failureOf({ privateKey: publicKey })).toContain("is a public key");
    const file = join(folder, "public");
    await writeFile(file, publicKey);
    for (const format of ["PKCS8", "RFC4716"]) {
      const { stdout } = await execute("ssh-keygen", ["-e", "-m", format, "-f", file]).catch(() => ({ stdout: "" }));
      if (stdout !== "") expect(await failureOf({ privateKey: stdout })).toContain("is a public key");
    }
  });

  test("damaged and cut off", async () => {
    const { privateKey } = await byOpenssh("-t", "ed25519", "-N", "");
    const lines = privateKey.trim().split("\n");
    expect(await failureOf({ privateKey: lines.slice(0, -1).join("\n") })).toContain("cut off");
    expect(await failureOf({ privateKey: [lines[0], lines[1], lines.at(-1)].join("\n") })).toContain("damaged");
    expect(await failureOf({ privateKey: [lines[0], lines.at(-1)].join("\n") })).toContain("damaged");
  });

  test.each([
    ["", "is empty"],
    ["hello", "unknown format"],
    ["~/.ssh/id_ed25519", "is a path"],
    ["/root/.ssh/id rsa", "is a path"],
    ["PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY"],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate"],
    ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "damaged"],
    ["-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "damaged"],
  ])("%j", async (privateKey, problem) => {
    expect(await failureOf({ privateKey })).toContain(problem);
  });

  test("kinds and sizes that servers refuse", async () => {
    const { stdout: ed448 } = await execute("openssl", ["genpkey", "-algorithm", "ed448"]);
    expect(await failureOf({ privateKey: ed448 })).toContain("which SSH does not use");
    const { privateKey } = await byOpenssh("-t", "rsa", "-b", "1024", "-N", "");
    expect(await failureOf({ privateKey })).toContain("1024 bits");
  });
});
