import { promisify } from "node:util";
import zlib from "node:zlib";

/** How what gzip has packed begins: RFC 1952. */
export const GZIP = "1f8b";

/**
 * What is packed in a kernel's file, by the magic numbers that Linux's lib/decompress.c knows; with LZ4 it is the format that
 * is called legacy. Rejects where it is broken.
 *
 * @returns `undefined` where it is packed in a way that we do not know.
 */
export async function unpack(packed: Buffer): Promise<Buffer | undefined> {
  const magic = packed.toString("hex", 0, 4);
  if (magic === "02214c18") return (await import("lz4-napi")).decompressFrame(packed);
  if (magic === "28b52ffd" && "zstdDecompress" in zlib) return promisify(zlib.zstdDecompress)(packed); // Node from 22.15 on
  return magic.startsWith(GZIP) ? promisify(zlib.gunzip)(packed) : undefined;
}
