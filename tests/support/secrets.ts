import { readdirSync, readFileSync } from "node:fs";

/** How each private key begins as OpenSSH writes it (its PROTOCOL.key, in base64), or any other as PEM has it. */
const KEY = /b3BlbnNzaC1rZXktdjE|-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Whether a private key is in a text. */
export function hasKey(text: string): boolean {
  return KEY.test(text);
}

/**
 * Looks at the arguments and the environment of all processes that this user may look at, several times a second, for
 * private keys: others of the host may do so, too. A process that lives for a moment only it may miss.
 */
export class KeyWatch implements Disposable {
  /** What had a key in it: files of /proc, with the process's name. */
  readonly found = new Set<string>();
  private readonly timer = setInterval(() => {
    this.look();
  }, 100);

  private look(): void {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
      for (const name of ["cmdline", "environ"]) {
        const path = `/proc/${pid}/${name}`;
        if (hasKey(read(path))) this.found.add(`${path} of ${read(`/proc/${pid}/comm`).trim()}`);
      }
  }

  /** Looks no more. */
  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended, or is another user's
  }
}
