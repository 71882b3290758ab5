import { describe, test } from "@jest/globals";
import { self, testUser } from "../support/callers";
import { fleet } from "./core/fleet";
import { quickstart } from "./core/quickstart";
import { sandbox } from "./core/sandbox";

// One after another, so in one file: what a test has left behind is told by the user that runs it.

const isRoot = self.uid === 0;
const caller = isRoot ? testUser() : self;

describe("as an ordinary user", () => {
  const unlessDone = isRoot ? test : test.skip; // by core.test.ts

  unlessDone("quickstart: up, no-op, healing, destroy [host lacks: root's rights, so this ran as ourselves]", () =>
    quickstart(caller),
  );

  unlessDone(
    "sandbox: mounts, users, ports, a disk, out only what is allowed [host lacks: root's rights, so this ran as ourselves]",
    () => sandbox(caller),
  );

  test("fleet: clones of a template share the work, and nothing that tells them apart", () => fleet(caller));
});
