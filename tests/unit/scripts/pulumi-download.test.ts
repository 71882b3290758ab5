import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { furnish } from "../../support/folders";
import { eventually } from "../../support/eventually";

const download = import("../../../scripts/setup/pulumi-download.mjs");

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** A clone whose launcher of Pulumi is that script; and what is started there. */
function clone(launcher: string): { root: string; home: string; env: Record<string, string | undefined> } {
  furnish(root, { "node_modules/pulumi/run.js": launcher, "bin/curl": '#!/bin/sh\necho "by curl: $*"\n', tmp: null });
  chmodSync(join(root, "bin", "curl"), 0o755);
  return {
    root,
    home: "",
    env: { PATH: `${join(root, "bin")}:${process.env["PATH"] ?? ""}`, PULUMI_VERSION: "3.1.0" },
  };
}

test("the launcher gets our version, whatever the user's is, and fetches as the rest of it does", async () => {
  const host = clone(`
    const text = async () => (await fetch("https://a.example/install.sh")).text();
    text().then((said) => console.log(process.env.PULUMI_VERSION, said.trim()));`);
  const said = await (await download).downloadPulumi(host, join(root, "versions", "3.255.0"), () => undefined);
  expect(said).toBe("3.255.0 by curl: --fail --silent --show-error --location https://a.example/install.sh");
});

test("why curl could not fetch is what the launcher says", async () => {
  const host = clone(`fetch("https://a.example/").catch((error) => console.error("pulumi:", error.message));`);
  furnish(root, { "bin/curl": "#!/bin/sh\necho 'curl: (6) Could not resolve host: a.example' >&2; exit 6\n" });
  const said = await (await download).downloadPulumi(host, join(root, "versions", "3.255.0"), () => undefined);
  expect(said).toBe("curl: (6) Could not resolve host: a.example");
});

test("a signal ends the download, and nothing of it stays", async () => {
  const host = clone(
    `require("fs").writeFileSync("pid", String(process.pid)); console.log("begun"); setInterval(() => {}, 1e6)`,
  );
  const scripts = join(__dirname, "..", "..", "..", "scripts");
  const script = `
    import { main } from "${scripts}/terminal/failure.mjs";
    import { downloadPulumi } from "${scripts}/setup/pulumi-download.mjs";
    const host = ${JSON.stringify(host)};
    await main(() => downloadPulumi(host, ${JSON.stringify(join(root, "3.255.0"))}, (line) => console.log(line)));`;
  const env = { ...process.env, TMPDIR: join(root, "tmp") };
  const us = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  us.stdout.on("data", () => us.kill("SIGHUP"));
  expect(await once(us, "close")).toEqual([null, "SIGHUP"]);
  expect(readdirSync(join(root, "tmp"))).toEqual([]);
  await eventually("the launcher is gone", 10, () => !existsSync(`/proc/${readFileSync(join(root, "pid"), "utf8")}`));
});
