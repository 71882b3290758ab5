import { accessSync, constants, existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { MayflyError } from "../errors";
import { bindMount } from "./bind-mount";
import { isWholeRoot, makeContainerRoot } from "./container-root";
import { readFileIfExists, writeFileAtomic } from "./files";
import { withLock } from "./locks";
import type { Paths } from "./paths";
import { hostBootId } from "./process-identity";
import { checkIds, explainPodman, podmanUnusable, type IdMappings } from "./podman-trouble";
import { run, type RunOptions } from "./run";
import { toolMissing } from "./tool-error";

/** What was found out about podman on this host, good until its next boot. */
interface PodmanVerdict {
  readonly bootId: string;
  /** `CONTAINERS_CONF` to use; absent where podman works as it is configured. */
  readonly containersConf?: string;
  /** Why that file is needed: what podman said without it. */
  readonly reason?: string;
  /** Runs without root's rights on the host. */
  readonly rootless: boolean;
  /** Containers can be given limits of their memory and number of processes. */
  readonly limits: boolean;
  /** Value of `--network` that gives each container a network of its own. */
  readonly network: string;
  /** Program that starts its containers: `crun`, `runc`. Absent in verdicts of former versions. */
  readonly runtime?: string;
  /** Podman's list of its images, which it writes anew when one changes. Absent in verdicts of former versions. */
  readonly imageList?: string;
}

const PATIENCE_MS = 120_000; // seven trials, of which one takes 0.3 s; on a cold disk, or at a first start, far more

/**
 * The podman of this host, as it can be used: where its configured runtime or resource limits do not work, with a
 * `containers.conf` of ours that does (crun refuses hybrid cgroup hosts; default limits may exceed the user's own).
 */
export class Podman {
  private verdict: Promise<PodmanVerdict> | undefined;

  /**
   * @param paths Where verdicts and the shared root directory are kept.
   * @param patienceMs How long podman may take to show what it can do.
   */
  constructor(
    private readonly paths: Paths,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** Runs podman. Errors are those of {@link run}. */
  async run(args: readonly string[], options: RunOptions): Promise<string> {
    const { containersConf } = await this.prove(options.signal);
    return podman(args, options, containersConf);
  }

  /**
   * Runs a POSIX shell script with the rights that podman's storage needs: as root of podman's user namespace where the
   * user is not root. Arguments are `$1`, `$2`, ….
   */
  async script(text: string, args: readonly string[], options: RunOptions): Promise<string> {
    const { rootless, containersConf } = await this.prove(options.signal);
    const shell = ["sh", "-euc", text, "mayfly", ...args];
    if (rootless) return this.run(["unshare", ...shell], options);
    const environment = { ...options.environment, ...(containersConf && { CONTAINERS_CONF: containersConf }) };
    return run(shell[0] ?? "sh", shell.slice(1), { ...options, environment, startsLasting: true });
  }

  /**
   * Changes whenever an image in podman's store does: which file its list of images is. `undefined` where there is no such
   * list, in a store of another kind.
   */
  async imagesStamp(signal: AbortSignal): Promise<string | undefined> {
    const { imageList } = await this.prove(signal);
    if (imageList === undefined) return undefined;
    const seen = await stat(imageList).catch(() => undefined);
    return seen && [seen.ino, seen.mtimeMs, seen.size].join(" ");
  }

  /** What this host's podman can do. Tried once a boot of the host, then remembered. */
  async prove(signal: AbortSignal): Promise<PodmanVerdict> {
    this.verdict ??= this.look(signal).catch((error: unknown) => {
      this.verdict = undefined; // the next caller tries again: the user may have installed something meanwhile
      throw error;
    });
    return this.verdict;
  }

  /** The same, tried now, whatever is remembered: the user may have changed podman's settings meanwhile. */
  async proveAnew(signal: AbortSignal): Promise<PodmanVerdict> {
    const verdict = await this.tryUnderLock(signal);
    this.verdict = Promise.resolve(verdict);
    return verdict;
  }

  private async look(signal: AbortSignal): Promise<PodmanVerdict> {
    const known = await readFileIfExists(this.#verdictFile());
    const verdict = known === undefined ? undefined : (JSON.parse(known) as PodmanVerdict);
    const isWhole = verdict?.runtime !== undefined && isWholeRoot(this.paths.containerRoot);
    // A data folder may have been moved, or cleaned up by somebody: podman refuses to start with a file that is not there.
    const hasConf = verdict?.containersConf === undefined || existsSync(verdict.containersConf);
    if (isWhole && hasConf && verdict.bootId === hostBootId()) return verdict;
    return this.tryUnderLock(signal);
  }

  private async tryUnderLock(signal: AbortSignal): Promise<PodmanVerdict> {
    return withLock(this.paths.locks, "podman-verdict", signal, async () => {
      makeContainerRoot(this.paths.containerRoot);
      const found = await this.tryOut(signal);
      await writeFileAtomic(this.#verdictFile(), JSON.stringify(found));
      return found;
    });
  }

  #verdictFile(): string {
    return join(this.paths.verdicts, "podman.json");
  }

  /** @throws {MayflyError} `PODMAN_UNUSABLE`, also where podman does not answer. */
  private async tryOut(signal: AbortSignal): Promise<PodmanVerdict> {
    const late = AbortSignal.timeout(this.patienceMs);
    try {
      return await this.tryOutWithin(AbortSignal.any([signal, late]));
    } catch (error) {
      if (signal.aborted || error !== late.reason) throw error;
      const evidence = `podman has not answered within ${String(this.patienceMs / 1_000)} s`;
      throw podmanUnusable(
        evidence,
        "see what holds it up: `podman info`, `ps -C podman`; a disk that is full or slow may",
        error,
      );
    }
  }

  private async tryOutWithin(deadline: AbortSignal): Promise<PodmanVerdict> {
    const seen = await podman(["info", "--format", "json"], { signal: deadline });
    const { host, store, version } = JSON.parse(seen) as PodmanInfo;
    const { rootless } = host.security;
    if (rootless) checkIds(host.idMappings);
    const common = {
      bootId: hostBootId(),
      rootless,
      limits: ["memory", "pids"].every((name) => host.cgroupControllers.includes(name)),
      network: networkMode({ rootless, podman: version.Version }),
      runtime: host.ociRuntime.name,
      imageList: join(store.graphRoot, `${store.graphDriverName}-images`, "images.json"),
    };
    const refusal = await this.trial(common.network, undefined, deadline);
    if (refusal === undefined) return common;
    for (const { text, runtime } of candidateConfigs()) {
      const containersConf = join(this.paths.home, "containers.conf");
      writeFileSync(containersConf, text, { mode: 0o600 });
      if ((await this.trial(common.network, containersConf, deadline)) === undefined)
        return { ...common, ...(runtime && { runtime }), containersConf, reason: refusal.evidence ?? refusal.message };
    }
    const remedy = /cgroup/i.test(refusal.message)
      ? "sudo apt-get install runc   (crun does not work with this host's cgroups)"
      : "make `podman run --rm --rootfs …` work for this user; `podman info` tells how podman sees this host";
    throw podmanUnusable(refusal.evidence, remedy, refusal);
  }

  /** Starts a container that does nothing; returns what went wrong, if anything did. */
  private async trial(
    network: string,
    containersConf: string | undefined,
    signal: AbortSignal,
  ): Promise<MayflyError | undefined> {
    const args = ["run", "--rm", "--network", network, "--read-only", "--cap-drop", "ALL", ...this.rootArgs()];
    try {
      await podman([...args, "/usr/bin/true"], { signal }, containersConf);
      return undefined;
    } catch (error) {
      if (error instanceof MayflyError && error.code === "TOOL_FAILED") return error;
      throw error;
    }
  }

  /**
   * Arguments that give a container the host's programs, read-only, and nothing else of the host; the command follows.
   * Where SELinux rules, a container may only see what has a label for that: what is the host's or the user's has none, and
   * must get none.
   */
  rootArgs(): string[] {
    const libraries = ["/etc/ld.so.cache", "/etc/alternatives"].filter((path) => existsSync(path));
    const volumes = ["/usr", ...libraries].flatMap((path) => bindMount(path, path, { readOnly: true }));
    return ["--security-opt", "label=disable", ...volumes, "--rootfs", this.paths.containerRoot];
  }
}

/** The part of `podman info` that we read. */
interface PodmanInfo {
  readonly host: {
    readonly security: { readonly rootless: boolean };
    readonly cgroupControllers: readonly string[];
    readonly ociRuntime: { readonly name: string };
    readonly idMappings: IdMappings;
  };
  readonly store: { readonly graphRoot: string; readonly graphDriverName: string };
  /** Of podman: `4.3.1`. */
  readonly version: { readonly Version: string };
}

async function podman(args: readonly string[], options: RunOptions, containersConf?: string): Promise<string> {
  const environment = { ...options.environment, ...(containersConf && { CONTAINERS_CONF: containersConf }) };
  try {
    return await run("podman", args, { ...options, environment, startsLasting: true });
  } catch (error) {
    throw explainPodman(error);
  }
}

/** Where a program is, as the shell would find it; `undefined` when it is not installed. */
export function findProgram(name: string): string | undefined {
  return findAll(name)[0];
}

/**
 * Where a program is that is to run in a container of ours, which has of the host's programs those below `/usr` alone: the
 * program itself, not a link to it, which may be elsewhere.
 */
export function findContainerProgram(name: string): string | undefined {
  return findAll(name)
    .map((path) => realpathSync(path))
    .find((path) => path.startsWith("/usr/"));
}

function findAll(name: string): string[] {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.map((folder) => join(folder, name)).filter((path) => isExecutable(path));
}

/** Throws `TOOL_MISSING` where a program is not installed that is to run in a container of ours. */
export function needProgram(name: string): void {
  if (findContainerProgram(name) === undefined) throw toolMissing(name);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * A network of its own per container, out of which neither the host's loopback nor another container can be reached:
 * slirp4netns does that for root as well; the bridge that podman gives root by default joins all containers, and the host.
 * The options are podman's defaults, unless the user's `containers.conf` says otherwise. IPv6 is not for guests.
 *
 * @param host Whether podman runs without root's rights, and its version: from 6 on it has no slirp4netns, be it installed.
 * @param has Whether a program is installed.
 * @throws {MayflyError} `TOOL_MISSING`, and `PODMAN_UNUSABLE` for root from podman 6 on, which has no such network then.
 */
export function networkMode(
  { rootless, podman: version }: { readonly rootless: boolean; readonly podman: string },
  has = (program: string) => findProgram(program) !== undefined,
): string {
  const hasSlirp = Number.parseInt(version, 10) < 6;
  if (hasSlirp && has("slirp4netns")) return "slirp4netns:allow_host_loopback=false,enable_ipv6=false";
  if (rootless && has("pasta")) return "pasta:--ipv4-only";
  if (hasSlirp || rootless) throw toolMissing(hasSlirp ? "slirp4netns" : "pasta");
  throw podmanUnusable(
    `podman ${version} has no slirp4netns any more, and pasta only for ordinary users`,
    "work as an ordinary user, or with a podman before 6",
  );
}

/** Open files that podman gives a container by itself, as far as it may. */
const MOST_FILES = 1_048_576;

/** What any system allows; qemu needs a few hundred. */
const FEWEST_FILES = 4_096;

/**
 * How many files the containers of this process may have open where podman's own number is refused: first what this
 * process may itself, as virtiofsd holds one open for each file of a mount that the guest has seen. Pure.
 *
 * @param limits What `/proc/self/limits` has: proc(5).
 */
export function openFilesToTry(limits: string): number[] {
  const hard = /^Max open files +\S+ +(\d+) /m.exec(limits)?.[1] ?? MOST_FILES; // or "unlimited"
  return [...new Set([Math.min(Number(hard), MOST_FILES), FEWEST_FILES])];
}

/** Settings to try where podman's own do not work, the mildest first. */
function candidateConfigs(): { readonly text: string; readonly runtime?: string }[] {
  const runtimes = ["runc", "crun"].filter((name) => findProgram(name) !== undefined);
  return openFilesToTry(readFileSync("/proc/self/limits", "utf8")).flatMap((files) => {
    // Processes: qemu needs a few dozen threads, and of more podman has itself given up the right.
    const limits = `[containers]\ndefault_ulimits = ["nofile=${String(files)}:${String(files)}", "nproc=4096:4096"]\n`;
    const others = runtimes.map((name) => ({ text: `${limits}[engine]\nruntime = "${name}"\n`, runtime: name }));
    return [{ text: limits }, ...others];
  });
}
