import { SSHD_CONFIG } from "../identity";
import type { Access, Identity } from "../spec";

/** A file that a guest gets before its SSH server starts. */
interface DoorFile {
  readonly path: string;
  readonly mode: "644" | "600";
  readonly text: string;
  /** It is the beginning of something that changes: written at the first boot, and left alone at later ones. */
  readonly isFirst?: boolean;
}

/** Where the keys are that a guest lets in until its users are made: as `guest/apply-access.sh` has its versions. */
const FIRST_ACCESS = "access.first-boot";
const RULES = "/etc/ssh/sshd_config.d/00-mayfly.conf";

/**
 * What lets root in, and nobody else, to a guest that is not ours: its host key, rules for its SSH server, keys. The rest of
 * what a machine is declared to have follows over SSH.
 */
export function doorFiles(identity: Identity, { rootKeys }: Access): readonly DoorFile[] {
  const keys = rootKeys.map((key) => `${key.trim()}\n`).join("");
  return [
    { path: "/etc/mayfly/ssh_host_key", mode: "600", text: identity.hostPrivateKey },
    { path: "/etc/mayfly/ssh_host_key.pub", mode: "644", text: `${identity.hostPublicKey}\n` },
    { path: RULES, mode: "644", text: SSHD_CONFIG },
    { path: `/etc/mayfly/${FIRST_ACCESS}/users`, mode: "644", text: "", isFirst: true },
    { path: `/etc/mayfly/${FIRST_ACCESS}/keys/root`, mode: "644", text: keys, isFirst: true },
  ];
}

/** The folders of these files, the outer ones first. */
const FOLDERS = [
  "/etc/mayfly",
  `/etc/mayfly/${FIRST_ACCESS}`,
  `/etc/mayfly/${FIRST_ACCESS}/keys`,
  "/etc/ssh/sshd_config.d",
];

/**
 * Makes the files, as a shell script for each boot. Files of a machine that the disk was before are none of its own; an SSH
 * server that knows no folder of rules (before OpenSSH 8.2) gets them in its own file.
 */
export function doorScript(files: readonly DoorFile[], { machineId }: Identity): string {
  const write = ({ path, mode, text }: DoorFile) =>
    [`cat >${path} <<'${END_OF_FILE}'`, text.replace(/\n$/, ""), END_OF_FILE, `chmod ${mode} ${path}`].join("\n");
  return `#!/bin/sh
# Written by Mayfly.
[ "$(cat /etc/mayfly/instance 2>/dev/null)" != ${machineId} ] || exit 0
rm -rf /etc/mayfly
umask 022
mkdir -p ${FOLDERS.join(" ")}
(umask 077 && : >/etc/mayfly/ssh_host_key)
${files.map(write).join("\n")}
ln -s ${FIRST_ACCESS} /etc/mayfly/access
config=/etc/ssh/sshd_config
if ! grep -qs '^[[:space:]]*Include[[:space:]].*sshd_config\\.d/' $config; then
  cat ${RULES} $config >$config.mayfly 2>/dev/null
  mv $config.mayfly $config
fi
echo ${machineId} >/etc/mayfly/instance
`;
}

const END_OF_FILE = "MAYFLY_END"; // is no line of a key

/** Makes the files, as lines of tmpfiles.d(5). */
export function doorTmpfiles(files: readonly DoorFile[]): string {
  const folders = FOLDERS.map((path) => `d ${path} 0755 root root - -`);
  const written = files.map(({ path, mode, text, isFirst }) => {
    const type = isFirst === true ? "f" : "f+";
    return text === ""
      ? `${type} ${path} 0${mode} root root - -`
      : `${type}~ ${path} 0${mode} root root - ${Buffer.from(text).toString("base64")}`;
  });
  return [...folders, ...written, `L /etc/mayfly/access - - - - ${FIRST_ACCESS}`, ""].join("\n");
}
