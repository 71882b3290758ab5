import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const config = new pulumi.Config();
const rotation = config.get("rotation") ?? "1"; // another value, other keys
const team = config.getObject<string[]>("team") ?? ["ada", "grace"];

const machineKey = new mayfly.SshKey("machine", { keepers: { rotation } });
const teamKeys = team.map((name) => ({ name, key: new mayfly.SshKey(name, { comment: name, keepers: { rotation } }) }));

const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("bastion", {
  image,
  sshKey: machineKey,
  users: teamKeys.map(({ name, key }) => ({ name, authorizedKeys: [key.publicKey] })),
});
// Not made anew by a rotation: the VM stays the same, and so does what was done on it.
const booted = new mayfly.SshCommand("booted", { vm, create: "cat /proc/sys/kernel/random/boot_id" });

/** Changes with the VM only. */
export const bootId = booted.stdout;
/** Fingerprints of the keys that are let in. */
export const keys = Object.fromEntries(teamKeys.map(({ name, key }) => [name, key.fingerprint]));
/** A private key for each of the team: `pulumi stack output --show-secrets --json logins`. */
export const logins = pulumi.secret(Object.fromEntries(teamKeys.map(({ name, key }) => [name, key.privateKey])));
/** How to log in as root. */
export const connect = pulumi.interpolate`ssh -F '${vm.sshConfig}' bastion`;
