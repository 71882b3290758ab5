import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import type { Access } from "../../../provider/machines/spec";
import { vm } from "../../../provider/resources/vm";
import { vmSchema, type VMInputs, type VMSpec } from "../../../provider/schema/vm";
import type { KeyPair } from "../../../provider/ssh/keys";
import { Ssh } from "../../../provider/ssh/ssh";
import { failureOf } from "../../support/context";
import { Sshd } from "../../support/sshd";

// A VM that boots from a disk, whose guest is the test's server: what settles its access opens the server's door.

type State = Parameters<typeof vm.update>[1];

const ssh = new Ssh();
const me = userInfo().username;
let server: Sshd;
let folder: string;
let tests = 0;
/** The file of the VM's at which whatever changes its key is ended. */
let endsAt: string | undefined;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  tests += 1;
  folder = join(server.folder, `vm ${String(tests)}`);
  mkdirSync(folder);
  endsAt = undefined;
});

const file = (name: string): string => join(folder, name);
const newKey = (): Promise<KeyPair> => ssh.makeKey({ algorithm: "ed25519", comment: "" });

function context(): Context {
  return {
    ssh,
    machines: {
      file: (_id: string, name: string) => file(name),
      record: () => Promise.resolve(undefined),
      keepFile: (_id: string, name: string, text: string) => {
        if (name === endsAt) return Promise.reject(new Error("killed"));
        writeFileSync(file(name), text, { mode: 0o600 });
        return Promise.resolve(file(name));
      },
      settleCommand: ({ users }: Access) => {
        const stdin = Buffer.from((users[0]?.authorizedKeys ?? []).map((key) => `${key}\n`).join(""));
        return Promise.resolve({ command: `cat >'${join(server.folder, "user.pub")}'`, stdin });
      },
    },
    owner: { project: "p", stack: "s", resource: "web" },
    signal: AbortSignal.timeout(60_000),
  } as unknown as Context;
}

/** The only user of the server is who runs the tests; root is none that a program may declare. */
function spec(fields: Partial<VMInputs>): VMSpec {
  const inputs = vmSchema.parse({
    image: "localhost/x",
    fromDisk: true,
    rootLogin: false,
    users: [{ name: "me" }],
    ...fields,
  });
  return { ...inputs, users: inputs.users.map((user) => ({ ...user, name: me })) };
}

const declared = ({ publicKey, privateKey }: KeyPair): VMSpec => spec({ sshKey: { publicKey, privateKey } });

/** What Pulumi has saved of a VM into which this key leads. */
function saved(inputs: VMSpec, { publicKey, privateKey }: KeyPair): State {
  writeFileSync(join(server.folder, "user.pub"), `${publicKey}\n`);
  const { host, port, hostKey } = server.endpoint;
  return { ...inputs, connection: { host, port, user: me, hostKey, privateKey } } as unknown as State;
}

const update = async (state: State, inputs: VMSpec): Promise<string | undefined> =>
  (await vm.update("web-1", state, inputs, context())).connection.privateKey;

/** Whether a change has something to do though no input differs. */
const isLeft = async (state: State): Promise<boolean | undefined> => vm.needsUpdate?.("web-1", state, state, context());

test("a change of keys that was ended before it was saved is made good by the next one", async () => {
  const [before, next] = [await newKey(), await newKey()];
  const state = saved(declared(before), before);
  endsAt = "id";
  expect((await failureOf(update(state, declared(next)))).message).toBe("killed");
  expect(readFileSync(join(server.folder, "user.pub"), "utf8")).toContain(next.publicKey); // in force, and nowhere saved
  endsAt = undefined;
  expect(await update(state, declared(next))).toBe(next.privateKey);
  expect(await isLeft(state)).toBe(false);
});

test.each(["id", "ssh_config"])("a key that was made for it is not lost (ended at %s)", async (name) => {
  const before = await newKey();
  const state = saved(declared(before), before);
  endsAt = name;
  await failureOf(update(state, spec({})));
  await failureOf(update(state, spec({}))); // and once more: each makes a key of its own
  endsAt = undefined;
  const key = await update(state, spec({}));
  expect(readFileSync(file("id"), "utf8")).toBe(key);
  expect(existsSync(file("connections.next.json"))).toBe(false);
});

test("a change that is taken back after it was ended leaves the former key in force", async () => {
  const [before, next] = [await newKey(), await newKey()];
  const state = saved(declared(before), before);
  endsAt = "id";
  await failureOf(update(state, declared(next)));
  endsAt = undefined;
  expect(await isLeft(state)).toBe(true);
  expect(await update(state, declared(before))).toBe(before.privateKey);
  expect(readFileSync(join(server.folder, "user.pub"), "utf8")).toContain(before.publicKey);
});

test("one that was done, but not saved, is found by what the VM keeps", async () => {
  const before = await newKey();
  const state = saved(declared(before), before);
  const lost = await update(state, spec({}));
  const key = await update(state, spec({}));
  expect(key).not.toBe(lost);
  expect(readFileSync(file("id"), "utf8")).toBe(key);
});

test("a guest that lets nobody in says so of the way that was saved", async () => {
  const [before, next, other] = [await newKey(), await newKey(), await newKey()];
  const state = saved(declared(before), before);
  saved(declared(other), other);
  expect(await failureOf(update(state, declared(next)))).toMatchObject({
    code: "CONNECT_FAILED",
    message: expect.stringContaining("refused the login"),
  });
});
