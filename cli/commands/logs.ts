import { Option, type Command } from "commander";
import { note, print } from "../output";
import { openSession } from "../rooms";
import { UsageError } from "../trouble";
import { verb } from "../verb";

const KINDS = ["console", "qemu", "journal", "ssh"] as const;

interface LogOptions extends Partial<Record<(typeof KINDS)[number], true>> {
  readonly follow?: true;
  readonly json?: true;
  readonly afterCursor?: string;
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
    .option("--json", "one JSON object a line: `time` and `text`; of the journal, journalctl's own")
    .addOption(new Option("--after-cursor <cursor>", "of the journal, for `run --log-dir`").hideHelp())
    .action(show);
}

async function show(name: string, options: LogOptions): Promise<void> {
  const [kind = "console", ...others] = KINDS.filter((one) => options[one] === true);
  if (others.length > 0) throw new UsageError(`--${[kind, ...others].join(" and --")}: one log at a time`);
  const [follow, json] = [options.follow === true, options.json === true];
  using session = await openSession("logs");
  const { findRunningVM, findVM } = await import("../vms/find.js");
  if (kind === "journal") {
    const { id } = await findRunningVM(name, session);
    const { printJournal } = await import("../vms/journal.js");
    process.exitCode = await printJournal(id, { follow, json, after: options.afterCursor }, session);
    return;
  }
  const { id } = await findVM(name, session);
  const { goneOr } = await import("../vms/follow.js");
  const isOver = goneOr(follow, id, session);
  if (kind === "ssh") {
    const { printSessions } = await import("../vms/sessions.js");
    await printSessions(id, { follow, isOver }, session);
    return;
  }
  const { eachConsoleLine, eachWholeLine } = await import("../vms/console-log.js");
  const how = { isOver, stream: kind === "qemu" ? "stderr" : "stdout" } as const;
  if (json)
    await eachWholeLine(id, how, session, (line) => {
      print(JSON.stringify(line));
    });
  else {
    let lines = 0;
    await eachConsoleLine(id, how, session, ({ text }) => {
      lines += 1;
      process.stdout.write(text);
    });
    if (lines === 0 && kind === "console")
      note(`nothing yet: what its services say is in its journal, mayfly logs --journal ${name}`);
  }
}
