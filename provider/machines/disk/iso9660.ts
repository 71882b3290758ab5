const SECTOR = 2_048;
const SYSTEM_AREA = 16; // sectors that belong to boot loaders
const [PATHS_LITTLE, PATHS_BIG, ROOT] = [SYSTEM_AREA + 2, SYSTEM_AREA + 3, SYSTEM_AREA + 4];
const FIRST_FILE = ROOT + 1;

/**
 * A CD image, as ISO 9660 (ECMA-119) has it: a few files in its root folder. Made here, as it is half a page and hosts have
 * a dozen different programs for it. Linux shows the names in lower case. Pure.
 *
 * @param label At most 32 capital letters and digits.
 * @param files Texts by name: at most 30 letters, digits and hyphens, and at most a dozen of them.
 */
export function isoImage(label: string, files: ReadonlyMap<string, string>): Buffer {
  let next = FIRST_FILE;
  const placed = [...files]
    .map(([name, text]) => ({ name: `${name.toUpperCase()}.;1`, data: Buffer.from(text) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((file) => {
      const at = next;
      next += Math.max(1, Math.ceil(file.data.length / SECTOR));
      return { ...file, at };
    });
  const image = Buffer.alloc(next * SECTOR);
  const put = (sector: number, data: Buffer) => data.copy(image, sector * SECTOR);
  put(SYSTEM_AREA, primaryDescriptor(label, next));
  put(SYSTEM_AREA + 1, Buffer.from("\xffCD001\x01", "latin1")); // the end of the descriptors
  // The one folder, by its number in the other byte order as well.
  put(PATHS_LITTLE, Buffer.from([1, 0, ROOT, 0, 0, 0, 1, 0, 0, 0]));
  put(PATHS_BIG, Buffer.from([1, 0, 0, 0, 0, ROOT, 0, 1, 0, 0]));
  const here = folderRecord("\0");
  const above = folderRecord("\x01");
  put(ROOT, Buffer.concat([here, above, ...placed.map(({ name, at, data }) => record(name, at, data.length, false))]));
  for (const { at, data } of placed) put(at, data);
  return image;
}

function primaryDescriptor(label: string, sectors: number): Buffer {
  const descriptor = Buffer.alloc(SECTOR);
  descriptor.fill(" ", 8, 72); // system and volume
  descriptor.write("\x01CD001\x01", 0, "latin1");
  descriptor.write(label, 40, "latin1");
  both32(sectors).copy(descriptor, 80);
  for (const at of [120, 124]) both16(1).copy(descriptor, at); // the only volume of its set
  both16(SECTOR).copy(descriptor, 128);
  both32(PATH_TABLE_BYTES).copy(descriptor, 132);
  descriptor.writeUInt32LE(PATHS_LITTLE, 140);
  descriptor.writeUInt32BE(PATHS_BIG, 148);
  folderRecord("\0").copy(descriptor, 156);
  descriptor.fill(" ", 190, 813); // whose it is, in words
  descriptor.fill("0", 813, 881); // times: none
  for (const at of [829, 846, 863, 880]) descriptor[at] = 0; // their time zones
  descriptor[881] = 1;
  return descriptor;
}

const PATH_TABLE_BYTES = 10;

function folderRecord(name: string): Buffer {
  return record(name, ROOT, SECTOR, true);
}

function record(name: string, sector: number, bytes: number, isFolder: boolean): Buffer {
  const length = 33 + name.length + ((name.length + 1) % 2);
  const entry = Buffer.alloc(length);
  entry[0] = length;
  both32(sector).copy(entry, 2);
  both32(bytes).copy(entry, 10);
  entry[25] = isFolder ? 2 : 0;
  both16(1).copy(entry, 28);
  entry[32] = name.length;
  entry.write(name, 33, "latin1");
  return entry;
}

/** A number in both byte orders, as the standard wants most of them. */
function both32(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
}

function both16(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(value, 0);
  bytes.writeUInt16BE(value, 2);
  return bytes;
}
