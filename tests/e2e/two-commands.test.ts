import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { dataFolder } from "../../provider/host/paths";
import { environmentOf, self } from "../support/callers";
import { makeHome } from "../support/home";
import { shareMachineParts } from "../support/shared";

// `npm start` and `npm stop`, as the README has them, in a data folder of their own.

const ROOT = join(__dirname, "..", "..");
const home = makeHome("start");
const data = join(home, "data");
const env = { ...environmentOf(self), MAYFLY_HOME: data, PULUMI_SKIP_UPDATE_CHECK: "1" };

/** Runs one of the two; returns what it printed. npm itself would add nothing but half a second. */
async function npm(script: "start" | "stop"): Promise<string> {
  const { stdout } = await promisify(execFile)("node", [join("scripts", `${script}.mjs`)], { cwd: ROOT, env });
  return stdout;
}

beforeAll(async () => {
  await shareMachineParts(data);
  const tools = join(dataFolder(process.env), "tools"); // Node and others that the set-up has brought
  if (existsSync(tools)) symlinkSync(tools, join(data, "tools"));
});
afterAll(async () => {
  await npm("stop"); // else the folder stays, and says what is left
  rmSync(home, { recursive: true, force: true });
});

test("npm start shows a command's output in a new VM and what comes next, twice; npm stop leaves nothing, twice", async () => {
  const first = await npm("start");
  expect(first).toContain("set-up: nothing missing");
  const next = / {2}connect: {2}(.+)\n {2}look: {5}(.+)\n {2}destroy: {2}npm stop\n$/;
  expect(first).toMatch(/\nLinux \d+\.\d+.*\nup .*\nrunning\n\nUp after .+; the VM booted in .+\. What next:\n/);
  expect(first).toMatch(next);
  const [, connect = "", look = ""] = next.exec(first) ?? [];
  const shell = async (line: string) => (await promisify(execFile)("bash", ["-c", line], { env })).stdout;
  expect(await shell(`${connect} hostname`)).toBe("web\n");
  expect(await shell(look)).toMatch(/^mayfly: web was started from a template.*journalctl|^\[ .*Linux version/m);

  const second = await npm("start");
  expect(second).toMatch(/5 unchanged/);
  expect(second).toMatch(next);

  expect(await npm("stop")).toMatch(/\nGone after .+\.\n$/);
  expect(await npm("stop")).toBe("Nothing to stop: the quickstart has no stack.\n");
  for (const folder of ["machines", "records/machines", "scratch"]) expect(readdirSync(join(data, folder))).toEqual([]);
});
