import { test } from "@jest/globals";
import { self } from "../support/callers";
import { quickstart } from "./core/quickstart";
import { sandbox } from "./core/sandbox";

const as = `as ${self.title}`;

test(`up boots a real VM, a second up is a no-op, a killed qemu is healed, destroy leaves nothing: ${as}`, () =>
  quickstart(self));

test(`mounts, users, ports, a disk and out only what is allowed: ${as}`, () => sandbox(self));
