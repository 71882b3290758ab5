#!/usr/bin/env node
import { Command } from "commander";
import { template } from "./commands/template";
import { note } from "./output";

const mayfly = new Command("mayfly")
  .description("Ephemeral Linux VMs: what goes beside `pulumi up`.")
  .showHelpAfterError()
  .addCommand(template);

mayfly.parseAsync().catch((error: unknown) => {
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
