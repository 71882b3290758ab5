import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { BootTurns } from "../../../provider/machines/boot-turns";

const ALL = { cpus: availableParallelism(), accelerator: "tcg" } as const;

/** A progress that says nothing. */
const progress = (signal = AbortSignal.timeout(20_000)) => ({
  signal,
  step: async <T>(_: string, work: () => Promise<T>) => work(),
});

/** Boots that go on until they are told to end, and the order in which they began. */
class Boots {
  readonly begun: string[] = [];
  private readonly ends = new Map<string, () => void>();

  readonly boot = (name: string) => async () => {
    this.begun.push(name);
    await new Promise<void>((resolve) => this.ends.set(name, resolve));
    return name;
  };

  end(name: string): void {
    this.ends.get(name)?.();
  }
}

test("a machine with all CPUs boots alone, the next one after it; one on KVM waits for nobody", async () => {
  const turns = new BootTurns();
  const boots = new Boots();
  const first = turns.take(ALL, progress(), boots.boot("first"));
  const second = turns.take({ ...ALL, cpus: ALL.cpus + 5 }, progress(), boots.boot("second"));
  const third = turns.take({ ...ALL, accelerator: "kvm" }, progress(), boots.boot("third"));
  await setImmediate();
  expect(boots.begun.toSorted()).toEqual(["first", "third"]);
  boots.end("first");
  expect(await first).toBe("first");
  await setImmediate();
  expect(boots.begun).toContain("second");
  for (const name of ["second", "third"]) boots.end(name);
  expect(await Promise.all([second, third])).toEqual(["second", "third"]);
});

test("as many as the CPUs of the host are for boot together", async () => {
  const turns = new BootTurns();
  const boots = new Boots();
  const names = Array.from({ length: ALL.cpus + 1 }, (_, index) => String(index));
  const all = names.map(async (name) => turns.take({ ...ALL, cpus: 1 }, progress(), boots.boot(name)));
  await setImmediate();
  expect(boots.begun).toEqual(names.slice(0, -1));
  boots.end("0");
  await all[0];
  await setImmediate();
  expect(boots.begun).toEqual(names);
  for (const name of names) boots.end(name);
  await Promise.all(all);
});

test("one that fails makes place, and so does one that takes long", async () => {
  const turns = new BootTurns(1);
  const boots = new Boots();
  await expect(turns.take(ALL, progress(), () => Promise.reject(new Error("no qemu")))).rejects.toThrow("no qemu");
  const hangs = turns.take(ALL, progress(), boots.boot("hangs"));
  await turns.take(ALL, progress(), () => Promise.resolve());
  boots.end("hangs");
  await hangs;
});

test("who is interrupted while it waits never begins, and holds up nobody", async () => {
  const turns = new BootTurns();
  const boots = new Boots();
  const first = turns.take(ALL, progress(), boots.boot("first"));
  const interrupted = new AbortController();
  const second = turns.take(ALL, progress(interrupted.signal), boots.boot("second"));
  interrupted.abort(new Error("Ctrl-C"));
  await expect(second).rejects.toThrow("Ctrl-C");
  boots.end("first");
  await first;
  await turns.take(ALL, progress(), () => Promise.resolve());
  expect(boots.begun).toEqual(["first"]);
});
