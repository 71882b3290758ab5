import type { Context } from "../context";
import type { BrokenRung, Diagnosis } from "../diagnose/ladder";
import { MayflyError, type ErrorCode } from "../errors";
import type { Endpoint } from "../ssh/endpoint";

/** Failures of a machine, or of the way to it. `COMMAND_FAILED`, where it is thrown: the connection broke. */
const UNANSWERED: ReadonlySet<ErrorCode> = new Set([
  ...(["BOOT_FAILED", "BOOT_TIMEOUT", "COMMAND_FAILED", "CONNECT_FAILED", "HOST_KEY_MISMATCH"] as const),
]);

const LOOK_MS = 45_000; // takes a second or two; with a guest that does not answer, some fifteen

/** A VM of ours, or another host. */
interface Subject {
  /** Absent: another host, of which nothing can be found out. */
  readonly id: string | undefined;
  /** The way to it; absent: there is none yet. */
  readonly endpoint?: Endpoint | undefined;
  /** What the user is told to do. @default what the diagnosis says */
  readonly remedy?: (error: MayflyError, rung: BrokenRung) => string;
}

/**
 * Does work with a VM. When it fails because the VM does not answer, the error tells the first broken rung of it as well.
 */
export async function diagnosed<T>(
  { id, endpoint, remedy }: Subject,
  { diagnose, signal }: Pick<Context, "diagnose" | "signal">,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (id === undefined || signal.aborted || !(error instanceof MayflyError) || !UNANSWERED.has(error.code))
      throw error;
    const look = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
    // That it cannot be explained must not hide what went wrong.
    const diagnosis = await diagnose.machine({ id, endpoint }, look).catch(() => undefined);
    throw diagnosis === undefined ? error : explained(error, diagnosis, remedy);
  }
}

/** The error with what a diagnosis has found. Pure. */
export function explained(
  error: MayflyError,
  { firstBroken, whyNoLogin, isHealthy }: Diagnosis,
  remedy: Subject["remedy"] = (_, rung) => rung.remedy,
): MayflyError {
  if (firstBroken === undefined && !isHealthy) return error; // nothing is known that it does not say itself
  const found =
    firstBroken === undefined ? "by now nothing of the VM is broken" : `${firstBroken.name}: ${firstBroken.cause}`;
  return error.retold({
    evidence: [error.evidence, `diagnosis: ${found}`].filter(Boolean).join("\n"),
    remedy: whyNoLogin === undefined ? error.remedy : remedy(error, whyNoLogin),
  });
}
