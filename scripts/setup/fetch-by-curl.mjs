// Given to Node with --import: `fetch` by curl, which knows the environment's proxies and certificates. Node's own heeds
// proxies from 22.21 on only; and curl is what the fetched script downloads with, so it is there.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** @param {string} url What to fetch. Rejects with what curl says. */
async function fetchByCurl(url) {
  const { stdout } = await promisify(execFile)("curl", ["--fail", "--silent", "--show-error", "--location", url]);
  return { ok: true, text: () => Promise.resolve(stdout) };
}

Object.assign(globalThis, { fetch: fetchByCurl });
