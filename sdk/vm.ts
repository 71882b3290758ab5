import * as pulumi from "@pulumi/pulumi";
import type { VMInputs } from "../provider/schema/vm";
import { Image } from "./image";
import { common, pending, withSecrets, type Inputs } from "./inputs";
import { SshKey } from "./ssh-key";
import { trampoline } from "./trampoline";

const provider = trampoline("VM");

/** Arguments of {@link VM}. */
export interface VMArgs extends Omit<Inputs<VMInputs>, "image" | "sshKey"> {
  /** What to boot: a name in podman's store or a registry, or an {@link Image}. */
  image: pulumi.Input<string> | Image;
  /** The key pair that `connection` uses. Without it the VM gets one of its own. */
  sshKey?: SshKey | pulumi.Input<{ publicKey: pulumi.Input<string>; privateKey: pulumi.Input<string> }>;
}

/** What an SSH client needs; the field names are those of `remote.Command` in `@pulumi/command`. */
export interface Connection {
  host: string;
  port: number;
  user: string;
  privateKey: string;
  hostKey: string;
}

/** A port of the guest on the host. */
export interface PublishedPort {
  guest: number;
  host: number;
  hostAddress: string;
  protocol: "tcp" | "udp";
}

/**
 * A virtual machine. `up` returns when one can log in; `destroy` leaves nothing of it.
 *
 * @example
 * const image = new mayfly.Image("debian", { debian: {} });
 * const vm = new mayfly.VM("web", { image, memory: "1GiB", ports: [{ guest: 80 }] });
 */
export class VM extends pulumi.dynamic.Resource {
  /** Address of the host at which the guest's SSH server answers. */
  declare readonly host: pulumi.Output<string>;
  /** Port there. */
  declare readonly port: pulumi.Output<number>;
  /** User that `connection` logs in as. */
  declare readonly user: pulumi.Output<string>;
  /** Public host key, pinned before the first boot. */
  declare readonly hostKey: pulumi.Output<string>;
  /** All that an SSH client needs. Secret: holds the private key. */
  declare readonly connection: pulumi.Output<Connection>;
  /** Digest of the image that it booted. */
  declare readonly imageDigest: pulumi.Output<string>;
  /** What runs its instructions: `kvm` or `tcg` (emulation). */
  declare readonly accelerator: pulumi.Output<string>;
  /** Whether it started from a template. */
  declare readonly warm: pulumi.Output<boolean>;
  /** Seconds from the start of its container to a verified login. */
  declare readonly bootSeconds: pulumi.Output<number>;
  /** Its machine-id(5). */
  declare readonly machineId: pulumi.Output<string>;
  /** Path of its console's log on the host. */
  declare readonly consoleLog: pulumi.Output<string>;
  /** `running`. */
  declare readonly status: pulumi.Output<string>;
  /** The declared ports, each with the host port that it got. */
  declare readonly publishedPorts: pulumi.Output<PublishedPort[]>;
  /** Path of an OpenSSH client configuration: `ssh -F PATH HOSTNAME`. */
  declare readonly sshConfig: pulumi.Output<string>;

  /** @param args At least the image. */
  constructor(name: string, args: VMArgs, options?: pulumi.CustomResourceOptions) {
    const { image, sshKey, ...rest } = args;
    const outputs = pending(
      ...["host", "port", "user", "hostKey", "connection", "imageDigest", "acceleratorOutput", "warm", "bootSeconds"],
      ...["machineId", "consoleLog", "status", "publishedPorts", "sshConfig"],
    );
    const key = sshKey instanceof SshKey ? { publicKey: sshKey.publicKey, privateKey: sshKey.privateKey } : sshKey;
    const imageName = image instanceof Image ? image.imageName : image;
    super(
      provider,
      name,
      { ...outputs, ...rest, image: imageName, sshKey: key, ...common(name, options) },
      withSecrets(options, "connection", "sshKey"),
      "mayfly",
      "VM",
    );
    this.accelerator = (this as unknown as { acceleratorOutput: pulumi.Output<string> }).acceleratorOutput;
  }
}
