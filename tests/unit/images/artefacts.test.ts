import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { bootArtefacts, type BootArtefacts } from "../../../provider/images/artefacts";
import { CACHE_LIMITS, makeRoom, removeArtefacts, unusedArtefacts } from "../../../provider/images/cache";
import { eventually } from "../../support/eventually";
import { fakeImage, FakePodman } from "../../support/fake-image";

const [ONE, TWO, THREE] = ["1", "2", "3"].map((digit) => digit.repeat(64)) as [string, string, string];
const HOUR = 3_600;
let folder: string;
let paths: Paths;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly artefacts "));
  paths = openPaths({ MAYFLY_HOME: folder });
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const prepare = async (
  id: string,
  fake = new FakePodman(),
  room = async () => Promise.resolve(),
): Promise<BootArtefacts> => {
  const lender = () => Promise.reject(new Error("nothing is lent to it"));
  const workshop = { paths, podman: fake.podman, lender, makeRoom: room };
  return bootArtefacts(workshop, fakeImage(id), AbortSignal.timeout(60_000));
};
/** Makes it look as if a file or folder was last asked for so many seconds ago. */
const age = (path: string, seconds: number) => {
  const then = Date.now() / 1_000 - seconds;
  utimesSync(path, then, then);
};

test("eight that want an image at a time make its artefacts once", async () => {
  const fake = new FakePodman(300);
  const all = await Promise.all(Array.from({ length: 8 }, async () => prepare(ONE, fake)));
  expect(fake.packed).toEqual([ONE]);
  expect(new Set(all.map(({ rootfs }) => rootfs)).size).toBe(1);
  for (const file of [all[0]?.rootfs, all[0]?.kernel, all[0]?.initramfs]) expect(existsSync(file ?? "")).toBe(true);
  expect(readdirSync(paths.scratch)).toEqual([]);
});

test("a maker that is killed leaves no half of it; the next one makes all of it", async () => {
  const script = join(folder, "maker.ts");
  const from = (path: string) => JSON.stringify(resolve(path));
  writeFileSync(
    script,
    `import { openPaths } from ${from("provider/host/paths.ts")};
     import { bootArtefacts } from ${from("provider/images/artefacts.ts")};
     import { fakeImage, FakePodman } from ${from("tests/support/fake-image.ts")};
     const paths = openPaths(), podman = new FakePodman(600_000).podman;
     const workshop = { paths, podman, lender: async () => fakeImage(""), makeRoom: async () => undefined };
     void bootArtefacts(workshop, fakeImage(${JSON.stringify(ONE)}), AbortSignal.timeout(600_000));`,
  );
  const env = {
    ...process.env,
    MAYFLY_HOME: folder,
    TS_NODE_PROJECT: resolve("tests/tsconfig.json"),
    NODE_OPTIONS: "",
  };
  const maker = spawn(process.execPath, ["-r", resolve("node_modules/ts-node/register/transpile-only"), script], {
    env,
  });
  const draft = () => readdirSync(paths.scratch).map((name) => join(paths.scratch, name, "rootfs.erofs"));
  await eventually("it has packed a half", 60, () => draft().some((file) => existsSync(file)));
  maker.kill("SIGKILL");
  await once(maker, "exit");
  expect(readdirSync(paths.artefacts)).toEqual([]);

  const { rootfs } = await prepare(ONE);
  expect(readFileSync(rootfs, "utf8")).toBe("half and half");
  for (const name of readdirSync(paths.scratch)) age(join(paths.scratch, name), 25 * HOUR);
  await makeRoom(paths, []);
  expect(readdirSync(paths.scratch)).toEqual([]);
}, 90_000);

test("when there is too much, what was not asked for for longest goes, but nothing that is in use", async () => {
  for (const id of [ONE, TWO, THREE]) writeFileSync((await prepare(id)).rootfs, "x".repeat(8_192));
  age(join(paths.artefacts, ONE), 4 * HOUR);
  age(join(paths.artefacts, TWO), 3 * HOUR);
  age(join(paths.artefacts, THREE), 2 * HOUR);
  const left = () => readdirSync(paths.artefacts).map((name) => name.slice(0, 1));
  await makeRoom(paths, []);
  expect(left()).toEqual(["1", "2", "3"]);
  await makeRoom(paths, [`${ONE}-0123456789ab`], { ...CACHE_LIMITS, capBytes: 0, graceMs: 2.5 * HOUR * 1_000 });
  expect(left()).toEqual(["1", "3"]); // one in use, one asked for not long ago
  await makeRoom(paths, [`${TWO}-${THREE.slice(0, 12)}-parts-2.erofs-0123456789ab`], { ...CACHE_LIMITS, capBytes: 0 });
  expect(left()).toEqual(["3"]); // it has lent to one that is in use
  expect(readdirSync(paths.scratch)).toEqual([]);
});

test("what shares files is thrown out together, and counts once", async () => {
  const { rootfs } = await prepare(ONE);
  const completed = join(paths.artefacts, `${ONE}-${TWO.slice(0, 12)}`);
  mkdirSync(completed);
  linkSync(rootfs, join(completed, "rootfs.erofs"));
  writeFileSync(rootfs, "x".repeat(8 * 1_048_576));
  for (const place of [completed, join(paths.artefacts, ONE)]) age(place, 2 * HOUR);
  await makeRoom(paths, [], { ...CACHE_LIMITS, capBytes: 14 * 1_048_576 });
  expect(readdirSync(paths.artefacts)).toHaveLength(2);
  await makeRoom(paths, [], { ...CACHE_LIMITS, capBytes: 1_000 });
  expect(readdirSync(paths.artefacts)).toEqual([]);
});

test("what nobody uses or has just asked for can be told and removed", async () => {
  for (const id of [ONE, TWO, THREE]) writeFileSync((await prepare(id)).rootfs, "x".repeat(1_048_576));
  for (const id of [ONE, TWO]) age(join(paths.artefacts, id), HOUR);
  const unused = await unusedArtefacts(paths, [`${ONE}-0123456789ab`], 600_000);
  expect(unused.map(({ id }) => id)).toEqual([TWO]);
  expect(unused[0]?.bytes).toBeGreaterThanOrEqual(1_048_576);
  for (const _again of [1, 2]) await removeArtefacts(paths, TWO);
  expect(readdirSync(paths.artefacts).sort()).toEqual([ONE, THREE]);
  expect(readdirSync(paths.scratch)).toEqual([]);
});

test("an initramfs of another version goes when nobody has asked for it for a day; ours stays", async () => {
  const { folder: place, initramfs } = await prepare(ONE);
  const other = join(place, "initramfs-0123456789ab.cpio");
  writeFileSync(other, "of another version");
  age(other, 23 * HOUR);
  age(initramfs, 25 * HOUR);
  await prepare(ONE); // asks for it
  await makeRoom(paths, []);
  expect([other, initramfs].map((file) => existsSync(file))).toEqual([true, true]);
  age(other, 25 * HOUR);
  await makeRoom(paths, []);
  expect([other, initramfs].map((file) => existsSync(file))).toEqual([false, true]);
});

test("what a machine that is off was made from stays, however long ago that was asked for", async () => {
  const { folder: place, initramfs, version } = await prepare(ONE);
  const parts = join(place, "parts-2.erofs");
  writeFileSync(parts, "lent");
  for (const file of [initramfs, parts, place]) age(file, 72 * HOUR);
  await makeRoom(paths, [version]);
  expect([initramfs, parts].map((file) => existsSync(file))).toEqual([true, true]);
  await makeRoom(paths, []);
  expect([initramfs, parts].map((file) => existsSync(file))).toEqual([false, false]);
});

test("remains that can't be removed keep nothing from being made", async () => {
  const scratch = "/proc/self/fdinfo"; // where nobody may remove anything
  await makeRoom({ artefacts: paths.artefacts, scratch }, [], { ...CACHE_LIMITS, remainsMs: -HOUR * 1_000 });
  expect(readdirSync(scratch)).not.toEqual([]);
});

test("there is a look at the cache before anything is made, and none when all is there", async () => {
  let looks = 0;
  const room = async () => {
    looks += 1;
    return Promise.resolve();
  };
  await prepare(ONE, new FakePodman(), room);
  const before = looks;
  expect(before).toBeGreaterThan(0);
  await prepare(ONE, new FakePodman(), room);
  expect(looks).toBe(before);
});
