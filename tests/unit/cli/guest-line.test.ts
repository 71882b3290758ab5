import { spawnSync } from "node:child_process";
import { describe, expect, test } from "@jest/globals";
import { renderShellLine, renderWords } from "../../../cli/vms/guest-line";

// Whatever the user's shell is in the guest, sshd hands it one line.
const run = (shell: string, line: string, env: NodeJS.ProcessEnv = {}) => {
  const { status, signal, stdout } = spawnSync(shell, ["-c", line], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, signal, stdout };
};

describe.each(["sh", "bash", "fish"])("as %s has it", (shell) => {
  test("words arrive as they are, in their folder, and the exit code comes back", () => {
    const line = renderWords(["sh", "-c", 'printf "[%s]" "$@" "$PWD"; exit 7', "sh", "a  'b'", "$HOME", "-n"], "/");
    expect(run(shell, line)).toEqual({ status: 7, signal: null, stdout: "[a  'b'][$HOME][-n][/]" });
  });

  test("a program that is killed ends with a code, as in a shell, and not with a signal", () => {
    expect(run(shell, renderWords(["sh", "-c", "kill -KILL $$"]))).toEqual({ status: 137, signal: null, stdout: "" });
    expect(run(shell, renderShellLine("kill -KILL $$"))).toEqual({ status: 137, signal: null, stdout: "" });
  });

  test("what is run is a program, and no word of the shell's", () => {
    expect(run(shell, renderWords(["cd", "/"])).status).toBe(127);
  });

  test("a line is the user's own shell's", () => {
    const line = 'echo "it\'s $0" && (exit 3)';
    expect(run(shell, renderShellLine(line), { SHELL: "/bin/bash" })).toEqual({
      ...{ status: 3, signal: null, stdout: "it's /bin/bash\n" },
    });
  });
});
