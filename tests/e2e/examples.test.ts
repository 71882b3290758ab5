import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { openCopy } from "../support/project";

// Each example as its README has it, on a copy of it: what is done there to its files is not done to the clone.

test("ci: the tests run in the VM; a failing one fails the job, and the report comes back all the same", async () => {
  await using project = await openCopy("ci");
  await project.pulumi("up", "--yes", "--skip-preview");
  const report = readFileSync(join(project.folder, "report.tap"), "utf8");
  expect(report.split("\n").slice(0, 4)).toEqual([
    "1..3",
    ...[1, 2, 3].map((number) => expect.stringMatching(`^ok ${number} `)),
  ]);
  expect(await project.outputs()).toMatchObject({ results: report.trimEnd() });

  const failing = "echo 1..1; echo the disk is gone >&2; echo not ok 1 - the first; exit 3\n";
  await writeFile(join(project.folder, "project", "test.sh"), failing);
  const again = ["up", "--yes", "--skip-preview", "--replace", await project.urn("tests")];
  await expect(project.pulumi(...again)).rejects.toThrow(/exit code 3[^]*not ok 1 - the first/);
  expect(readFileSync(join(project.folder, "report.tap"), "utf8")).toBe("1..1\nnot ok 1 - the first\n");
});

test("web-service: answers on a port of this host, which stays when the service changes", async () => {
  await using project = await openCopy("web-service");
  await project.pulumi("up", "--yes", "--skip-preview");
  const { url } = await project.outputs<{ url: string }>();
  const page = async () => (await fetch(`${url}a?b`)).text();
  expect(await page()).toBe("hello from web\nyou asked for /a?b\n");

  const program = join(project.folder, "service", "hello.pl");
  await writeFile(program, (await readFile(program, "utf8")).replace("hello from", "good day from"));
  await project.pulumi("up", "--yes", "--skip-preview");
  expect(await project.outputs()).toEqual({ url });
  expect(await page()).toMatch(/^good day from web\n/);
});

test("database: a client of this host works on it by a socket, which goes with it", async () => {
  let socket: string;
  {
    await using project = await openCopy("database");
    await project.pulumi("config", "set", "folder", join(project.home, "run"));
    await project.pulumi("up", "--yes", "--skip-preview");
    expect(await project.outputs()).toMatchObject({ version: expect.stringMatching(/^PostgreSQL \d/) });
    socket = join(project.home, "run", ".s.PGSQL.5432");
    expect(await queryAsApp(socket, "select current_user || '@' || current_database()")).toContain("app@app");
    await project.pulumi("preview", "--expect-no-changes");
  }
  expect(existsSync(socket)).toBe(false);
});

test("deployment: one VM after the other gets the release, and one that is no good stops it", async () => {
  await using project = await openCopy("deployment");
  await project.pulumi("up", "--yes", "--skip-preview");
  expect(await project.outputs()).toEqual({ running: ["app0 runs 1", "app1 runs 1"] });

  await project.pulumi("config", "set", "version", "2");
  const check = join(project.folder, "releases", "2", "bin", "check");
  const good = await readFile(check);
  await writeFile(check, "#!/bin/sh\necho it is broken >&2\nexit 1\n");
  const failed = project.pulumi("up", "--yes", "--skip-preview");
  await expect(failed).rejects.toThrow(/SshCommand "activate0"[^]*it is broken/);
  await expect(failed).rejects.not.toThrow(/SshCommand "activate1"/);

  await writeFile(check, good);
  await project.pulumi("up", "--yes", "--skip-preview");
  expect(await project.outputs()).toEqual({ running: ["app0 runs 2", "app1 runs 2"] });

  await project.pulumi("config", "set", "version", "1");
  await project.pulumi("up", "--yes", "--skip-preview");
  expect(await project.outputs()).toEqual({ running: ["app0 runs 1", "app1 runs 1"] });
});

test("key-rotation: other keys, the same VM; who is taken out of the team is out", async () => {
  await using project = await openCopy("key-rotation");
  interface Outputs {
    readonly bootId: string;
    readonly team: readonly string[];
    readonly connect: string;
  }
  /** A new pair, whose public half is ada's from the next `up` on; returns the private one's file. */
  const keyOfAda = async (name: string) => {
    await project.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(project.home, name));
    await rename(join(project.home, `${name}.pub`), join(project.folder, "team", "ada.pub"));
    return join(project.home, name);
  };
  // The machine's own key opens root only: what counts is the one that is named.
  const loginAsAda = async ({ connect: command }: Outputs, key: string) =>
    project.run("bash", "-c", `${command} -l ada -i '${key}' id -un 2>&1 || :`);
  const up = async () => {
    await project.pulumi("up", "--yes", "--skip-preview");
    return project.outputs<Outputs>();
  };
  const firstKey = await keyOfAda("first");
  const first = await up();
  expect(first.team).toEqual(["ada"]);
  expect(await loginAsAda(first, firstKey)).toBe("ada");

  const secondKey = await keyOfAda("second");
  await project.pulumi("config", "set", "rotation", "2");
  const second = await up();
  expect(second.bootId).toBe(first.bootId);
  expect(await loginAsAda(second, firstKey)).toMatch(/Permission denied/);
  expect(await loginAsAda(second, secondKey)).toBe("ada");

  await rm(join(project.folder, "team", "ada.pub"));
  const third = await up();
  expect(third).toEqual({ ...second, team: [] });
  expect(await loginAsAda(third, secondKey)).toMatch(/Permission denied/);
  expect(await project.run("bash", "-c", `${third.connect} id -un`)).toBe("root");
});

/** Asks PostgreSQL by its own protocol, version 3.0; returns all that it says. */
async function queryAsApp(path: string, query: string): Promise<string> {
  const message = (type: string, body: Buffer) => {
    const head = Buffer.alloc(4);
    head.writeInt32BE(body.length + 4);
    return Buffer.concat([Buffer.from(type), head, body]);
  };
  const version = Buffer.from([0, 3, 0, 0]);
  const socket = connect(path);
  socket.write(message("", Buffer.concat([version, Buffer.from("user\0app\0database\0app\0\0")])));
  socket.write(message("Q", Buffer.from(`${query}\0`)));
  socket.write(message("X", Buffer.alloc(0))); // it answers all of it, then hangs up
  let said = "";
  socket.on("data", (chunk) => (said += chunk.toString("latin1")));
  await once(socket, "end", { signal: AbortSignal.timeout(30_000) });
  socket.destroy();
  return said;
}
