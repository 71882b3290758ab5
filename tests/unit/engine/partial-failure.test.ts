import { expect, test } from "@jest/globals";
import { wireError } from "../../../provider/engine/partial-failure";

const failed = (code: string, syscall: string) =>
  wireError(Object.assign(new Error(`${code}: no more, ${syscall} '/a'`), { code, syscall })).message;

test.each(["write", "open", "mkdir"])("a full disk is told by its name, at a file's %s", (syscall) => {
  expect(failed("ENOSPC", syscall)).toMatch(/^a disk of this host is full\n.*\nTo fix: free some space/);
});

test.each([
  ["ENOSPC", "max_user_watches"],
  ["EMFILE", "max_user_instances"],
])("watches that are used up are no full disk: %s", (code, limit) => {
  expect(failed(code, "watch")).toMatch(/^this user may watch no more files on this host\n/);
  expect(failed(code, "watch")).toContain(`sudo sysctl fs.inotify.${limit}=`);
});

test("what was not foreseen is told as it is", () => {
  expect(failed("EACCES", "watch")).toBe("Error: EACCES: no more, watch '/a'");
});
