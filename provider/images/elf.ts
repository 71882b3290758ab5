import { closeSync, openSync, readSync } from "node:fs";

// Programs and libraries of 64-bit little-endian processors, by elf(5).
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3; // names the dynamic loader
const PT_NOTE = 4;
const NOTE_HEAD_BYTES = 12; // two lengths and a type; what follows is padded to whole words of four bytes
const MAGIC = "\x7fELF\x02\x01"; // 64 bits, little-endian
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DYNAMIC_BYTES = 16;

/** A part of a file that the loader looks at, or puts into memory. */
interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly bytes: number;
}

/** The segments that a file's headers list. */
function segmentsOf(file: Buffer): Segment[] {
  const word = (at: number) => Number(file.readBigUInt64LE(at));
  const [start, entry, count] = [word(32), file.readUInt16LE(54), file.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entry;
    return { type: file.readUInt32LE(at), offset: word(at + 8), address: word(at + 16), bytes: word(at + 32) };
  });
}

/** Whether a program needs a dynamic loader. */
export function isDynamic(path: string): boolean {
  const head = Buffer.alloc(4_096);
  const file = openSync(path, "r");
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  return segmentsOf(head).some(({ type }) => type === PT_INTERP);
}

/** Names of the libraries that a program or a library says it needs, without what those need in turn. Pure. */
export function neededLibraries(file: Buffer): string[] {
  const segments = segmentsOf(file);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const entries = Array.from({ length: dynamic.bytes / DYNAMIC_BYTES }, (_, index) => {
    const at = dynamic.offset + index * DYNAMIC_BYTES;
    return { tag: Number(file.readBigInt64LE(at)), value: Number(file.readBigUInt64LE(at + 8)) };
  });
  const texts = offsetOf(entries.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0, segments);
  return entries
    .filter(({ tag }) => tag === DT_NEEDED)
    .map(({ value }) => file.toString("latin1", texts + value, file.indexOf(0, texts + value)));
}

/** Where in the file is what the loader puts at an address. */
function offsetOf(address: number, segments: readonly Segment[]): number {
  const holds = (segment: Segment) => address >= segment.address && address < segment.address + segment.bytes;
  const segment = segments.find((one) => one.type === PT_LOAD && holds(one));
  return segment === undefined ? address : address - segment.address + segment.offset;
}

/** What a file says of itself beside its code: elf(5), "Notes". */
interface Note {
  /** Who has given the type its meaning. */
  readonly name: string;
  readonly type: number;
}

/** Whether a file has a note. What is no ELF file has none. Pure. */
export function hasNote(file: Buffer, { name, type }: Note): boolean {
  if (file.toString("latin1", 0, MAGIC.length) !== MAGIC) return false;
  return segmentsOf(file)
    .filter((segment) => segment.type === PT_NOTE)
    .flatMap(({ offset, bytes }) => notesIn(file.subarray(offset, offset + bytes)))
    .some((note) => note.name === name && note.type === type);
}

function notesIn(segment: Buffer): Note[] {
  const notes: Note[] = [];
  const padded = (bytes: number) => Math.ceil(bytes / 4) * 4;
  for (let at = 0; at + NOTE_HEAD_BYTES <= segment.length;) {
    const [nameBytes, textBytes, type] = [
      segment.readUInt32LE(at),
      segment.readUInt32LE(at + 4),
      segment.readUInt32LE(at + 8),
    ];
    const start = at + NOTE_HEAD_BYTES;
    notes.push({ name: segment.toString("latin1", start, start + Math.max(nameBytes - 1, 0)), type }); // ends with a zero
    at = start + padded(nameBytes) + padded(textBytes);
  }
  return notes;
}
