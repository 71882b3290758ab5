import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { join } from "node:path";
import { MayflyError } from "../errors";
import { thenCleanUp } from "../host/clean-up";
import { copySparse, openUntrusted } from "../host/files";
import type { Podman } from "../host/podman";
import { span } from "../host/trace";
import { Agent } from "./agent";
import { whileBooting, type Booting } from "./boot";
import type { BootTurns } from "./boot-turns";
import { makeFolder, SCRATCH } from "./folder";
import { templateTar } from "./identity";
import type { ImagePlan, Progress } from "./plan";
import { slotCount, TEMPLATE_FILES } from "./qemu-command";
import { save } from "./snapshot";
import { bareSpec, type MachineSize } from "./spec";
import { shapeOf, Templates, type Shape, type Template } from "./templates";

/** What a template is made from. */
export type TemplatePlan = Pick<ImagePlan, "owner" | "spec" | "boot" | "bootTimeout">;

/** The same for all machines of a size, when there is none of them yet. */
export type SizedTemplatePlan = Omit<TemplatePlan, "spec"> & { readonly size: MachineSize };

/** What making one needs of the room of machines. */
export interface Workshop {
  readonly podman: Podman;
  readonly templates: Templates;
  readonly turns: BootTurns;
  /** Puts a machine on record, before there is anything of it. */
  readonly begin: (id: string, plan: TemplatePlan, signal: AbortSignal) => Promise<unknown>;
  readonly launch: (
    id: string,
    plan: TemplatePlan,
    how: { readonly start: "template"; readonly template: string; readonly slots: number },
    signal: AbortSignal,
  ) => Promise<void>;
  readonly booting: (id: string) => Booting;
  /** Runs work on a machine whose console stays when that fails: see `orKeepConsole`. */
  readonly orKeepConsole: (id: string, work: () => Promise<void>) => Promise<void>;
  /** Removes all that is of a machine; has a deadline of its own. */
  readonly discard: (id: string) => Promise<void>;
  /** Keys of templates that machines run from. */
  readonly inUse: () => Promise<ReadonlySet<string>>;
}

/**
 * Finds the template of a machine's shape, or makes it.
 *
 * @throws {MayflyError} `NO_TEMPLATE` where the guest cannot become one; whatever keeps an image from booting.
 */
export async function findOrMake(
  workshop: Workshop,
  plan: TemplatePlan,
  progress: Pick<Progress, "signal" | "step">,
): Promise<Template> {
  const { templates } = workshop;
  if (plan.boot.unfit !== undefined) throw unfit(plan.boot.unfit);
  const shape = shapeOf(plan.spec, plan.boot);
  const key = Templates.key(shape);
  const found = await templates.find(key);
  if (found !== undefined) return found;
  const refusal = await templates.refusal(key);
  if (refusal !== undefined) throw unfit(refusal);
  return progress.step("Booting once, to start this VM and later ones of its shape from there", async () =>
    make(workshop, plan, shape, progress),
  );
}

async function make(
  workshop: Workshop,
  plan: TemplatePlan,
  shape: Shape,
  progress: Pick<Progress, "signal" | "step">,
): Promise<Template> {
  const { templates, inUse, turns } = workshop;
  const key = Templates.key(shape);
  try {
    return await templates.ensure(
      shape,
      progress.signal,
      async (draft) => turns.take(plan.spec, progress, () => bootAndSave(workshop, key, plan, draft, progress.signal)),
      inUse,
    );
  } catch (error) {
    if (error instanceof MayflyError && error.code === "NO_TEMPLATE") await templates.refuse(key, error.evidence ?? "");
    throw error;
  }
}

/** Boots a machine that is nobody yet, in memory that is kept, and saves it when it is quiet. */
async function bootAndSave(
  workshop: Workshop,
  key: string,
  plan: TemplatePlan,
  draft: string,
  signal: AbortSignal,
): Promise<void> {
  const id = `template-${key.slice(0, 8)}-${randomBytes(4).toString("hex")}`;
  // Mounts, networks and ports come after the restore, and nobody is to talk to it.
  const spec = bareSpec(plan.spec);
  await workshop.begin(id, { ...plan, spec }, signal);
  const bootIt = async () => {
    const machine = workshop.booting(id);
    const disk = await templateTar(settleSeconds(plan));
    await makeFolder({ ...machine, disk, seats: [], spec, scratch: undefined }, signal);
    const how = { start: "template", template: draft, slots: slotCount(plan.spec) } as const;
    await workshop.launch(id, { ...plan, spec }, how, signal);
    const wait = { what: "the guest that is to become a template did not settle", seconds: plan.bootTimeout, signal };
    using agent = new Agent(machine.folder);
    await whileBooting(workshop.podman, workshop.booting(id), wait, async (qmp, during) => {
      const answer = await span("settling", () => agent.waitFor(["waiting", "unfit"], during));
      if (answer !== "waiting") throw unfit(answer.replace(/^unfit /, ""));
      await span("save", () => save(qmp, machine.folder, draft, during));
    });
    if (spec.scratchMiB !== undefined) await keepScratch(machine.folder, draft, signal);
  };
  const left = { what: `the machine ${id}`, remedy: "mayfly prune" };
  const orKept = async () => workshop.orKeepConsole(id, bootIt);
  await thenCleanUp(orKept, async () => span("discard", () => workshop.discard(id)), left);
}

/**
 * How long a guest's services may take before no template is made of it: as long again would keep everybody waiting who wants
 * one. Under emulation, where the same work takes ten times as long, a part of what the boot as a whole may take.
 */
function settleSeconds({ spec, bootTimeout }: TemplatePlan): number {
  return spec.accelerator === "kvm" ? SETTLE_SECONDS : Math.max(SETTLE_SECONDS, Math.floor(bootTimeout * SETTLE_PART));
}

const SETTLE_SECONDS = 120;
const SETTLE_PART = 0.6;

async function keepScratch(machine: string, draft: string, signal: AbortSignal): Promise<void> {
  const scratch = await openUntrusted(join(machine, SCRATCH), constants.O_RDONLY);
  try {
    await copySparse(scratch, join(draft, TEMPLATE_FILES.scratch), signal);
  } finally {
    await scratch.close();
  }
}

function unfit(reason: string): MayflyError {
  return new MayflyError("NO_TEMPLATE", "this guest cannot be started from a template", {
    evidence: reason,
    remedy: '`warmBoot: "auto"` boots it through its kernel',
  });
}
