import type { Context } from "../context";
import { MayflyError } from "../errors";
import type { Access, Identity } from "../machines/spec";
import type { VMSpec } from "../schema/vm";
import type { Endpoint } from "../ssh/endpoint";
import { afterSeconds } from "../timers";
import { accessOf, type LoginKeys } from "./vm-access";
import { onVM } from "./vm-connection";

// A VM that boots from a disk image has a guest in which no agent of ours is: who may log in is settled over SSH.

/** What a guest of a disk lets in at first: root, by the keys of `connection`. */
export function firstAccess(publicKeys: readonly string[]): Access {
  return { rootKeys: publicKeys, users: [] };
}

/**
 * Settles who may log in, and in a guest that is new its names; returns its machine-id.
 *
 * @param to As who to log in for it: root, or somebody who may become root by `sudo`.
 * @throws {MayflyError} `HOST_KEY_MISMATCH` or `CONNECT_FAILED` when the guest has not read its identity, `TOOL_FAILED`
 * with its words.
 */
export async function settle(
  to: Endpoint,
  access: Access,
  born: Pick<Identity, "hostname" | "environment"> | undefined,
  { ssh, machines }: Pick<Context, "ssh" | "machines">,
  signal: AbortSignal,
): Promise<string> {
  const command = await machines.settleCommand(access, born);
  const { exitCode, stdout, stderr } = await ssh.exec(to, { ...command, isSecret: true }, signal);
  await ssh.forget(to); // it is a session of root's, who may not be let in any more
  if (exitCode === 0) return stdout.trim().split("\n").at(-1) ?? "";
  const said = [stdout, stderr].join("\n").trim();
  throw new MayflyError("TOOL_FAILED", "the guest could not apply users and keys", {
    evidence: said,
    remedy: said.includes("sudo")
      ? "without rootLogin the first of users needs `sudo: true` for a change of keys and users; a new VM has none of it: pulumi up --replace URN"
      : "mend what it names (a package to install, a shell that does not exist) and run `pulumi up` again",
  });
}

/**
 * Makes a guest that is up for the first time what its VM is declared to be; returns its machine-id. Begins as root, who may
 * log in until this is done, whatever is declared.
 *
 * @throws {MayflyError} `BOOT_FAILED` when the guest has not read what it was given.
 */
export async function moveIn(
  id: string,
  inputs: VMSpec,
  identity: Identity,
  to: Endpoint,
  keys: LoginKeys,
  context: Context,
): Promise<string> {
  const { ssh } = context;
  const late = afterSeconds(inputs.bootTimeout);
  const signal = AbortSignal.any([context.signal, late]);
  const patience = { perDialTimeout: PATIENT_SECONDS, dialErrorLimit: -1 };
  const asRoot = await onVM(id, { ...to, ...patience, user: "root" }, context);
  try {
    await ssh.login(asRoot, signal);
  } catch (error) {
    if (late.aborted && !context.signal.aborted) throw closedDoor(inputs, error);
    throw stranger(error) ?? error;
  }
  await needReaders(inputs, asRoot, ssh, signal);
  return settle(asRoot, accessOf(inputs, keys), identity, context, signal);
}

function closedDoor({ bootTimeout }: VMSpec, cause: unknown): MayflyError {
  return new MayflyError("BOOT_TIMEOUT", `the guest let root not log in within ${String(bootTimeout)} s`, {
    evidence: "its SSH server answers, with the host key that the guest was given",
    remedy:
      "raise bootTimeout if it was still booting; else see why its sshd refuses root's key: vm.consoleLog, PAM, SELinux",
    cause,
  });
}

/** One attempt to log in to a guest whose system still starts. */
const PATIENT_SECONDS = 60;

/** What it means that a guest of ours shows another host key than ours. */
function stranger(error: unknown): MayflyError | undefined {
  if (!(error instanceof MayflyError) || error.code !== "HOST_KEY_MISMATCH") return undefined;
  return new MayflyError("BOOT_FAILED", "the guest of the disk image has not taken the identity that it was given", {
    evidence: error.evidence,
    remedy:
      "install cloud-init in the image, or take one with systemd 252 and OpenSSH 8.2 or newer (Debian 12, Fedora 37, Ubuntu 24.04)",
    cause: error,
  });
}

/** Who reads what the user has given for the guest, by field, and what tells that it has run. */
const READERS = {
  userData: { name: "cloud-init", trace: "test -d /run/cloud-init" },
  ignition: { name: "Ignition", trace: "test -e /etc/.ignition-result.json || test -e /run/ignition.env" },
} as const;

async function needReaders(inputs: VMSpec, to: Endpoint, ssh: Context["ssh"], signal: AbortSignal): Promise<void> {
  for (const field of ["userData", "ignition"] as const) {
    const { name, trace } = READERS[field];
    if (inputs[field] === undefined) continue;
    const { exitCode } = await ssh.exec(to, { command: trace }, signal);
    if (exitCode === 0) continue;
    throw new MayflyError("BOOT_FAILED", `${field} needs ${name} in the guest, and none has run`, {
      evidence: `the guest is up, and this fails in it: ${trace}`,
      remedy: `install ${name} in the image and enable it, or leave ${field} out`,
    });
  }
}
