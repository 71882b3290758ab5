import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { hostArchitecture } from "../../../provider/architectures";
import { compose } from "../../../provider/compose";
import { difference } from "../../../provider/engine/diff";
import { checkInputs } from "../../../provider/engine/inputs";
import { image } from "../../../provider/resources/image";
import type { AnyHandler } from "../../../provider/resources/registry";
import { LOOK } from "../engine/things";
import { furnish } from "../../support/folders";
import { mbr, writeRaw } from "../../support/small-disks";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const handler: AnyHandler = image as never;
const folder = mkdtempSync(join(tmpdir(), "mayfly image "));
const app = join(folder, "app");
const path = join(app, "Containerfile");

beforeAll(() => {
  writeRaw(join(folder, "boot.raw"), mbr([], { code: true }), 1_048_576);
  furnish(folder, { "app/Containerfile": "FROM x\n", "app/src/a": "a", "root.tar": "a tar" });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const rooms = () => Promise.resolve(compose({ MAYFLY_HOME: join(folder, "data") }));
const check = async (news: object) => checkInputs(handler, news as never, { ...LOOK, openRooms: rooms });

test.each<[string, object, string]>([
  ["no source", {}, "reference: set exactly one of reference, debian, containerfile, rootfs, disk"],
  ["two sources", { debian: {}, rootfs: join(folder, "root.tar") }, "reference: set exactly one of"],
  ["no text of a Containerfile", { containerfile: {} }, "containerfile.path: set exactly one of path and text"],
  ["a missing one", { containerfile: { path: "./no" } }, "containerfile.path: must be a file .*/no does not exist"],
  ["a folder as one", { containerfile: { path: app } }, "containerfile.path: must be a file; .* is a folder"],
  ["a missing context", { containerfile: { path, context: "./no" } }, "containerfile.context: .*/no does not exist"],
  ["a file as context", { containerfile: { path, context: path } }, "containerfile.context: must be a folder"],
  ["a bad ARG", { containerfile: { path, buildArgs: { "1": "x" } } }, "containerfile.buildArgs"],
  ["a missing tar", { rootfs: "./no.tar" }, "rootfs: must be a tar on this host; .*/no.tar does not exist"],
  ["a folder as tar", { rootfs: app }, "rootfs: must be a tar on this host; .* `tar -C FOLDER"],
  [
    "a missing disk",
    { disk: "./no.qcow2" },
    "disk: must be a qcow2 or raw disk on this host; .*/no.qcow2 does not exist",
  ],
  ["a folder as disk", { disk: app }, "disk: must be a qcow2 or raw disk on this host; .* is no file"],
  [
    "a disk without a loader",
    { disk: join(folder, "root.tar") },
    "disk: .*root.tar is no disk .*\\nit has neither code",
  ],
  ["firmware of another", { debian: {}, firmware: "uefi" }, "firmware: is for disk only"],
  ["a template of a disk", { disk: join(folder, "boot.raw"), warm: [{}] }, "warm: can't be: VMs of a disk image"],
  ["another processor", { debian: {}, architecture: "s390x" }, 'architecture: must be "amd64" or "arm64"'],
  [
    "a processor for a disk",
    { disk: join(folder, "boot.raw"), architecture: "arm64" },
    "architecture: can't be: VMs of",
  ],
  ["another policy", { reference: "x", pullPolicy: "newer" }, 'pullPolicy: must be "missing", "always" or "never"'],
  ["a policy for what is built", { debian: {}, pullPolicy: "always" }, "pullPolicy: is for reference only"],
  ["a registry of none", { reference: "localhost/x", pullPolicy: "always" }, `pullPolicy: can't be "always"`],
])("%s is refused at preview", async (_what, fields, expected) => {
  const { failures } = await check(fields);
  expect(failures.map(({ property, reason }) => `${property}: ${reason}`)).toEqual([expect.stringMatching(expected)]);
});

test("what an image for a processor takes and this host lacks is named at preview, where the image is new", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = folder;
  try {
    const news = { debian: {}, architecture: "arm64" };
    const { failures } = await check(news);
    expect([...new Set(failures.map(({ property }) => property))]).toEqual(["architecture"]);
    const said = failures.map(({ reason }) => reason).join("\n");
    for (const name of [
      "qemu-system-arm",
      ...(hostArchitecture() === "arm64" ? [] : ["qemu-user-static", "arch-test"]),
    ])
      expect(said).toContain(`sudo apt-get install ${name} `);
    const there = await checkInputs(handler, news, { ...LOOK, isNew: false, openRooms: rooms });
    expect(there.failures).toEqual([]);
  } finally {
    process.env["PATH"] = path;
  }
});

test("a change of what a Containerfile is built of shows as a replace; of what is left out, as nothing", async () => {
  const inputs = async (containerfile: object) => (await check({ containerfile })).inputs;
  const before = await inputs({ path });
  const replaces = async (containerfile: object) => difference(handler, before, await inputs(containerfile)).replaces;
  expect(await replaces({ path })).toEqual([]);
  expect(await replaces({ path, buildArgs: { A: "1" } })).toEqual(["sourceHash"]);
  furnish(app, { "src/b": "b" });
  expect(await replaces({ path })).toEqual(["sourceHash"]);
  furnish(app, { "Containerfile.dockerignore": "src/b\n*.dockerignore\n" });
  expect(await replaces({ path })).toEqual([]);
  furnish(app, { "Containerfile.dockerignore": "*\n!src/a\n!Containerfile\n!src\nsrc/b\n" });
  expect(await replaces({ path })).toEqual([]);
});

test("what is left out is what podman leaves out: by upper and lower case, and by characters that are no pattern", async () => {
  const context = join(folder, "letters");
  const names = ["Build/a", "build/a", "a+b", "aab", "top", "deep/top"];
  furnish(context, {
    ".containerignore": "build\na+b\n/top\n",
    ...Object.fromEntries(names.map((name) => [name, "1"])),
  });
  const hash = async () => (await check({ containerfile: { text: "FROM x\n", context } })).inputs["sourceHash"];
  const counts: string[] = [];
  for (const name of names) {
    const before = await hash();
    furnish(context, { [name]: "2" });
    if ((await hash()) !== before) counts.push(name);
  }
  expect(counts).toEqual(["Build/a", "aab", "deep/top"]);
});

test("a source that takes minutes to be read has as long for it at preview as at `up`", () => {
  expect(image.deadlines?.check).toBe(image.deadlines?.create);
});

test("a tar with another content shows as a replace", async () => {
  const rootfs = join(folder, "root.tar");
  const before = (await check({ rootfs })).inputs;
  furnish(folder, { "root.tar": "another" });
  expect(difference(handler, before, (await check({ rootfs })).inputs).replaces).toEqual(["sourceHash"]);
});

test.each([{ containerfile: UNKNOWN }, { containerfile: { path, buildArgs: { A: UNKNOWN } } }, { rootfs: UNKNOWN }])(
  "an unknown source has no hash yet: %j",
  async (news) => {
    const { failures, inputs } = await check(news);
    expect(failures).toEqual([]);
    expect(inputs).not.toHaveProperty("sourceHash");
  },
);
