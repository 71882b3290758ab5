import { expect, test } from "@jest/globals";
import { qemuCommand } from "../../../provider/machines/qemu-command";
import type { MachineSpec } from "../../../provider/machines/spec";

const spec: MachineSpec = {
  ...{ cpus: 2, memoryMiB: 512, scratchMiB: undefined, mounts: [], ports: [], isolated: false, kernelArgs: ["quux=1"] },
  accelerator: "tcg",
};
const command = (change: Partial<MachineSpec> = {}) =>
  qemuCommand(
    "mayfly-web",
    { ...spec, ...change },
    { mac: "52:54:00:01:02:03" },
    { initramfs: "initramfs-1.cpio" },
  ).join(" ");

test("memory is shared only where virtiofsd has to read it", () => {
  expect(command()).toContain("memory-backend-ram,id=ram,size=512M");
  const mount = { source: "/a", target: "/b", readOnly: true, ownerId: 0 };
  expect(command({ mounts: [mount] })).toContain("memory-backend-memfd,id=ram,size=512M,share=on");
});

test("an isolated guest is restricted, and SSH still led to it", () => {
  expect(command()).toContain("restrict=off,hostfwd=tcp::2222-:22");
  expect(command({ isolated: true })).toContain("restrict=on,hostfwd=tcp::2222-:22");
});

test("published ports lead from the container's port to the guest's", () => {
  const port = { guest: 53, host: 0, hostAddress: "127.0.0.1", protocol: "udp" } as const;
  expect(command({ ports: [port] })).toContain("hostfwd=udp::10000-:53");
});

test("the accelerator decides over CPU and mitigations, never over the user's kernel arguments", () => {
  expect(command()).toMatch(/-accel tcg,.* -cpu max .*mitigations=off quux=1/);
  expect(command({ accelerator: "kvm" })).toMatch(/-accel kvm -cpu host /);
  expect(command({ accelerator: "kvm" })).not.toContain("mitigations=off");
});
