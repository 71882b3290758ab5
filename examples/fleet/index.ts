import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const config = new pulumi.Config();
const size = config.getNumber("size") ?? 3;
const work = config.get("work") ?? "work";

const image = new mayfly.Image("debian", { debian: {} });

// The first VM boots, its memory is saved as a template, and all others start from there, in about a second each.
const nodes = Array.from({ length: size }, (_, index) => {
  const vm = new mayfly.VM(`node${index}`, {
    image,
    warmBoot: "required", // fails where that cannot be, instead of booting each
    mounts: [{ source: work, target: "/work", readOnly: true }],
    expiresAfter: "1h",
  });
  const share = new mayfly.SshCommand(`share${index}`, {
    vm,
    create: "sh run.sh",
    directory: "/work",
    environment: { INDEX: String(index), COUNT: String(size) }, // which part of the work is this node's
    timeout: "30m",
  });
  return { vm, share };
});

/** What each node's part of the work printed. */
export const results = nodes.map(({ share }) => share.stdout);
/** From the start of each VM to a verified login, in seconds. */
export const bootSeconds = nodes.map(({ vm }) => vm.bootSeconds);
/** How to log in to each. */
export const connect = nodes.map(({ vm }, index) => pulumi.interpolate`ssh -F '${vm.sshConfig}' node${index}`);
