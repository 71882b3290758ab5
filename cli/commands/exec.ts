import type { Command } from "commander";
import { openSession } from "../rooms";
import { beforeRun, UsageError } from "../trouble";
import { verb } from "../verb";
import { renderWords } from "../vms/guest-line";

interface ExecOptions {
  readonly tty?: true;
  readonly workdir?: string;
}

/** `mayfly exec`: a program in a VM, its arguments as they are. */
export function exec(): Command {
  return verb(
    "exec",
    "Run a program in a VM. Its arguments arrive as they are, while `ssh` joins them to a line for the shell there. " +
      "Standard input, output and errors are its own, and so is the exit code.",
    [
      "mayfly exec dev -- systemctl is-system-running",
      "mayfly exec -w /srv/project dev -- make test",
      "tar c . | mayfly exec dev -- tar x -C /srv",
    ],
  )
    .argument("<name>", "the VM")
    .argument("<command...>", "the program and its arguments")
    .option("-t, --tty", "give it a terminal")
    .option("-w, --workdir <path>", "its working directory (default: the user's home)")
    .passThroughOptions()
    .action(execute);
}

async function execute(name: string, given: string[], { tty, workdir }: ExecOptions): Promise<void> {
  const words = given[0] === "--" ? given.slice(1) : given;
  if (words.join("") === "") throw new UsageError(`name what is to run: mayfly exec ${name} PROGRAM`);
  // The guest's shell would take it for an option of its own `exec`.
  if (words[0]?.startsWith("-") === true)
    throw new UsageError(`${words[0]}: must be a program; options of mayfly exec go before ${name}`);
  using session = await openSession("exec");
  const [{ findRunningVM }, { pointToDiagnosis, runSsh }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/openssh.js"),
  ]);
  const call = {
    ...{ before: [tty === true ? "-t" : "-T"], after: ["--", renderWords(words, workdir)], typed: words.join(" ") },
    onBroken: pointToDiagnosis(name),
  };
  process.exitCode = await beforeRun(async () => {
    const { id } = await findRunningVM(name, session);
    return runSsh(id, call, session);
  });
}
