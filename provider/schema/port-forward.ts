import { z } from "zod";
import { portOrZero, text } from "./fields";
import { target } from "./remote-fields";

const SOCKET_WANTED = "must be an absolute path of a unix socket, of at most 107 bytes";

/** Path of a unix socket; the kernel takes no longer one (unix(7)). */
const socketPath = z
  .string({ error: SOCKET_WANTED })
  .regex(/^\/[^\0]+$/, SOCKET_WANTED)
  .refine((path) => Buffer.byteLength(path) <= 107, SOCKET_WANTED);

/** Inputs of {@link PortForward}. */
export const portForwardSchema = z
  .strictObject({
    /** Where to connect, and the VM. Changes move the forward, and it keeps its port. */
    ...target,
    /**
     * `local`: a port of this host that leads into the VM. `remote`: a port of the VM that leads to this host.
     * `dynamic`: a SOCKS5 proxy on this host, whose connections go out from the VM. @default "local"
     */
    type: z.enum(["local", "remote", "dynamic"]).default("local"),
    /**
     * Address on this host: to listen at, or for `remote` to connect to. Others than 127.0.0.1 and ::1 let other hosts
     * in. @default "127.0.0.1"
     */
    hostAddress: text.default("127.0.0.1"),
    /** Port on this host; 0 is a free one, then kept. Required for `remote`, unless there is `hostSocket`. @default 0 */
    hostPort: portOrZero.optional(),
    /** A unix socket on this host, instead of address and port. */
    hostSocket: socketPath.optional(),
    /** Address in the VM, or a name as the VM knows it: to connect to, or for `remote` to listen at. @default "127.0.0.1" */
    guestAddress: text.default("127.0.0.1"),
    /** Port in the VM. For `remote` 0 is a free one, then kept. */
    guestPort: portOrZero.optional(),
    /** A unix socket in the VM, instead of address and port. */
    guestSocket: socketPath.optional(),
  })
  .superRefine((inputs, context) => {
    for (const [path, message] of contradictions(inputs)) context.addIssue({ code: "custom", path: [path], message });
  });

interface Ends {
  readonly type: "local" | "remote" | "dynamic";
  readonly hostPort?: number | undefined;
  readonly hostSocket?: string | undefined;
  readonly guestPort?: number | undefined;
  readonly guestSocket?: string | undefined;
}

/** What can't be meant, by the field that is to be changed. */
function contradictions({ type, hostPort, hostSocket, guestPort, guestSocket }: Ends): [field: string, why: string][] {
  const isNowhere = (port: number | undefined, socket: string | undefined) => socket === undefined && !port;
  const guestField = guestPort === undefined ? "guestSocket" : "guestPort";
  const rules: [isBroken: boolean, field: string, why: string][] = [
    [hostPort !== undefined && hostSocket !== undefined, "hostSocket", "can't be set beside hostPort"],
    [guestPort !== undefined && guestSocket !== undefined, "guestSocket", "can't be set beside guestPort"],
    [type === "local" && isNowhere(guestPort, guestSocket), "guestPort", `is required, or else guestSocket: ${TO_VM}`],
    [type === "remote" && isNowhere(hostPort, hostSocket), "hostPort", `is required, or else hostSocket: ${TO_HOST}`],
    [
      type === "dynamic" && (guestPort ?? guestSocket) !== undefined,
      guestField,
      "is not for dynamic: clients say where to",
    ],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, field, why]) => [field, why]);
}

const TO_VM = "what in the VM does the forward lead to?";
const TO_HOST = "what on this host does the forward lead to?";

/** What a program may write. */
export type PortForwardInputs = z.input<typeof portForwardSchema>;
/** Checked, defaults filled in. */
export type PortForwardSpec = z.output<typeof portForwardSchema>;
