import { join } from "node:path";
import { expect, test } from "@jest/globals";
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
