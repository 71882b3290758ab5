import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { makeFolders } from "../../../provider/host/files";
import { dataFolder, openPaths } from "../../../provider/host/paths";

test("a relative data folder is that of the working directory, by its whole path", () => {
  expect(dataFolder({ MAYFLY_HOME: "some/place" })).toBe(join(process.cwd(), "some", "place"));
});

test("an empty name of it is none", () => {
  const isRoot = process.getuid?.() === 0;
  const others = (text: string) => (isRoot ? "/var/lib/mayfly" : text);
  expect(dataFolder({ MAYFLY_HOME: "", XDG_DATA_HOME: "/data" })).toBe(others("/data/mayfly"));
  for (const unset of ["", "data"])
    expect(dataFolder({ XDG_DATA_HOME: unset, HOME: "/home/ada" })).toBe(others("/home/ada/.local/share/mayfly"));
});

test("one with a colon, which would have conmon write the consoles' logs elsewhere, is refused", () => {
  expect(() => openPaths({ MAYFLY_HOME: "/tmp/a:b" })).toThrow(
    /^the data folder can't have a colon in its path\n\/tmp\/a:b/,
  );
});

test.each(["/proc/none/mayfly", "/proc/self", "/dev/null/mayfly"])(
  "%s, where none can be made, is refused",
  (folder) => {
    expect(() => openPaths({ MAYFLY_HOME: folder })).toThrow(/^the data folder can't be made\nE(?:NOENT|EXIST): /);
  },
);

test("containers with mapped user ids pass whatever the umask is, also where a former version has let none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly paths "));
  const before = process.umask(0o077);
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  try {
    const paths = openPaths({ MAYFLY_HOME: join(folder, "above", "home") });
    const passable = [join(folder, "above"), paths.home, paths.machines, paths.templates];
    const all = () => [...passable, paths.containerRoot, paths.records].map(mode);
    expect(all()).toEqual(["711", "711", "711", "711", "755", "700"]);
    for (const path of [...passable, paths.containerRoot]) chmodSync(path, 0o700);
    chmodSync(paths.machines, 0o750);
    openPaths({ MAYFLY_HOME: paths.home });
    expect(all()).toEqual(["700", "711", "751", "711", "755", "700"]); // the one above is not ours
    await makeFolders(join(paths.machines, "web", "shared"), 0o711);
    expect([join(paths.machines, "web"), join(paths.machines, "web", "shared")].map(mode)).toEqual(["711", "711"]);
  } finally {
    process.umask(before);
    rmSync(folder, { recursive: true });
  }
});
