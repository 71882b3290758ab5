import { expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/eventually";
import { furnish } from "../../support/folders";

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s ends the stage that runs, and no other begins",
  async (signal) => {
    const root = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
    const scripts = join(__dirname, "..", "..", "..", "scripts");
    const stages = ["first", "second", "third"].map((name) => ({ name, script: name, deadlineMinutes: 1 }));
    const script = `
    import { main } from "${scripts}/terminal/failure.mjs";
    import { runStages } from "${scripts}/test/run-stages.mjs";
    const host = { root: ${JSON.stringify(root)}, home: "", env: process.env };
    await main(async () => await runStages(host, ${JSON.stringify(stages)}, []) ? 0 : 1);`;
    try {
      const commands = { first: "true", second: "echo $$ > second; echo begun; sleep 60", third: "touch third" };
      furnish(root, { "package.json": JSON.stringify({ name: "clone", scripts: commands }) });
      const us = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      us.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (text.includes("begun")) us.kill(signal);
      });
      expect(await once(us, "close")).toEqual([null, signal]);
      expect(said).toContain(`\nended by ${signal}; not run: third\n`);
      expect(said).toContain(`\nFAILED second: npm run second (ended by ${signal})\n1 passed, 1 failed\n`);
      expect(existsSync(join(root, "third"))).toBe(false);
      const sleeper = readFileSync(join(root, "second"), "utf8").trim();
      await eventually("the stage is gone", 10, () => !existsSync(`/proc/${sleeper}`));
    } finally {
      rmSync(root, { recursive: true });
    }
  },
);
