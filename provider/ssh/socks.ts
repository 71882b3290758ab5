import type { Socket } from "node:net";

/** Where a client of the proxy wants to go. */
export interface Wish {
  readonly host: string;
  readonly port: number;
  /** Answers it: the connection stands, or why not. What it sends comes after that. */
  readonly answer: (reply: Reply) => void;
}

/** Answers of SOCKS5 (RFC 1928, section 6). */
export const REPLIES = { granted: 0, failed: 1, forbidden: 2, refused: 5, notSupported: 7, badAddress: 8 } as const;
type Reply = (typeof REPLIES)[keyof typeof REPLIES];

const VERSION = 5;
const NO_LOGIN = 0;
const NO_METHOD = 0xff;
const CONNECT = 1;
const PATIENCE_MS = 30_000; // for a client to say what it wants

/** Speaks the server's part of SOCKS5 with a client, up to its wish; `undefined` when there is none that we can serve. */
export async function greet(socket: Socket): Promise<Wish | undefined> {
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  const reader = new Reader(socket);
  try {
    const [version, count] = await reader.take(2);
    if (version !== VERSION) return refuse(socket, Buffer.alloc(0));
    const methods = await reader.take(count ?? 0);
    if (!methods.includes(NO_LOGIN)) return refuse(socket, Buffer.from([VERSION, NO_METHOD]));
    socket.write(Buffer.from([VERSION, NO_LOGIN]));
    const [, command, , type] = await reader.take(4);
    if (command !== CONNECT) return refuse(socket, replyOf(REPLIES.notSupported));
    const host = await readHost(reader, type ?? 0);
    if (host === undefined) return refuse(socket, replyOf(REPLIES.badAddress));
    const port = (await reader.take(2)).readUInt16BE();
    reader.giveBack();
    const answer = (reply: Reply) => {
      if (reply === REPLIES.granted) socket.write(replyOf(reply));
      else socket.end(replyOf(reply)).resume(); // paused, it would not hear of the client's end
    };
    return { host, port, answer };
  } catch {
    socket.destroy(); // it went; half open, our side would stay
    return undefined;
  } finally {
    clearTimeout(timer);
    reader.stop();
  }
}

async function readHost(reader: Reader, type: number): Promise<string | undefined> {
  if (type === 1) return [...(await reader.take(4))].join(".");
  if (type === 3) return (await reader.take((await reader.take(1))[0] ?? 0)).toString("latin1");
  if (type !== 4) return undefined;
  const bytes = await reader.take(16);
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(":");
}

function replyOf(reply: Reply): Buffer {
  return Buffer.from([VERSION, reply, 0, 1, 0, 0, 0, 0, 0, 0]); // the address that we connect from is nobody's business
}

/** Says the last word; the answer to whoever waits for a wish. */
function refuse(socket: Socket, last: Buffer): Wish | undefined {
  socket.end(last);
  return undefined;
}

/** Takes exact numbers of bytes from a socket. */
class Reader {
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  #ended = false;

  constructor(private readonly socket: Socket) {
    socket.on("data", this.#onData).once("end", this.#onEnd).once("close", this.#onEnd).resume();
  }

  async take(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) {
      if (this.#ended) throw new Error("the client went");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  /** Leaves what was not taken to whoever reads next. */
  giveBack(): void {
    this.stop();
    this.socket.pause();
    if (this.#bytes.length > 0) this.socket.unshift(this.#bytes);
  }

  stop(): void {
    this.socket.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
  };
}
