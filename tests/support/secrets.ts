import { processIds, readProcess } from "./proc";

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
  /** What had a key in it: `environ of podman`. */
  readonly found = new Set<string>();
  private readonly timer = setInterval(() => {
    this.look();
  }, 100);

  private look(): void {
    for (const pid of processIds())
      for (const name of ["cmdline", "environ"])
        if (hasKey(readProcess(pid, name))) this.found.add(`${name} of ${readProcess(pid, "comm").trim()}`);
  }

  /** Looks no more. */
  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}
