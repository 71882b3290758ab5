/** Ephemeral Linux VMs as Pulumi resources. */
export { CopyFile, type CopyFileArgs } from "./copy-file";
export { DirectorySync, type DirectorySyncArgs } from "./directory-sync";
export { Image, type ImageArgs } from "./image";
export { Network, type NetworkArgs } from "./network";
export type { Target } from "./on-vm";
export { PortForward, type PortForwardArgs } from "./port-forward";
export { SshCommand, type SshCommandArgs } from "./ssh-command";
export { SshConfig, type SshConfigArgs } from "./ssh-config";
export { SshKey, type SshKeyArgs } from "./ssh-key";
export { VM, type Connection, type Membership, type PublishedPort, type VMArgs } from "./vm";
