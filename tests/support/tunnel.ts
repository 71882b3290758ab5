import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { isAlive, type ProcessIdentity } from "../../provider/host/process-identity";
import { until } from "../../provider/host/until";
import type { Endpoint } from "../../provider/ssh/ssh";
import type { TunnelRecord } from "../../provider/ssh/tunnel-spec";
import { Tunnels, type Forward, type Place, type TunnelSite } from "../../provider/ssh/tunnels";

const SCRIPT = join(__dirname, "..", "..", "sdk", "dist", "provider", "tunnel.js");

/** For `until`: within the test's time. */
export const wait = (): { signal: AbortSignal; interval: number; diagnose: () => { remedy: string } } => ({
  ...{ signal: AbortSignal.timeout(30_000), interval: 10 },
  diagnose: () => ({ remedy: "see the tunnel's log" }),
});

/** A tunnel in a machine's folder. Disposing it removes the folder, and waits for the keeper's end. */
export class TestTunnel implements AsyncDisposable {
  readonly tunnels: Tunnels;
  readonly folder: string;
  #keeper: ProcessIdentity | undefined;

  private constructor(
    readonly home: string,
    readonly echo: Server,
    /** Where it leads. */
    public site: TunnelSite,
  ) {
    this.folder = site.folder;
    this.tunnels = new Tunnels({ home, locks: join(home, "locks") }, SCRIPT);
  }

  static async start(endpoint: Endpoint): Promise<TestTunnel> {
    const home = await mkdtemp(join(tmpdir(), "mayfly tunnels "));
    mkdirSync(join(home, "machine"));
    // Stands for a service in the guest, and for one on the host: in these tests both have one loopback.
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => undefined).pipe(socket));
    echo.listen(0, "127.0.0.1");
    await once(echo, "listening");
    return new TestTunnel(home, echo, { folder: join(home, "machine", "tunnel"), endpoint });
  }

  /** Where something answers with what it is told. */
  get echoPlace(): Place {
    return { address: "127.0.0.1", port: (this.echo.address() as AddressInfo).port };
  }

  local(more: Partial<Forward> = {}): Forward {
    const host = { address: "127.0.0.1", port: 0 };
    return { id: "web-1", owner: "p/s/web", type: "local", host, guest: this.echoPlace, ...more };
  }

  remote(more: Partial<Forward> = {}): Forward {
    const guest = { address: "127.0.0.1", port: 0 };
    return { id: "api-1", owner: "p/s/api", type: "remote", host: this.echoPlace, guest, ...more };
  }

  async open(forward: Forward, preferredPort = 0): Promise<Place> {
    const place = await this.tunnels.open(this.site, forward, preferredPort, AbortSignal.timeout(30_000));
    this.#keeper = this.record?.keeper;
    return place;
  }

  async close(id: string): Promise<void> {
    await this.tunnels.close(this.folder, id, AbortSignal.timeout(30_000));
  }

  get record(): TunnelRecord | undefined {
    const file = join(this.folder, "tunnel.json");
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as TunnelRecord) : undefined;
  }

  /** The process that keeps the tunnel which was opened last. */
  get keeper(): ProcessIdentity {
    if (this.#keeper === undefined) throw new Error("nothing was opened");
    return this.#keeper;
  }

  /** Kills the keeper, as a crash would. */
  async kill(): Promise<void> {
    process.kill(this.keeper.pid, "SIGKILL");
    await this.keeperEnds();
  }

  async keeperEnds(): Promise<void> {
    await until("the keeper ends", () => Promise.resolve(isAlive(this.keeper) ? undefined : true), wait());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.home, { recursive: true }); // as the machine's removal does
    if (this.#keeper !== undefined) await this.keeperEnds();
    this.echo.close();
  }
}

export function dial(place: Place): Socket {
  return "socket" in place ? connect(place.socket) : connect(place.port, place.address);
}

/** What comes back of a text that is sent, the sending side being closed at once. */
export async function say(place: Place, words = "hello"): Promise<string> {
  const socket = dial(place);
  socket.end(words);
  return text(socket);
}

/** Whether an echo answers. */
export async function answers(place: Place): Promise<true | undefined> {
  return (await say(place).catch(() => "")) === "hello" ? true : undefined;
}

export function portOf(place: Place): number {
  return "port" in place ? place.port : 0;
}
