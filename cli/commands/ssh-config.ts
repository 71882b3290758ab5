import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { print, printJson } from "../output";
import { openSession } from "../rooms";
import { verbWithJson } from "../verb";

/** `mayfly ssh-config`: what other SSH programs need to reach a VM. */
export function sshConfig(): Command {
  return verbWithJson(
    "ssh-config",
    "Print the OpenSSH client configuration of a VM, for other programs; or the path of its file.",
    [
      'ssh -F "$(mayfly ssh-config --path dev)" dev uptime',
      'rsync -e "ssh -F $(mayfly ssh-config --path dev)" -a ./site/ dev:/srv/site/',
    ],
  )
    .argument("<name>", "the VM")
    .option("--path", "print the path of the file, for ssh -F")
    .action(show);
}

async function show(name: string, { path, json }: { readonly path?: true; readonly json?: true }): Promise<void> {
  using session = await openSession("ssh-config");
  const [{ findVM }, { sshFiles }] = await Promise.all([import("../vms/find.js"), import("../vms/connect.js")]);
  const { id } = await findVM(name, session);
  const { config, alias } = await sshFiles(id, session);
  if (json === true) printJson({ path: config, alias });
  else print(path === true ? config : (await readFile(config, "utf8")).trimEnd());
}
