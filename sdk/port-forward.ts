import type * as pulumi from "@pulumi/pulumi";
import type { PortForwardInputs } from "../provider/schema/port-forward";
import { common, given, isOfKind, pending, type Inputs } from "./inputs";
import { followerOptions, targetInputs, type Target } from "./on-vm";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link PortForward}. */
export interface PortForwardArgs extends Target, Omit<Inputs<PortForwardInputs>, "connection" | "vmId"> {}

/**
 * A port of this host that leads into a VM, one of the VM that leads to this host, or a SOCKS5 proxy into the VM. It
 * stays when `pulumi up` has ended, comes back by itself when the connection breaks or the VM reboots, moves to a new VM
 * with its port, and goes with its resource or its VM. All forwards of a VM share one connection.
 *
 * Fails with `PORT_TAKEN`, `CONNECT_FAILED`, `HOST_KEY_MISMATCH`.
 *
 * @example
 * const http = new mayfly.PortForward("http", { vm, guestPort: 80 });
 * export const url = pulumi.interpolate`http://${http.host}:${http.port}`;
 *
 * @example
 * new mayfly.PortForward("registry", { vm, type: "remote", hostPort: 5000, guestPort: 5000 });
 * new mayfly.PortForward("docker", { vm, hostSocket: "/run/user/1000/vm.sock", guestSocket: "/run/docker.sock" });
 */
export class PortForward extends DynamicResource {
  /** Address at which it listens: on this host, for `remote` in the VM. Empty for a socket. */
  declare readonly host: pulumi.Output<string>;
  /** Port at which it listens. 0 for a socket. */
  declare readonly port: pulumi.Output<number>;
  /** Path of the unix socket at which it listens. Empty for a port. */
  declare readonly socket: pulumi.Output<string>;

  /** @param args `vm` or `connection`, and both ends. */
  constructor(name: string, args: PortForwardArgs, options?: pulumi.CustomResourceOptions) {
    args = given(args);
    const { vm: _vm, connection: _connection, ...rest } = args;
    super(
      "PortForward",
      name,
      { ...pending("host", "port", "socket"), ...rest, ...targetInputs(args), ...common(name, options) },
      followerOptions(args, options),
    );
  }

  /** Whether an object is a PortForward, also one of another copy of this package. */
  static override isInstance(object: unknown): object is PortForward {
    return isOfKind(object, "PortForward");
  }
}
