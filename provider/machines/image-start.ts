import { rm } from "node:fs/promises";
import type { Podman } from "../host/podman";
import { span } from "../host/trace";
import type { BootTurns } from "./boot-turns";
import { lastConsoleLines } from "./console";
import { removeContainers } from "./container";
import type { Launcher } from "./launcher";
import type { ImagePlan, Progress, StartedMachine } from "./plan";
import { slotCount } from "./qemu-command";
import type { Shelf } from "./shelf";
import { findOrMake, type Workshop } from "./template-maker";
import type { Template } from "./templates";
import {
  isEmulatorsFault,
  isOnlyTheTemplates,
  isTemplatesFault,
  isWorthAColdBoot,
  reasonOf,
  RestoreFailed,
} from "./trouble";

/** What brings it up. */
interface Tools {
  readonly launcher: Launcher;
  readonly podman: Podman;
  readonly shelf: Shelf;
  readonly workshop: Workshop;
  readonly turns: BootTurns;
}

/**
 * Brings a machine that is on record up from what was taken out of its image, until its guest's sshd can be asked: from a
 * template where that is possible and wanted, else through its kernel.
 *
 * @throws {MayflyError} `BOOT_FAILED` or `BOOT_TIMEOUT` with the console's last lines, `TOOL_MISSING`, `PORT_TAKEN`.
 */
export async function startFromImage(
  id: string,
  plan: ImagePlan,
  tools: Tools,
  progress: Progress,
): Promise<StartedMachine> {
  const { launcher, workshop } = tools;
  const { signal, say } = progress;
  const template = await span("template", () => templateFor(plan, workshop, progress));
  if (template === undefined) {
    await span("folder", () => launcher.furnish(id, plan, undefined, signal));
    return startCold(id, plan, tools, progress);
  }
  try {
    await span("folder", () => launcher.furnish(id, plan, template, signal));
    return await startWarm(id, plan, template, tools, signal);
  } catch (thrown) {
    const error = thrown instanceof RestoreFailed ? thrown.cause : thrown;
    if (signal.aborted || plan.warmBoot === "required") throw error;
    if (!isWorthAColdBoot(error) && !(await isGone(template, workshop))) throw error;
    say(`boots through its kernel, as the warm boot failed: ${reasonOf(error)}`);
    if (isTemplatesFault(thrown)) await workshop.templates.remove(template.key);
  }
  await furnishAnew(id, plan, tools, signal);
  return startCold(id, plan, tools, progress);
}

/** Whether a template was thrown out since it was found: then whatever failed had no more of it. */
async function isGone({ key, state }: Template, { templates }: Workshop): Promise<boolean> {
  return (await templates.find(key))?.state !== state;
}

/** The template to start from, made if need be; `undefined` when the machine is to boot through its kernel. */
async function templateFor(plan: ImagePlan, workshop: Workshop, progress: Progress): Promise<Template | undefined> {
  if (plan.warmBoot === "never" || !plan.waits) return undefined;
  try {
    return await findOrMake(workshop, plan, progress);
  } catch (error) {
    if (progress.signal.aborted || !isOnlyTheTemplates(error) || plan.warmBoot === "required") throw error;
    progress.say(`boots through its kernel, as there is no template: ${reasonOf(error)}`);
    return undefined;
  }
}

async function startWarm(
  id: string,
  plan: ImagePlan,
  template: Template,
  { launcher }: Tools,
  signal: AbortSignal,
): Promise<StartedMachine> {
  const onHost = await launcher.launch(
    id,
    plan,
    { start: "warm", template: template.folder, slots: slotsOf(plan) },
    signal,
  );
  await launcher.handOver(id, plan, signal);
  return { ...(await launcher.started(id, plan, onHost)), template };
}

async function startCold(id: string, plan: ImagePlan, tools: Tools, progress: Progress): Promise<StartedMachine> {
  const { launcher, shelf, turns } = tools;
  const { signal, step, say } = progress;
  const boot = async () => {
    const onHost = await launcher.launch(id, plan, { start: "cold", slots: slotsOf(plan) }, signal);
    if (plan.waits) await launcher.waitListening(id, plan.bootTimeout, signal);
    return launcher.started(id, plan, onHost);
  };
  const title = `Booting ${plan.owner.resource} (${plan.spec.accelerator})`;
  const bootUnlessEmulatorFails = async () => {
    try {
      return await boot();
    } catch (error) {
      const said = await lastConsoleLines(shelf.consoleLog(id), Infinity);
      if (signal.aborted || !isEmulatorsFault(plan.spec, said)) throw error;
      say("boots once more: the emulator has tripped over code that the guest's kernel was changing");
      await furnishAnew(id, plan, tools, signal);
      return boot();
    }
  };
  return turns.take(plan.spec, progress, () => step(title, bootUnlessEmulatorFails));
}

function slotsOf({ warmBoot, spec }: ImagePlan): number {
  return warmBoot === "never" ? 0 : slotCount(spec);
}

/** After a failed start: as before it, and without a template. */
async function furnishAnew(
  id: string,
  plan: ImagePlan,
  { launcher, podman, shelf }: Tools,
  signal: AbortSignal,
): Promise<void> {
  await removeContainers(podman, id, await shelf.parts(id), signal);
  await rm(shelf.shared(id), { recursive: true, force: true });
  await launcher.furnish(id, plan, undefined, signal);
}
