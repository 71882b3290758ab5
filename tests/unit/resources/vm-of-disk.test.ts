import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import { MayflyError } from "../../../provider/errors";
import type { Identity } from "../../../provider/machines/spec";
import { moveIn } from "../../../provider/resources/vm-of-disk";
import { vmSchema } from "../../../provider/schema/vm";
import type { ExecRequest } from "../../../provider/ssh/ssh";
import { failureOf } from "../../support/context";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII37xzK3pcyiJ1Ho4w05Mtm+IOKI4Ysxi4OrWBBEhtAt";
const to = { host: "127.0.0.1", port: 2_222, user: "ann", hostKey: KEY };
const keys = { proof: {}, publicKeys: [KEY] };
const identity = { hostname: "web", environment: {} } as Identity;

/** A guest that is up; `exec` answers commands by exit code and output. */
class Guest {
  readonly users: (string | undefined)[] = [];

  constructor(
    private readonly answer: (command: string) => readonly [number, string],
    private readonly login: (signal: AbortSignal) => Promise<void> = () => Promise.resolve(),
  ) {}

  async moveIn(fields: object): Promise<string> {
    const context = {
      machines: {
        settleCommand: () => Promise.resolve({ command: "settle", stdin: Buffer.alloc(0) }),
        file: () => "",
        record: () => Promise.resolve(undefined),
      },
      ssh: {
        login: async ({ user }: { user?: string }, signal: AbortSignal) => this.users.push(user) && this.login(signal),
        exec: ({ user }: { user?: string }, { command }: ExecRequest) => {
          this.users.push(user);
          const [exitCode, stdout] = this.answer(command);
          return Promise.resolve({ exitCode, stdout, stderr: "" });
        },
        forget: () => Promise.resolve(),
      },
      owner: { project: "p", stack: "s", resource: "web" },
      signal: AbortSignal.timeout(30_000),
    } as unknown as Context;
    const inputs = vmSchema.parse({ image: "localhost/mayfly/disk", fromDisk: true, ...fields });
    return moveIn("web-1", inputs, identity, to, keys, context);
  }
}

const fine = (): readonly [number, string] => [0, "0123456789abcdef\n"];

test("a new guest is settled as root, whoever may log in afterwards, and says its machine-id", async () => {
  const guest = new Guest(fine);
  expect(await guest.moveIn({ rootLogin: false, users: [{ name: "ann" }] })).toBe("0123456789abcdef");
  expect(new Set(guest.users)).toEqual(new Set(["root"]));
});

test("one that may take months, longer than a timer of Node's waits, has them", async () => {
  const guest = new Guest(fine, async (signal) => {
    await sleep(20); // Node would fire after one
    signal.throwIfAborted();
  });
  expect(await guest.moveIn({ bootTimeout: "50d" })).toBe("0123456789abcdef");
});

test("a guest that has read nothing of its identity is told from a stranger", async () => {
  const mismatch = new MayflyError("HOST_KEY_MISMATCH", "another", { evidence: "it shows another", remedy: "" });
  const error = await failureOf(new Guest(fine, () => Promise.reject(mismatch)).moveIn({}));
  expect(error).toMatchObject({ code: "BOOT_FAILED", evidence: "it shows another" });
  expect(error.message).toMatch(/To fix: install cloud-init in the image/);
});

test("a guest that never lets root in is a boot that took too long", async () => {
  const never = async (signal: AbortSignal) =>
    new Promise<void>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
  expect(await failureOf(new Guest(fine, never).moveIn({ bootTimeout: 0.1 }))).toMatchObject({ code: "BOOT_TIMEOUT" });
});

test.each([
  ["userData", "cloud-init"],
  ["ignition", "Ignition"],
])("%s for a guest without its reader is no success", async (field, reader) => {
  const guest = new Guest((command) => (command === "settle" ? fine() : [1, ""]));
  const error = await failureOf(guest.moveIn({ [field]: '{"ignition": {"version": "3.3.0"}}' }));
  expect(error).toMatchObject({
    code: "BOOT_FAILED",
    message: expect.stringContaining(`${field} needs ${reader} in the guest, and none has run`),
  });
});

test("what the guest says against its users is the error", async () => {
  const guest = new Guest(() => [1, "problem: user ann: has the id 1000 already, not 1500\n"]);
  const error = await failureOf(guest.moveIn({}));
  expect(error).toMatchObject({
    code: "TOOL_FAILED",
    evidence: "problem: user ann: has the id 1000 already, not 1500",
  });
});
