import { Command } from "commander";
import { completion } from "./commands/completion";
import { consoleVerb } from "./commands/console";
import { cp } from "./commands/cp";
import { diagnose } from "./commands/diagnose";
import { doctor } from "./commands/doctor";
import { exec } from "./commands/exec";
import { forward } from "./commands/forward";
import { image } from "./commands/image";
import { inspect } from "./commands/inspect";
import { key } from "./commands/key";
import { logs } from "./commands/logs";
import { ls } from "./commands/ls";
import { prune } from "./commands/prune";
import { restart } from "./commands/restart";
import { rm } from "./commands/rm";
import { run } from "./commands/run";
import { ssh } from "./commands/ssh";
import { sshConfig } from "./commands/ssh-config";
import { sync } from "./commands/sync";
import { template } from "./commands/template";
import { start } from "./commands/start";
import { stop } from "./commands/stop";
import { top } from "./commands/top";
import { version } from "./commands/version";
import { wait } from "./commands/wait";
import { note, colouredNote } from "./output";
import { tellTrouble } from "./trouble";

/** Builds the command with all its verbs. Loads none of what these need to work. */
export function mayfly(): Command {
  const verbs = [
    ...[run, ssh, exec, cp, sync, forward, consoleVerb, logs, ls, top, inspect, wait, stop, start, restart, rm],
    ...[sshConfig, key, image, template, prune, diagnose, doctor, completion, version],
  ];
  const command = new Command("mayfly")
    .description("Ephemeral Linux VMs, from the command line: those of Pulumi's stacks, and its own.")
    .usage("VERB …")
    .option("-V, --version", "print the version (`mayfly version` prints more)")
    .option("-v, --verbose", "as with each verb")
    .enablePositionalOptions()
    .addHelpText("after", "\n`mayfly VERB --help` shows a verb's options, with examples.");
  for (const verb of verbs) command.addCommand(verb());
  settle(command);
  return command;
}

/** What all verbs have in common; commander hands none of it down to those that are added. */
function settle(command: Command): void {
  command.exitOverride().showSuggestionAfterError();
  command.configureOutput({
    outputError: (text, write) => {
      write(text.replace(/^error: /, `${colouredNote("red", "error:")} `));
    },
  });
  for (const verb of command.commands) settle(verb);
}

/** Runs the command. Sets the process's exit code; throws nothing. */
export async function main(argv: readonly string[]): Promise<void> {
  const command = mayfly();
  let isVerbose = false;
  command.hook("preAction", async (_, verb) => {
    isVerbose = verb.optsWithGlobals<{ readonly verbose?: true }>().verbose === true;
    if (!isVerbose) return;
    const { hearOfPrograms } = await import("../provider/host/programs-run.js");
    hearOfPrograms(({ file, args }) => {
      note(colouredNote("dim", `+ ${[file, ...args].map(quote).join(" ")}`));
    });
  });
  try {
    await command.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = tellTrouble(error, isVerbose);
  }
}

/** A word as a shell takes it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
