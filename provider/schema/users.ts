import { z } from "zod";
import { passwdPath, publicKeyLine, userName } from "./fields";
import type { Complain } from "./rule";

/** A user of the guest beside root. Has no password; logs in with keys only. */
const user = z.strictObject({
  /** Login name. */
  name: userName.refine((name) => name !== "root", "root always exists: its keys are `authorizedKeys` of the VM"),
  /** User id; also the id of the user's own group. Made when missing from the image. @default 1000 and up */
  uid: z.int().min(1).max(60_000).optional(),
  /** Further groups; made when missing. @default [] */
  groups: z.array(userName).default([]),
  /** May become root by sudo, without a password. @default false */
  sudo: z.boolean().default(false),
  /** Login shell, as a path in the guest. @default "/bin/bash" where the image has it, else "/bin/sh" */
  shell: passwdPath.optional(),
  /** Home directory. Made, and then the user's, when missing; one that is there is left alone. @default "/home/NAME" */
  home: passwdPath.optional(),
  /** Public keys that may log in as this user. Without any nobody logs in as it from outside: it has no password. @default [] */
  authorizedKeys: z.array(publicKeyLine).default([]),
});

/** Users of the guest beside root. */
export const users = z.array(user);

interface Fields {
  readonly users: readonly z.output<typeof user>[];
  readonly rootLogin: boolean;
  readonly authorizedKeys: readonly string[];
  readonly sshKey?:
    { readonly privateKey?: string | undefined; readonly agentSocketPath?: string | undefined } | undefined;
}

/** What contradicts itself in who may log in; a rule of the schema. */
export function checkAccess(vm: Fields, complain: Complain): void {
  const { rootLogin, authorizedKeys, sshKey } = vm;
  if (!rootLogin && vm.users.length === 0)
    complain(["rootLogin"], "can't be false without users: `connection` logs in as the first of them");
  if (!rootLogin && authorizedKeys.length > 0)
    complain(["authorizedKeys"], "are root's, who may not log in (rootLogin): give them to one of users");
  if (sshKey?.privateKey !== undefined && sshKey.agentSocketPath !== undefined)
    complain(["sshKey", "agentSocketPath"], "can't be set beside privateKey: which of the two is to be used?");
  vm.users.forEach(({ name, uid }, index) => {
    if (vm.users.findIndex((other) => other.name === name) !== index)
      complain(["users", index, "name"], `"${name}" is declared twice`);
    if (uid !== undefined && vm.users.findIndex((other) => other.uid === uid) !== index)
      complain(["users", index, "uid"], `${String(uid)} is given to two users`);
  });
}
