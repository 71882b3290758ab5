/** A frame as it goes over a cable: its length, both addresses, the type and what it says. */
export function packet(to: string, from: string, text = ""): Buffer {
  const frame = Buffer.concat([address(to), address(from), Buffer.from([0x08, 0x00]), Buffer.from(text)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length);
  return Buffer.concat([length, frame]);
}

function address(mac: string): Buffer {
  return Buffer.from(mac.split(":").map((part) => Number.parseInt(part, 16)));
}
