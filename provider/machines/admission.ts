import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import { availableMemoryMiB } from "../host/capacity";
import { until } from "../host/until";
import type { Progress } from "./plan";

/**
 * Machines that start at a time, for each CPU: while one waits for podman, another one can use the CPU. Measured on 2 CPUs, 20
 * machines, in times of the CPU that each qemu took, as that CPU's own speed varied more: 13.0 with 1, 12.7 with 1.5, 12.5
 * with 2, 12.3 with 2.5, where the first ones are ready the later.
 */
const STARTS_PER_CPU = 2;

/** What a machine takes at once, of whatever size it is; the rest comes page by page as its guest writes. */
const FIRST_MIB = 256;

/** Left to the host while machines start. */
const RESERVE_MIB = 128;

const MEMORY_INTERVAL_MS = 500;
const MEMORY_WAIT_MS = 600_000;

/** Lets machines start as many at a time as this host can take: the others wait for their turn instead of all crawling. */
export class Admission {
  private readonly availableMiB: () => number;
  private readonly intervalMs: number;
  private readonly slots = STARTS_PER_CPU * availableParallelism();
  private readonly limit = pLimit(this.slots);
  /** Memory that machines which start now have been promised, and may not have taken yet. */
  private promisedMiB = 0;
  /** Machines that start, or wait for their turn. */
  private underWay = 0;
  private putOff: (() => Promise<void>)[] = [];

  /** @param host For tests: how memory is looked at, and how often. */
  constructor(host: { readonly availableMiB?: () => number; readonly intervalMs?: number } = {}) {
    this.availableMiB = host.availableMiB ?? availableMemoryMiB;
    this.intervalMs = host.intervalMs ?? MEMORY_INTERVAL_MS;
  }

  /**
   * Starts a machine when it is its turn and there is memory for it.
   *
   * @param memoryMiB Of the guest.
   * @throws {MayflyError} `NO_MEMORY` when there is none within ten minutes.
   */
  async inTurn<T>(memoryMiB: number, progress: Progress, work: () => Promise<T>): Promise<T> {
    this.underWay += 1;
    try {
      return await this.whenFree(memoryMiB, progress, work);
    } finally {
      this.underWay -= 1;
      if (this.underWay === 0) await this.catchUp();
    }
  }

  /**
   * Does work that can wait when no machine starts or waits for its turn any more: in a fleet it would take its time from
   * those that are waited for. Where it fails, nobody hears of it.
   */
  async later(work: () => Promise<void>): Promise<void> {
    this.putOff.push(work);
    if (this.underWay === 0) await this.catchUp();
  }

  private async catchUp(): Promise<void> {
    await Promise.allSettled(this.putOff.splice(0).map(async (work) => work()));
  }

  private async whenFree<T>(memoryMiB: number, progress: Progress, work: () => Promise<T>): Promise<T> {
    let begin: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (begin = resolve));
    const result = this.limit(async () => {
      begin();
      progress.signal.throwIfAborted(); // while it waited
      return this.withMemory(Math.min(memoryMiB, FIRST_MIB), progress, work);
    });
    result.catch(() => undefined); // awaited below
    await progress.step(`Waiting for its turn (${String(this.slots)} VMs start at a time)`, () => turn);
    return result;
  }

  private async withMemory<T>(neededMiB: number, progress: Progress, work: () => Promise<T>): Promise<T> {
    if (!this.isThere(neededMiB))
      await progress.step("Waiting for memory of this host", () => this.memory(neededMiB, progress.signal));
    this.promisedMiB += neededMiB;
    try {
      return await work();
    } finally {
      this.promisedMiB -= neededMiB;
    }
  }

  private isThere(neededMiB: number): boolean {
    return this.availableMiB() - this.promisedMiB >= neededMiB + RESERVE_MIB;
  }

  private async memory(neededMiB: number, signal: AbortSignal): Promise<void> {
    await until("this host has memory for the VM", () => Promise.resolve(this.isThere(neededMiB) || undefined), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(MEMORY_WAIT_MS)]),
      interval: this.intervalMs, // nothing tells when other programs give memory back
      code: "NO_MEMORY",
      diagnose: () => ({
        evidence: `${String(this.availableMiB())} MiB are available, ${String(neededMiB + RESERVE_MIB)} are needed at once`,
        remedy: "see `free -m`; end something, or declare fewer or smaller VMs",
      }),
    });
  }
}
