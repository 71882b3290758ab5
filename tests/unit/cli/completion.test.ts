import { expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bashCompletion, fishCompletion } from "../../../cli/completion/scripts";
import { wordsOf } from "../../../cli/completion/words";
import { mayfly } from "../../../cli/mayfly";

/** What fish offers behind a line, without the words that explain it. */
function offered(line: string): string[] {
  const home = mkdtempSync(join(tmpdir(), "mayfly fish "));
  try {
    const file = join(home, "completion.fish");
    writeFileSync(file, fishCompletion(wordsOf(mayfly())));
    const program = `function mayfly; echo dev; end; source '${file}'; complete --do-complete '${line}'`;
    const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home };
    const said = execFileSync("fish", ["--no-config", "--command", program], { env, encoding: "utf8" });
    return said
      .trimEnd()
      .split("\n")
      .map((text) => text.split("\t")[0] ?? "");
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

test("fish tells a verb's verb from a verb of that name", () => {
  expect(offered("mayfly rm --a")).toEqual(["--all"]);
  expect(offered("mayfly image rm --")).not.toContain("--all");
  expect(offered("mayfly image r")).toEqual(["rm"]);
  expect(offered("mayfly rest")).toEqual(["restart"]);
  expect(offered("mayfly ssh d")).toContain("dev");
});

test.each([
  ["mayfly run --arch ", ["amd64", "arm64"]],
  ["mayfly image build --arch a", ["amd64", "arm64"]],
  ["mayfly wait dev --for ", ["ended", "running"]],
  ["mayfly ps --state s", ["starting", "stopped"]],
])("values that an option has are offered: %s", (line, values) => {
  expect(offered(line).sort()).toEqual(values);
  expect(offeredByBash(line).sort()).toEqual(values);
});

test("so are those of a verb, and a verb's other name", () => {
  expect(offered("mayfly completion ")).toEqual(expect.arrayContaining(["bash", "fish", "zsh"]));
  expect(offeredByBash("mayfly completion z")).toEqual(["zsh"]);
  expect(offeredByBash("mayfly ps --q")).toEqual(["--quiet"]);
});

/** What bash offers behind a line. */
function offeredByBash(line: string): string[] {
  const words = line.split(" ");
  const array = words.map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(${array}); COMP_CWORD=${String(words.length - 1)}; _mayfly; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const script = `mayfly() { echo dev; }\n${bashCompletion(wordsOf(mayfly()))}\n${ask}`;
  return execFileSync("bash", ["--norc", "-c", script], { encoding: "utf8" }).trimEnd().split("\n");
}
