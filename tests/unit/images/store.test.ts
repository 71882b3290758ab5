import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import type { Podman } from "../../../provider/host/podman";
import { findImage } from "../../../provider/images/store";
import { failureOf } from "../../support/context";

const signal = AbortSignal.timeout(60_000);

/** A podman whose store has one image; `state` says what is true of it. */
function storeOf(state: { stamp: string | undefined; id: string; fails?: boolean }) {
  const asked: string[] = [];
  const run = (args: readonly string[]) => {
    asked.push(args.at(-1) ?? "");
    if (state.fails === true) return Promise.reject(new MayflyError("TOOL_FAILED", "podman failed", { remedy: "" }));
    return Promise.resolve(JSON.stringify([{ Id: `sha256:${state.id}`, Digest: "sha256:d", Size: 1 }]));
  };
  return { asked, podman: { run, imagesStamp: () => Promise.resolve(state.stamp) } as unknown as Podman };
}

const find = (podman: Podman, name = "web") => findImage(podman, name, signal);

test("an image is asked for once as long as the store does not change, also by many at a time", async () => {
  const state = { stamp: "1", id: "one" };
  const { asked, podman } = storeOf(state);
  const all = await Promise.all([find(podman), find(podman), find(podman, "db")]);
  expect(all).toMatchObject([{ id: "one" }, { id: "one" }, { id: "one" }]);
  expect(await find(podman)).toMatchObject({ id: "one" });
  expect(asked).toEqual(["web", "db"]);
  Object.assign(state, { stamp: "2", id: "two" });
  expect(await find(podman)).toMatchObject({ id: "two" });
});

test("where nothing tells of a change it is asked for each time", async () => {
  const { asked, podman } = storeOf({ stamp: undefined, id: "one" });
  await find(podman);
  await find(podman);
  expect(asked).toHaveLength(2);
});

test("a failure is nobody's answer but the one's whose it was", async () => {
  const state = { stamp: "1", id: "one", fails: true };
  const { podman } = storeOf(state);
  expect(await failureOf(find(podman))).toMatchObject({ code: "TOOL_FAILED" });
  state.fails = false;
  expect(await find(podman)).toMatchObject({ id: "one" });
});

test("what is not there is asked for each time", async () => {
  const asked: string[] = [];
  const run = () => {
    asked.push("");
    if (asked.length > 1) return Promise.resolve(JSON.stringify([{ Id: "one", Digest: "sha256:d", Size: 1 }]));
    return Promise.reject(new MayflyError("TOOL_FAILED", "", { evidence: "Error: web: no such image", remedy: "" }));
  };
  const podman = { run, imagesStamp: () => Promise.resolve("1") } as unknown as Podman;
  expect(await find(podman)).toBeUndefined();
  expect(await find(podman)).toMatchObject({ id: "one" });
});
