import { writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";

/** Writes a page of the documentation, laid out as lint wants it. */
export async function writeMarkdown(file: string, text: string): Promise<void> {
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
}
