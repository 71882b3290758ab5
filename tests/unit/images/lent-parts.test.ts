import { expect, test } from "@jest/globals";
import { withLoader } from "../../../provider/images/lent-parts";

const program = (loader: string) => Buffer.from(`\x7fELF\0\x01${loader}\0rest`, "latin1");

test("a program gets another loader without a byte being moved", () => {
  const patched = withLoader(program("/lib64/ld-linux-x86-64.so.2"));
  expect(patched.toString("latin1")).toBe("\x7fELF\0\x01/usr/lib/mayfly/ssh/ld.so\0\0\0rest");
});

test("a program with another loader is left alone", () => {
  expect(() => withLoader(program("/lib/ld-musl-x86_64.so.1"))).toThrow("does not name /lib64/ld-linux-x86-64.so.2");
});
