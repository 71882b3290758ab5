// The end of `npm run build`: the published types of all inputs, with their docs.
import { fileURLToPath } from "node:url";
import { writeDeclarations } from "./types/declarations.mjs";

writeDeclarations(fileURLToPath(new URL("..", import.meta.url)));
