import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { lastingEnvironment } from "../../../provider/host/environment";
import { openPaths } from "../../../provider/host/paths";
import { Podman } from "../../../provider/host/podman";
import { fakePodman } from "../../support/fake-podman";

const before = { ...process.env };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-environment-"));
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, before);
  rmSync(folder, { recursive: true });
});

test.each([
  ..."PATH HOME USER LOGNAME LANG LC_ALL TERM TMPDIR TZ XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS".split(" "),
  ..."http_proxy HTTPS_PROXY no_proxy ALL_PROXY REGISTRY_AUTH_FILE DOCKER_CONFIG SSL_CERT_FILE".split(" "),
  ..."CONTAINERS_CONF CONTAINER_HOST STORAGE_DRIVER BUILDAH_ISOLATION _CONTAINERS_USERNS_CONFIGURED".split(" "),
  ..."MAYFLY_TRACE NODE_OPTIONS NODE_COMPILE_CACHE NODE_EXTRA_CA_CERTS SSH_AUTH_SOCK".split(" "),
])("%s is for a program that outlives us, too", (name) => {
  expect(lastingEnvironment({ [name]: "it" })).toEqual({ [name]: "it" });
});

test.each([
  ..."PULUMI_CONFIG_PASSPHRASE PULUMI_ACCESS_TOKEN AWS_SECRET_ACCESS_KEY GITHUB_TOKEN NODE_AUTH_TOKEN".split(" "),
  ..."CONTAINER_REGISTRY_PASSWORD STORAGE_ACCOUNT_KEY NOTIFY_SOCKET MY_PATH PATH_TO_KEY".split(" "),
])("%s is not", (name) => {
  expect(lastingEnvironment({ [name]: "it" })).toEqual({});
});

test("the data folder has its whole path", () => {
  expect(lastingEnvironment({ MAYFLY_HOME: "some/place" })).toEqual({
    MAYFLY_HOME: join(process.cwd(), "some", "place"),
  });
  expect(lastingEnvironment({ MAYFLY_HOME: "" })).toEqual({ MAYFLY_HOME: "" });
});

test("podman, and the scripts that run it, are not given what the user has exported for others", async () => {
  fakePodman(folder, "env");
  process.env["PATH"] = [folder, before["PATH"]].join(delimiter);
  Object.assign(process.env, { AWS_SECRET_ACCESS_KEY: "secret", https_proxy: "http://proxy" });
  const podman = new Podman(openPaths({ MAYFLY_HOME: join(folder, "home") }));
  const signal = AbortSignal.timeout(20_000);
  const given = [
    await podman.run(["version"], { signal, environment: { ADDED: "by us" } }),
    await podman.script("podman version", [], { signal, environment: { ADDED: "by us" } }),
  ].map((text) => text.split("\n"));
  for (const lines of given) {
    expect(lines).toEqual(expect.arrayContaining(["https_proxy=http://proxy", "ADDED=by us"]));
    expect(lines).not.toContain("AWS_SECRET_ACCESS_KEY=secret");
  }
});
