import { MayflyError } from "../errors";
import { quote, quoteIfNeeded } from "../host/shell";
import { parseHostKey } from "./host-key";
import { KEY_EXCHANGES } from "./key-exchange";

/** What OpenSSH's client needs to reach one machine by name. */
export interface ClientConfig {
  /** The name: `ssh ALIAS`. Also the name under which the host key is pinned. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /**
   * Path of the private key, readable by its user only; or of the public half of a key that the agent has.
   * @default none: by the agent, or by a password
   */
  readonly identityFile?: string | undefined;
  /** Of the agent's keys only that in `identityFile` is offered. @default false where there is an agent */
  readonly identitiesOnly?: boolean | undefined;
  /** Path of a file with {@link renderKnownHosts}'s line. */
  readonly knownHostsFile: string;
  /** Socket of the only agent to ask. @default none is asked */
  readonly agentSocket?: string | undefined;
  /** Whether a password may be asked for. @default false */
  readonly password?: boolean | undefined;
  /** Socket by which all sessions share one connection. @default each has its own */
  readonly controlSocket?: string | undefined;
  /** Whether it is a guest of this host's whose CPU is emulated; see {@link KEY_EXCHANGES}. @default false */
  readonly isEmulated?: boolean | undefined;
  /** The host to go through: its alias, and the configuration that knows it. */
  readonly jump?: { readonly alias: string; readonly config: string } | undefined;
}

const CONNECT_SECONDS = 60; // until the keys are exchanged: a guest whose qemu is stopped takes connections, and never answers
const CONTROL_SECONDS = 60; // how long a shared connection waits for the next session

/**
 * A section of an OpenSSH client configuration for one machine. It offers one key only, knows one host key only, asks
 * no agent, and neither reads nor writes the user's own `known_hosts`.
 *
 * @throws {MayflyError} `BAD_INPUT` for a name or a path that ssh_config(5) has no way to write.
 */
export function renderClientConfig(config: ClientConfig): string {
  const { alias, host, port, user, identityFile, knownHostsFile, agentSocket, password = false } = config;
  const { controlSocket, jump, identitiesOnly = agentSocket === undefined } = config;
  const askPassword = password ? "yes" : "no";
  const shared: Options = [
    ["ControlMaster", "auto"],
    ["ControlPath", path(controlSocket ?? "")],
    ["ControlPersist", String(CONTROL_SECONDS)],
  ];
  const options: Options = [
    ["HostName", hostName(host)],
    ["Port", String(port)],
    ["User", word("user", user)],
    ["HostKeyAlias", word("alias", alias)],
    ["IdentityFile", identityFile === undefined ? "none" : path(identityFile)],
    ...(identitiesOnly ? ([["IdentitiesOnly", "yes"]] as const) : []),
    ["IdentityAgent", agentSocket === undefined ? "none" : path(agentSocket)],
    ["UserKnownHostsFile", path(knownHostsFile)],
    ["GlobalKnownHostsFile", "none"],
    ["StrictHostKeyChecking", "yes"],
    ["UpdateHostKeys", "no"],
    ["CheckHostIP", "no"],
    ["PasswordAuthentication", askPassword],
    ["KbdInteractiveAuthentication", askPassword],
    ...keyExchange(config),
    ["ConnectTimeout", String(CONNECT_SECONDS)],
    ["ServerAliveInterval", "15"],
    ["ServerAliveCountMax", "4"],
    ...(jump === undefined ? [] : ([["ProxyCommand", jumpCommand(jump)]] as const)),
    ...(controlSocket === undefined ? [] : shared),
    ["LogLevel", "ERROR"],
  ];
  return [`Host ${word("alias", alias)}`, ...options.map(([keyword, value]) => `  ${keyword} ${value}`), ""].join("\n");
}

/** What nobody but this host can hear need not be safe from those who keep it until they have quantum computers. */
function keyExchange({ isEmulated, host }: ClientConfig): Options {
  return isEmulated === true && host === "127.0.0.1" ? [["KexAlgorithms", KEY_EXCHANGES.join(",")]] : [];
}

/** What a person types to log in by a configuration that is included nowhere. */
export function renderLogin(config: string, alias: string): string {
  return `ssh -F ${quoteIfNeeded(config)} ${alias}`;
}

/** ProxyJump would do the same, but fails where the path of the configuration holds a percent sign (OpenSSH 9.2). */
function jumpCommand({ alias, config }: { readonly alias: string; readonly config: string }): string {
  path(config); // refuses what can't be written
  return `ssh -F ${quote(config.replaceAll("%", "%%"))} -W '[%h]:%p' ${word("alias", alias)}`;
}

type Options = readonly (readonly [keyword: string, value: string])[];

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
