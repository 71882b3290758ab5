import { expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const programs = import("../../../scripts/terminal/programs.mjs");
const env = { PATH: process.env["PATH"] };

test("a failure shows a program's first and last lines, whole, however it wrote them", async () => {
  const script = `
    for (let line = 1; line <= 40; line++) process.stdout.write("line " + line + "\\n");
    process.stderr.write("E: no ");
    setImmediate(() => setImmediate(() => { process.stderr.write("package\\n"); process.exitCode = 3; }));`;
  const noted: string[] = [];
  const note = (line: string) => {
    noted.push(line);
  };
  const failure = (await programs).run(process.execPath, ["-e", script], { env, note });
  const { message, evidence } = (await failure.catch((error: unknown) => error)) as {
    message: string;
    evidence: string;
  };
  expect(message).toMatch(/failed with exit code 3\.$/);
  const lines = evidence.split("\n");
  expect(lines).toHaveLength(30);
  expect(lines.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, index) => `line ${String(index + 1)}`));
  expect(lines).toContain("line 40");
  expect(lines).toContain("E: no package");
  expect(noted).toHaveLength(41);
});

test("standard output comes back as it was, without its last newline", async () => {
  const script = `process.stdout.write("one\\n\\ntwo\\n"); process.stderr.write("beside\\n")`;
  expect(await (await programs).run(process.execPath, ["-e", script], { env })).toBe("one\n\ntwo");
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s ends us, but first the program that is at work, and what is to be done then",
  async (signal) => {
    const terminal = join(__dirname, "..", "..", "..", "scripts", "terminal");
    const script = `
      import { main } from "${terminal}/failure.mjs";
      import { run } from "${terminal}/programs.mjs";
      await main(async () => {
        const note = (line) => console.log(line);
        try {
          await run("sh", ["-c", "echo begun; sleep 0.5; echo whole"], { env: process.env, note });
          console.log("more");
        } finally {
          console.log("cleared");
        }
      });`;
    const us = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    us.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (text.startsWith("begun")) us.kill(signal);
    });
    expect(await once(us, "close")).toEqual([null, signal]);
    expect(said).toBe("begun\nwhole\ncleared\n");
  },
);
