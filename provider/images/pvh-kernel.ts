import { hasNote } from "./elf";
import { GZIP, unpack } from "./unpack";

// Where a bzImage says what is in it: Linux's Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
const SETUP_SECTORS = 0x1f1;
const SIGNATURE = 0x202; // "HdrS"
const PROTOCOL = 0x206;
const PAYLOAD_START = 0x248; // behind the real-mode part
const PAYLOAD_BYTES = 0x24c;
const PROTOCOL_WITH_PAYLOAD = 0x0208;
const SECTOR_BYTES = 512;
const SIZE_BYTES = 4; // behind what is packed, how long it is unpacked; gzip ends with that by itself

/** The note by which an ELF kernel tells its 32-bit entry: Linux's include/xen/interface/elfnote.h. */
const PVH_ENTRY = { name: "Xen", type: 18 } as const;

/**
 * The kernel inside a bzImage, unpacked, if QEMU can start it as it is: an ELF file with an entry for PVH (a boot without
 * firmware's real mode; Linux with CONFIG_PVH, as distributions build it). QEMU maps such a file where it reads a bzImage
 * into memory of its own, so all machines share it. The part that unpacks a bzImage is also what moves the kernel to
 * random addresses: this one lies at fixed ones.
 *
 * @returns `undefined` where there is no such entry, or the kernel is packed in a way that we do not know.
 */
export async function pvhKernel(image: Buffer): Promise<Buffer | undefined> {
  const payload = payloadOf(image);
  // Whether it is broken the guest's console tells better: QEMU gets the file as it is then.
  const unpacked = payload && (await unpack(payload).catch(() => undefined));
  return unpacked !== undefined && hasNote(unpacked, PVH_ENTRY) ? unpacked : undefined;
}

/** What is packed in a bzImage, as its packer has left it; `undefined` for another file. */
function payloadOf(image: Buffer): Buffer | undefined {
  if (image.length < PAYLOAD_BYTES + 4 || image.toString("latin1", SIGNATURE, SIGNATURE + 4) !== "HdrS")
    return undefined;
  if (image.readUInt16LE(PROTOCOL) < PROTOCOL_WITH_PAYLOAD) return undefined;
  const start = (image.readUInt8(SETUP_SECTORS) + 1) * SECTOR_BYTES + image.readUInt32LE(PAYLOAD_START);
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_BYTES));
  return payload.toString("hex", 0, 2) === GZIP ? payload : payload.subarray(0, -SIZE_BYTES);
}
