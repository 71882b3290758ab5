import { z } from "zod";
import { filledFrom } from "./filled-from";

/** How a value is shown in an error: short, and never a whole key. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? `"${value}"` : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** An error text that says what was wanted and what was seen. */
function wanted(what: string): { error: (issue: { input?: unknown }) => string } {
  return {
    error: ({ input }) => (input === undefined ? `is required: ${what}` : `must be ${what}, got ${shown(input)}`),
  };
}

/** A TCP or UDP port, 1 to 65535. */
export const port = z
  .int(wanted("a port from 1 to 65535"))
  .min(1, wanted("a port from 1 to 65535"))
  .max(65_535, wanted("a port from 1 to 65535"));

/** A port, or 0 for "take a free one". */
export const portOrZero = z.union([z.literal(0), port], wanted("a port from 1 to 65535, or 0 for a free one"));

const SIZE_UNITS: Readonly<Record<string, number>> = {
  MiB: 1,
  GiB: 1_024,
  TiB: 1_048_576,
  M: 1,
  G: 1_024,
  T: 1_048_576,
};
const SIZE = /^(\d+(?:\.\d+)?)\s*(MiB|GiB|TiB|M|G|T)$/;
const SIZE_WANTED = 'a size such as "512MiB" or "2GiB", or a number of MiB';

/** Reads a size as MiB; `undefined` when the text is none. Binary units, as qemu and podman mean them. */
function parseSize(text: string | number): number | undefined {
  if (typeof text === "number") return Number.isInteger(text) && text > 0 ? text : undefined;
  const [, count, unit = ""] = SIZE.exec(text.trim()) ?? [];
  const size = Number(count) * (SIZE_UNITS[unit] ?? Number.NaN);
  return Number.isInteger(size) && size > 0 ? size : undefined;
}

/** A size: `"512MiB"`, `"2GiB"`, or a number of MiB. Read as MiB. */
export const size = z
  .union([z.string(), z.number()], wanted(SIZE_WANTED))
  .refine((value) => parseSize(value) !== undefined, wanted(SIZE_WANTED))
  .transform((value) => parseSize(value) ?? 0);

const DURATION_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const DURATION_WANTED = 'a duration above zero: a number of seconds, or a text such as "90s", "5m", "2h", "1d"';

/** Reads a duration as seconds; `undefined` when the text is none. */
function parseDuration(text: string | number): number | undefined {
  if (typeof text === "number") return Number.isFinite(text) && text > 0 ? text : undefined;
  const [, count, unit = "s"] = /^(\d+(?:\.\d+)?)\s*([smhd])?$/.exec(text.trim()) ?? [];
  const seconds = Number(count) * (DURATION_UNITS[unit] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

/** A duration: a number of seconds, or `"90s"`, `"5m"`, `"2h"`, `"1d"`. Read as seconds. */
export const duration = z
  .union([z.string(), z.number()], wanted(DURATION_WANTED))
  .refine((value) => parseDuration(value) !== undefined, wanted(DURATION_WANTED))
  .transform((value) => parseDuration(value) ?? 0);

/** A text that is not empty. */
export const text = z.string(wanted("a text")).min(1, wanted("a text that is not empty"));

/** A name as podman takes it: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, or an image's id. Grammar of containers/image. */
const IMAGE_NAME =
  /^(?:(?:localhost|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
const IMAGE_WANTED =
  "the name of an OCI image, such as localhost/x or quay.io/x/y:tag: lower-case letters, digits, . _ - and / and no transport before it";

/** The name of an OCI image. Says nothing on whether there is one. */
export const imageName = z.string(wanted(IMAGE_WANTED)).regex(IMAGE_NAME, wanted(IMAGE_WANTED));

/** Text of a command. May be longer than a process's arguments. */
export const commandText = text.regex(/^[^\0]*$/, wanted("a text without NUL; binary data go to stdin"));

/** A host name: letters, digits and hyphens, at most 63, as RFC 1123 has it. */
export const hostname = z
  .string(wanted("a host name"))
  .regex(/^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/, wanted("a host name: letters, digits and hyphens, at most 63"));

/** A Linux user name, as useradd(8) of Debian takes it. */
export const userName = z
  .string(wanted("a user name"))
  .regex(/^[a-z_][a-z0-9_-]{0,31}$/, wanted("a user name: lower-case letters, digits, _ and -, at most 32"));

/** Whether a key's data are what its type says: they begin with the length of the type, and the type itself. */
function isKeyOf(type: string, base64: string): boolean {
  const data = Buffer.from(base64, "base64");
  const name = Buffer.from(type);
  const isNamed =
    data.length > 4 && data.readUInt32BE(0) === name.length && data.subarray(4, 4 + name.length).equals(name);
  return isNamed && data.length > 4 + name.length + 32; // the shortest key, ed25519, is of 32 bytes
}

const KEY_LINE =
  /^(?:[^\n\r]* )?(ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) ([A-Za-z0-9+/]+={0,3})(?: [^\n\r]*)?$/;

/** One line of an `authorized_keys` file, as sshd(8) reads it: a public key, options before it allowed. */
export const publicKeyLine = z
  .string(wanted("a public key in OpenSSH's form"))
  .trim()
  .refine((line) => {
    const [, type = "", base64 = ""] = KEY_LINE.exec(line) ?? [];
    return isKeyOf(type, base64);
  }, wanted("a public key in OpenSSH's form, such as the text of ~/.ssh/id_ed25519.pub"));

/** An absolute path in the guest. */
export const guestPath = z
  .string(wanted("an absolute path in the guest"))
  .regex(/^\/(?!$)[^\0\n\t]*$/, wanted("an absolute path in the guest, such as /srv/site"))
  .refine((path) => !path.split("/").includes(".."), wanted("a path without .."));

/** The same for an entry of /etc/passwd, where a colon ends a field: passwd(5). */
export const passwdPath = guestPath.refine((path) => !path.includes(":"), wanted("a path without a colon"));

/** Environment variables. Names as the shell takes them. */
export const environment = z.record(
  z.string().regex(/^[A-Za-z_]\w*$/, wanted("a variable's name: letters, digits and _, no digit first")),
  z.string(wanted("a text")).regex(/^[^\0]*$/, wanted("a text without NUL")),
  wanted("variables by name"),
);

/** Fields that a hop through another host needs; the same as those of a connection, but for another hop. */
const hop = {
  /** Host name or address. */
  host: text,
  /** SSH port. @default 22 */
  port: port.default(22),
  /** User to log in as. @default "root" */
  user: text.default("root"),
  /** Password. A key is tried first when both are given. Secret. */
  password: text.optional(),
  /** Private key: the text of an OpenSSH, PEM or PKCS#8 file. Secret. */
  privateKey: text.optional(),
  /** Passphrase of `privateKey`. Secret. */
  privateKeyPassword: text.optional(),
  /** Socket of an ssh-agent to ask for keys. Only used when named. */
  agentSocketPath: text.optional(),
  /**
   * The server's public host key, as a line of OpenSSH (`ssh-ed25519 AAAA…`). Required: a connection to a host that
   * cannot prove itself is refused. `ssh-keyscan HOST` prints it; compare it by another way before you trust it.
   */
  hostKey: z.string(wanted("the server's public host key (`ssh-keyscan HOST` prints it)")).pipe(publicKeyLine),
  /** Attempts to reach the host before giving up; -1 never gives up before the deadline. @default 10 */
  dialErrorLimit: z.int().min(-1).default(10),
  /** Longest time for one attempt, in seconds; 0 has no limit but the deadline. @default 15 */
  perDialTimeout: z.number().min(0).default(15),
};

/** A hop without anything to log in with can't work; better to hear so at preview. */
function needsProof(
  server: Partial<z.output<z.ZodObject<typeof hop>>> & { readonly keyOf?: string | undefined },
  context: z.RefinementCtx,
): void {
  if ((server.privateKey ?? server.password ?? server.agentSocketPath ?? server.keyOf) !== undefined) return;
  const message = "is required: or else password, or agentSocketPath, to log in with";
  context.addIssue({ code: "custom", path: ["privateKey"], message });
}

/** What an SSH client needs. The field names are those of `remote.Command` in `@pulumi/command`. */
export const connection = z
  .strictObject(
    {
      ...hop,
      /**
       * The id of a VM, instead of something to log in with: its folder on this host has its key. Set by `vm`, so that no
       * other resource's state holds that key.
       *
       * @internal
       */
      keyOf: filledFrom("privateKey", text.optional()),
      /** Another SSH host to go through (OpenSSH's ProxyJump). */
      proxy: z.strictObject(hop).superRefine(needsProof).optional(),
    },
    { error: ({ input }) => (input === undefined ? "is required, or else vm" : undefined) },
  )
  .superRefine(needsProof);
