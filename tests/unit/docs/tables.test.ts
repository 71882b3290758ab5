import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const DOCS = join(__dirname, "..", "..", "..", "docs");

test.each(readdirSync(DOCS).filter((name) => name.endsWith(".md")))("rows of tables in %s have their cells", (name) => {
  const lines = readFileSync(join(DOCS, name), "utf8").split("\n");
  const cells = (line: string) => line.replaceAll("\\|", "").split("|").length;
  const broken = lines.filter((line, index) => {
    const above = lines[index - 1] ?? "";
    return line.startsWith("|") && above.startsWith("|") && cells(line) !== cells(above);
  });
  expect(broken).toEqual([]);
});
