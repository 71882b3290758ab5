import { expect, test } from "@jest/globals";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { furnish } from "../../support/folders";

const halfMade = import("../../../scripts/setup/half-made.mjs");

const DEAD = 2 ** 22 + 1; // above the largest process id that Linux gives

test("only what set-ups have left that are gone goes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  const staying = [`bin.${String(process.pid)}`, "bin", `bin.${String(DEAD)}.txt`, `cabin.${String(DEAD)}`];
  try {
    for (const name of [...staying, `bin.${String(DEAD)}`]) furnish(join(folder, name), { "part/file": "half" });
    (await halfMade).clearHalfMade(folder, /^bin\.(\d+)$/);
    expect(readdirSync(folder).sort()).toEqual([...staying].sort());
    (await halfMade).clearHalfMade(join(folder, "missing"), /^bin\.(\d+)$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what was made takes the place of a part, but not of what another one has made whole meanwhile", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  const [made, place] = [join(folder, "made"), join(folder, "place")];
  const isWhole = () => existsSync(join(place, "whole"));
  const { putInPlace } = await halfMade;
  try {
    furnish(folder, { "made/whole": "ours", "place/part": "" });
    putInPlace(made, place, isWhole);
    furnish(folder, { "made/whole": "another's" });
    putInPlace(made, place, isWhole);
    expect(readdirSync(place)).toEqual(["whole"]);
    expect(readFileSync(join(place, "whole"), "utf8")).toBe("ours");
    expect(() => {
      putInPlace(join(folder, "missing"), join(folder, "none"), () => false);
    }).toThrow("ENOENT");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
