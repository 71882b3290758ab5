import type { FailedLogins, ServerLogLine } from "../../provider/ssh/server-log";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";
import { endpointOf } from "./connect";

const MOST_BYTES = 67_108_864;
const LOGIN_SECONDS = 60; // one attempt: on a host that is busy each is slow

/**
 * Reads what a guest's own sshd has written since the guest's boot, over a connection of ours.
 *
 * @param how `follow`: goes on until the signal fires. `signal`: ends it.
 * @throws {MayflyError} `CONNECT_FAILED`… where the guest can't be logged in to. {CommandError} where it keeps no such log, or
 * does not show it.
 */
export async function eachServerLine(
  id: string,
  how: { readonly follow: boolean; readonly signal: AbortSignal },
  session: Session,
  onLine: (line: ServerLogLine) => void,
): Promise<void> {
  const [{ renderServerLog, ServerLogReader, NO_SERVER_LOG }, endpoint] = await Promise.all([
    import("../../provider/ssh/server-log.js"),
    endpointOf({ id }, session),
  ]);
  const reader = new ServerLogReader();
  const request = {
    command: renderServerLog(how.follow),
    interpreter: ["/bin/sh", "-c"],
    maxOutputBytes: MOST_BYTES,
    onLine: (text: string, stream: string) => {
      const line = stream === "stdout" ? reader.read(text) : undefined;
      if (line !== undefined) onLine(line);
    },
  };
  const once = { ...endpoint, dialErrorLimit: 1, perDialTimeout: LOGIN_SECONDS };
  const { exitCode, stderr } = await session.ssh.exec(once, request, how.signal);
  if (exitCode === NO_SERVER_LOG)
    throw new CommandError("the guest keeps no log of its sshd", "run a syslogd in it that writes to /var/log");
  if (exitCode !== 0)
    throw new CommandError(
      `the guest does not show its sshd's log to ${endpoint.user ?? "root"}: ${stderr.trim()}`,
      "give that user sudo, or leave rootLogin on",
    );
}

/** The logins that have failed since the guest's boot; `undefined` where the guest does not tell within so long. */
export async function failedLogins(id: string, seconds: number, session: Session): Promise<FailedLogins[] | undefined> {
  const { countFailedLogins } = await import("../../provider/ssh/server-log.js");
  const lines: ServerLogLine[] = [];
  const signal = AbortSignal.any([session.signal, AbortSignal.timeout(seconds * 1_000)]);
  try {
    await eachServerLine(id, { follow: false, signal }, session, (line) => lines.push(line));
  } catch {
    session.signal.throwIfAborted();
    return undefined;
  }
  return countFailedLogins(lines);
}
