import { Argument, type Command } from "commander";
import { verb } from "../verb";

/** `mayfly completion`: a script for a shell. */
export function completion(): Command {
  return verb(
    "completion",
    "Print a completion script for a shell: verbs, options, and the names of VMs as they come and go.",
    [
      "source <(mayfly completion bash)    # in ~/.bashrc",
      "source <(mayfly completion zsh)     # in ~/.zshrc, after compinit",
      "mayfly completion fish | source     # in ~/.config/fish/config.fish",
    ],
  )
    .addArgument(new Argument("<shell>", "bash, zsh or fish").choices(["bash", "zsh", "fish"]))
    .action(write);
}

async function write(shell: "bash" | "zsh" | "fish", _: unknown, command: Command): Promise<void> {
  const [{ wordsOf }, scripts] = await Promise.all([
    import("../completion/words.js"),
    import("../completion/scripts.js"),
  ]);
  const words = wordsOf(command.parent ?? command);
  const render = { bash: scripts.bashCompletion, zsh: scripts.zshCompletion, fish: scripts.fishCompletion }[shell];
  process.stdout.write(render(words));
}
