import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const apt = import("../../../scripts/setup/apt.mjs");
const failure = import("../../../scripts/terminal/failure.mjs");

test("the update's failure is told before what it led to", async () => {
  const { Failure } = await failure;
  const update = ["Hit:1 http://a x", "Err:2 http://b x", "  Could not resolve 'b'", "E: Failed to fetch http://b"];
  const error = (await apt).aptFailure(
    new Failure("update", { evidence: update.join("\n") }),
    new Failure("install", { evidence: "Reading package lists...\nE: Unable to locate package podman" }),
  );
  expect(error.report()).toBe(`Error: apt could not fetch its package lists, and then could not install the packages.
  | Err:2 http://b x
  | E: Failed to fetch http://b
  | E: Unable to locate package podman
To do: make \`apt-get update\` and this installation work (/etc/apt, network, proxy), then run this again.`);
});

test("what is no complaint in apt's words is shown whole", async () => {
  const { Failure } = await failure;
  const error = (await apt).aptFailure(undefined, new Failure("install", { evidence: "Killed\n" }));
  expect(error.message).toBe("apt could not install the packages.");
  expect(error.evidence).toBe("Killed");
});

let folder: string;
const log = (): string => readFileSync(join(folder, "log"), "utf8");
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  jest.spyOn(process as Required<typeof process>, "getuid").mockReturnValue(0); // no sudo
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** Runs the installation with a shell script in apt's place, which has its verb as `$verb` and can note what it did. */
async function install(script: string): Promise<void> {
  for (const name of ["apt-get", "dpkg"]) {
    const text = `#!/bin/sh\nfor verb; do case $verb in update|install|--configure) break; esac; done
cd ${folder}; echo $verb >> log\n${script}\n`;
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  }
  const host = { root: "", home: "", env: { PATH: `${folder}:/usr/bin:/bin` } };
  await (await apt).aptInstall(host, ["podman"], () => undefined);
}

test("an update of somebody else's is waited for", async () => {
  const said = jest.spyOn(process.stdout, "write").mockReturnValue(true);
  await install(`[ $verb != update ] || [ -e once ] || {
    touch once; echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)" >&2; exit 100; }`);
  expect(log()).toBe("update\nupdate\ninstall\n");
  expect(said.mock.calls.join("")).toMatch(/waiting for another program that updates apt's lists, up to 5 min/);
});

test("an update that fails for another reason is not repeated", async () => {
  await install(`[ $verb != update ] || exit 100`);
  expect(log()).toBe("update\ninstall\n");
});

test("what an installation that was cut short has left is finished first", async () => {
  await install(`[ $verb != --configure ] || touch done
    [ $verb != install ] || [ -e done ] || {
      echo "E: dpkg was interrupted, you must manually run 'sudo dpkg --configure -a' to correct the problem. " >&2
      exit 100; }`);
  expect(log()).toBe("update\ninstall\n--configure\ninstall\n");
});
