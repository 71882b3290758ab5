import { spawn, execFile, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../../provider/host/until";
import type { Endpoint } from "../../provider/ssh/ssh";
import { makeHome } from "./home";

const execute = promisify(execFile);

/** How a test's server differs from a plain one. */
export interface SshdOptions {
  /** More lines for its sshd_config(5). */
  readonly config?: readonly string[];
  /** Kind of its host key. @default "ed25519" */
  readonly hostKeyType?: "ed25519" | "ecdsa" | "rsa";
  /** With `DEBUG1` its log also has what was agreed upon. @default "VERBOSE" */
  readonly logLevel?: "VERBOSE" | "DEBUG1";
  /** Its SFTP server, such as `internal-sftp`. @default none */
  readonly sftp?: string;
}

/** OpenSSH's own server on a free port of the loopback, with a folder, a host key and an authorized key of its own. */
export class Sshd implements AsyncDisposable {
  #server: ChildProcess | undefined;

  private constructor(
    readonly folder: string,
    readonly port: number,
  ) {}

  /** Starts one that takes logins of the user who runs the tests. That user's home is empty: no start-up files. */
  static async start({
    config = [],
    hostKeyType = "ed25519",
    logLevel = "VERBOSE",
    sftp,
  }: SshdOptions = {}): Promise<Sshd> {
    const folder = makeHome("sshd");
    const server = new Sshd(folder, await freePort());
    await mkdir(join(folder, "home"));
    await makeKey(join(folder, "host"), hostKeyType);
    await makeKey(join(folder, "user"), "ed25519");
    const lines = [
      `Port ${String(server.port)}`,
      "ListenAddress 127.0.0.1",
      `HostKey "${folder}/host"`,
      `AuthorizedKeysFile "${folder}/user.pub"`,
      "StrictModes no",
      `UsePAM ${isRootLocked() ? "yes" : "no"}`,
      "PermitRootLogin yes",
      "PidFile none",
      `SetEnv "HOME=${folder}/home"`,
      `LogLevel ${logLevel}`,
      ...config,
      ...(sftp === undefined ? [] : [`Subsystem sftp ${sftp}`]),
    ];
    await writeFile(join(folder, "config"), `${lines.join("\n")}\n`);
    if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 }); // sshd's own demand
    await server.restart();
    return server;
  }

  /** What a client needs to log in here. */
  get endpoint(): Endpoint & { readonly privateKey: string } {
    return {
      host: "127.0.0.1",
      port: this.port,
      user: userInfo().username,
      privateKey: this.read("user"),
      hostKey: this.read("host.pub"),
    };
  }

  /** What the server has logged. */
  get log(): string {
    return this.read("log");
  }

  /** How many logins it has let in. */
  get logins(): number {
    return this.log.match(/Accepted (?:publickey|password|keyboard)/g)?.length ?? 0;
  }

  /** How many connections it has accepted. */
  get connections(): number {
    return this.log.match(/^Connection from /gm)?.length ?? 0;
  }

  /** One of its files. */
  read(name: string): string {
    return readFileSync(join(this.folder, name), "utf8");
  }

  /** Starts the server, the first time or again, and waits until it answers. */
  async restart(): Promise<void> {
    const before = this.#starts;
    const args = ["-D", "-E", join(this.folder, "log"), "-f", join(this.folder, "config")];
    const server = spawn("/usr/sbin/sshd", args, { detached: true, stdio: "ignore" });
    server.unref();
    this.#server = server;
    const listens = async () => {
      if (server.exitCode !== null) throw new Error(`sshd ended: ${this.log}`);
      return Promise.resolve(this.#starts > before || undefined); // a look by a connection would be one to count
    };
    const diagnose = () => ({ remedy: "apt-get install openssh-server" });
    await until("sshd listens", listens, { signal: AbortSignal.timeout(10_000), interval: 20, diagnose });
  }

  /** Kills the server with all its sessions, as a power cut would: no goodbye to clients. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    for (const pid of await this.#processes(server.pid)) kill(pid);
    await ended;
  }

  /** The processes by which it serves its sessions. */
  async sessionProcesses(): Promise<number[]> {
    const all = await this.#processes(this.#server?.pid ?? -1);
    return all.slice(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** How often it has begun to listen. */
  get #starts(): number {
    return existsSync(join(this.folder, "log")) ? (this.log.match(/^Server listening on /gm)?.length ?? 0) : 0;
  }

  /** The server and its sessions' own sshd processes, but not the commands in them. */
  async #processes(pid: number): Promise<number[]> {
    const { stdout } = await execute("ps", ["-eo", "pid=,ppid=,comm="]);
    const all = stdout.split("\n").map((line) => line.trim().split(/\s+/));
    const found = [pid];
    for (const parent of found)
      for (const [child, itsParent, name] of all)
        if (Number(itsParent) === parent && name?.startsWith("sshd") === true) found.push(Number(child));
    return found;
  }
}

/** Whether we are root, and root has no password at all: then sshd itself lets in nobody, but PAM does. */
function isRootLocked(): boolean {
  return process.getuid?.() === 0 && /^root:!/m.test(readFileSync("/etc/shadow", "utf8"));
}

/** A port that nobody uses at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function makeKey(file: string, type: string): Promise<void> {
  await execute("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself meanwhile
  }
}
