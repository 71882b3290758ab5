import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { Server, type Connection } from "ssh2";
import { NotStarted } from "../../../provider/ssh/channel";
import type { Endpoint } from "../../../provider/ssh/ssh";
import { Link } from "../../../provider/ssh/tunnel-link";
import { eventually } from "../../support/eventually";
import { failureOf } from "../../support/context";
import { Sshd } from "../../support/sshd";

let keys: Sshd;
let link: Link | undefined;

beforeAll(async () => {
  keys = await Sshd.start();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});
afterEach(() => link?.close());

const SILENT = 1; // the port of a host that drops what comes
const address = "10.0.0.1";

/** A server that reaches all places but one, of which it never hears, as sshd does: it says nothing until it knows. */
class Guest implements AsyncDisposable {
  logins = 0;
  readonly #clients = new Set<Connection>();
  readonly #server = new Server({ hostKeys: [readFileSync(`${keys.folder}/host`)] }, (client) => {
    this.#clients.add(client.on("error", () => undefined));
    client.on("authentication", (attempt) => {
      attempt.accept();
    });
    client.on("ready", () => (this.logins += 1));
    client.on("tcpip", (accept, _reject, { destPort }) => {
      if (destPort === SILENT) return;
      const channel = accept();
      channel.pipe(channel);
    });
  });

  async endpoint(): Promise<Endpoint> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return { ...keys.endpoint, port: (this.#server.address() as AddressInfo).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    link?.close();
    for (const client of this.#clients) client.end();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function open(endpoint: Endpoint, times: { patience: number }): Link {
  const ignore = () => undefined;
  link = new Link(endpoint, undefined, { onUp: ignore, onDown: ignore }, times);
  return link;
}

async function echoes(channel: Duplex): Promise<boolean> {
  channel.write("x");
  const [chunk] = (await once(channel, "data")) as [Buffer];
  return chunk.toString() === "x";
}

test("a place that does not answer fails the one who wants to go there, and cuts nobody else", async () => {
  await using guest = new Guest();
  const times = { patience: 60_000 };
  const through = open(await guest.endpoint(), times);
  const other = await through.reach({ address, port: 2 });
  times.patience = 4_000; // longer than it takes until the server itself is asked, and answers
  expect((await failureOf(through.reach({ address, port: SILENT }))).name).toBe("TimeoutError");
  times.patience = 60_000;
  expect(await echoes(other)).toBe(true);
  expect(await echoes(await through.reach({ address, port: 2 }))).toBe(true);
  expect(guest.logins).toBe(1);
});

test("a server that does not answer itself is given up, and the place is reached over a new connection", async () => {
  await using server = await Sshd.start();
  const through = open(server.endpoint, { patience: 60_000 });
  await through.firstUp();
  const stopped = await server.sessionProcesses();
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  const channel = await through.reach({ address: "127.0.0.1", port: server.port });
  await eventually("sshd's banner comes through", 10, async () => {
    const [chunk] = (await once(channel, "data")) as [Buffer];
    return chunk.toString().startsWith("SSH-2.0");
  });
  expect(server.logins).toBe(2);
  channel.destroy();
  for (const pid of stopped) process.kill(pid, "SIGKILL");
});

test("a connection that is lost, and does not know yet, is made anew for the one who wants to go there", async () => {
  await using guest = new Guest();
  const through = open(await guest.endpoint(), { patience: 60_000 });
  const connection = await through.firstUp();
  // As ssh2 has it between the end of what it reads and the close of its socket.
  jest.spyOn(connection, "forward").mockRejectedValue(new NotStarted("lost", "Not connected"));
  expect(await echoes(await through.reach({ address, port: 2 }))).toBe(true);
  expect(guest.logins).toBe(2);
});
