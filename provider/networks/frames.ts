/** Bytes of the length that precedes each frame: QEMU's `-netdev stream`, big-endian. */
export const PREFIX = 4;

const MIN_FRAME = 14; // both addresses and the type; a guest can have its card send less
const MAX_FRAME = 69_632; // NET_BUFSIZE of QEMU

/** Cuts a stream of bytes into Ethernet frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * Takes what has arrived; gives the frames that are whole by now, each with its length before it. One that is too short to
   * say whose it is, is none.
   *
   * @throws {RangeError} At a length that QEMU sends of no frame. What follows it cannot be understood any more.
   */
  take(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= PREFIX) {
      const length = bytes.readUInt32BE(at);
      if (length > MAX_FRAME) throw new RangeError(`a frame of ${String(length)} bytes`);
      const end = at + PREFIX + length;
      if (end > bytes.length) break;
      if (length >= MIN_FRAME) frames.push(bytes.subarray(at, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return frames;
  }
}
