import { expect, test } from "@jest/globals";
import { kernelInside } from "../../../provider/images/unified-kernel";

// The real tool's image is in `npm run guests`: bootc-uki.

/** A PE file of nothing but sections, each stored with padding behind it. */
function portableExecutable(sections: Readonly<Record<string, string>>): Buffer {
  const head = Buffer.alloc(64 + 24 + Object.keys(sections).length * 40);
  head.writeUInt32LE(64, 0x3c);
  head.write("PE\0\0", 64, "latin1");
  head.writeUInt16LE(Object.keys(sections).length, 64 + 6);
  let start = head.length;
  const bodies = Object.entries(sections).map(([name, text], index) => {
    const body = Buffer.concat([Buffer.from(text), Buffer.alloc(7)]);
    const at = 64 + 24 + index * 40;
    head.write(name, at, "latin1");
    head.writeUInt32LE(text.length, at + 8);
    head.writeUInt32LE(body.length, at + 16);
    head.writeUInt32LE(start, at + 20);
    start += body.length;
    return body;
  });
  return Buffer.concat([head, ...bodies]);
}

test("the kernel is taken out of a unified kernel image, without what pads it", () => {
  const image = portableExecutable({ ".text": "a stub", ".linux": "the kernel", ".initrd": "not for us" });
  expect(kernelInside(image)?.toString()).toBe("the kernel");
});

test.each([
  ["an EFI program without a kernel", portableExecutable({ ".text": "a stub" })],
  ["one that is cut off", portableExecutable({ ".text": "a stub", ".linux": "the kernel" }).subarray(0, 100)],
  ["a text", Buffer.from("not an EFI program")],
])("there is none in %s", (_what, image) => {
  expect(kernelInside(image)).toBeUndefined();
});
