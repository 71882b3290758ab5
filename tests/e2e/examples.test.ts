import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { openCopy } from "../support/project";

// Each example as its README has it, on a copy of it: what is done there to its files is not done to the clone.

test("ci: the tests run in the VM, their report comes back, and a failing one fails the job", async () => {
  await using project = await openCopy("ci");
  await project.pulumi("up", "--yes", "--skip-preview");
  const report = readFileSync(join(project.folder, "report.tap"), "utf8");
  expect(report.split("\n").slice(0, 4)).toEqual([
    "1..3",
    ...[1, 2, 3].map((number) => expect.stringMatching(`^ok ${number} `)),
  ]);
  expect(await project.outputs()).toMatchObject({ reportSize: report.length });

  await writeFile(join(project.folder, "project", "test.sh"), "echo the first fails >&2; exit 3\n");
  const again = ["up", "--yes", "--skip-preview", "--replace", await project.urn("tests")];
  await expect(project.pulumi(...again)).rejects.toThrow(/exit code 3[^]*the first fails/);
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

test("key-rotation: other keys, the same VM", async () => {
  await using project = await openCopy("key-rotation");
  interface Outputs {
    readonly bootId: string;
    readonly logins: Readonly<Record<string, string>>;
    readonly connect: string;
  }
  const login = async ({ connect: command }: Outputs, key = "") => {
    const file = join(project.home, "key");
    await writeFile(file, key, { mode: 0o600 });
    const options = `-o IdentityFile=none -o "IdentityFile='${file}'" -l ada`;
    return project.run("bash", "-c", `${command.replace(" -F", ` ${options} -F`)} id -un 2>&1 || :`);
  };
  await project.pulumi("up", "--yes", "--skip-preview");
  const first = await project.outputs<Outputs>();
  expect(await login(first, first.logins["ada"])).toBe("ada");

  await project.pulumi("config", "set", "rotation", "2");
  await project.pulumi("up", "--yes", "--skip-preview");
  const second = await project.outputs<Outputs>();
  expect(second.bootId).toBe(first.bootId);
  expect(await login(second, first.logins["ada"])).toMatch(/Permission denied/);
  expect(await login(second, second.logins["ada"])).toBe("ada");
  expect(await project.run("bash", "-c", `${second.connect} id -un`)).toBe("root");
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
