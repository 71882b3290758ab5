/** Ephemeral Linux VMs as Pulumi resources. */
export { Image, type ImageArgs } from "./image";
export { SshCommand, type SshCommandArgs } from "./ssh-command";
export { SshKey, type SshKeyArgs } from "./ssh-key";
export { VM, type Connection, type PublishedPort, type VMArgs } from "./vm";
