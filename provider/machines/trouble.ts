import { MayflyError } from "../errors";

/** What keeps a template from being made, and not the image from booting. */
const TEMPLATE_TROUBLES: ReadonlySet<string> = new Set(["NO_TEMPLATE", "TOOL_FAILED", "DISK_FULL"]);

/** Whether it is the template that is to blame, and not the image, which will not boot on the other road either. */
export function isOnlyTheTemplates(error: unknown): boolean {
  return !(error instanceof MayflyError) || TEMPLATE_TROUBLES.has(error.code);
}

/** Whether a boot through the kernel may go better: not where a port is taken, or a user cannot be made. */
export function isTemplatesFault(error: unknown): boolean {
  return !(error instanceof MayflyError) || error.code === "BOOT_FAILED" || error.code === "BOOT_TIMEOUT";
}

/** What went wrong, without a remedy: there is nothing for the user to do. */
export function reasonOf(error: unknown): string {
  if (error instanceof MayflyError) return error.evidence ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
