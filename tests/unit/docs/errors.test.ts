import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ERROR_CODES, MayflyError } from "../../../provider/errors";

const text = readFileSync(join(__dirname, "..", "..", "..", "docs", "errors.md"), "utf8");

test("every code has its heading with a text, and no heading lacks a code", () => {
  const [, ...sections] = text.split(/^## /m);
  expect(sections.map((section) => section.split("\n")[0])).toEqual(ERROR_CODES);
  for (const section of sections) expect(section).toMatch(/\n- What to do: \S/);
});

test("a message ends with the place where its code is explained", () => {
  const { message } = new MayflyError("BOOT_TIMEOUT", "It did not boot.", { evidence: "panic", remedy: "mend it" });
  const [, code = "none"] = /\nMore on this: (\w+) in docs\/errors\.md of pulumi-mayfly$/.exec(message) ?? [];
  expect(text).toMatch(new RegExp(`^## ${code}$`, "m"));
  expect(message).toMatch(/^It did not boot\.\npanic\nTo fix: mend it\n/);
});
