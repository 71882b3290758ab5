import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const key = new mayfly.SshKey("key");
const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("web", { image, sshKey: key, waitFor: "systemd" });
const hello = new mayfly.SshCommand("hello", {
  vm,
  create: 'uname -sr; echo "up $(cut -d. -f1 /proc/uptime) s"; systemctl is-system-running || :',
});

/** What the command printed in the new VM. */
export const report = hello.stdout;
/** Seconds from the start of the VM to a verified login. */
export const bootSeconds = vm.bootSeconds;
/** What ran its instructions: `kvm`, or `tcg` where this host's KVM cannot be used. */
export const accelerator = vm.accelerator;
/** How to log in. */
export const connect = pulumi.interpolate`ssh -F '${vm.sshConfig}' web`;
/** How to look at it from outside. */
export const look = pulumi.interpolate`podman logs mayfly-${vm.id}`;
