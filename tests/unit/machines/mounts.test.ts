import { expect, test } from "@jest/globals";
import { ownerMapping, virtiofsdCommand } from "../../../provider/machines/mounts";

const owner = { uid: 1001, gid: 1002 };

test("root maps the guest's owner to the directory's, and all others to nobody", () => {
  expect(ownerMapping({ ownerId: 1000 }, owner, false).slice(0, 6)).toEqual([
    "--uidmap",
    "0:2000000000:1000",
    "--uidmap",
    "1000:1001:1",
    "--uidmap",
    "1001:2000001001:64535",
  ]);
});

test("where guest and host agree nothing is mapped", () => {
  expect(ownerMapping({ ownerId: 0 }, { uid: 0, gid: 0 }, false)).toEqual([]);
});

test("without root's rights podman keeps the user's own id", () => {
  expect(ownerMapping({ ownerId: 0 }, owner, true)).toEqual([]);
  expect(ownerMapping({ ownerId: 1000 }, owner, true)).toEqual([
    "--userns",
    "keep-id:uid=1000,gid=1000",
    "--user",
    "0:0",
  ]);
});

test("both programs called virtiofsd serve the same directory", () => {
  expect(virtiofsdCommand({ path: "/usr/lib/qemu/virtiofsd", inRust: false })).toContain(
    "source=/source,sandbox=chroot,cache=auto",
  );
  expect(virtiofsdCommand({ path: "/usr/libexec/virtiofsd", inRust: true })).toContain("--shared-dir=/source");
});
