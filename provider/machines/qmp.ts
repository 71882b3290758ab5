import { EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import { connectInFolder } from "../host/sockets";

/** A message that qemu sends by itself: `SHUTDOWN`, `RESET`, `STOP`… See QEMU's QMP reference. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

const MOST_OF_A_LINE = 1_048_576; // characters; the longest answer to what is asked here has some thousand

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A client for QMP, qemu's control protocol: JSON messages, one a line, over a socket. Emits `event` with a
 * {@link QmpEvent} and `close` when qemu has ended.
 */
export class Qmp extends EventEmitter<{ event: [QmpEvent]; close: [] }> implements Disposable {
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private rest = "";
  private fault: Error | undefined;

  private constructor(private readonly socket: Socket) {
    super();
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      this.receive(text);
    });
    socket.on("error", () => undefined); // `close` follows and says what there is to say
    socket.once("close", () => {
      for (const { reject } of this.waiting.values()) reject(this.fault ?? new Error("qemu closed the QMP socket"));
      this.waiting.clear();
      this.emit("close");
    });
  }

  /** Connects to `folder/name` and makes qemu ready for commands. Rejects when nobody listens there. */
  static async connect(folder: string, name: string, signal: AbortSignal): Promise<Qmp> {
    const socket = await connectInFolder(folder, name, signal);
    const qmp = new Qmp(socket);
    try {
      await qmp.execute("qmp_capabilities", undefined, signal); // the greeting comes first and has no `return`: it is skipped
    } catch (error) {
      qmp[Symbol.dispose](); // qemu would serve it, and nobody else, as soon as it comes to it
      throw error;
    }
    return qmp;
  }

  /** Runs one command. Rejects with qemu's own words when it refuses. */
  async execute(command: string, args: object | undefined, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    const id = this.nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
    });
    answer.catch(() => undefined); // an answer that comes after the deadline is nobody's
    this.socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    const stop = new AbortController();
    try {
      const aborted = once(signal, "abort", { signal: stop.signal }).then(() => {
        throw signal.reason;
      });
      aborted.catch(() => undefined);
      return await Promise.race([answer, aborted]);
    } finally {
      this.waiting.delete(id);
      stop.abort();
    }
  }

  /** Drops the connection; qemu goes on. */
  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  /** What is no message ends the connection: a guest may have taken qemu over, and must not end this process. */
  private receive(text: string): void {
    const [first = "", ...others] = text.split("\n"); // the part of a line that is here already holds none
    const lines = [this.rest + first, ...others];
    this.rest = lines.pop() ?? "";
    try {
      for (const line of lines.filter((part) => part.trim() !== "")) this.take(JSON.parse(line) as QmpMessage);
      if (this.rest.length > MOST_OF_A_LINE) throw new Error(`a line of over ${String(MOST_OF_A_LINE)} characters`);
    } catch (cause) {
      this.rest = "";
      this.fault = new Error(`qemu sent what is no message: ${(cause as Error).message}`, { cause });
      this.socket.destroy();
    }
  }

  private take(message: QmpMessage): void {
    if (message.event !== undefined) {
      this.emit("event", { event: message.event, ...(message.data && { data: message.data }) });
      return;
    }
    const waiting = message.id === undefined ? undefined : this.waiting.get(message.id);
    if (waiting === undefined) return; // the greeting, or an answer past its deadline
    if (message.error === undefined) waiting.resolve(message.return);
    else waiting.reject(new Error(`qemu refused: ${message.error.desc}`));
  }
}

/** All that qemu may send. */
interface QmpMessage {
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}
