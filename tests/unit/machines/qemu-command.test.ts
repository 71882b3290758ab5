import { expect, test } from "@jest/globals";
import { ARCHITECTURES } from "../../../provider/architectures";
import { qemuCommand, slotCount, type Start } from "../../../provider/machines/qemu-command";
import type { Seat } from "../../../provider/machines/seats";
import type { MachineSpec } from "../../../provider/machines/spec";

const spec: MachineSpec = {
  ...{
    cpus: 2,
    memoryMiB: 512,
    scratchMiB: undefined,
    disks: [],
    swapMiB: undefined,
    labels: {},
    mounts: [],
    ports: [],
    isolated: false,
    allow: [],
    kernelArgs: ["quux=1"],
  },
  ...{ segments: [], accelerator: "tcg" },
};
const command = (
  change: Partial<MachineSpec> = {},
  start: Start = "cold",
  seats: readonly Seat[] = [],
  architecture = ARCHITECTURES.amd64,
) =>
  qemuCommand(
    "mayfly-web",
    { ...spec, ...change },
    { mac: "52:54:00:01:02:03", seats },
    { architecture, kernel: "kernel", initramfs: "initramfs-1.cpio", start, slots: start === "cold" ? 0 : 8 },
  ).join(" ");

test("memory is shared only where virtiofsd has to read it", () => {
  expect(command()).toContain("memory-backend-ram,id=ram,size=512M");
  const mount = { source: "/a", target: "/b", readOnly: true, ownerId: 0 };
  expect(command({ mounts: [mount] })).toContain("memory-backend-memfd,id=ram,size=512M,share=on");
});

test("a template's memory is a file that a clone maps for itself, or copies where virtiofsd has to read it too", () => {
  expect(command({}, "template")).toContain("mem-path=/template/memory,share=on");
  expect(command({}, "warm")).toMatch(/mem-path=\/template\/memory,share=off -incoming defer/);
  const mount = { source: "/a", target: "/b", readOnly: true, ownerId: 0 };
  const withMount = command({ mounts: [mount] }, "warm");
  expect(withMount).toMatch(/cp --sparse=always .*mem-path=\/memory\/memory,share=on/);
  expect(withMount).not.toContain("vhost-user-fs"); // plugged in after the restore
});

test("template and clone have the same devices in the same order", () => {
  const devices = (text: string) => text.match(/-device \S+/g);
  expect(devices(command({}, "warm"))).toEqual(devices(command({}, "template")));
});

test("an isolated guest is restricted, and SSH still led to it", () => {
  expect(command()).toContain("restrict=off,hostfwd=tcp::2222-:64022");
  expect(command({ isolated: true })).toContain("restrict=on,hostfwd=tcp::2222-:64022");
  const allow = [{ host: "192.0.2.7", port: 443 }]; // the container's network then keeps it in
  expect(command({ isolated: true, allow })).toContain("restrict=off,hostfwd=tcp::2222-:64022");
});

test("published ports lead from the container's port to the guest's", () => {
  const port = { guest: 53, host: 0, hostAddress: "127.0.0.1", protocol: "udp" } as const;
  expect(command({ ports: [port] })).toContain("hostfwd=udp::10000-:53");
});

test("the accelerator decides over CPU and mitigations, never over the user's kernel arguments", () => {
  expect(command()).toMatch(
    /-accel tcg,.* -cpu max,erms=off,fsrm=off .*mitigations=off .*sysctl.vm.compaction_proactiveness=0 .*quux=1/,
  );
  expect(command({ accelerator: "kvm" })).toMatch(/-accel kvm -cpu host /);
  expect(command({ accelerator: "kvm" })).not.toContain("mitigations=off");
});

test("each processor has its own machine, console and words to the kernel; the rest is the same", () => {
  const [pc, arm] = (["amd64", "arm64"] as const).map((name) => command({}, "cold", [], ARCHITECTURES[name]));
  expect(pc).toMatch(/^qemu-system-x86_64 .* -machine q35,.* -append console=ttyS0 .*no_timer_check/);
  expect(arm).toMatch(/^qemu-system-aarch64 .* -machine virt,.* -append console=ttyAMA0 /);
  expect(arm).not.toContain("no_timer_check");
  const devices = (text = "") => text.match(/-(?:device|drive|netdev|object) \S+/g);
  expect(devices(arm)).toEqual(devices(pc));
});

test("SELinux does not forbid, as no image has the guest's labels; unless the program asks for it", () => {
  expect(command()).toMatch(/ enforcing=0 quux=1/);
  expect(command({ kernelArgs: ["enforcing=1"] })).not.toContain("enforcing=0");
});

test("an emulated kernel does not count its own memory by cgroups, unless the program has a word on it", () => {
  expect(command()).toContain("cgroup.memory=nosocket,nokmem");
  expect(command({ kernelArgs: ["cgroup.memory=nobpf"] })).not.toContain("nokmem");
  expect(command({ accelerator: "kvm" })).not.toContain("cgroup.memory");
});

test("a private network is a card and a port from the start of a cold machine; a warm one gets them later", () => {
  const seat = { network: "net-1", address: "10.80.0.5", prefix: 24, mac: "52:54:00:0a:0b:0c", names: ["web"] };
  const cold = command({}, "cold", [seat]);
  expect(cold).toContain("-netdev stream,id=segment0,server=on,addr.type=unix,addr.path=/machine/segment0.sock");
  expect(cold).toContain("-device virtio-net-pci,netdev=segment0,mac=52:54:00:0a:0b:0c");
  expect(cold).toContain("-chardev pipe,id=names0,path=/machine/names0");
  for (const start of ["warm", "template"] as const) expect(command({}, start, [seat])).not.toContain("segment0");
});

const disk = { source: "/a/b.img", name: "data", format: "qcow2", readOnly: true } as const;

test("further disks are a cold machine's from the start; a warm one gets them later", () => {
  const cold = command({ disks: [disk], swapMiB: 64 });
  expect(cold).toContain("if=none,id=disk0,file=/machine/disk0,format=qcow2,readonly=on");
  expect(cold).toContain("virtio-blk-pci,drive=disk0,serial=data");
  expect(cold).toContain("virtio-blk-pci,drive=swap,serial=mayfly-swap");
  for (const start of ["warm", "template"] as const)
    expect(command({ disks: [disk], swapMiB: 64 }, start)).not.toMatch(/disk0|swap/);
});

test("mounts, private networks and disks have a slot each", () => {
  const mount = { source: "/a", target: "/b", readOnly: true, ownerId: 0 };
  const segment = { network: "net-1", subnet: "10.80.0.0/24", address: undefined, names: ["web"] };
  const slots = (mounts: number, segments: number, disks = 0) =>
    slotCount({
      mounts: Array.from({ length: mounts }, () => mount),
      segments: Array.from({ length: segments }, () => segment),
      ...{ disks: Array.from({ length: disks }, () => disk), swapMiB: disks > 0 ? 64 : undefined },
    });
  expect([slots(0, 0), slots(4, 4), slots(4, 5), slots(4, 3, 1)]).toEqual([8, 8, 16, 16]);
});
