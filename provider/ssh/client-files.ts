import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, realpath, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { MayflyError } from "../errors";
import { readFileIfExists, writeFileAtomic } from "../host/files";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import { run } from "../host/run";
import { renderClientConfig, renderKnownHosts, renderLogin } from "./client-config";
import type { Endpoint, Hop } from "./endpoint";

/** A host that OpenSSH's own programs are to know by a name. */
export interface NamedHost {
  /** `ssh ALIAS`. */
  readonly alias: string;
  readonly endpoint: Endpoint;
  /** File with the private key, where it is kept elsewhere. @default one of ours, with the endpoint's key */
  readonly identityFile?: string | undefined;
  /** The same for the host to go through, which the endpoint names. */
  readonly proxyIdentityFile?: string | undefined;
}

const LONGEST_SOCKET = 107; // unix(7)
const BINDING_SUFFIX = 17; // ssh binds to the path with a dot and 16 characters behind it first
const NAME_LENGTH = 8;
const ENDING_MS = 5_000;

/** Configurations for OpenSSH's client, one folder each; and the user's own file, which may include them. */
export class ClientFiles {
  /**
   * @param home The user's home.
   * @param runtime Where systemd has a user's sockets: file-hierarchy(7). May be missing.
   */
  constructor(
    private readonly paths: Pick<Paths, "home" | "locks">,
    private readonly home = homedir(),
    private readonly runtime = runtimeFolder(),
  ) {}

  /** The configuration of one thing; what `ssh -F` takes. */
  path(id: string): string {
    return join(this.#folder(id), "config");
  }

  /** What a person types to log in by it. */
  command(id: string, alias: string, included: boolean): string {
    return included ? `ssh ${alias}` : renderLogin(this.path(id), alias);
  }

  /**
   * Writes a configuration, new or changed.
   *
   * @throws {MayflyError} `BAD_INPUT` for names and paths that ssh_config(5) has no way to write.
   */
  async write(id: string, { alias, endpoint, identityFile, proxyIdentityFile }: NamedHost): Promise<void> {
    const folder = this.#folder(id);
    const control = this.#controlSocket(id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (control !== undefined) await mkdir(dirname(control), { recursive: true, mode: 0o700 });
    const jump = `${alias}-jump`;
    const [knownHostsFile, config] = [join(folder, "known_hosts"), this.path(id)];
    const hops: readonly (readonly [name: string, hop: Hop, options: object])[] = [
      [alias, endpoint, { controlSocket: control, ...(endpoint.proxy && { jump: { alias: jump, config } }) }],
      ...(endpoint.proxy === undefined ? [] : [[jump, endpoint.proxy, {}] as const]),
    ];
    const sections = hops.map(async ([name, hop, options]) => {
      const { host, port = 22, user = "root", privateKey, agentSocketPath, password, isEmulated } = hop;
      const elsewhere = name === alias ? identityFile : proxyIdentityFile;
      const own = elsewhere === undefined && privateKey !== undefined ? join(folder, `id-${name}`) : undefined;
      if (own !== undefined) await keep(own, `${privateKey?.trimEnd() ?? ""}\n`);
      return renderClientConfig({
        ...{ alias: name, host, port, user, knownHostsFile, agentSocket: agentSocketPath, isEmulated, ...options },
        ...{ identityFile: elsewhere ?? own, password: password !== undefined },
      });
    });
    await keep(knownHostsFile, hops.map(([name, hop]) => renderKnownHosts(name, hop.hostKey)).join(""));
    await keep(config, (await Promise.all(sections)).join("\n"));
  }

  /** Whether a configuration is there, and included exactly if that is wanted. */
  async has(id: string, included: boolean): Promise<boolean> {
    const seen = await stat(this.path(id)).catch(() => undefined);
    if (seen === undefined) return false;
    const text = (await readFileIfExists(await this.#userFile())) ?? "";
    return text.includes(this.#block(id)) === included;
  }

  /**
   * Has the user's own configuration include this one, at its top, where an `Include` is for all hosts; or not any more.
   * All else in it stays as it is.
   *
   * @throws {MayflyError} `BAD_INPUT` when another included one has the same alias.
   */
  async include(id: string, alias: string, wanted: boolean, signal: AbortSignal): Promise<void> {
    await withLock(this.paths.locks, "ssh-config", signal, async () => {
      if (wanted) await this.#refuseTwice(id, alias);
      const file = await this.#userFile();
      const text = await readFileIfExists(file);
      const others = text?.replace(this.#block(id), "");
      const next = wanted ? this.#block(id) + (others ?? "") : others;
      if (next === text) return;
      if (next === undefined || next === "") await rm(file, { force: true });
      else {
        await mkdir(dirname(file), { recursive: true, mode: 0o700 });
        const mode = (await stat(file).catch(() => undefined))?.mode ?? 0o600;
        await writeFileAtomic(file, next, mode & 0o777);
      }
    });
  }

  /** Removes a configuration, and ends the connection that its users share. Succeeds when it is already gone. */
  async remove(id: string, alias: string, signal: AbortSignal): Promise<void> {
    await this.include(id, alias, false, signal);
    const control = this.#controlSocket(id);
    if (control !== undefined && (await stat(control).catch(() => undefined)) !== undefined) {
      const exit = ["-F", this.path(id), "-O", "exit", alias];
      await run("ssh", exit, { signal: AbortSignal.timeout(ENDING_MS), okExitCodes: [0, 255] }).catch(() => undefined);
      await rm(control, { force: true });
    }
    await rm(this.#folder(id), { recursive: true, force: true });
  }

  /** Where a shared connection listens: the first folder of the user's own whose path is short enough. */
  #controlSocket(id: string): string | undefined {
    const name = createHash("sha256").update(id).digest("hex").slice(0, NAME_LENGTH);
    const candidates = [join(this.paths.home, "s", name), join(this.home, ".ssh", `.mf-${name}`)];
    if (existsSync(this.runtime)) candidates.push(join(this.runtime, `mayfly-${name}`));
    return candidates.find(
      (path) => Buffer.byteLength(path) + BINDING_SUFFIX <= LONGEST_SOCKET && !path.includes("${"),
    );
  }

  async #refuseTwice(id: string, alias: string): Promise<void> {
    const others = (await readdir(join(this.paths.home, "ssh"))).filter((other) => other !== id);
    for (const other of others) {
      const text = (await readFileIfExists(this.path(other))) ?? "";
      if (!text.startsWith(`Host ${alias}\n`) || !(await this.has(other, true))) continue;
      throw new MayflyError("BAD_INPUT", `ssh knows another host as ${alias} already`, {
        evidence: `${this.path(other)} is included in ${await this.#userFile()}`,
        remedy: "give one of the two another alias, or do without include",
      });
    }
  }

  /** The file itself, where the user's is a link into a folder of dotfiles. */
  async #userFile(): Promise<string> {
    const file = join(this.home, ".ssh", "config");
    return realpath(file).catch(() => file);
  }

  #block(id: string): string {
    const pattern = this.path(id).replaceAll(/[*?[\\]/g, "\\$&"); // Include takes patterns
    const quoted = `"${pattern.replaceAll(/["\\]/g, "\\$&")}"`;
    return `# pulumi-mayfly, ${id}: goes with \`pulumi destroy\`\nInclude ${quoted}\n`;
  }

  #folder(id: string): string {
    return join(this.paths.home, "ssh", id);
  }
}

/** Always there where systemd is, whatever a session's environment says: whoever removes a socket finds it again. */
function runtimeFolder(): string {
  const user = process.getuid?.() ?? 0;
  return user === 0 ? "/run" : `/run/user/${String(user)}`;
}

/** Writes a file for this user only. */
async function keep(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
}
