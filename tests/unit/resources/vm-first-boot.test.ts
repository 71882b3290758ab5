import { describe, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import { checkReaders, needReadersIn, waitForCloudInit } from "../../../provider/resources/vm-first-boot";
import type { StoredImage } from "../../../provider/images/store";
import { vmSchema } from "../../../provider/schema/vm";
import { failureOf } from "../../support/context";

const CONFIG = JSON.stringify({ ignition: { version: "3.3.0" } });
const spec = (fields: object) => vmSchema.parse({ image: "localhost/x", ...fields });
const signal = AbortSignal.timeout(30_000);

/** Rooms in which the image has these readers; without any, it is not here. */
function rooms(readers: { hasCloudInit: boolean; hasIgnition: boolean } | undefined) {
  const images = {
    find: () => Promise.resolve(readers && { id: "1" }),
    readers: () => Promise.resolve(readers),
  };
  return { images, signal } as unknown as Context;
}

describe("an image without the reader of what its VM is given", () => {
  const both = spec({ userData: "#cloud-config", ignition: CONFIG });
  const none = rooms({ hasCloudInit: false, hasIgnition: false });

  test("is told at preview, by field", async () => {
    const found = await checkReaders(both, none);
    expect(found.map(({ property, reason }) => `${property}: ${reason}`)).toEqual([
      expect.stringMatching(/^userData: needs cloud-init in the image: .*install the package cloud-init/),
      expect.stringMatching(/^ignition: needs Ignition in the image: .*install the package ignition/),
    ]);
  });

  test("is nothing to a VM that is given nothing, nor where the reader is there, nor before the image is", async () => {
    expect(await checkReaders(spec({}), none)).toEqual([]);
    expect(await checkReaders(both, rooms({ hasCloudInit: true, hasIgnition: true }))).toEqual([]);
    expect(await checkReaders(both, rooms(undefined))).toEqual([]);
  });

  test("is refused before the boot where it shows only then", async () => {
    const image = { id: "1" } as StoredImage;
    expect(await failureOf(needReadersIn(both, image, none))).toMatchObject({
      code: "BAD_INPUT",
      evidence: "it has no /usr/bin/cloud-init",
    });
    const hasIt = rooms({ hasCloudInit: true, hasIgnition: false });
    await needReadersIn(spec({ userData: "x" }), image, hasIt);
  });
});

describe("a VM with userData is up when cloud-init", () => {
  const to = { host: "127.0.0.1", port: 2_222, hostKey: "ssh-ed25519 AAAA" };
  /** Waits in a guest whose `cloud-init status` says that; returns what the user is told. */
  async function wait(stdout: string, exitCode: number, fields: object = { userData: "#cloud-config" }) {
    const said: string[] = [];
    const ssh = { exec: () => Promise.resolve({ stdout, exitCode }) };
    const context = { ssh, say: (text: string) => void said.push(text) } as unknown as Context;
    await waitForCloudInit(spec(fields), to, context, signal);
    return said;
  }

  test("is done", async () => {
    expect(await wait("status: done\n", 0)).toEqual([]);
    expect(await wait("", 127, {})).toEqual([]); // it has none
  });

  test("is done with complaints, which are passed on", async () => {
    expect(await wait("status: done\nrecoverable_errors:\n - x\n", 2)).toEqual([
      expect.stringMatching(/^warning: userData: (.|\n)*recoverable_errors/),
    ]);
  });

  test.each([
    ["an error", "status: error\ndetail: runcmd\n", 1, /could not do all/],
    ["none that runs", "status: disabled\n", 0, /has not run/],
    ["none at all", "", 127, /has not run/],
  ])("and is not with %s", async (_what, stdout, exitCode, message) => {
    const error = await failureOf(wait(stdout, exitCode));
    expect(error).toMatchObject({ code: "BOOT_FAILED", message: expect.stringMatching(message) });
  });

  test("within its time", async () => {
    const ssh = {
      exec: async (_to: unknown, _what: unknown, late: AbortSignal) => Promise.reject(late.reason as Error),
    };
    const context = { ssh, say: () => undefined } as unknown as Context;
    const work = waitForCloudInit(spec({ userData: "x" }), to, context, AbortSignal.abort());
    expect(await failureOf(work)).toMatchObject({ code: "BOOT_TIMEOUT" });
  });
});
