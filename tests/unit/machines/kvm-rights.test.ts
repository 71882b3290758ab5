import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import type { Podman } from "../../../provider/host/podman";
import { kvmArgs, needsGroup, opensInContainer, rightsOn } from "../../../provider/machines/kvm-rights";

const user = { uid: 1_000, gid: 1_000, groups: [1_000, 104] };
const kvm = { uid: 0, gid: 104, mode: 0o20660 };

test.each([
  ["a further group", kvm, user, true],
  ["all", { ...kvm, mode: 0o20666 }, user, false],
  ["the first group", kvm, { ...user, gid: 104 }, false],
  ["the user", { ...kvm, uid: 1_000 }, user, false],
  ["an access list", kvm, { ...user, groups: [1_000] }, false],
  ["root", kvm, { uid: 0, gid: 0, groups: [0] }, false],
])("a device that is open by way of %s", (_, device, ids, expected) => {
  expect(needsGroup(device, ids)).toBe(expected);
});

let folder: string;
let device: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-kvm-"));
  device = join(folder, "kvm");
  writeFileSync(device, "");
  chmodSync(device, 0o660); // whatever the umask
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});
/** Somebody who has the device by a further group. */
const byGroup = () => ({ uid: 1_000_000, gid: 1_000_000, groups: [statSync(device).gid] });

test("crun is asked to lend the group, where one is needed, and no other runtime is", () => {
  const plain = ["--device", device];
  expect(kvmArgs("crun", byGroup(), device)).toEqual([...plain, "--group-add", "keep-groups"]);
  expect(kvmArgs("runc", byGroup(), device)).toEqual(plain);
  expect(kvmArgs("crun", { ...byGroup(), uid: 0 }, device)).toEqual(plain);
});

test("an answer holds as long as the rights on the device, and the user's groups, are the same", () => {
  const first = rightsOn(device, byGroup());
  expect(rightsOn(device, byGroup())).toBe(first);
  expect(rightsOn(device, { ...byGroup(), groups: [] })).not.toBe(first);
  chmodSync(device, 0o666);
  expect(rightsOn(device, byGroup())).not.toBe(first);
});

test.each([
  ["crun", false, true, 0],
  ["runc", false, false, 1],
  ["runc", true, true, 1], // by an access list
])("with %s, and a container that opens it: %s", async (runtime, opens, expected, tries) => {
  const runs: string[] = [];
  const refusal = new MayflyError("TOOL_FAILED", "podman failed", { evidence: "Permission denied", remedy: "-" });
  const podman = {
    prove: () => Promise.resolve({ runtime }),
    run: (args: readonly string[]) => {
      runs.push(args.join(" "));
      return opens ? Promise.resolve("") : Promise.reject(refusal);
    },
    rootArgs: () => [],
  } as unknown as Podman;
  expect(await opensInContainer(podman, device, AbortSignal.timeout(5_000), byGroup())).toBe(expected);
  expect(runs).toHaveLength(tries);
});
