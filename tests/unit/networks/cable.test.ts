import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namesChannel, pipesOf, segmentSocket } from "../../../provider/host/paths";
import { Cable } from "../../../provider/networks/cable";
import { FrameReader } from "../../../provider/networks/frames";
import { Switch } from "../../../provider/networks/switch";
import { eventually } from "../../support/eventually";
import { packet } from "../../support/packets";

let folder: string;
const closing: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-cable-"));
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
  rmSync(folder, { recursive: true });
});

/** Machines of one network, by qemu's end of the socket of each, which reads nothing so far. */
async function connect(...macs: readonly string[]): Promise<Socket[]> {
  const machine = new Switch<Cable>();
  const ends: Socket[] = [];
  for (const [index, mac] of macs.entries()) {
    const own = join(folder, String(index));
    mkdirSync(own);
    execFileSync("mkfifo", pipesOf(namesChannel(0)), { cwd: own });
    const qemu = createServer({ pauseOnConnect: true }, (socket) => (ends[index] = socket));
    qemu.listen(join(own, segmentSocket(0)));
    let isUp = false;
    const cable = new Cable(
      { folder: own, index: 0, mac, address: `10.80.0.${String(index + 1)}` },
      {
        onUp: (up) => {
          machine.add(up);
          isUp = true;
        },
        onDown: (down) => machine.remove(down),
        onFrame: (from, frame) => {
          for (const target of machine.route(from, frame)) target.send(frame);
        },
        onTrouble: () => undefined,
        retryMs: () => 10,
      },
    );
    closing.push(() => {
      cable.close();
      ends[index]?.destroy();
      qemu.close();
    });
    await eventually("it is plugged in", 30, () => isUp && ends[index] !== undefined);
  }
  return ends;
}

test("frames for one that takes none hold no more memory than they are worth, however small they are", async () => {
  const [talker, deaf] = ["02:00:00:00:00:01", "02:00:00:00:00:02"] as const;
  const [from, to] = (await connect(talker, deaf)) as [Socket, Socket];
  // What is read at once is kept as a whole as long as any frame in it is: here some bytes of 64 KiB.
  const chunk = Buffer.concat([packet(deaf, talker), packet(talker, talker, "x".repeat(65_000))]);
  const CHUNKS = 1_500;
  for (let sent = 0; sent < CHUNKS; sent += 1)
    if (!from.write(chunk)) await new Promise((resolve) => from.once("drain", resolve));
  let arrived = 0;
  let isOver = false;
  const reader = new FrameReader();
  to.on("data", (bytes: Buffer) => {
    for (const frame of reader.take(bytes)) {
      if (frame.length > 100) isOver = true;
      else arrived += 1;
    }
  }).resume();
  const last = () => {
    from.write(packet(deaf, talker, "x".repeat(100)));
    return isOver;
  };
  await eventually("the last one is there", 30, last);
  expect(arrived).toBeGreaterThan(0);
  expect(arrived).toBeLessThan(CHUNKS / 2);
});
