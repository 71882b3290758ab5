import type { Access } from "../../provider/machines/spec";
import type { KeyPair } from "../../provider/ssh/keys";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";
import { endpointOf } from "./connect";
import type { FoundVM } from "./find";

const WAY_BACK_MS = 60_000; // takes a second; a guest that is busy longer

/**
 * Gives a machine of the command's another key, while it runs. The guest takes both keys until the new one has been tried
 * and is in this user's files: whatever goes wrong, or ends this half-way, the files' key opens the door, and the next
 * rotation shuts out all others. A guest of a disk image, which has no agent of ours, hears of it over SSH. Two at a time
 * would each take the other's key for one to shut out.
 *
 * @returns The new key.
 */
export async function rotateKey(vm: FoundVM, session: Session): Promise<KeyPair> {
  const { withLock } = await import("../../provider/host/locks.js");
  return withLock(session.paths.locks, `key-${vm.id}`, session.signal, async () => rotate(vm, session));
}

async function rotate({ id, record }: FoundVM, session: Session): Promise<KeyPair> {
  const { machines, ssh, signal } = session;
  const { log, ...way } = await endpointOf({ id }, session);
  const { host, port, user, hostKey, privateKey } = way;
  if (privateKey === undefined || user === undefined)
    throw new CommandError(`${record.owner.resource} has no key of its own`, "mayfly rm, and make it anew");
  const [read, next] = await Promise.all([
    ssh.parseKey({ privateKey, comment: id }),
    ssh.makeKey({ algorithm: "ed25519", comment: id }),
  ]);
  const before = { ...read, privateKey }; // the very text, should it be needed again
  const [{ keepClientFiles }, { endSettling, settleAgain }] = await Promise.all([
    import("../../provider/resources/vm-connection.js"),
    import("../../provider/resources/vm-disk-access.js"),
  ]);
  const by = ({ privateKey: own }: KeyPair) => ({ host, port: port ?? 22, user, hostKey, privateKey: own });
  const admit = async (keys: readonly [KeyPair, ...KeyPair[]], within: AbortSignal) => {
    const access = accessOf(keys);
    if (record.agentless !== true) return machines.changeAccess(id, access, within);
    const asker = { machines, ssh, owner: record.owner, signal: within };
    await settleAgain(id, by(before), { access, connection: by(keys.at(-1) ?? keys[0]) }, asker);
    await endSettling(id, machines); // the key that the files have is among them
  };
  const keep = async (key: KeyPair) => keepClientFiles(id, record.owner.resource, by(key), [key.publicKey], session);
  try {
    await admit([before, next], signal);
    await ssh.login({ ...way, privateKey: next.privateKey, ...(log && { log }) }, signal);
    await keep(next);
  } catch (error) {
    await keep(before).catch(() => undefined); // the error is what there is to be told
    await admit([before], AbortSignal.timeout(WAY_BACK_MS)).catch(() => undefined);
    throw error;
  }
  await admit([next], signal);
  await ssh.forget(way);
  return next;
}

/** Who may log in to a machine of the command's: root, with these keys. */
function accessOf(keys: readonly KeyPair[]): Access {
  return { rootKeys: keys.map(({ publicKey }) => publicKey), users: [] };
}
