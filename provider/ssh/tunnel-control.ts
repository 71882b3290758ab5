import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { MayflyError, type ErrorCode } from "../errors";
import { connectInFolder } from "../host/sockets";
import type { Endpoint } from "./endpoint";
import type { Forward, Place } from "./tunnel-spec";

/** What a keeper is asked. */
export type Request =
  /** Adds a forward, or says where it listens already. */
  | { readonly verb: "add"; readonly forward: Forward; readonly preferredPort: number }
  /** Takes one away; with the last one the keeper ends. */
  | { readonly verb: "remove"; readonly id: string }
  /** Goes on with another address or key. */
  | { readonly verb: "change"; readonly endpoint: Endpoint; readonly privateKeyFile?: string | undefined }
  | { readonly verb: "hello" };

/** What it answers. */
export interface Answer {
  /** Where the forward listens. */
  readonly place?: Place;
  /** Whether the keeper ends now, since there is nothing left to keep. */
  readonly ends?: boolean;
}

/** An answer on its way. */
type Envelope = { readonly answer: Answer } | { readonly error: Refusal };

interface Refusal {
  readonly code: ErrorCode;
  readonly summary: string;
  readonly evidence?: string | undefined;
  readonly remedy: string;
}

const SOCKET = "tunnel.sock";

/** Asks the keeper in a folder. */
export async function ask(folder: string, request: Request, signal: AbortSignal): Promise<Answer> {
  const socket = await connectInFolder(folder, SOCKET, signal);
  const onAbort = () => socket.destroy(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    socket.end(JSON.stringify(request));
    const said = await hear(socket);
    if (said === "") throw new Error("the keeper of the tunnel ended without an answer");
    const envelope = JSON.parse(said) as Envelope;
    if ("answer" in envelope) return envelope.answer;
    const { code, summary, ...details } = envelope.error;
    throw new MayflyError(code, summary, details);
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}

/** Answers in a folder. */
export async function serve(folder: string, handle: (request: Request) => Promise<Answer>): Promise<Server> {
  await rm(join(folder, SOCKET), { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => void converse(socket, handle));
  // By way of an open folder: a socket's own path may have no more than 107 bytes (unix(7)).
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    server.listen(`/proc/self/fd/${String(descriptor)}/${SOCKET}`);
    await once(server, "listening");
  } finally {
    closeSync(descriptor);
  }
  return server;
}

async function converse(socket: Socket, handle: (request: Request) => Promise<Answer>): Promise<void> {
  socket.on("error", () => undefined); // who asked went away
  try {
    const request = JSON.parse(await hear(socket)) as Request;
    socket.end(JSON.stringify({ answer: await handle(request) } satisfies Envelope));
  } catch (error) {
    const { code, summary, evidence, remedy } = refusalOf(error);
    socket.end(JSON.stringify({ error: { code, summary, evidence, remedy } } satisfies Envelope));
  }
}

/** All that the other side says. (Node's own `text` ends our side too.) */
async function hear(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks).toString();
}

function refusalOf(error: unknown): Refusal {
  if (!(error instanceof MayflyError))
    return {
      code: "CONNECT_FAILED",
      summary: `the tunnel failed: ${String(error)}`,
      remedy: "see its log: tunnel.log",
    };
  const { code, message, evidence, remedy } = error;
  return { code, summary: message.split("\n")[0] ?? message, evidence, remedy };
}
