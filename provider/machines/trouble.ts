import { MayflyError } from "../errors";
import type { MachineSpec } from "./spec";

/** What keeps a template from being made, and not the image from booting. */
const TEMPLATE_TROUBLES: ReadonlySet<string> = new Set(["NO_TEMPLATE", "TOOL_FAILED", "DISK_FULL"]);

/** Whether it is the template that is to blame, and not the image, which will not boot on the other road either. */
export function isOnlyTheTemplates(error: unknown): boolean {
  return !(error instanceof MayflyError) || TEMPLATE_TROUBLES.has(error.code);
}

/** A restored guest has not become a machine of its own; `cause` says why. */
export class RestoreFailed extends Error {
  override readonly name = "RestoreFailed";

  /** @param cause What went wrong: the error for the user. */
  constructor(override readonly cause: unknown) {
    super("a template was not restored");
  }
}

/** Whether a boot through the kernel may go better: not where a port is taken, or a user cannot be made. */
export function isWorthAColdBoot(error: unknown): boolean {
  return !(error instanceof MayflyError) || error.code === "BOOT_FAILED" || error.code === "BOOT_TIMEOUT";
}

/**
 * Whether it is the template that is to blame, so that it is no good for others either: where its restore has failed, and
 * not for lack of something of the host's (too many open files), nor for what came after it.
 */
export function isTemplatesFault(error: unknown): boolean {
  return error instanceof RestoreFailed && isWorthAColdBoot(error.cause) && !isOfSystem(error.cause);
}

/** Whether a call of the operating system has failed. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

/**
 * Whether a kernel has died of its emulator. Linux puts a breakpoint in the place of code that it changes while another
 * CPU may run it (arch/x86/kernel/alternative.c, `text_poke_bp`). QEMU's emulated CPUs share their translations, and one may
 * still run that of the breakpoint when the kernel does not know of it any more. Seen with QEMU 7.2: in one boot out of
 * some ten of Linux 6.12 and 7.2, not with 6.1.
 *
 * @param console All that the guest has said.
 */
export function isEmulatorsFault({ accelerator }: Pick<MachineSpec, "accelerator">, console: string): boolean {
  return accelerator === "tcg" && /\bint3: 0000 \[#1\]/.test(console);
}

/** What went wrong, without a remedy: there is nothing for the user to do. */
export function reasonOf(error: unknown): string {
  if (error instanceof MayflyError) return error.evidence ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
