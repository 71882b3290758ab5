import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import { startFromImage } from "../../../provider/machines/image-start";
import type { ImagePlan } from "../../../provider/machines/plan";
import { RestoreFailed } from "../../../provider/machines/trouble";
import { failureOf } from "../../support/context";

// What becomes of a template, and of the machine, when a warm boot fails at one of its steps.

type Step = "furnish" | "launch" | "handOver";

let shared: string;
let removed: string[];
let isThere: boolean;

beforeEach(() => {
  shared = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  removed = [];
  isThere = true;
});
afterEach(() => {
  rmSync(shared, { recursive: true, force: true });
});

const plan = (warmBoot: ImagePlan["warmBoot"] = "auto") =>
  ({
    ...{ warmBoot, waits: true, bootTimeout: 60, owner: { project: "p", stack: "s", resource: "web" } },
    spec: { accelerator: "tcg", cpus: 1, memoryMiB: 256, mounts: [], disks: [], segments: [], kernelArgs: [] },
    boot: { version: "1", kernel: "/k", architecture: "amd64" },
  }) as unknown as ImagePlan;

/** Starts a machine whose first attempt fails at a step, with an error or what makes one; says how it started. */
async function start(failing: Step, error: Error | (() => Error), asked = plan()): Promise<string> {
  let hasFailed = false;
  const failOnce = (step: Step) => {
    if (step !== failing || hasFailed) return Promise.resolve({});
    hasFailed = true;
    return Promise.reject(typeof error === "function" ? error() : error);
  };
  let how = "";
  const launcher = {
    furnish: () => failOnce("furnish"),
    launch: (_id: string, _plan: unknown, { start: road }: { start: string }) => {
      how = road;
      return failOnce("launch");
    },
    handOver: () => failOnce("handOver"),
    waitListening: () => Promise.resolve(),
    started: () => Promise.resolve({}),
  };
  const template = { key: "k", folder: shared, state: "digest", runsCommands: true };
  const templates = {
    find: () => Promise.resolve(isThere ? template : undefined),
    remove: (key: string) => Promise.resolve(removed.push(key)),
  };
  const tools = {
    ...{ launcher, workshop: { templates }, podman: { run: () => Promise.resolve("") } },
    shelf: { parts: () => Promise.resolve([]), shared: () => shared, consoleLog: () => "" },
    turns: { take: (_spec: unknown, _progress: unknown, work: () => unknown) => work() },
  };
  const progress = {
    ...{ signal: AbortSignal.timeout(20_000), say: () => undefined },
    step: (_title: string, work: () => unknown) => work(),
  };
  await startFromImage("web-1", asked, tools as never, progress as never);
  return how;
}

const bootFailed = new MayflyError("BOOT_FAILED", "qemu ended", { remedy: "-" });
const toolFailed = new MayflyError("TOOL_FAILED", "podman failed", { remedy: "-" });
const tooManyFiles = Object.assign(new Error("too many open files"), { code: "EMFILE", syscall: "open" });

test.each<[string, Step, Error, readonly string[]]>([
  ["its restore fails", "handOver", new RestoreFailed(bootFailed), ["k"]],
  ["qemu refuses it", "handOver", new RestoreFailed(new Error("qemu refused")), ["k"]],
  ["the host lacks something meanwhile", "handOver", new RestoreFailed(tooManyFiles), []],
  ["the restored guest fails later", "handOver", bootFailed, []],
  ["qemu does not start", "launch", bootFailed, []],
])("where %s a boot through the kernel follows, and who is to blame goes", async (_, step, error, expected) => {
  expect(await start(step, error)).toBe("cold");
  expect(removed).toEqual(expected);
});

test.each<[string, Step, Error]>([
  ["a mount", "launch", toolFailed],
  ["the identity", "handOver", new RestoreFailed(toolFailed)],
])("a failure of %s is one on either road, and leaves the template to others", async (_, step, error) => {
  expect(await failureOf(start(step, error))).toBe(toolFailed);
  expect(removed).toEqual([]);
});

test.each<Step>(["furnish", "launch"])("a template that is gone by %s is a reason for the other road", async (step) => {
  const removal = () => {
    isThere = false;
    return toolFailed;
  };
  expect(await start(step, removal)).toBe("cold");
  expect(removed).toEqual([]);
});

test("who wants a template or nothing gets the failure itself", async () => {
  expect(await failureOf(start("handOver", new RestoreFailed(bootFailed), plan("required")))).toBe(bootFailed);
});
