import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import { checkInputs } from "../../../provider/engine/inputs";
import { directorySync } from "../../../provider/resources/directory-sync";
import { directorySyncSchema, type DirectorySyncSpec } from "../../../provider/schema/directory-sync";
import { Ssh } from "../../../provider/ssh/ssh";
import { failureOf, TestContext } from "../../support/context";
import { Sshd } from "../../support/sshd";
import { LOOK } from "../engine/things";

const ssh = new Ssh();
let server: Sshd;
let here: string;
let there: string;
let fixture: TestContext;

beforeAll(async () => {
  server = await Sshd.start({ sftp: "internal-sftp" });
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  [here, there] = [join(server.folder, "here"), join(server.folder, "there")];
  for (const folder of [here, there]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
});

const read = (folder: string, name: string) => readFileSync(join(folder, name), "utf8");

async function checked(fields: object): Promise<DirectorySyncSpec> {
  const news = { connection: server.endpoint, source: here, remotePath: there, ...fields };
  const { inputs } = await checkInputs(directorySync as never, news, LOOK);
  const given = Object.entries(inputs).filter(([, value]) => value !== undefined);
  return directorySyncSchema.parse(Object.fromEntries(given));
}

async function created(fields: object) {
  const inputs = await checked(fields);
  return { ...inputs, ...(await directorySync.create("id", inputs, fixture.context)) };
}

type Saved = Awaited<ReturnType<typeof created>>;

async function updated(saved: Saved, fields: object): Promise<Saved> {
  const next = await checked(fields);
  return { ...next, ...(await directorySync.update("id", saved, next, fixture.context)) };
}

const foreseen = (saved: Saved | undefined, inputs: DirectorySyncSpec) =>
  directorySync.foresee?.(saved, inputs, fixture.context);

const EPOCH = 1_000_000_000; // as SOURCE_DATE_EPOCH has it
const build = (folder: string, name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  utimesSync(join(folder, name), EPOCH, EPOCH);
};

test.each<[string, object]>([
  ["a VM", { vmId: "web-1" }],
  ["a host that is no VM of ours", {}],
])(
  "a file with another content of the same size and time travels to %s with an update, as the preview says, and with the first sync",
  async (_what, fields) => {
    const machine = join(server.folder, "remembering");
    mkdirSync(machine, { recursive: true });
    fixture = new TestContext(ssh, (_id, name) => join(machine, name));
    for (const name of ["a", "b"]) build(here, name, "one");
    for (const name of ["a", "b"]) build(there, name, "old");
    expect(await foreseen(undefined, await checked(fields))).toBe("2 files to copy (6 B)");
    const saved = await created(fields);
    expect([read(there, "a"), read(there, "b")]).toEqual(["one", "one"]);

    build(here, "a", "two");
    expect(await foreseen(saved, await checked(fields))).toBe("1 file to copy (3 B)");
    const second = await updated(saved, fields);
    expect([read(there, "a"), read(there, "b"), second.status]).toEqual(["two", "one", "in step"]);

    // A trigger may stand for anything, also for a change there.
    build(there, "b", "own");
    const third = await updated(second, { ...fields, triggers: [1] });
    expect(read(there, "b")).toBe("one");
    build(there, "b", "own");
    await updated({ ...third, status: "out of step" }, { ...fields, triggers: [1] });
    expect(read(there, "b")).toBe("one");

    await directorySync.delete("id", third, fixture.context);
    expect(readdirSync(machine).filter((name) => name !== "sessions.jsonl")).toEqual([]);
  },
);

test("such a file is looked for among those files alone that are not the ones that were synced to the VM", async () => {
  const machine = join(server.folder, "web-2");
  mkdirSync(machine);
  fixture = new TestContext(ssh, (_id, name) => join(machine, name));
  const settled = new Map([["a", "what it was"]]);
  const synced = { summary: "", isChange: true, files: 1, size: 3, settled };
  const sync = jest.spyOn(ssh, "sync").mockResolvedValue(synced);
  try {
    const saved = await created({ vmId: "web-2" });
    await updated(saved, { vmId: "web-2", deleteExtra: true });
    expect(sync.mock.calls.map(([, request]) => request.settled)).toEqual([new Map(), settled]);
    sync.mockRejectedValueOnce(new Error("half-way"));
    await failureOf(updated(saved, { vmId: "web-2", deleteExtra: true }));
    await updated(saved, { vmId: "web-2", deleteExtra: true });
    expect(sync.mock.calls.at(-1)?.[1].settled).toEqual(new Map());
  } finally {
    sync.mockRestore();
  }
});
