import type { Context } from "../context";
import type { Access } from "../machines/spec";
import type { VMSpec } from "../schema/vm";

const ROOT = "root";
const FIRST_USER_ID = 1_000; // as adduser(8) counts

/** Who `connection` logs in as: root, as in the other tools of this kind, unless its door is closed. */
export function loginUser({ rootLogin, users }: Pick<VMSpec, "rootLogin" | "users">): string {
  return rootLogin ? ROOT : (users[0]?.name ?? ROOT);
}

/**
 * Whether the commands of who logs in to a VM are run by the same programs, and start-up files, as on any other machine of
 * its template: it is root, and nothing is given to the VM that could change them.
 */
export function runsWhatItsTemplateRuns({ rootLogin, users, mounts, environment, systemdUnits }: VMSpec): boolean {
  const isBare = [users, mounts, Object.keys(environment), Object.keys(systemdUnits)].every(
    ({ length }) => length === 0,
  );
  return rootLogin && isBare;
}

/** What `connection` proves itself by: one of the two. Field names of `remote.Command` in `@pulumi/command`. */
export interface LoginProof {
  readonly privateKey?: string;
  readonly agentSocketPath?: string;
}

/** A way to log in, and the public keys that this opens the door to. */
export interface LoginKeys {
  readonly proof: LoginProof;
  readonly publicKeys: readonly string[];
}

/**
 * By which keys `connection` logs in. Where the declared key has its private half elsewhere, with the user alone, we
 * cannot use it: then the VM has a pair of its own, as it does where none is declared, and both are let in.
 *
 * @param before The proof of a VM that is there: an automatic key stays while nothing takes its place.
 */
export async function loginKeys(
  id: string,
  { sshKey }: Pick<VMSpec, "sshKey">,
  { ssh }: Pick<Context, "ssh">,
  before: { readonly sshKey?: VMSpec["sshKey"]; readonly proof?: LoginProof } = {},
): Promise<LoginKeys> {
  const { publicKey, privateKey, agentSocketPath } = sshKey ?? {};
  const declared = publicKey === undefined ? [] : [publicKey];
  if (privateKey !== undefined) return { proof: { privateKey }, publicKeys: declared };
  if (agentSocketPath !== undefined) return { proof: { agentSocketPath }, publicKeys: declared };
  const kept = isAutomatic(before) ? before.proof?.privateKey : undefined;
  const own =
    kept === undefined
      ? await ssh.makeKey({ algorithm: "ed25519", comment: id })
      : await ssh.parseKey({ privateKey: kept, comment: id });
  return { proof: { privateKey: own.privateKey }, publicKeys: [own.publicKey, ...declared] };
}

function isAutomatic({ sshKey }: { readonly sshKey?: VMSpec["sshKey"] }): boolean {
  return sshKey?.privateKey === undefined && sshKey?.agentSocketPath === undefined;
}

/** Who may log in. `connection`'s keys open the door of its user; without `rootLogin` root has none at all. */
export function accessOf(inputs: VMSpec, { publicKeys }: Pick<LoginKeys, "publicKeys">): Access {
  const { users, authorizedKeys, mounts, rootLogin } = inputs;
  const ids = userIds(users);
  const name = loginUser(inputs);
  return {
    rootKeys: rootLogin ? [...publicKeys, ...authorizedKeys] : [],
    users: users.map((user) => ({
      ...{ ...user, shell: user.shell, home: user.home },
      authorizedKeys: user.name === name ? [...publicKeys, ...user.authorizedKeys] : user.authorizedKeys,
      uid: ids.get(user.name) ?? 0,
      anyUid: user.uid === undefined && !mounts.some(({ owner }) => owner === user.name),
    })),
  };
}

/** Whether a change has to reach the guest. */
export function accessChanged(old: VMSpec, inputs: VMSpec): boolean {
  // A saved spec may be older than a field.
  const part = ({ users, authorizedKeys, sshKey, rootLogin = true }: Omit<VMSpec, "rootLogin"> & Partial<VMSpec>) =>
    JSON.stringify([users, authorizedKeys, sshKey?.publicKey, isAutomatic({ sshKey }), rootLogin]);
  return part(old) !== part(inputs);
}

/** Whether `connection` proves itself by something else; that alone is nothing to the guest. */
export function loginChanged(old: Pick<VMSpec, "sshKey">, inputs: Pick<VMSpec, "sshKey">): boolean {
  const part = ({ sshKey }: Pick<VMSpec, "sshKey">) => JSON.stringify([sshKey?.privateKey, sshKey?.agentSocketPath]);
  return part(old) !== part(inputs);
}

/** User ids by name: those declared, the others in order from 1000 up; root is 0. */
export function userIds(users: VMSpec["users"]): ReadonlyMap<string, number> {
  const ids = new Map<string, number>([[ROOT, 0]]);
  for (const { name, uid } of users) if (uid !== undefined) ids.set(name, uid);
  const taken = new Set(ids.values());
  let next = FIRST_USER_ID;
  for (const { name, uid } of users) {
    if (uid !== undefined) continue;
    while (taken.has(next)) next += 1;
    taken.add(next);
    ids.set(name, next);
  }
  return ids;
}
