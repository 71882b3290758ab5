import { randomBytes } from "node:crypto";

const NAME_LENGTH = 40; // with `mayfly-`, the hyphen and the digits still a valid host and container name

/** An id for a new thing: its name in the program, so that people know it, and eight random digits. */
export function newId(name: string): string {
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, NAME_LENGTH)
    .replaceAll(/^-+|-+$/g, "");
  return `${readable || "thing"}-${randomBytes(4).toString("hex")}`;
}
