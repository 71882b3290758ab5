/** By what firmware a disk can boot, from what is at its beginning. */
export interface BootRoads {
  /** It has code in its boot sector, and a place that this code goes on from. */
  readonly bios: boolean;
  /** It has an EFI system partition. */
  readonly uefi: boolean;
  /** Bytes that its partitions need; more than it has when it is cut off. */
  readonly needsBytes: number;
  /** The other processor that its root filesystem is for, as systemd names it: `arm64`. */
  readonly foreign?: string;
}

/** How much of a disk's beginning has to be known: boot sector, GPT header and table. */
export const HEAD_BYTES = 65_536;

const SECTOR = 512;
const SIGNATURE = 0xaa55;
const CODE_END = 440; // then come the disk's id and the partition table
const TABLE = 446;
const ENTRY = 16;
const TYPE_GPT = 0xee; // the one partition of an MBR that stands for a GPT
const TYPE_ESP = 0xef;

const LEGACY_BOOT = 0b100; // attribute of a GPT partition

const ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
const BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649";
/** Types of root and /usr partitions by processor, of the Discoverable Partitions Specification. */
const PROCESSORS: Readonly<Record<string, string>> = {
  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "x86-64",
  "8484680c-9521-48c6-9c11-b0720656f69e": "x86-64",
  "b921b045-1df0-41c3-af44-4c6f280d3fae": "arm64",
  "b0e01050-ee5f-4390-949a-9101b17104e9": "arm64",
  "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "arm",
  "72ec70a6-cf74-40e6-bd49-4bda08e8f224": "riscv64",
  "c31c45e6-3f39-412e-80fb-4809c4980599": "ppc64-le",
  "5eead9a9-fe09-4a1e-a1d7-520d00531306": "s390x",
  "44479540-f297-41b2-9af7-d131d5f0458a": "x86",
};

/** Looks at a disk's first {@link HEAD_BYTES}, or all of a shorter one. Pure. */
export function bootRoads(head: Buffer): BootRoads {
  if (head.length < SECTOR || head.readUInt16LE(SECTOR - 2) !== SIGNATURE)
    return { bios: false, uefi: false, needsBytes: 0 };
  const hasCode = head.subarray(0, CODE_END).some((byte) => byte !== 0);
  const entries = [0, 1, 2, 3].map((index) => {
    const at = TABLE + index * ENTRY;
    const [start, count] = [head.readUInt32LE(at + 8), head.readUInt32LE(at + 12)];
    return { type: head[at + 4] ?? 0, end: start + count };
  });
  if (entries.some(({ type }) => type === TYPE_GPT)) return roadsOfGpt(head, hasCode);
  const used = entries.filter(({ type }) => type !== 0);
  // A file system without a partition table has text or code where the table would be, and ends where no disk does.
  const isTable = [0, 1, 2, 3].every((index) => ((head[TABLE + index * ENTRY] ?? 0) & 0x7f) === 0);
  return {
    bios: hasCode,
    uefi: isTable && used.some(({ type }) => type === TYPE_ESP),
    needsBytes: isTable ? SECTOR * Math.max(0, ...used.map(({ end }) => end)) : 0,
  };
}

function roadsOfGpt(head: Buffer, hasCode: boolean): BootRoads {
  if (head.toString("latin1", SECTOR, SECTOR + 8) !== "EFI PART") return { bios: hasCode, uefi: false, needsBytes: 0 };
  const backup = Number(head.readBigUInt64LE(SECTOR + 32)); // the table's copy is the disk's last sector
  const partitions = gptPartitions(head);
  const isHybrid = partitions.some(({ type, isForBios }) => type === BIOS_BOOT || isForBios);
  const uefi = partitions.some(({ type }) => type === ESP);
  const processors = new Set(partitions.flatMap(({ type }) => PROCESSORS[type] ?? []));
  const [foreign] = processors.has("x86-64") ? [] : processors;
  return {
    bios: hasCode && (isHybrid || !uefi), // many a tool leaves code behind that only says "not bootable"
    uefi,
    needsBytes: SECTOR * Math.max(backup + 1, ...partitions.map(({ end }) => end)),
    ...(foreign !== undefined && { foreign }),
  };
}

interface GptPartition {
  readonly type: string;
  /** First sector after it. */
  readonly end: number;
  /** It is marked as the one that a BIOS boots from. */
  readonly isForBios: boolean;
}

function gptPartitions(head: Buffer): GptPartition[] {
  const [table, count, size] = [
    Number(head.readBigUInt64LE(SECTOR + 72)) * SECTOR,
    head.readUInt32LE(SECTOR + 80),
    head.readUInt32LE(SECTOR + 84),
  ];
  const entries = Array.from({ length: Math.min(count, 128) }, (_, index) => table + index * size);
  return entries
    .filter((at) => at + 128 <= head.length)
    .map((at) => ({
      type: guid(head.subarray(at, at + 16)),
      end: Number(head.readBigUInt64LE(at + 40)) + 1,
      isForBios: ((head[at + 48] ?? 0) & LEGACY_BOOT) !== 0,
    }))
    .filter(({ type }) => !/^[0-]+$/.test(type));
}

/** The first three parts are little-endian. */
function guid(bytes: Buffer): string {
  const part = (from: number, to: number, isTurned: boolean) => {
    const slice = Buffer.from(bytes.subarray(from, to));
    return (isTurned ? slice.reverse() : slice).toString("hex");
  };
  return [part(0, 4, true), part(4, 6, true), part(6, 8, true), part(8, 10, false), part(10, 16, false)].join("-");
}
