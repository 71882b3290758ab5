import * as pulumi from "@pulumi/pulumi";
import type { VMInputs } from "../provider/schema/vm";
import { Image, isOfDisk } from "./image";
import { common, given, isOfKind, pending, secret, withSecrets, type Inputs } from "./inputs";
import type { Network } from "./network";
import { SshKey } from "./ssh-key";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link VM}. */
export interface VMArgs extends Omit<
  Inputs<VMInputs>,
  "image" | "fromDisk" | "imageId" | "sshKey" | "networks" | "networkIds"
> {
  /** What to boot: a name in podman's store or a registry, or an {@link Image}. */
  image: pulumi.Input<string> | Image;
  /**
   * The key that `connection` uses, secret: by its private half, or by the agent that has it. With the public half alone
   * the VM lets that key in too, and `connection` uses a pair of the VM's own. A change applies to the running VM.
   * @default a pair of the VM's own, never shared
   */
  sshKey?:
    | SshKey
    | pulumi.Input<{
        publicKey: pulumi.Input<string>;
        privateKey?: pulumi.Input<string | undefined>;
        agentSocketPath?: pulumi.Input<string | undefined>;
      }>
    | undefined;
  /**
   * Private networks that the VM is in, beside its way out (`network`): `{ network, address?, aliases? }` each, at most 8.
   * The VMs of a network find each other by host name and by `aliases`. `address` is the VM's own there, by default a free
   * one; see the output `addresses`. @default []
   */
  networks?: Membership[] | undefined;
}

/** A VM's place in a {@link Network}. */
export interface Membership {
  /** The network. */
  network: Network;
  /**
   * The VM's address in it. Fails with `ADDRESS_TAKEN` when another VM has it.
   * @default a free one, out of the host name, so that it is mostly the same again
   */
  address?: pulumi.Input<string> | undefined;
  /** Names beside the host name by which the network's VMs find this one. @default [] */
  aliases?: pulumi.Input<pulumi.Input<string>[]> | undefined;
}

/** What an SSH client needs; the field names are those of `remote.Command` in `@pulumi/command`. */
export interface Connection {
  /** Address on the host. */
  host: string;
  /** Port there. */
  port: number;
  /** User to log in as. */
  user: string;
  /** OpenSSH's form, without passphrase; absent for a key in an agent. */
  privateKey?: string;
  /** Socket of the ssh-agent that has the key; absent for all others. */
  agentSocketPath?: string;
  /** The only host key to accept, one line of OpenSSH's form. */
  hostKey: string;
}

/** A port of the guest on the host. */
export interface PublishedPort {
  /** Port in the guest. */
  guest: number;
  /** Port on the host: the one that was asked for, or the free one that was found. */
  host: number;
  /** Address on the host. */
  hostAddress: string;
  protocol: "tcp" | "udp";
}

/**
 * A virtual machine on this host. `up` returns when one can log in; `destroy` leaves nothing of it. A VM that died, by a
 * reboot of the host or a kill, comes back at the next `up`, and what depends on it with it.
 *
 * Fails with `IMAGE_NOT_FOUND`, `IMAGE_NOT_BOOTABLE`, `PORT_TAKEN`, `KVM_UNUSABLE`, `BOOT_FAILED` and `BOOT_TIMEOUT`
 * (both with the last lines of the console), `NO_TEMPLATE`, `NO_MEMORY`, `ADDRESS_TAKEN`, `NETWORK_FAILED`,
 * `PODMAN_UNUSABLE`, `TOOL_MISSING`, `DISK_FULL`. Invalid inputs are reported at preview, all together, each by its field.
 *
 * @example
 * const image = new mayfly.Image("debian", { debian: {} });
 * const vm = new mayfly.VM("web", { image, memory: "1GiB", ports: [{ guest: 80 }] });
 * export const login = pulumi.interpolate`ssh -F ${vm.sshConfig} web`;
 *
 * @example
 * const vm = new mayfly.VM("dev", {
 *   image,
 *   mounts: [{ source: ".", target: "/work", owner: "dev" }],
 *   users: [{ name: "dev", sudo: true, authorizedKeys: ["ssh-ed25519 AAAA…"] }],
 * });
 */
export class VM extends DynamicResource {
  /** Address of the host at which the guest's SSH server answers. */
  declare readonly host: pulumi.Output<string>;
  /** Port there; another one for every VM. */
  declare readonly port: pulumi.Output<number>;
  /** User that `connection` logs in as: root, or with `rootLogin: false` the first of `users`. */
  declare readonly user: pulumi.Output<string>;
  /** Public host key, one line of OpenSSH's form: made for this VM, and pinned before its first boot. */
  declare readonly hostKey: pulumi.Output<string>;
  /** All that an SSH client needs; also fits `remote.Command` of `@pulumi/command`. Secret: holds the private key. */
  declare readonly connection: pulumi.Output<Connection>;
  /** Digest of the image that it booted. */
  declare readonly imageDigest: pulumi.Output<string>;
  /** What runs its instructions: `kvm`, or `tcg` (emulation). */
  declare readonly accelerator: pulumi.Output<"kvm" | "tcg">;
  /** Whether it started from a template. */
  declare readonly warm: pulumi.Output<boolean>;
  /** Seconds from the start of its container to a verified login. */
  declare readonly bootSeconds: pulumi.Output<number>;
  /** Its machine-id(5). */
  declare readonly machineId: pulumi.Output<string>;
  /** Path of its console's log on the host. */
  declare readonly consoleLog: pulumi.Output<string>;
  /**
   * `running`, or `ended` where a refresh has seen that it does not run any more. When `up` finds it dead, it is this output
   * that Pulumi shows as the reason to replace it.
   */
  declare readonly status: pulumi.Output<string>;
  /** The declared ports, each with the host port that it got. */
  declare readonly publishedPorts: pulumi.Output<PublishedPort[]>;
  /** Its address in each of `networks`, in their order. */
  declare readonly addresses: pulumi.Output<string[]>;
  /**
   * Path of the log of Mayfly's own SSH sessions on it: one JSON object a line, who connected, with which key, for which
   * resource, how much, and how it ended. Of commands it has a hash; the text only of those that were typed as arguments of
   * `mayfly`.
   */
  declare readonly sessionLog: pulumi.Output<string>;
  /** Path of an OpenSSH client configuration: `ssh -F PATH HOSTNAME`, where the host name is that of the guest. */
  declare readonly sshConfig: pulumi.Output<string>;

  /** @param args At least the image. */
  constructor(name: string, args: VMArgs, options?: pulumi.CustomResourceOptions) {
    const { image, sshKey, networks, userData, ignition, ...rest } = given(args);
    const outputs = pending(
      ...["host", "port", "user", "hostKey", "connection", "imageDigest", "acceleratorOutput", "warm", "bootSeconds"],
      ...["machineId", "consoleLog", "status", "publishedPorts", "addresses", "sessionLog", "sshConfig"],
    );
    const named = {
      image: Image.isInstance(image) ? image.imageName : image,
      fromDisk: Image.isInstance(image) ? isOfDisk(image) : undefined,
      imageId: Image.isInstance(image) ? image.id : undefined,
      ...{ userData: secret(userData), ignition: secret(ignition) },
      sshKey: secret(SshKey.isInstance(sshKey) ? sshKey.login : sshKey),
    };
    super(
      "VM",
      name,
      { ...outputs, ...rest, ...named, ...places(networks), ...common(name, options) },
      withSecrets(options, "connection", "sshKey", "userData", "ignition"),
    );
    networkNames.set(this, pulumi.all((networks ?? []).map(({ network }) => nameOf(network))));
    // On the wire this output has a name of its own beside the input `accelerator`: provider/engine/state.ts.
    this.accelerator = (this as unknown as { acceleratorOutput: pulumi.Output<"kvm" | "tcg"> }).acceleratorOutput;
  }

  /** Whether an object is a VM, also one of another copy of this package. */
  static override isInstance(object: unknown): object is VM {
    return isOfKind(object, "VM");
  }
}

/** The names of the networks that a VM of this program is in: of the output of that name at first no part is known. */
const networkNames = new WeakMap<VM, pulumi.Output<string[]>>();

/** The names of a VM's networks, in their order; known at preview. */
export function networksOf(vm: VM): pulumi.Output<string[]> {
  const known = networkNames.get(vm);
  if (known !== undefined) return known;
  // Of another copy of this package.
  const { networks } = vm as unknown as { networks?: pulumi.Output<{ network: string }[] | undefined> };
  return pulumi.output(networks).apply((memberships = []) => memberships.map(({ network }) => network));
}

/** A network's name in its program, which is known before it is made. */
function nameOf(network: Network): pulumi.Output<string> {
  return network.urn.apply((urn) => urn.slice(urn.lastIndexOf("::") + 2));
}

/** The wire's form of a VM's networks: what is known of them at preview, and apart from that their ids, which are not. */
function places(networks: readonly Membership[] | undefined): Record<string, unknown> {
  return {
    networks: networks?.map(({ network, address, aliases }) => ({
      network: nameOf(network),
      ...{ subnet: network.subnet, address, aliases },
    })),
    networkIds: networks?.map(({ network }) => network.id),
  };
}
