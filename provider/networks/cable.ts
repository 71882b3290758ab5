import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { namesChannel, pipesOf, segmentSocket } from "../host/paths";
import { connectInFolder, openPipe } from "../host/sockets";
import { FrameReader } from "./frames";
import type { Port } from "./switch";

/** Where the other end of a cable is. */
export interface CableEnd {
  /** The machine's folder that its container shares. */
  readonly folder: string;
  /** Which of the machine's networks it is. */
  readonly index: number;
  readonly mac: string;
  readonly address: string;
}

/** What a cable's switch wants to hear. */
export interface CableEvents {
  readonly onUp: (cable: Cable) => void;
  readonly onDown: (cable: Cable) => void;
  /** A frame has come, with its length before it. */
  readonly onFrame: (cable: Cable, packet: Buffer) => void;
  /** Something is wrong that a machine's coming and going does not explain. Told once, not at every try. */
  readonly onTrouble: (reason: string) => void;
  /** Milliseconds until another try, when nobody listens at the other end. */
  readonly retryMs: () => number;
}

/** How it shows that a machine is not there yet, or not any more. */
const USUAL = ["ENOENT", "ECONNREFUSED", "EPIPE", "ECONNRESET", "ABORT_ERR"];

// Bytes for a machine that does not take them: what comes then is lost, as on any switch. Of frames, and of what is kept in
// memory for their sake: all that was read at once stays there as long as one frame of it does, be it the smallest.
const MAX_WAITING = 1_048_576;
const MAX_HELD = 16_777_216;

/** The way from a switch to one machine: frames to and fro, and names to it. Is there again when it breaks. */
export class Cable implements Port {
  readonly mac: string;
  readonly address: string;
  readonly #over = new AbortController();
  #socket: Socket | undefined;
  #toGuest: Socket | undefined;
  #names = "";
  #isTelling = false;
  #isCorked = false;
  #lastRead: ArrayBufferLike | undefined;
  #held = 0;
  #lastTrouble = "";

  constructor(
    private readonly end: CableEnd,
    private readonly events: CableEvents,
  ) {
    this.mac = end.mac;
    this.address = end.address;
    void this.#keep();
  }

  /** Sends a frame, with its length before it. Never waits. */
  send(packet: Buffer): void {
    const socket = this.#socket;
    if (socket === undefined || socket.writableLength > MAX_WAITING || this.#held > MAX_HELD) return;
    if (!this.#isCorked) {
      // What one machine has sent at once leaves at once: a call of the kernel each would take most of the time.
      this.#isCorked = true;
      socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        socket.uncork();
      });
    }
    const { buffer: read } = packet;
    if (read === this.#lastRead) {
      socket.write(packet);
      return;
    }
    this.#lastRead = read;
    this.#held += read.byteLength;
    socket.write(packet, () => (this.#held -= read.byteLength)); // also where it is lost
  }

  /** Tells the guest the names of its network, in the form of /etc/hosts. */
  tell(lines: readonly string[]): void {
    const text = ["begin", ...lines, "end", ""].join("\n");
    if (text === this.#names) return;
    this.#names = text;
    this.#retell();
  }

  /** Pulls it out for good. */
  close(): void {
    this.#over.abort();
    this.#socket?.destroy();
  }

  async #keep(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      await this.#session().catch((error: unknown) => this.#report(error));
      await sleep(this.events.retryMs(), undefined, { signal }).catch(() => undefined);
    }
  }

  async #session(): Promise<void> {
    const { folder, index } = this.end;
    const [inName, outName] = pipesOf(namesChannel(index));
    const socket = await connectInFolder(folder, segmentSocket(index), this.#over.signal);
    const streams = [socket];
    try {
      const [toGuest, fromGuest] = [openPipe(folder, inName, "write"), openPipe(folder, outName, "read")];
      streams.push(toGuest, fromGuest);
      for (const stream of streams) stream.on("error", (error) => this.#report(error)); // `close` follows
      fromGuest.on("data", () => this.#retell()); // the guest asks, after a boot
      this.#receive(socket);
      this.#socket = socket;
      this.#toGuest = toGuest;
      this.#isTelling = false;
      this.events.onUp(this);
      this.#retell();
      if (!socket.closed) await once(socket, "close");
    } finally {
      for (const stream of streams) stream.destroy();
      if (this.#socket === socket) this.events.onDown(this);
      this.#socket = undefined;
      this.#toGuest = undefined;
    }
  }

  #report(error: unknown): void {
    const reason = String(error);
    if (USUAL.includes((error as NodeJS.ErrnoException).code ?? "") || reason === this.#lastTrouble) return;
    this.#lastTrouble = reason;
    this.events.onTrouble(reason);
  }

  #receive(socket: Socket): void {
    const reader = new FrameReader();
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const packet of reader.take(chunk)) this.events.onFrame(this, packet);
      } catch (error) {
        socket.destroy(error as RangeError); // out of step: the next connection starts with a frame
      }
    });
  }

  /** Tells what there is to tell; while the guest has not taken it, only the last is kept for later. */
  #retell(): void {
    const [pipe, text] = [this.#toGuest, this.#names];
    if (pipe === undefined || text === "" || this.#isTelling) return;
    this.#isTelling = true;
    pipe.write(text, () => {
      if (pipe !== this.#toGuest) return;
      this.#isTelling = false;
      if (text !== this.#names) this.#retell();
    });
  }
}
