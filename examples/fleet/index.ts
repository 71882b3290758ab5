import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const size = new pulumi.Config().getNumber("size") ?? 3;

const image = new mayfly.Image("debian", { debian: {} });
const vms = Array.from(
  { length: size },
  (_, index) =>
    new mayfly.VM(`node${index}`, {
      image,
      warmBoot: "required", // boots once, saves that, and starts all from it
      mounts: [{ source: ".", target: "/srv/program", readOnly: true }],
    }),
);
const facts = vms.map(
  (vm, index) =>
    new mayfly.SshCommand(`facts${index}`, {
      vm,
      create: [
        "hostname",
        "cat /etc/machine-id /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid",
        "head -c 16 /dev/urandom | base64",
        "systemd-run --quiet --pipe cut -d ' ' -f 28 /proc/self/stat", // where the stack of a new service starts
      ].join("; "),
      delete: "true",
    }),
);
const states = vms.map(
  (vm, index) =>
    new mayfly.SshCommand(`state${index}`, {
      vm,
      create: "systemctl is-system-running; date +%s; ls /srv/program/index.ts",
    }),
);

/** What must differ between any two machines. */
export const identities = facts.map((command, index) => ({ facts: command.stdout, hostKey: vms[index]?.hostKey }));
/** What must hold for each. */
export const machines = states.map((command, index) => ({ state: command.stdout, warm: vms[index]?.warm }));
/** From the start of a VM's container to a verified login. */
export const seconds = vms.map((vm) => vm.bootSeconds);
