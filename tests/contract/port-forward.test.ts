import { expect, test } from "@jest/globals";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { Sshd } from "../support/sshd";
import { answers } from "../support/tunnel";
import { Plugin } from "./support/plugin";
import { sentBy } from "./support/provider-text";

test("a forward outlives the process that made it, as Pulumi ends it, and goes with its resource", async () => {
  await using server = await Sshd.start();
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(echo, "listening");
  const { port: guestPort } = echo.address() as AddressInfo;
  const home = `${server.folder}/data`;
  try {
    let first = await Plugin.start({ environment: { MAYFLY_HOME: home } });
    const { inputs } = await first.check({ ...sentBy("PortForward"), connection: server.endpoint, guestPort });
    const { id, outs } = await first.create(inputs);
    expect(outs).toMatchObject({ host: "127.0.0.1", socket: "" });
    const place = { address: "127.0.0.1", port: outs["port"] as number };
    process.kill(-(first.process.pid ?? 0), "SIGINT"); // as the engine does at the end of each `up`
    await first.ended(); // its output is closed: nothing of ours holds it, or `pulumi up` would hang
    await first[Symbol.asyncDispose]();
    expect(await answers(place)).toBe(true);

    first = await Plugin.start({ environment: { MAYFLY_HOME: home } });
    expect(await first.diff(id, outs, inputs)).toEqual({ changes: false, replaces: [] });
    expect((await first.read(id, outs)).id).toBe(id);
    await first.delete(id, outs);
    await first.delete(id, outs);
    expect((await first.read(id, outs)).id).toBe("");
    expect(await answers(place)).toBeUndefined();
    await first[Symbol.asyncDispose]();
  } finally {
    echo.close();
  }
});
