import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const config = new pulumi.Config();
const folder = config.get("folder") ?? "project";
const alias = config.get("alias") ?? "mayfly-dev";

const key = new mayfly.SshKey("key");
const image = new mayfly.Image("debian", { debian: { packages: ["git", "make", "rsync"] } });
const vm = new mayfly.VM("dev", {
  image,
  sshKey: key,
  memory: "1GiB",
  disk: "4GiB",
  users: [{ name: "dev", sudo: true, authorizedKeys: [key.publicKey] }],
});

// Edit here, build there. What the build makes in the VM stays: `deleteExtra` would remove it.
const files = new mayfly.DirectorySync("project", {
  vm,
  source: folder,
  remotePath: "/home/dev/project",
  exclude: [".git/", "node_modules/"],
  fileOwner: "dev",
});
const build = new mayfly.SshCommand("build", {
  vm,
  create: "runuser -u dev -- make --directory=/home/dev/project",
  triggers: [files.sourceHash], // again after each change
});

// As `dev`, and without -F: editors find the VM by its name.
const ssh = new mayfly.SshConfig("ssh", { vm, alias, user: "dev", include: config.getBoolean("include") ?? true });

/** How to log in; an editor's remote mode takes the last word of it. */
export const connect = ssh.command;
/** What the build printed. */
export const report = build.stdout;
/** How many files are kept in step, and whether they are. */
export const synced = pulumi.interpolate`${files.files} files, ${files.status}`;
