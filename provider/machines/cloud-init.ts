import type { Identity } from "./spec";

/** What an instance is by cloud-init's source NoCloud: a new one gets the whole treatment. */
export function metaData({ machineId, hostname }: Pick<Identity, "machineId" | "hostname">): string {
  return JSON.stringify({ "instance-id": machineId, "local-hostname": hostname });
}

/** Where cloud-init finds what it is to do without a disk for it. */
const SEED = "var/lib/cloud/seed/nocloud";

/**
 * Settings of the image's, over which the user's own data win: the one source, so that cloud-init looks for no other; and
 * nothing of what belongs to the machine, which has its network, host key, accounts and root already.
 */
const SETTINGS = {
  datasource_list: ["NoCloud"],
  network: { config: "disabled" },
  disable_root: false,
  users: [],
  ssh_deletekeys: false,
  ssh_genkeytypes: ["ed25519"], // cloud-init wants at least one; nobody uses it
  no_ssh_fingerprints: true,
  growpart: { mode: "off" },
  resize_rootfs: false,
  apt: { preserve_sources_list: true },
  locale: "false", // the image's stays; a text, as cloud-init's own check wants one
};

/** A file of the guest's root. */
interface SeedFile {
  readonly path: string;
  readonly mode: number;
  readonly text: string;
}

/** Files for cloud-init in a guest whose identity was given to it already. */
export function seedFiles(identity: Identity, userData: string): readonly SeedFile[] {
  const secret = (name: string, text: string) => ({ path: `${SEED}/${name}`, mode: 0o600, text });
  return [
    secret("meta-data", metaData(identity)),
    secret("user-data", userData),
    {
      path: "etc/cloud/cloud.cfg.d/99_mayfly.cfg",
      mode: 0o644,
      text: `# Written by Mayfly.\n${JSON.stringify(SETTINGS)}\n`,
    },
  ];
}
