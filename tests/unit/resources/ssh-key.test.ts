import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import type { CheckContext } from "../../../provider/resources/resource";
import { sshKey } from "../../../provider/resources/ssh-key";
import { sshKeySchema, type SshKeyInputs } from "../../../provider/schema/ssh-key";
import { Ssh } from "../../../provider/ssh/ssh";

const look = { openRooms: () => Promise.resolve(context) } as unknown as CheckContext;
const context = {
  ssh: new Ssh(),
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
    expect(sshKey.secretOutputs?.(made)).toEqual(["privateKey"]);
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
    expect((await context.ssh.parseKey({ privateKey: taken.privateKey })).fingerprint).toBe(taken.fingerprint);
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
      { property: "privateKey", reason: expect.stringMatching(/^is encrypted and no passphrase was given; /) },
    ]);
    const publicKey = readFileSync(join(folder, "own.pub"), "utf8");
    expect(await check({ privateKey: publicKey })).toEqual([
      { property: "privateKey", reason: "is a public key; give the private one: the file without .pub" },
    ]);
    expect(await check({})).toEqual([]);
  });
});
