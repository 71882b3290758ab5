/** What a card says of an IPv4 address, over ARP: that it has it. @param tag Bytes before the type. */
export function arp(to: string, from: string, sender: string, tag: readonly number[] = []): Buffer {
  const numbers = (text: string) => text.split(".").map(Number);
  const message = [0, 1, 8, 0, 6, 4, 0, 2, ...address(from), ...numbers(sender), ...address(to), 0, 0, 0, 0];
  return withLength(Buffer.concat([address(to), address(from), Buffer.from([...tag, 0x08, 0x06, ...message])]));
}

/** A frame as it goes over a cable: its length, both addresses, the type and what it says. */
export function packet(to: string, from: string, text = ""): Buffer {
  return withLength(Buffer.concat([address(to), address(from), Buffer.from([0x08, 0x00]), Buffer.from(text)]));
}

function withLength(frame: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length);
  return Buffer.concat([length, frame]);
}

function address(mac: string): Buffer {
  return Buffer.from(mac.split(":").map((part) => Number.parseInt(part, 16)));
}
