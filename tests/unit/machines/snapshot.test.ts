import { EventEmitter } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Qmp } from "../../../provider/machines/qmp";
import { save } from "../../../provider/machines/snapshot";
import { failureOf } from "../../support/context";

let folder: string;
let machine: string;
let template: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-"));
  [machine, template] = [join(folder, "machine"), join(folder, "template")];
  for (const path of [machine, template]) mkdirSync(path);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A qemu that saves its state: it connects to the socket and sends it. */
class FakeQmp extends EventEmitter {
  execute(command: string): Promise<void> {
    if (command === "migrate")
      connect(join(machine, "state.sock"))
        .on("error", () => undefined) // the other end may want no more of it
        .end("state", () => {
          this.emit("event", { event: "MIGRATION", data: { status: "completed" } });
        });
    return Promise.resolve();
  }
}
const saved = () => save(new FakeQmp() as unknown as Qmp, machine, template, AbortSignal.timeout(20_000));

test("a machine's state is kept in a new file", async () => {
  await saved();
  expect(readFileSync(join(template, "state"), "utf8")).toBe("state");
});

test("it is not written to where a link of qemu's leads", async () => {
  writeFileSync(join(folder, "host"), "the host's");
  symlinkSync(join(folder, "host"), join(template, "state"));
  expect(await failureOf(saved())).toMatchObject({ code: "EEXIST" });
  expect(readFileSync(join(folder, "host"), "utf8")).toBe("the host's");
});
