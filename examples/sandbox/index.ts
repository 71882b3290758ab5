import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const config = new pulumi.Config();
const share = config.get("share") ?? "share";
const allow = config.getObject<string[]>("allow") ?? []; // such as ["deb.debian.org:80"]

const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("sandbox", {
  image,
  cpus: 1,
  disk: "1GiB",
  expiresAfter: "4h",
  network: "isolated", // SSH and the port below reach it
  allow, // and it reaches this, nothing else
  users: [{ name: "dev", sudo: true }],
  mounts: [
    // What dev writes there is yours on the host, and yours is dev's in the VM.
    { source: share, target: "/home/dev/share", owner: "dev" },
    { source: share, target: "/mnt/share", readOnly: true },
  ],
  ports: [{ guest: 8080 }],
});

/** How to log in. */
export const connect = pulumi.interpolate`ssh -F '${vm.sshConfig}' sandbox`;
/** Where the VM's port 8080 is on this host. */
export const address = vm.publishedPorts.apply(([port]) => `${port.hostAddress}:${port.host}`);
