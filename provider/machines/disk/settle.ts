import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { accessTar, environmentFile } from "../identity";
import type { Access, Identity } from "../spec";

/** A command to be run in a guest, over SSH. */
export interface GuestCommand {
  readonly command: string;
  readonly stdin: Buffer;
}

const GUEST_FOLDER = join(__dirname, "..", "..", "guest");
const SCRIPTS = ["settle-disk.sh", "apply-access.sh", "until-true.sh"];

/** Unpacks what comes on standard input, and runs it. Whoever is not root has to be allowed to become it. */
const COMMAND = `
as=
[ "$(id -u)" = 0 ] || as="sudo -n"
$as mkdir -p /etc/mayfly && $as tar -x -C / -f - && $as sh /etc/mayfly/settle/settle-disk.sh
`;

/**
 * What makes a guest in which nothing of ours runs let in whom it should, and nobody else. It prints the guest's
 * machine-id, or what is wrong.
 *
 * @param born Of a guest that is new: what else it is to be.
 */
export async function settleCommand(
  access: Access,
  born: Pick<Identity, "hostname" | "environment"> | undefined,
): Promise<GuestCommand> {
  const files = new Map<string, string>();
  for (const name of SCRIPTS) files.set(`settle/${name}`, await readFile(join(GUEST_FOLDER, name), "utf8"));
  if (born !== undefined) {
    files.set("settle/hostname", `${born.hostname}\n`);
    files.set("settle/environment", environmentFile(born.environment));
  }
  return { command: COMMAND, stdin: await accessTar(access, files) };
}
