import { readdirSync, readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const rotation = new pulumi.Config().get("rotation") ?? "1"; // another value, another key of the machine's

// Whose public key is in `team` may log in. Private keys of people have no place in a program.
const users = readdirSync("team")
  .filter((file) => file.endsWith(".pub"))
  .map((file) => ({
    name: file.slice(0, -".pub".length),
    authorizedKeys: [readFileSync(`team/${file}`, "utf8").trim()],
  }));

const machineKey = new mayfly.SshKey("machine", { keepers: { rotation } });
const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("bastion", { image, sshKey: machineKey, users });

// Does not run again after a rotation: the VM stays the same, and so does what was done on it.
const booted = new mayfly.SshCommand("booted", { vm, create: "cat /proc/sys/kernel/random/boot_id" });

/** Changes with the VM only. */
export const bootId = booted.stdout;
/** Who is let in. */
export const team = users.map(({ name }) => name);
/** How to log in as root, with the machine's key. */
export const connect = pulumi.interpolate`ssh -F '${vm.sshConfig}' bastion`;
