import type { Command } from "commander";
import { acceptForeign, refuseForeign } from "../bcvk";
import { machineOptions, type MachineOptions } from "../args/machine";
import { readSshLine } from "../args/ssh";
import { openSession, type Session } from "../rooms";
import { beforeRun, UsageError } from "../trouble";
import { verb } from "../verb";
import { debianSuite, findImage } from "../vms/image";
import type { FoundVM } from "../vms/find";
import type { SshCall } from "../vms/openssh";

/** `mayfly ssh`: a session on a VM that is there, or on one that is made for the session. */
export function ssh(): Command {
  const command = verb(
    "ssh",
    "Log in to a VM: to one that is there, of `mayfly run` or of a Pulumi stack, by its name; or, for an image, to a new one that is " +
      "gone when the session ends, however it ends. OpenSSH's client does it, and takes its own options behind the name.",
    [
      "mayfly ssh debian                       # a fresh VM, gone at exit",
      "mayfly ssh --memory 2G debian -- apt-get update",
      "mayfly ssh dev -L 8080:localhost:80     # a VM that is there; options as in ssh(1)",
      "mayfly ssh project/stack/web -t top     # where several stacks have a web",
    ],
  )
    .usage("[options] NAME|IMAGE [ssh options] [--] [command …]")
    .argument("<name|image...>", "NAME or IMAGE, then what ssh(1) takes")
    .allowUnknownOption()
    .passThroughOptions();
  return acceptForeign(refuseForeign(machineOptions(command), "ssh"), "ssh").action(logIn);
}

async function logIn(words: string[], options: MachineOptions, command: Command): Promise<void> {
  const line = readSshLine(words);
  const { destination } = line;
  if (destination === undefined) throw new UsageError("name a VM (mayfly ls) or an image");
  using session = await openSession("ssh");
  const { pointToDiagnosis, runSsh } = await import("../vms/openssh.js");
  const connect = async ({ id }: Pick<FoundVM, "id">, call: SshCall) =>
    beforeRun(async () => runSsh(id, call, session));
  const found = await beforeRun(async () => existing(destination, session));
  if (found !== undefined) {
    refuseMachineOptions(destination, command);
    process.exitCode = await connect(found, { ...line, onBroken: pointToDiagnosis(destination) });
    return;
  }
  const { withSessionVM } = await import("../vms/session-vm.js");
  const asked = { image: destination, options };
  process.exitCode = await withSessionVM(asked, session, async (vm) => connect(vm, line), beforeRun);
}

/** What a VM that is there is, is settled. */
function refuseMachineOptions(name: string, command: Command): void {
  const given = command.options.filter(
    (option) =>
      !option.hidden && option.long !== "--verbose" && command.getOptionValueSource(option.attributeName()) === "cli",
  );
  if (given.length > 0)
    throw new UsageError(
      `${given.map(({ long }) => long ?? "").join(", ")}: for a VM that is to be made, and ${name} is there; options of ssh(1) go behind the name`,
    );
}

/** The VM with a name; `undefined` where the name is that of an image. */
async function existing(name: string, session: Session): Promise<FoundVM | undefined> {
  const { findRunningVM, lookUpVM, noSuchVM } = await import("../vms/find.js");
  if ((await lookUpVM(name, session)) !== undefined) return findRunningVM(name, session);
  if (debianSuite(name) !== undefined || /[/:.]/.test(name)) return undefined;
  // A bare word: more likely a VM's name with a slip than an image to be pulled from some registry.
  if ((await findImage(name, session)) !== undefined) return undefined;
  throw await noSuchVM(name, session);
}
