import { expect, test } from "@jest/globals";
import { ownerMapping, virtiofsdCommand, virtiofsdUser } from "../../../provider/machines/mounts";

const owner = { uid: 1001, gid: 1002 };

test("root maps the guest's owner to the directory's, and all others to nobody", () => {
  expect(ownerMapping({ ownerId: 1000 }, owner, false)).toEqual([
    ...["--uidmap", "0:2000000000:1000", "--uidmap", "1000:1001:1", "--uidmap", "1001:2000001001:64535"],
    ...["--gidmap", "0:2000000000:1000", "--gidmap", "1000:1002:1", "--gidmap", "1001:2000001001:64535"],
  ]);
});

test("virtiofsd is the mount's owner where the guest's root is to act as the owner", () => {
  expect(virtiofsdUser({ ownerId: 1000 }, true)).toEqual(["--user", "1000:1000", "--passwd=false"]);
  expect(virtiofsdUser({ ownerId: 1000 }, false)).toEqual(["--user", "0:0", "--passwd=false"]);
});

test("only what is root's on both sides stays unmapped: the same id of another user is not the guest's root's to take", () => {
  expect(ownerMapping({ ownerId: 0 }, { uid: 0, gid: 0 }, false)).toEqual([]);
  expect(ownerMapping({ ownerId: 1000 }, { uid: 1000, gid: 1000 }, false)).toContain("0:2000000000:1000");
  expect(ownerMapping({ ownerId: 0 }, owner, false)).toContain("0:1001:1");
});

test("without root's rights podman keeps the user's own id", () => {
  expect(ownerMapping({ ownerId: 0 }, owner, true)).toEqual([]);
  expect(ownerMapping({ ownerId: 1000 }, owner, true)).toEqual(["--userns", "keep-id:uid=1000,gid=1000"]);
});

test("both programs called virtiofsd serve the same directory", () => {
  expect(virtiofsdCommand({ path: "/usr/lib/qemu/virtiofsd", inRust: false })).toContain(
    "source=/source,sandbox=chroot,cache=auto,modcaps=-mknod:-setfcap:-fsetid",
  );
  expect(virtiofsdCommand({ path: "/usr/libexec/virtiofsd", inRust: true })).toContain("--shared-dir=/source");
});
