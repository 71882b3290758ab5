import { EventEmitter, on } from "node:events";
import type { Socket } from "node:net";
import { randomBytes } from "node:crypto";
import { MayflyError } from "../errors";
import { openPipe } from "../host/sockets";

/** Names of the two pipes in a machine's folder, as qemu's pipe chardev wants them. */
export const AGENT_PIPES = ["agent.in", "agent.out"] as const;

/**
 * The host's end of the channel to the guest agent (`guest/agent.sh`). Pipes rather than a socket: they stay open when
 * we end, so the guest never sees a hang-up and never has to look for our return.
 */
export class Agent extends EventEmitter<{ line: [string] }> implements Disposable {
  private readonly toGuest: Socket;
  private readonly fromGuest: Socket;
  private rest = "";

  /** @param folder The machine's folder that its container shares. */
  constructor(folder: string) {
    super();
    this.toGuest = openPipe(folder, AGENT_PIPES[0], "write");
    this.fromGuest = openPipe(folder, AGENT_PIPES[1], "read");
    for (const pipe of [this.toGuest, this.fromGuest]) pipe.on("error", () => undefined); // a wait's deadline reports it
    this.fromGuest.setEncoding("utf8");
    this.fromGuest.on("data", (text: string) => {
      const lines = (this.rest + text).split("\n");
      this.rest = lines.pop() ?? "";
      for (const line of lines) this.emit("line", line.replace(/\r$/, ""));
    });
  }

  /** Waits for a line that starts with one of the words. */
  async waitFor(words: readonly string[], signal: AbortSignal): Promise<string> {
    for await (const [line] of on(this, "line", { signal }) as AsyncIterable<[string]>)
      if (words.some((word) => line === word || line.startsWith(`${word} `))) return line;
    throw new Error("the channel to the guest agent was closed");
  }

  /**
   * Sends who may log in, and waits until it is in force.
   *
   * @throws {MayflyError} `TOOL_FAILED` with the guest's words.
   */
  async applyAccess(tar: Buffer, signal: AbortSignal): Promise<void> {
    const id = randomBytes(4).toString("hex");
    const answer = this.waitFor([`done ${id}`, `failed ${id}`], signal);
    this.toGuest.write(`access ${id} ${String(tar.length)}\n`);
    this.toGuest.write(tar);
    const line = await answer;
    if (line.startsWith("done")) return;
    throw new MayflyError("TOOL_FAILED", "the guest could not apply users and keys", {
      evidence: line.slice(`failed ${id} `.length),
      remedy: "mend what it names (a package to install, a shell that does not exist) and run `pulumi up` again",
    });
  }

  /** Lets go of the pipes; the guest agent goes on. */
  [Symbol.dispose](): void {
    this.toGuest.destroy();
    this.fromGuest.destroy();
  }
}
