import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { promisify } from "node:util";
import { greet, REPLIES } from "../../../provider/ssh/socks";
import { failureOf } from "../../support/context";
import { freePort, Sshd } from "../../support/sshd";
import { dial, portOf, TestTunnel } from "../../support/tunnel";

const execute = promisify(execFile);

let server: Sshd;
let tunnel: TestTunnel;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  tunnel = await TestTunnel.start(server.endpoint);
});
afterEach(async () => {
  await tunnel[Symbol.asyncDispose]();
});

describe("a dynamic forward", () => {
  const proxy = () => tunnel.open(tunnel.local({ type: "dynamic", guest: undefined }));

  test.each(["socks5", "socks5h"])("is a SOCKS5 proxy for curl (%s)", async (scheme) => {
    const page = createServer((socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nfrom the guest")).listen(0, "127.0.0.1");
    await once(page, "listening");
    try {
      const via = `${scheme}://127.0.0.1:${String(portOf(await proxy()))}`;
      const url = `http://localhost:${String((page.address() as AddressInfo).port)}/`;
      const { stdout } = await execute("curl", ["-sS", "-4", "--proxy", via, "--noproxy", "", url]);
      expect(stdout).toBe("from the guest");
    } finally {
      page.close();
    }
  });

  test("says to curl that nobody listens there", async () => {
    const via = `socks5h://127.0.0.1:${String(portOf(await proxy()))}`;
    const url = `http://127.0.0.1:${String(await freePort())}/`;
    const error = await failureOf(execute("curl", ["-sS", "--proxy", via, "--noproxy", "", url]));
    expect(error).toMatchObject({ code: 97, stderr: expect.stringContaining("(5)") }); // CURLE_PROXY, connection refused
  });

  test.each<[string, number[], number[]]>([
    ["another version", [4, 1], []],
    ["a login that we don't offer", [5, 1, 2], [5, 0xff]],
    ["a port to listen at", [5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80], [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0]],
    ["an address of no kind", [5, 1, 0, 5, 1, 0, 9], [5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0]],
  ])("refuses %s", async (_what, bytes, expected) => {
    const socket = dial(await proxy());
    socket.write(Buffer.from(bytes));
    const said = (await socket.toArray()) as Buffer[];
    expect([...Buffer.concat(said)]).toEqual(expected);
  });

  test("takes a client that says everything at once, byte by byte or as a whole", async () => {
    const place = await proxy();
    const port = portOf(tunnel.echoPlace);
    const wish = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255, ...Buffer.from("early")]);
    for (const chunks of [[wish], [...wish].map((byte) => Buffer.from([byte]))]) {
      const socket = dial(place);
      for (const chunk of chunks) socket.write(chunk);
      socket.end();
      expect((await socket.toArray()).join("").endsWith("early")).toBe(true);
    }
  });
});

describe("a client's socket is closed", () => {
  /** Talks to a client as a forward does, until its socket is closed. */
  async function converse(client: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      void greet(socket).then((wish) => wish?.answer(REPLIES.failed));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    client(dial({ address: "127.0.0.1", port: (server.address() as AddressInfo).port }));
    const [socket] = (await once(server, "connection")) as [Socket];
    server.close();
    await once(socket, "close");
  }

  test.each([
    ["before it says anything", []],
    ["in the midst of its wish", [5, 1, 0, 5, 1]],
    ["after a wish that can't be had", [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80]],
  ])("when it leaves %s", async (_when, bytes) => {
    await converse((socket) => socket.resume().end(Buffer.from(bytes)));
  });
});
