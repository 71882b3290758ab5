import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Qmp } from "../../../provider/machines/qmp";

// A qemu that a guest has taken over, and that answers its second command, after the handshake, as it likes.

let folder: string;
let server: Server;
let says: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-qmp-"));
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.setEncoding("utf8").on("data", (text: string) => {
      const { execute, id } = JSON.parse(text) as { execute: string; id: number };
      socket.write(execute === "qmp_capabilities" ? `${JSON.stringify({ return: {}, id })}\n` : says);
    });
  }).listen(join(folder, "qmp.sock"));
  await once(server, "listening");
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

test.each([
  ["null", "null\n"],
  ["no JSON", "hello\n"],
  ["an error that is none", '{"id":2,"error":null}\n'],
  ["a line without end", "x".repeat(2_000_000)],
])("what is no message ends the connection, not this process: %s", async (_, text) => {
  says = text;
  const signal = AbortSignal.timeout(60_000);
  using qmp = await Qmp.connect(folder, "qmp.sock", signal);
  const closed = once(qmp, "close", { signal });
  await expect(qmp.execute("query-status", undefined, signal)).rejects.toThrow("qemu sent what is no message: ");
  await closed;
});
