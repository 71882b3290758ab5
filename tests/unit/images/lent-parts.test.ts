import { expect, test } from "@jest/globals";
import { asLent } from "../../../provider/images/lent-parts";

const LOADER = "/lib64/ld-linux-x86-64.so.2";
const program = (...paths: string[]) => Buffer.from(`\x7fELF\0\x01${paths.join("\0")}\0rest`, "latin1");

test("a program gets other paths without a byte being moved", () => {
  expect(asLent(program(LOADER, "/run/sshd.pid", "/run/sshd"), LOADER).toString("latin1")).toBe(
    "\x7fELF\0\x01/usr/lib/mayfly/ssh/ld.so\0\0\0/run/sshd.pid\0/etc/sshd\0rest",
  );
});

test.each([
  ["loader", LOADER, program("/lib/ld-musl-x86_64.so.1", "/run/sshd")],
  ["empty folder", "/run/sshd", program(LOADER, "/run/sshd.pid")],
])("a program with another %s than %s is left alone", (what, path, other) => {
  expect(() => asLent(other, LOADER)).toThrow(`does not name ${path} as its ${what}`);
});
