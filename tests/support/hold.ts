import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../provider/host/until";

/**
 * Stops the SFTP server that writes the first file of a folder, once it has so many bytes: no more of it arrives, however
 * slow this host is, until the server goes on or ends. What sends the file has to run in this process, so that it can't
 * get far between two looks.
 *
 * @returns The server's process. The caller ends it.
 */
export async function holdWriter(folder: string, bytes = 0): Promise<number> {
  const look = () => {
    const name = namesIn(folder)[0];
    if (name === undefined || lstatSync(join(folder, name)).size < bytes) return Promise.resolve(undefined);
    const writer = writerOf(join(folder, name));
    if (writer !== undefined) process.kill(writer, "SIGSTOP");
    return Promise.resolve(writer);
  };
  const diagnose = () => ({ evidence: namesIn(folder).join("\n"), remedy: "" });
  return until("some has arrived", look, { signal: AbortSignal.timeout(60_000), interval: 2, diagnose });
}

/** What is in a folder; nothing while that is not made yet. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function writerOf(file: string): number | undefined {
  const has = (pid: string) => {
    try {
      const descriptors = join("/proc", pid, "fd");
      if (readFileSync(join("/proc", pid, "comm"), "utf8") !== "sftp-server\n") return false;
      return readdirSync(descriptors).some((descriptor) => readlinkSync(join(descriptors, descriptor)) === file);
    } catch {
      return false; // it has ended meanwhile
    }
  };
  const pid = readdirSync("/proc").find((name) => /^\d+$/.test(name) && has(name));
  return pid === undefined ? undefined : Number(pid);
}
