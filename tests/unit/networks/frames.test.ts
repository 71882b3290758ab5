import { expect, test } from "@jest/globals";
import { FrameReader } from "../../../provider/networks/frames";
import { packet } from "../../support/packets";

const [to, from] = ["52:54:00:00:00:01", "52:54:00:00:00:02"] as const;
const packets = ["", "hello", "x".repeat(9_000)].map((text) => packet(to, from, text));

test.each([1, 3, 7, 4_096, 100_000])("frames come whole out of pieces of %d bytes", (size) => {
  const bytes = Buffer.concat(packets);
  const reader = new FrameReader();
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) found.push(...reader.take(bytes.subarray(at, at + size)));
  expect(found.map((frame) => frame.toString("hex"))).toEqual(packets.map((frame) => frame.toString("hex")));
});

test.each([0, 13])("what is too short for a frame is left out: %d bytes", (length) => {
  const short = Buffer.alloc(4 + length, 0xff);
  short.writeUInt32BE(length);
  const [first, second, third] = packets as [Buffer, Buffer, Buffer];
  expect(new FrameReader().take(Buffer.concat([first, short, second, short, short, third]))).toEqual(packets);
});

test.each([69_633, 0xffff_ffff])("a frame of %d bytes is none", (length) => {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32BE(length);
  expect(() => new FrameReader().take(bytes)).toThrow(`a frame of ${String(length)} bytes`);
});
