import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import type { Access } from "../../../provider/machines/spec";
import { vm } from "../../../provider/resources/vm";
import { accessOf, loginKeys, loginUser, runsWhatItsTemplateRuns } from "../../../provider/resources/vm-access";
import { vmSchema, type VMInputs, type VMSpec } from "../../../provider/schema/vm";
import { Ssh } from "../../../provider/ssh/ssh";
import { Sshd } from "../../support/sshd";
import { SshAgent } from "../../support/ssh-agent";

// A VM's way in, from what is declared to a login: everything but the guest, whose place OpenSSH's server takes.

const ssh = new Ssh();
const me = userInfo().username;
let server: Sshd;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});

const spec = (fields: Partial<VMInputs>): VMSpec => vmSchema.parse({ image: "localhost/x", ...fields });
const newKey = (comment = "") => ssh.makeKey({ algorithm: "ed25519", comment });

describe("who is let in", () => {
  test.each<[boolean, Partial<VMInputs>]>([
    [true, {}],
    [true, { memory: "2GiB", ports: [{ guest: 80 }], authorizedKeys: [], expiresAfter: "1h" }],
    [false, { users: [{ name: "ann" }] }],
    [false, { users: [{ name: "ann" }], rootLogin: false }],
    [false, { mounts: [{ source: "/srv", target: "/root" }] }],
    [false, { environment: { BASH_ENV: "/x" } }],
    [false, { systemdUnits: { "x.service": "[Service]\nExecStart=true\n" } }],
  ])("one for whom the template's programs run: %s with %j", (expected, fields) => {
    expect(runsWhatItsTemplateRuns(spec(fields))).toBe(expected);
  });

  test("root and users by their keys; `connection` as root", async () => {
    const [one, two, login] = await Promise.all([newKey("one"), newKey("two"), newKey("login")]);
    const inputs = spec({
      authorizedKeys: [one.publicKey],
      users: [{ name: "ann", authorizedKeys: [two.publicKey] }],
      sshKey: { publicKey: login.publicKey, privateKey: login.privateKey },
    });
    const keys = await loginKeys("web-1", inputs, { ssh });
    expect(keys.proof).toEqual({ privateKey: login.privateKey });
    expect(accessOf(inputs, keys)).toMatchObject({
      rootKeys: [login.publicKey, one.publicKey],
      users: [{ name: "ann", authorizedKeys: [two.publicKey] }],
    });
    expect(loginUser(inputs)).toBe("root");
  });

  test("with rootLogin: false nobody as root; `connection` as the first of users", async () => {
    const two = await newKey("two");
    const users = [{ name: "ann", authorizedKeys: [two.publicKey] }, { name: "bob" }];
    const inputs = spec({ rootLogin: false, users });
    const keys = await loginKeys("web-1", inputs, { ssh });
    const access = accessOf(inputs, keys);
    expect(access.rootKeys).toEqual([]);
    expect(access.users.map(({ authorizedKeys }) => authorizedKeys)).toEqual([[...keys.publicKeys, two.publicKey], []]);
    expect(loginUser(inputs)).toBe("ann");
  });

  test("a key whose private half is elsewhere, beside one of the VM's own that stays", async () => {
    const { publicKey } = await newKey("mine");
    const inputs = spec({ sshKey: { publicKey } });
    const keys = await loginKeys("web-1", inputs, { ssh });
    expect(keys.publicKeys).toEqual([expect.stringMatching(/ web-1$/), publicKey]);
    const again = await loginKeys("web-1", spec({}), { ssh }, { sshKey: inputs.sshKey, proof: keys.proof });
    expect(again.publicKeys).toEqual(keys.publicKeys.slice(0, 1));
    // One that was declared whole is not kept when the declaration goes.
    const { privateKey } = await newKey();
    const before = { sshKey: { publicKey, privateKey }, proof: { privateKey } };
    const fresh = await loginKeys("web-1", spec({}), { ssh }, before);
    expect(fresh.proof.privateKey).not.toBe(privateKey);
  });
});

test.each([
  [{ rootLogin: false }, "rootLogin"],
  [{ rootLogin: false, users: [{ name: "ann" }], authorizedKeys: ["KEY"] }, "authorizedKeys"],
  [{ sshKey: { publicKey: "KEY", privateKey: "x", agentSocketPath: "/x" } }, "sshKey.agentSocketPath"],
] as const)("%j is refused at %s", async (fields, field) => {
  const { publicKey } = await newKey();
  const inputs = JSON.parse(JSON.stringify({ image: "x", ...fields }).replaceAll("KEY", publicKey)) as object;
  expect(vmSchema.safeParse(inputs).error?.issues.map(({ path }) => path.join("."))).toEqual([field]);
});

describe("a change on the running VM", () => {
  /** A VM whose guest is the test's server: what would be sent to the guest opens the server's door. */
  class Guest {
    readonly folder: string;
    sent: Access[] = [];
    constructor(name: string) {
      this.folder = join(server.folder, name);
      mkdirSync(this.folder);
    }
    readonly file = (name: string) => join(this.folder, name);
    get context(): Context {
      return {
        ssh,
        machines: {
          file: (_id: string, name: string) => this.file(name),
          record: () => Promise.resolve(undefined),
          keepFile: (_id: string, name: string, text: string) => {
            writeFileSync(this.file(name), text, { mode: 0o600 });
            return Promise.resolve(this.file(name));
          },
          changeAccess: (_id: string, access: Access) => {
            this.sent.push(access);
            const keys = access.users[0]?.authorizedKeys ?? [];
            writeFileSync(join(server.folder, "user.pub"), keys.map((key) => `${key}\n`).join(""));
            return Promise.resolve();
          },
        },
        owner: { project: "p", stack: "s", resource: "web" },
        signal: AbortSignal.timeout(30_000),
      } as unknown as Context;
    }
  }

  /** The only user of the server is who runs the tests; root is none that a program may declare. */
  const mine = (fields: Partial<VMInputs>): VMSpec => {
    const inputs = spec({ ...fields, rootLogin: false, users: [{ name: "me" }] });
    return { ...inputs, users: inputs.users.map((user) => ({ ...user, name: me })) };
  };
  const state = (inputs: VMSpec, connection: object) =>
    ({ ...inputs, connection }) as unknown as Parameters<typeof vm.update>[1];

  test("of the key: the new one logs in, the old one is refused, the files and the log follow", async () => {
    const guest = new Guest("rotated");
    const { host, port = 0, hostKey, privateKey } = server.endpoint;
    const before = { host, port, user: me, hostKey, privateKey };
    await ssh.login(before, AbortSignal.timeout(10_000));
    const next = await newKey("next");
    const inputs = mine({ sshKey: { publicKey: next.publicKey, privateKey: next.privateKey } });
    const { connection, user } = await vm.update("web-1", state(mine({}), before), inputs, guest.context);
    expect(connection).toEqual({ ...before, privateKey: next.privateKey });
    expect(user).toBe(me);
    expect(guest.sent).toHaveLength(1);
    await expect(ssh.exec(before, { command: "true" }, AbortSignal.timeout(10_000))).rejects.toThrow(
      "refused the login",
    );
    expect(readFileSync(guest.file("id"), "utf8")).toBe(next.privateKey);
    expect(JSON.parse(readFileSync(guest.file("connection.json"), "utf8"))).toEqual(connection);
    expect(readFileSync(guest.file("ssh_config"), "utf8")).toContain(`User ${me}\n`);
    expect(readFileSync(guest.file("sessions.jsonl"), "utf8")).toContain(next.fingerprint);
  });

  test("to a key in an agent: `connection` asks it, and no private key is kept; its next socket sends nothing", async () => {
    await using agent = await SshAgent.start();
    const key = agent.add("mine");
    const guest = new Guest("agent");
    const { host, port = 0, hostKey } = server.endpoint;
    const before = { host, port, user: me, hostKey, privateKey: server.read("user") };
    const inputs = mine({ sshKey: { publicKey: key.publicKey, agentSocketPath: agent.socket } });
    const { connection } = await vm.update("web-1", state(mine({}), before), inputs, guest.context);
    expect(connection).toEqual({ host, port, user: me, hostKey, agentSocketPath: agent.socket });
    expect(readFileSync(guest.file("id"), "utf8")).toBe(`${key.publicKey}\n`);
    expect(readFileSync(guest.file("sessions.jsonl"), "utf8")).toContain(key.fingerprint);
    const { execFileSync } = await import("node:child_process");
    expect(execFileSync("ssh", ["-F", guest.file("ssh_config"), "web", "echo there"], { encoding: "utf8" })).toBe(
      "there\n",
    );

    const old = mine({ sshKey: { publicKey: key.publicKey, agentSocketPath: "/tmp/of/the/last/login" } });
    const moved = await vm.update(
      "web-1",
      state(old, { ...connection, agentSocketPath: "/gone" }),
      inputs,
      guest.context,
    );
    expect(moved.connection).toEqual(connection);
    expect(guest.sent).toHaveLength(1);
  });

  test("of nothing that concerns access touches nothing", async () => {
    const guest = new Guest("same");
    await vm.update("web-1", state(mine({}), { user: me }), mine({ bootTimeout: 5 }), guest.context);
    expect([guest.sent, existsSync(guest.file("id"))]).toEqual([[], false]);
  });
});
