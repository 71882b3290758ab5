import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import type { Podman } from "../../../provider/host/podman";
import { findImage, pinned, resolveImage } from "../../../provider/images/store";
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

/** A podman whose registry has a name for two processors; in its store the name is that of the form that was pulled last. */
function storeOfForms(forms: Readonly<Record<string, string>>): Podman {
  let last = "";
  const inspect = (name: string) => {
    const [, id = last] = /^([0-9a-f]+)$/.exec(name) ?? [];
    const [Architecture = ""] = Object.entries(forms).find(([, one]) => one === id) ?? [];
    const names = [`r.io/app@sha256:list`, `r.io/app@sha256:of-${Architecture}`];
    return JSON.stringify([{ Id: id, Digest: "sha256:list", RepoDigests: id === last ? names : [], Architecture }]);
  };
  const run = async ([verb, ...args]: readonly string[]) => {
    if (verb === "image") return inspect(args.at(-1) ?? "");
    await sleep(0); // both are at it, if they are let
    last = forms[args[1] ?? ""] ?? "";
    await sleep(0);
    return `${last}\n`;
  };
  return { run, imagesStamp: () => Promise.resolve(undefined) } as unknown as Podman;
}

test("two forms of an image that are pulled at a time are not taken for each other, and are pinned by names of their own", async () => {
  const locks = mkdtempSync(join(tmpdir(), "mayfly locks "));
  try {
    const podman = storeOfForms({ amd64: "a1", arm64: "a2" });
    const forms = ["amd64", "arm64"] as const;
    const pulled = await Promise.all(
      forms.map((architecture) =>
        resolveImage(podman, "r.io/app:latest", signal, () => undefined, locks, { policy: "always", architecture }),
      ),
    );
    expect(pulled.map((image) => pinned("r.io/app:latest", image))).toEqual([
      "r.io/app@sha256:of-amd64",
      "r.io/app@sha256:of-arm64",
    ]);
  } finally {
    rmSync(locks, { recursive: true });
  }
});
