import { spawnSync } from "node:child_process";
import { expect, test } from "@jest/globals";
import type { Podman } from "../../../provider/host/podman";
import { run } from "../../../provider/host/run";
import { runTogether } from "../../../provider/images/together";
import { eventually } from "../../support/eventually";

test("a program is ended with all that it has started, also by a podman between us and it", async () => {
  // As an ordinary user's podman does it: root of a user namespace, in a process of its own.
  const script: Podman["script"] = async (text, args, options) => {
    const inside = ["--user", "--map-root-user", "sh", "-euc", text, "mayfly", ...args];
    return run("sh", ["-c", 'unshare "$@"; exit $?', "podman", ...inside], options);
  };
  const mark = `7${String(process.pid)}`; // seconds, which name it among the programs of the host
  const sleeping = () =>
    spawnSync("pgrep", ["-f", `^sleep ${mark}$`], { encoding: "utf8" })
      .stdout.split("\n")
      .filter((pid) => pid !== "");
  const cancel = new AbortController();
  const ended = runTogether({ script } as unknown as Podman, ["setsid", "sh", "-c", `sleep ${mark} & sleep ${mark}`], {
    signal: cancel.signal,
  }).catch((error: unknown) => error);
  try {
    await eventually("both sleep", 30, () => sleeping().length === 2);
    cancel.abort(new Error("cancelled"));
    expect(await ended).toMatchObject({ message: "cancelled" });
    await eventually("none sleeps any more", 30, () => sleeping().length === 0);
  } finally {
    for (const pid of sleeping()) process.kill(Number(pid));
  }
});
