import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { namesChannel, openPaths, pipesOf, segmentSocket, sharedFolder } from "../../provider/host/paths";
import { identifySelf } from "../../provider/host/process-identity";
import { Records } from "../../provider/host/records";
import { openPipe } from "../../provider/host/sockets";
import { until } from "../../provider/host/until";
import type { MachineRecord } from "../../provider/machines/record";
import { FrameReader } from "../../provider/networks/frames";

/** What a network's switch sees of a machine, without the machine: its record, its folder, and somebody who listens there. */
export class FakeMachine implements AsyncDisposable {
  /** Frames that have come, each with its length before it. */
  readonly frames: Buffer[] = [];
  #socket: Socket | undefined;
  #names = "";
  readonly #pipes: Socket[] = [];

  private constructor(
    private readonly home: string,
    private readonly id: string,
    private readonly server: Server,
    readonly mac: string,
  ) {}

  /** Brings one up in a data folder. */
  static async start(home: string, name: string, network: string, last: number): Promise<FakeMachine> {
    const paths = openPaths({ MAYFLY_HOME: home });
    const [id, mac] = [`${name}-1`, `52:54:00:00:00:0${String(last)}`];
    const folder = sharedFolder(paths, id);
    mkdirSync(folder, { recursive: true });
    const pipes = pipesOf(namesChannel(0));
    execFileSync("mkfifo", pipes, { cwd: folder });
    const server = createServer().listen(join(folder, segmentSocket(0)));
    await once(server, "listening");
    const machine = new FakeMachine(home, id, server, mac);
    server.on("connection", (socket) => {
      machine.#receive(socket);
    });
    // As qemu has them: what the host reads is what the guest writes.
    machine.#pipes.push(openPipe(folder, pipes[0], "read"), openPipe(folder, pipes[1], "write"));
    machine.#pipes[0]?.setEncoding("utf8").on("data", (text: string) => (machine.#names += text));
    const self = identifySelf();
    const seat = { network, address: `10.80.0.${String(last)}`, prefix: 24, mac, names: [name] };
    await new Records<MachineRecord>(join(paths.records, "machines")).write(id, {
      ...{ owner: { project: "p", stack: "s", resource: name }, phase: "committed", createdAt: last },
      ...{ madeBy: self, qemu: self, seats: [seat] },
    });
    return machine;
  }

  #receive(socket: Socket): void {
    this.#socket = socket.on("error", () => undefined);
    const reader = new FrameReader();
    socket.on("data", (chunk) => this.frames.push(...reader.take(chunk)));
    socket.on("close", () => {
      if (this.#socket === socket) this.#socket = undefined;
    });
  }

  /** The connection to the switch, once it is there. */
  async cable(): Promise<Socket> {
    return until("the switch connects", () => Promise.resolve(this.#socket), this.#wait());
  }

  /** Waits until frames have come; gives what they say. */
  async hears(count: number): Promise<string[]> {
    const enough = () => Promise.resolve(this.frames.length >= count || undefined);
    await until(`${String(count)} frames`, enough, this.#wait());
    return this.frames.splice(0).map((packet) => packet.subarray(4 + 14).toString());
  }

  /** Waits until the last list of names is this one. */
  async knows(...lines: string[]): Promise<void> {
    const text = ["begin", ...lines, "end", ""].join("\n");
    await until(lines.join(", "), () => Promise.resolve(this.#names.endsWith(text) || undefined), this.#wait());
  }

  /** Forgets the names and asks for them, as a guest after its boot. */
  ask(): void {
    this.#names = "";
    this.#pipes[1]?.write("hello\n");
  }

  #wait() {
    const diagnose = () => ({ evidence: this.#names, remedy: "see switch.log" });
    return { signal: AbortSignal.timeout(10_000), interval: 10, diagnose };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const paths = openPaths({ MAYFLY_HOME: this.home });
    await new Records<MachineRecord>(join(paths.records, "machines")).remove(this.id);
    for (const pipe of this.#pipes) pipe.destroy();
    this.#socket?.destroy();
    this.server.close();
    rmSync(join(paths.machines, this.id), { recursive: true });
  }
}
