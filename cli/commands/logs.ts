import type { Command } from "commander";
import { openSession } from "../rooms";
import { UsageError } from "../trouble";
import { verb } from "../verb";

const KINDS = ["console", "qemu", "journal", "ssh"] as const;

interface LogOptions extends Partial<Record<(typeof KINDS)[number], true>> {
  readonly follow?: true;
}

/** `mayfly logs`: what a VM has written, and what was done on it. */
export function logs(): Command {
  return verb(
    "logs",
    "Print a log of a VM: by default its serial console, which is there also when nobody can log in.",
    ["mayfly logs dev", "mayfly logs -f --journal dev", "mayfly logs --ssh web | jq .   # one JSON object a line"],
  )
    .argument("<name>", "the VM")
    .option("-f, --follow", "go on until the VM is gone, or Ctrl-C")
    .option("--console", "its serial console")
    .option("--qemu", "what qemu has said")
    .option("--journal", "journalctl in the guest")
    .option(
      "--ssh",
      "SSH sessions on it: Mayfly's own, and what the guest's sshd has seen of all; failed logins are counted",
    )
    .action(show);
}

async function show(name: string, options: LogOptions): Promise<void> {
  const [kind = "console", ...others] = KINDS.filter((one) => options[one] === true);
  if (others.length > 0) throw new UsageError(`--${[kind, ...others].join(" and --")}: one log at a time`);
  const follow = options.follow === true;
  using session = await openSession("logs");
  const { findRunningVM, findVM } = await import("../vms/find.js");
  if (kind === "journal") {
    const { id } = await findRunningVM(name, session);
    const { runSsh } = await import("../vms/openssh.js");
    const command = `journalctl --no-pager${follow ? " --follow" : ""}`;
    process.exitCode = await runSsh(id, ["-T"], ["--", command], session);
    return;
  }
  const { id } = await findVM(name, session);
  if (kind === "ssh") {
    const { printSessions } = await import("../vms/sessions.js");
    await printSessions(id, follow, session);
    return;
  }
  const { printConsole } = await import("../vms/console-log.js");
  const stream = kind === "qemu" ? "stderr" : "stdout";
  await printConsole(id, { follow, stream }, session, (text) => process.stdout.write(text));
}
