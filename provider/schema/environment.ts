import type { Complain } from "./rule";

interface Fields {
  readonly environment: Readonly<Record<string, string>>;
}

/** Bytes that /etc/environment has for the VM's variables, beside the image's own: the guest's agent reads 64 KiB. */
const ROOM = 48 * 1_024;

/** The longest line of /etc/environment that pam_env reads as one, with `=`, quotes and the line's end. */
const LONGEST_LINE = 8_191;

/** What of a VM's variables cannot stand in the guest's /etc/environment; a rule of the schema. */
export function checkEnvironment({ environment: variables }: Fields, complain: Complain): void {
  for (const [name, value] of Object.entries(variables)) {
    const wrong = wrongWithVariable(name, value);
    if (wrong !== undefined)
      complain(
        ["environment", name],
        `${wrong}: give it to an SshCommand's own environment, or in a file, by CopyFile`,
      );
  }
  const bytes = Object.entries(variables).reduce((sum, variable) => sum + lineBytes(...variable), 0);
  if (bytes > ROOM)
    complain(["environment"], `must be shorter by ${String(bytes - ROOM)} bytes in all: give what is long in a file`);
}

/** Of a variable's line there. */
function lineBytes(name: string, value: string): number {
  return Buffer.byteLength(`${name}="${value}"\n`);
}

/** What pam_env(8), as Debian 12 has it, cannot read from /etc/environment. */
function wrongWithVariable(name: string, value: string): string | undefined {
  if (/[\n\r]/.test(value)) return "must be one line, as /etc/environment knows no other";
  if (value.includes("#")) return "must not have a # in it, where a value of /etc/environment ends";
  const bytes = lineBytes(name, value);
  if (bytes > LONGEST_LINE)
    return `must be shorter by ${String(bytes - LONGEST_LINE)} bytes, for a line of /etc/environment`;
  return undefined;
}
