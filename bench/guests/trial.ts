import { eventually } from "../../tests/support/eventually";
import type { Engine, Made } from "../engine";
import { timed } from "../figures";
import { Client } from "./client";

/** What was tried of a guest, in the order in which it is tried: the last one ends it. */
export const CHECKS = ["SSH", "exec", "SFTP", "reboot", "poweroff"] as const;

/** One of them. */
type Check = (typeof CHECKS)[number];

/** How a guest has done. */
export interface Outcome {
  /** Its init, kernel and SSH server, in a few words each. */
  readonly init: string;
  readonly kernel: string;
  readonly server: string;
  readonly accelerator: string;
  /** From the start of its container to a verified login, through its kernel. */
  readonly bootSeconds: number;
  /** By check: how long it took, or what went wrong. */
  readonly checks: Readonly<Record<Check, { readonly seconds: number } | { readonly problem: string }>>;
}

/** Long enough for a host that others load too; and should this process be killed, no VM stays for good. */
const LIMITS = { bootTimeout: 900, expiresAfter: "1h" };
const REBOOT_SECONDS = 600;
const POWEROFF_SECONDS = 180;

/** Boots a VM through its kernel, does with it what a user would, and removes it. Rejects when it does not boot. */
export async function tryGuest(engine: Engine, fields: Readonly<Record<string, unknown>>): Promise<Outcome> {
  const made = await engine.create("VM", { memory: "512MiB", warmBoot: "never", ...LIMITS, ...fields });
  try {
    const client = new Client(String(made.outs["sshConfig"]), "web");
    const { stdout } = await client.ssh(LOOK);
    const [init = "", kernel = "", server = ""] = stdout.split("\n");
    const checks = {
      SSH: await checked(async () => expect(await client.ssh("true"), "", "", 0)),
      exec: await checked(async () =>
        expect(await client.ssh('read -r line; echo "$line"; echo no >&2; exit 7', "yes\n"), "yes", "no", 7),
      ),
      SFTP: await checked(async () => client.sftp()),
      reboot: await checked(async () => client.reboot(REBOOT_SECONDS)),
      poweroff: await checked(async () => powerOff(client, made)),
    };
    const { bootSeconds, acceleratorOutput } = made.outs;
    const accelerator = String(acceleratorOutput);
    return { init, kernel, server, accelerator, bootSeconds: Number(bootSeconds), checks };
  } finally {
    await engine.remove(made);
  }
}

/** Prints the kind of init, the kernel's version, and whose SSH server answers. */
const LOOK = `
init=$(cat /proc/1/comm)
case $init in
systemd) init="systemd $(systemctl --version | head -n 1 | cut -d ' ' -f 2)" ;;
init) init=$(init --version 2>/dev/null | sed -n 's/ version:.*//p') && [ -n "$init" ] || init="busybox init" ;;
esac
[ ! -d /run/openrc ] || init=OpenRC
[ "$(cat /etc/inittab 2>/dev/null | head -c 19)" != "# Written by Mayfly" ] || init=none
echo "$init"
uname -r
if [ -e /usr/lib/mayfly/ssh/mayfly-sshd ]; then echo lent; else echo own; fi
`;

/** Runs a check; it may throw, or return what is wrong as a text. */
async function checked(check: () => Promise<unknown>): Promise<Outcome["checks"][Check]> {
  try {
    const { seconds, result } = await timed(check);
    return typeof result === "string" ? { problem: result } : { seconds };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function expect(
  said: { readonly stdout: string; readonly stderr: string; readonly exitCode: number | undefined },
  stdout: string,
  stderr: string,
  exitCode: number,
): string | undefined {
  const isRight = said.stdout === stdout && said.stderr === stderr && said.exitCode === exitCode;
  return isRight ? undefined : JSON.stringify(said);
}

/** Switches the guest off as its user would. Clean: QEMU has ended by itself, as only the guest's kernel can ask it to. */
async function powerOff(client: Client, { id }: Made): Promise<void> {
  await client.ssh("poweroff");
  let seen = "";
  const isOff = async () => {
    seen = await stateOf(id);
    return seen === "exited 0";
  };
  await eventually("the guest is off", POWEROFF_SECONDS, isOff, () => `its container: ${seen}`);
}

async function stateOf(id: string): Promise<string> {
  const { execa } = await import("execa"); // ESM only
  const format = ["--format", "{{.State.Status}} {{.State.ExitCode}}"];
  return (await execa("podman", ["container", "inspect", ...format, `mayfly-${id}`])).stdout;
}
