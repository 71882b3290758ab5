import { beforeAll, describe, expect, jest, test } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import { MockMonitor, type MockResourceArgs } from "@pulumi/pulumi/runtime/mocks";
import { unwrapSecrets } from "../../../provider/engine/secrets";
import * as mayfly from "../../../sdk/index";

// What a program's objects send to Pulumi's engine. The engine is a mock; the text on the wire is the real one.

const SECRET = "4dabf18193072939515e22adb298388d";

/** The parts of a request that the engine works by, beside the inputs. */
interface Request {
  getName(): string;
  getObject(): { toJavaScript(): Record<string, unknown> };
  getDependenciesList(): string[];
  getDeletedwith(): string;
  getAdditionalsecretoutputsList(): string[];
}

const sent = new Map<string, MockResourceArgs>();
const requests = new Map<string, Request>();

let vm: mayfly.VM;
let key: mayfly.SshKey;
let image: mayfly.Image;
let command: mayfly.SshCommand;
let sync: mayfly.DirectorySync;
let net: mayfly.Network;

beforeAll(async () => {
  const newResource = (args: MockResourceArgs) => {
    sent.set(args.name, args);
    const made = {
      imageName: "localhost/made",
      publicKeyOutput: "public",
      privateKeyOutput: "private",
      login: { publicKey: "public", privateKey: "private" },
      acceleratorOutput: "tcg",
    };
    const connection = { host: "127.0.0.1", port: 4_022, user: "root", privateKey: "private", hostKey: "host" };
    return { id: `${args.name}-1`, state: { ...args.inputs, ...made, connection, stdout: "out" } as object };
  };
  const send = jest.spyOn(MockMonitor.prototype, "registerResource");
  await pulumi.runtime.setMocks({ newResource, call: () => ({}) }, "shop", "dev");

  key = new mayfly.SshKey("key", { privateKey: "own", passphrase: "word" });
  image = new mayfly.Image("image", { debian: {} });
  vm = new mayfly.VM("web", { image, sshKey: key, memory: "2GiB" }, { customTimeouts: { create: "5m" } });
  command = new mayfly.SshCommand("run", { vm, create: "true" });
  new mayfly.SshCommand("hidden", { vm, create: pulumi.secret("echo geheim") });
  new mayfly.SshCommand("hiding", { vm, create: "true", delete: pulumi.secret("echo geheim") });
  new mayfly.PortForward("http", { vm, guestPort: 80 });
  new mayfly.SshCommand("far", { connection: { host: "h", privateKey: "p", hostKey: "k" }, create: "true" });
  new mayfly.VM("plain", { image: "localhost/x" });
  net = new mayfly.Network("net", { subnet: "10.81.0.0/24" });
  new mayfly.VM("member", { image, networks: [{ network: net, address: "10.81.0.5", aliases: ["db"] }] });
  sync = new mayfly.DirectorySync("folder", { vm, source: "site", remotePath: "/srv", exclude: [pulumi.output("*~")] });
  const { FileArchive, FileAsset, StringAsset } = pulumi.asset;
  const copied = { asset: new FileAsset("./a"), archive: new FileArchive("./a.tgz"), text: new StringAsset("hello") };
  for (const [name, source] of Object.entries(copied)) new mayfly.CopyFile(name, { vm, source, remotePath: "/a" });
  const later = pulumi.output(Promise.resolve(copied.archive)) as never;
  new mayfly.CopyFile("later", { vm, source: later, remotePath: "/a" });
  new mayfly.DirectorySync("tree", { vm, source: new FileArchive("./site"), remotePath: "/srv" });
  new mayfly.VM("bare", undefined as never);
  await pulumi.runtime.disconnect(); // returns when all of them have been sent
  for (const [request] of send.mock.calls as unknown as [Request][]) requests.set(request.getName(), request);
  send.mockRestore();
}, 30_000);

const inputs = (name: string) => unwrapSecrets(sent.get(name)?.inputs) as Record<string, unknown>;
const onTheWire = (name: string) => requests.get(name)?.getObject().toJavaScript() ?? {};
const isSecret = (value: unknown) => typeof value === "object" && value !== null && SECRET in value;
const valueOf = <T>(output: pulumi.Output<T>) => new Promise<T>((resolve) => output.apply(resolve));

test("assets and archives of this host go by their paths, a text by itself, whose hash is secret", () => {
  const sources = ["asset", "archive", "later", "tree"].map((name) => inputs(name)["source"]);
  expect(sources).toEqual(["./a", "./a.tgz", "./a.tgz", "./site"]);
  expect(inputs("text")).toMatchObject({ content: "hello" });
  expect(requests.get("text")?.getAdditionalsecretoutputsList()).toContain("sha256");
  const source = new pulumi.asset.RemoteAsset("https://example.com/a");
  expect(() => new mayfly.CopyFile("remote", { vm, source: source as never, remotePath: "/a" })).toThrow(/has a URL/);
});

test.each([
  ["key", "SshKey"],
  ["image", "Image"],
  ["web", "VM"],
  ["run", "SshCommand"],
  ["folder", "DirectorySync"],
  ["net", "Network"],
])("%s has the type that is part of its URN for ever", (name, kind) => {
  expect(sent.get(name)?.type).toBe(`pulumi-nodejs:dynamic/mayfly:${kind}`);
  expect(inputs(name)["__provider"]).toContain(`require("pulumi-mayfly/runtime")`);
  expect(inputs(name)["owner"]).toEqual({ project: "shop", stack: "dev", resource: name });
});

describe("a VM", () => {
  test("sends what it is made from, and the user's deadlines", () => {
    expect(inputs("web")).toMatchObject({
      ...{ image: "localhost/made", memory: "2GiB", customTimeouts: { create: "5m" } },
      sshKey: { publicKey: "public", privateKey: "private" },
    });
    expect(inputs("web")["imageId"]).toBe("image-1");
    for (const name of ["sshKey", "imageId"]) expect(inputs("plain")).not.toHaveProperty(name);
    expect(inputs("plain")["image"]).toBe("localhost/x");
  });

  test("names its networks by what is known of them at preview, and comes after them", async () => {
    expect(inputs("member")).toMatchObject({
      networks: [{ network: "net", subnet: "10.81.0.0/24", address: "10.81.0.5", aliases: ["db"] }],
      networkIds: ["net-1"],
    });
    expect(requests.get("member")?.getDependenciesList()).toContain(await valueOf(net.urn));
    expect(inputs("plain")).not.toHaveProperty("networkIds");
  });

  test("hides its key and its connection", () => {
    expect(isSecret(onTheWire("web")["sshKey"])).toBe(true);
    expect(requests.get("web")?.getAdditionalsecretoutputsList()).toEqual(
      expect.arrayContaining(["connection", "sshKey"]),
    );
  });

  test("gives its outputs their short names", async () => {
    expect(await valueOf(vm.accelerator)).toBe("tcg");
    expect(await valueOf(vm.connection)).toMatchObject({ port: 4_022 });
  });
});

describe("an SshKey", () => {
  test("hides the key that it was given and the key that it gives", async () => {
    for (const field of ["privateKey", "passphrase"]) expect(isSecret(onTheWire("key")[field])).toBe(true);
    const hidden = ["privateKey", "passphrase", "privateKeyOutput", "login"];
    expect(requests.get("key")?.getAdditionalsecretoutputsList()).toEqual(expect.arrayContaining(hidden));
    expect(await valueOf(key.privateKey)).toBe("private");
  });
});

describe("an SshCommand", () => {
  test("on a VM goes with it, comes after it, and knows it by its id", async () => {
    const urn = await valueOf(vm.urn);
    expect(requests.get("run")?.getDeletedwith()).toBe(urn);
    expect(requests.get("run")?.getDependenciesList()).toContain(urn);
    expect(inputs("run")).toMatchObject({ vmId: "web-1", secretOutput: false });
    expect(await valueOf(command.stdout)).toBe("out");
  });

  test("hides what one of its commands hides: also of one that only runs when it goes", () => {
    for (const name of ["hidden", "hiding"]) expect(inputs(name)).toMatchObject({ secretOutput: true });
  });

  test("on a VM is not given its key: the VM's folder has that", () => {
    const way = { host: "127.0.0.1", port: 4_022, user: "root", hostKey: "host", keyOf: "web-1" };
    expect(onTheWire("run")["connection"]).toEqual(way);
    expect(requests.get("run")?.getAdditionalsecretoutputsList()).toEqual([]);
  });

  test("elsewhere stands alone", () => {
    expect(requests.get("far")?.getDeletedwith()).toBe("");
    expect(requests.get("far")?.getDependenciesList()).toEqual([]);
    expect(inputs("far")).not.toHaveProperty("vmId");
  });

  test("hides the connection to a host that is not ours; its output, when it was given a secret", () => {
    expect(isSecret(onTheWire("far")["connection"])).toBe(true);
    expect(requests.get("far")?.getAdditionalsecretoutputsList()).toEqual(["connection"]);
    expect(inputs("hidden")["secretOutput"]).toBe(true);
  });
});

describe("a PortForward", () => {
  test("comes after its VM, and does not go with it: it moves to the next one", async () => {
    expect(requests.get("http")?.getDeletedwith()).toBe("");
    expect(requests.get("http")?.getDependenciesList()).toContain(await valueOf(vm.urn));
  });
});

describe("a DirectorySync", () => {
  test("on a VM goes with it, comes after it, knows it by its id, and has no key of it", async () => {
    const urn = await valueOf(vm.urn);
    expect(requests.get("folder")?.getDeletedwith()).toBe(urn);
    expect(requests.get("folder")?.getDependenciesList()).toContain(urn);
    expect(inputs("folder")).toMatchObject({ vmId: "web-1", connection: { keyOf: "web-1" }, exclude: ["*~"] });
    expect(onTheWire("folder")["connection"]).not.toHaveProperty("privateKey");
    expect(inputs("folder")).not.toHaveProperty("vm");
  });
});

test("every output is one from the start, before there is a value", () => {
  const names = {
    ...{ host: vm, port: vm, user: vm, hostKey: vm, connection: vm, imageDigest: vm, accelerator: vm, warm: vm },
    ...{
      bootSeconds: vm,
      machineId: vm,
      consoleLog: vm,
      status: vm,
      publishedPorts: vm,
      addresses: vm,
      sessionLog: vm,
      sshConfig: vm,
    },
    ...{ imageName: image, digest: image, sizeMiB: image, kernel: image },
    ...{ publicKey: key, privateKey: key, fingerprint: key, agentSocketPath: key, login: key },
    ...{ stdout: command, stderr: command, exitCode: command, durationSeconds: command },
    ...{ subnet: net, log: net },
    ...{ syncedAt: sync, files: sync, size: sync, sourceHash: sync },
  };
  const missing = Object.entries(names).filter(
    ([name, resource]) => !pulumi.Output.isInstance(Reflect.get(resource, name)),
  );
  expect(missing.map(([name]) => name)).toEqual([]);
});

test("objects are told apart by their kind", () => {
  expect(mayfly.VM.isInstance(vm)).toBe(true);
  expect(mayfly.VM.isInstance(key)).toBe(false);
  expect(mayfly.SshKey.isInstance(key)).toBe(true);
  expect(mayfly.Image.isInstance(image)).toBe(true);
  expect(mayfly.SshCommand.isInstance(command)).toBe(true);
  expect(mayfly.DirectorySync.isInstance(sync)).toBe(true);
  expect(mayfly.DirectorySync.isInstance(command)).toBe(false);
  expect(mayfly.SshCommand.isInstance(undefined)).toBe(false);
  expect(mayfly.Network.isInstance(net)).toBe(true);
});

test("a program in JavaScript that forgets the arguments hears from the check what they lack", () => {
  expect(inputs("bare")).toMatchObject({ owner: { resource: "bare" } });
  expect(inputs("bare")).not.toHaveProperty("image");
});

test.each([
  ["null", null],
  ["an output", () => pulumi.output(vm)],
  ["a string", "web"],
])("what is no VM is refused by the field: %s", (seen, value) => {
  const args = { vm: (typeof value === "function" ? value() : value) as never, create: "true" };
  const make = () => new mayfly.SshCommand("lost", args);
  expect(make).toThrow(`vm: must be a mayfly.VM itself, got ${seen}`);
});
