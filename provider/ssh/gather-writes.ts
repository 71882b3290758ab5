import type { Duplex } from "node:stream";

/**
 * Has what is written to an open stream in one go leave together, once that is over. ssh2 writes a packet in three or four
 * parts. To a socket each would be a system call of ours, and a packet of its own on the way. To a channel of another
 * connection each would run that one's cipher in the midst of ours, and two ChaCha20 of ssh2 1.17 share the counter that they
 * then change (ChaChaPolyCipherNative in its crypto.js): the other side would find an invalid packet.
 *
 * Not by a subclass: `connect` puts Node's own `write` back into its place.
 */
export function gatherWrites(stream: Duplex): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => {
        stream.uncork();
      });
    }
    return write(...args);
  };
}
