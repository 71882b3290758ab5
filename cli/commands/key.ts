import { Command } from "commander";
import { note, print, printJson } from "../output";
import { openSession } from "../rooms";
import { verbWithJson } from "../verb";

/** `mayfly key`: what opens a VM. */
export function key(): Command {
  return new Command("key").description("Keys by which one logs in to VMs.").addCommand(rotate());
}

function rotate(): Command {
  return verbWithJson(
    "rotate",
    "Give a VM of `mayfly run` a new SSH key, while it runs, and print the new public key. From then on the old one is refused; " +
      "sessions that are open stay.",
    ["mayfly key rotate dev"],
  )
    .argument("<name>", "the VM")
    .action(change);
}

async function change(name: string, { json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("key rotate");
  const [{ findOwnVM, findRunningVM }, { rotateKey }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/rotate-key.js"),
  ]);
  await findOwnVM(name, session, "given another key", REMEDY);
  const vm = await findRunningVM(name, session);
  const { publicKey, fingerprint } = await session.step(`Changing the key of ${name}`, () => rotateKey(vm, session));
  if (json === true) printJson({ name: vm.record.owner.resource, id: vm.id, publicKey, fingerprint });
  else print(publicKey);
  note(`${name} has a new key; the old one is refused`);
}

const REMEDY =
  'declare its key: `sshKey: new mayfly.SshKey("key", { keepers: { turn: "1" } })`; another `turn`, and `pulumi up`, rotate it';
