import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Server, type Connection, type ServerChannel } from "ssh2";
import { splice } from "../../../provider/ssh/splice";
import { Link } from "../../../provider/ssh/tunnel-link";
import { eventually } from "../../support/eventually";
import { Sshd } from "../../support/sshd";

const MIB = 1_048_576;
/** What ssh2's server takes before anybody reads: its window of 2 MiB, which it widens once at its half. */
const WINDOW = 3 * MIB;
let keys: Sshd;

beforeAll(async () => {
  keys = await Sshd.start();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

/** A connection of this host that goes on as a channel to a server, which reads nothing yet. */
class Way implements AsyncDisposable {
  readonly #clients = new Set<Connection>();
  #link: Link | undefined;
  #far: ServerChannel | undefined;
  readonly #server = new Server({ hostKeys: [readFileSync(`${keys.folder}/host`)] }, (client) => {
    this.#clients.add(client.on("error", () => undefined));
    client.on("authentication", (attempt) => {
      attempt.accept();
    });
    client.on("tcpip", (accept) => (this.#far = accept()));
  });
  readonly #door = createServer({ allowHalfOpen: true, pauseOnConnect: true });

  /** @returns The client, our end of its connection, and the server's end of the channel. */
  async open(): Promise<{ client: Socket; near: Socket; far: ServerChannel }> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.#door.listen(0, "127.0.0.1");
    await once(this.#door, "listening");
    const ignore = () => undefined;
    const { port } = this.#server.address() as AddressInfo;
    this.#link = new Link({ ...keys.endpoint, port }, undefined, { onUp: ignore, onDown: ignore });
    const channel: Duplex = await this.#link.reach({ address: "10.0.0.1", port: 1 });
    const client = connect({
      port: (this.#door.address() as AddressInfo).port,
      host: "127.0.0.1",
      allowHalfOpen: true,
    });
    const [near] = (await once(this.#door, "connection")) as [Socket];
    splice(near, channel);
    if (this.#far === undefined) throw new Error("no channel");
    return { client, near, far: this.#far };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link?.close();
    this.#door.close();
    for (const client of this.#clients) client.end();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/**
 * Sends as many bytes as the server takes unread, and returns the rest: all at once is more than our end takes at a time, and
 * that would then wait for the far one to read.
 */
async function send(client: Socket, far: ServerChannel, size: number): Promise<Buffer> {
  const taken = Math.min(size, WINDOW);
  client.write(Buffer.alloc(taken, "x"));
  await eventually("the server has taken what it takes", 30, () => far.readableLength === taken);
  return Buffer.alloc(size - taken, "x");
}

test.each([1, WINDOW, WINDOW + 1, 4 * MIB, 5 * MIB - 1])(
  "what a client sends after the server has ended its side arrives as a whole: %i bytes",
  async (size) => {
    await using way = new Way();
    const { client, near, far } = await way.open();
    far.eof();
    client.resume();
    await once(client, "end");
    const closed = once(near, "close");
    client.end(await send(client, far, size));
    await closed; // all of it is ours now, and some waits for the window
    let arrived = 0;
    far.on("data", (chunk: Buffer) => (arrived += chunk.length));
    await once(far, "close");
    expect(arrived).toBe(size);
  },
);

test("what a client that breaks off had sent is not waited for: the channel ends at once", async () => {
  await using way = new Way();
  const { client, near, far } = await way.open();
  const size = WINDOW + MIB;
  client.write(await send(client, far, size));
  await eventually("we have taken the rest", 30, () => near.bytesRead === size);
  const closed = new Promise((resolve) => near.once("close", resolve)); // after an error
  client.resetAndDestroy();
  await closed;
  let arrived = 0;
  far.on("data", (chunk: Buffer) => (arrived += chunk.length));
  await once(far, "close");
  expect(arrived).toBeLessThan(size);
});
