const MAGIC = 0x7f_45_4c_46; // "\x7fELF"
const INTERPRETER = 3; // PT_INTERP of elf(5): a program that has it needs the host's dynamic linker

/**
 * Whether a program runs without the host's libraries, as one must that goes into an initramfs. Debian's packages
 * `busybox` and `busybox-static` put different programs under the same path.
 *
 * @param {Buffer} program The file's content; its first few kilobytes do.
 */
export function isStaticElf(program) {
  if (program.length < 64 || program.readUInt32BE(0) !== MAGIC) return false;
  if (program[4] !== 2 || program[5] !== 1) return false; // 64 bits, little-endian: what we boot
  const [offset, size, count] = [
    Number(program.readBigUInt64LE(32)),
    program.readUInt16LE(54),
    program.readUInt16LE(56),
  ];
  if (program.length < offset + size * count) return false;
  const headers = Array.from({ length: count }, (_, index) => program.readUInt32LE(offset + size * index));
  return !headers.includes(INTERPRETER);
}
