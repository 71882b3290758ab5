import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ARCHITECTURES, hostArchitecture } from "../../../provider/architectures";
import { checkArchitecture, missingFor } from "../../../provider/images/architecture";

const PATH = process.env["PATH"];
const { amd64, arm64 } = ARCHITECTURES;
let folder: string;

/** Has only these programs in PATH. */
function withPrograms(...names: readonly string[]): void {
  for (const name of names) symlinkSync("/bin/true", join(folder, name));
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-programs-"));
  process.env["PATH"] = folder;
});
afterEach(() => {
  process.env["PATH"] = PATH;
  rmSync(folder, { recursive: true });
});

test("an image for a processor that machines can't have is refused, with the remedy", () => {
  expect(() => checkArchitecture("s390x")).toThrow(
    [
      "the image is for s390x; machines are amd64 or arm64",
      'podman image inspect says: "Architecture": "s390x"',
      `To fix: take another form of the image: podman pull --arch ${hostArchitecture()} NAME`,
    ].join("\n"),
  );
});

test.each([amd64, arm64])(
  "an image for $name needs QEMU for it, and its package is named",
  ({ name, qemu, qemuPackage }) => {
    expect(() => checkArchitecture(name)).toThrow(`sudo apt-get install ${qemuPackage} `);
    expect(missingFor(name, false).map(({ code }) => code)).toEqual(["TOOL_MISSING"]);
    withPrograms(qemu);
    expect(checkArchitecture(name)).toBe(ARCHITECTURES[name]);
    expect(missingFor(name, false)).toEqual([]);
  },
);

test("an image that says nothing is taken to be for this host", () => {
  withPrograms(amd64.qemu, arm64.qemu);
  expect(checkArchitecture("").name).toBe(hostArchitecture());
});

test("to make one for another processor takes an emulator of its programs, too; for this host's not", () => {
  withPrograms(amd64.qemu, arm64.qemu);
  const [own, other] = hostArchitecture() === "amd64" ? ([amd64, arm64] as const) : ([arm64, amd64] as const);
  expect(missingFor(own.name, true)).toEqual([]);
  const said = missingFor(other.name, true).map(({ message }) => message);
  expect(said).toHaveLength(2);
  expect(said[0]).toContain("sudo apt-get install arch-test ");
  expect(said[1]).toContain("sudo apt-get install qemu-user-static ");
});
