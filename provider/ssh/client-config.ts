import { MayflyError } from "../errors";
import { parseHostKey } from "./host-key";

/** What OpenSSH's client needs to reach one machine by name. */
export interface ClientConfig {
  /** The name: `ssh ALIAS`. Also the name under which the host key is pinned. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Path of the private key, readable by its user only. */
  readonly identityFile: string;
  /** Path of a file with {@link renderKnownHosts}'s line. */
  readonly knownHostsFile: string;
}

/**
 * A section of an OpenSSH client configuration for one machine. It offers one key only, knows one host key only, asks
 * no agent, and neither reads nor writes the user's own `known_hosts`.
 *
 * @throws {MayflyError} `BAD_INPUT` for a name or a path that ssh_config(5) has no way to write.
 */
export function renderClientConfig(config: ClientConfig): string {
  const { alias, host, port, user, identityFile, knownHostsFile } = config;
  const options: readonly (readonly [keyword: string, value: string])[] = [
    ["HostName", hostName(host)],
    ["Port", String(port)],
    ["User", word("user", user)],
    ["HostKeyAlias", word("alias", alias)],
    ["IdentityFile", path(identityFile)],
    ["IdentitiesOnly", "yes"],
    ["IdentityAgent", "none"],
    ["UserKnownHostsFile", path(knownHostsFile)],
    ["GlobalKnownHostsFile", "none"],
    ["StrictHostKeyChecking", "yes"],
    ["UpdateHostKeys", "no"],
    ["CheckHostIP", "no"],
    ["PasswordAuthentication", "no"],
    ["KbdInteractiveAuthentication", "no"],
    ["ServerAliveInterval", "15"],
    ["ServerAliveCountMax", "4"],
    ["LogLevel", "ERROR"],
  ];
  return [`Host ${word("alias", alias)}`, ...options.map(([keyword, value]) => `  ${keyword} ${value}`), ""].join("\n");
}

/**
 * The line of a `known_hosts` file that pins a machine's host key.
 *
 * @throws {MayflyError} `BAD_KEY` or `BAD_INPUT`.
 */
export function renderKnownHosts(alias: string, hostKey: string): string {
  const { type, blob } = parseHostKey(hostKey);
  return `${word("alias", alias)} ${type} ${blob.toString("base64")}\n`;
}

/** A value without blanks, quotes, and the signs that make a pattern. */
function word(what: string, value: string): string {
  if (/^[\w.:][\w.:@-]*$/.test(value)) return value;
  throw unwritable(`the ${what} "${value}"`);
}

/** A percent sign stands in scoped addresses, such as `fe80::1%eth0`. */
function hostName(host: string): string {
  return host
    .split("%")
    .map((part) => word("host", part))
    .join("%%");
}

/** ssh_config(5): `"…"` around blanks, a backslash before quotes and backslashes, `%%` for a percent sign. */
function path(value: string): string {
  // `${NAME}` is replaced by a variable whatever one does, and a value ends with its line.
  if (/\$\{|[\r\n\0]/.test(value)) throw unwritable(`the path ${JSON.stringify(value)}`);
  return `"${value.replaceAll("%", "%%").replaceAll(/["\\]/g, "\\$&")}"`;
}

function unwritable(what: string): MayflyError {
  return new MayflyError("BAD_INPUT", `${what} can't be written into an OpenSSH client configuration`, {
    remedy: "use letters, digits, `.`, `_` and `-` for names, and paths without ${ and line breaks",
  });
}
