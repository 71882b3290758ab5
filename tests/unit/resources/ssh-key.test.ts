import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import { pathOf } from "../../../provider/resources/own-key";
import type { CheckContext } from "../../../provider/resources/resource";
import { sshKey } from "../../../provider/resources/ssh-key";
import { sshKeySchema, type SshKeyInputs } from "../../../provider/schema/ssh-key";
import { Ssh } from "../../../provider/ssh/ssh";
import { SshAgent } from "../../support/ssh-agent";

const said: string[] = [];
const look = {
  openRooms: () => Promise.resolve(context),
  signal: AbortSignal.timeout(60_000),
  say: (text: string) => said.push(text),
} as unknown as CheckContext;
const context = {
  ssh: new Ssh(),
  signal: AbortSignal.timeout(60_000),
  step: <T>(_title: string, work: () => Promise<T>) => work(),
} as unknown as Context;
let folder: string;
let own: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-ssh-key-"));
  const file = join(folder, "own");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-a", "2", "-N", "open sesame", "-C", "mine", "-f", file]);
  own = readFileSync(file, "utf8");
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const parse = (inputs: SshKeyInputs) => sshKeySchema.parse(inputs);

describe("SshKey", () => {
  test("makes a key; another comment leaves it the same", async () => {
    const inputs = parse({ comment: "first" });
    const made = await sshKey.create("k", inputs, context);
    expect(made.publicKey).toMatch(/^ssh-ed25519 \S+ first$/);
    const changed = await sshKey.update("k", { ...inputs, ...made }, parse({ comment: "second" }), context);
    expect(changed.publicKey).toBe(made.publicKey.replace("first", "second"));
    expect(changed.fingerprint).toBe(made.fingerprint);
    expect(sshKey.secretOutputs?.(made)).toEqual(["privateKey", "login"]);
    await sshKey.delete("k", { ...inputs, ...made }, context);
  });

  test.each([
    [{ algorithm: "ecdsa", bits: 521 }, "ecdsa-sha2-nistp521 "],
    [{ algorithm: "rsa" }, "ssh-rsa "],
  ] as const)("makes %j", async (inputs, start) => {
    const { publicKey } = await sshKey.create("k", parse(inputs), context);
    expect(publicKey.startsWith(start)).toBe(true);
  });

  test("takes the user's own key, and gives it without its passphrase", async () => {
    const inputs = parse({ privateKey: own, passphrase: "open sesame" });
    expect(await sshKey.check?.(inputs, look)).toEqual([]);
    const taken = await sshKey.create("k", inputs, context);
    expect(taken.publicKey).toBe(readFileSync(join(folder, "own.pub"), "utf8").trim());
    expect((await context.ssh.parseKey({ privateKey: taken.privateKey ?? "" })).fingerprint).toBe(taken.fingerprint);
    // Whichever of the two the engine hands over as `privateKey` of what exists: it is the same key.
    for (const privateKey of [own, taken.privateKey]) {
      const news = { ...inputs, comment: "new" };
      const changed = await sshKey.update("k", { ...inputs, ...taken, privateKey }, news, context);
      expect(changed.publicKey).toBe(taken.publicKey.replace(/ mine$/, " new"));
    }
  });

  test("says at preview, at its field, what is wrong with the user's own key", async () => {
    const check = async (inputs: SshKeyInputs) => sshKey.check?.(parse(inputs), look);
    expect(await check({ privateKey: own, passphrase: "wrong one" })).toEqual([
      { property: "passphrase", reason: expect.stringMatching(/^can't be opened: the passphrase is wrong; give its/) },
    ]);
    expect(await check({ privateKey: own })).toEqual([
      { property: "passphrase", reason: expect.stringMatching(/^is required: the key is encrypted; give its/) },
    ]);
    const publicKey = readFileSync(join(folder, "own.pub"), "utf8");
    expect(await check({ privateKey: publicKey })).toEqual([
      { property: "privateKey", reason: "is a public key; give the private one: the file without .pub" },
    ]);
    expect(await check({})).toEqual([]);
  });
});

const check = async (inputs: SshKeyInputs) => {
  const failures = (await sshKey.check?.(parse(inputs), look)) ?? [];
  return failures.map(({ property, reason }) => `${property}: ${reason}`);
};
/** What the engine makes of inputs before it calls the other verbs. */
const derived = async (inputs: SshKeyInputs) => ({
  ...parse(inputs),
  ...(await sshKey.derive?.(parse(inputs), look)),
});

describe("a key in a file", () => {
  test("is read where it lies; another one in its place is a new key", async () => {
    const file = join(folder, "moving");
    copyFileSync(join(folder, "own"), file);
    const inputs = { privateKeyFile: file, passphrase: "open sesame" };
    expect(await check(inputs)).toEqual([]);
    const before = await derived(inputs);
    const taken = await sshKey.create("k", before, context);
    expect(taken.publicKey).toBe(readFileSync(join(folder, "own.pub"), "utf8").trim());
    expect(before.sourceFingerprint).toBe(taken.fingerprint);
    expect(taken.privateKey).toContain("BEGIN OPENSSH PRIVATE KEY");

    writeFileSync(file, (await context.ssh.makeKey({ algorithm: "ed25519" })).privateKey);
    const after = await derived({ privateKeyFile: file });
    expect(after.sourceFingerprint).not.toBe(before.sourceFingerprint);
    expect(sshKey.replaceOnChanges).toContain("sourceFingerprint");
    expect(sshKey.replaceOnChanges).not.toContain("privateKeyFile"); // moved, it is still the same key
  });

  test("that is not there, no file, no key, too large or not allowed is said at its field", async () => {
    writeFileSync(join(folder, "large"), "x".repeat(70_000));
    writeFileSync(join(folder, "text"), "hello\n");
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const at = async (name: string) => check({ privateKeyFile: join(folder, name) });
    expect(await at("none")).toEqual([
      `privateKeyFile: must be in a file on this host; ${join(folder, "none")} does not exist; name another file`,
    ]);
    expect(await at(".")).toEqual([expect.stringMatching(/^privateKeyFile: must be in a file; .* is none/)]);
    expect(await at("pipe")).toEqual([expect.stringMatching(/^privateKeyFile: must be in a file; .* is none/)]);
    expect(await at("large")).toEqual([expect.stringMatching(/^privateKeyFile: is not in .*too large/)]);
    expect(await at("text")).toEqual([expect.stringMatching(/^privateKeyFile: has an unknown format; /)]);
    expect(await at("own")).toEqual([expect.stringMatching(/^passphrase: is required: the key is encrypted; /)]);
  });

  test("that others may read is taken, with a warning, as ssh would refuse it", async () => {
    const file = join(folder, "open");
    copyFileSync(join(folder, "own"), file);
    chmodSync(file, 0o644);
    said.length = 0;
    expect(await check({ privateKeyFile: file, passphrase: "open sesame" })).toEqual([]);
    expect(said).toEqual([expect.stringMatching(/^warning: privateKeyFile: .*chmod 600/)]);
  });

  test("may be named as people name it", () => {
    expect(pathOf("~/.ssh/id")).toBe(join(homedir(), ".ssh/id"));
    expect(pathOf("keys/id")).toBe(join(process.cwd(), "keys/id"));
  });
});

describe("a public key alone", () => {
  test("has a fingerprint and no private half", async () => {
    const publicKey = readFileSync(join(folder, "own.pub"), "utf8");
    expect(await check({ publicKey })).toEqual([]);
    const taken = await sshKey.create("k", parse({ publicKey }), context);
    const [, fingerprint] = execFileSync("ssh-keygen", ["-lf", join(folder, "own.pub")], { encoding: "utf8" }).split(
      " ",
    );
    expect(taken).toEqual({ publicKey: publicKey.trim(), fingerprint, login: { publicKey: publicKey.trim() } });
    const renamed = parse({ publicKey, comment: "other" });
    expect((await sshKey.update("k", { ...parse({ publicKey }), ...taken }, renamed, context)).publicKey).toBe(
      publicKey.trim().replace(/ mine$/, " other"),
    );
  });
});

describe("a key in an agent", () => {
  test("is found by its fingerprint, by its comment, or as the only one; its private half stays there", async () => {
    await using agent = await SshAgent.start();
    const agentSocketPath = agent.socket;
    expect(await check({ agent: true, agentSocketPath })).toEqual([expect.stringMatching(/^agent: .*holds no key/)]);
    const one = agent.add("one");
    const only = await sshKey.create("k", await derived({ agent: true, agentSocketPath }), context);
    const { publicKey: itsPublicKey, fingerprint } = one;
    const login = { publicKey: itsPublicKey, agentSocketPath };
    expect(only).toEqual({ publicKey: itsPublicKey, fingerprint, login });
    const two = agent.add("two");
    expect(await check({ agent: true, agentSocketPath })).toEqual([
      expect.stringMatching(/^agent: the agent at .* holds 2 such keys; name one of them: SHA256:\S+ \(one\), SHA256/),
    ]);
    for (const wanted of ["two", two.fingerprint]) {
      const inputs = await derived({ agent: wanted, agentSocketPath });
      expect(inputs.sourceFingerprint).toBe(two.fingerprint);
      expect((await sshKey.create("k", inputs, context)).publicKey).toBe(two.publicKey);
    }
    expect(await check({ agent: "three", agentSocketPath })).toEqual([
      expect.stringMatching(/^agent: .*no key three; /),
    ]);
  });

  test("is asked for by SSH_AUTH_SOCK where no socket is named; without an agent that is said", async () => {
    const { SSH_AUTH_SOCK } = process.env;
    try {
      delete process.env["SSH_AUTH_SOCK"];
      expect(await check({ agent: true })).toEqual([expect.stringMatching(/^agent: .*SSH_AUTH_SOCK is not set; /)]);
      await using agent = await SshAgent.start();
      agent.add("one");
      process.env["SSH_AUTH_SOCK"] = agent.socket;
      expect(await check({ agent: true })).toEqual([]);
      expect(await derived({ agent: true })).toMatchObject({ agentSocketPath: agent.socket });
    } finally {
      if (SSH_AUTH_SOCK === undefined) delete process.env["SSH_AUTH_SOCK"];
      else process.env["SSH_AUTH_SOCK"] = SSH_AUTH_SOCK;
    }
    const nobody = { agent: true, agentSocketPath: join(folder, "nobody") };
    expect(await check(nobody)).toEqual([
      expect.stringMatching(/^agentSocketPath: no agent answers at .*nobody; start/),
    ]);
  });
});

test.each([
  [{ privateKey: "x", publicKey: "PUBLIC" }, "publicKey"],
  [{ privateKeyFile: "x", agent: true }, "agent"],
  [{ publicKey: "PUBLIC", passphrase: "x" }, "passphrase"],
  [{ agentSocketPath: "x" }, "agentSocketPath"],
  [{ privateKeyFile: "x", bits: 256 }, "bits"],
  [{ bits: 256 }, "bits"],
  [{ algorithm: "rsa", bits: 2_048 }, "bits"],
  [{ publicKey: 'command="x" PUBLIC' }, "publicKey"],
] as const)("%j is refused at %s", (inputs, field) => {
  const line = readFileSync(join(folder, "own.pub"), "utf8").trim();
  const fields = JSON.parse(JSON.stringify(inputs).replace("PUBLIC", line)) as object;
  const { error } = sshKeySchema.safeParse(fields);
  expect(error?.issues.map(({ path }) => path.join("."))).toEqual([field]);
});
