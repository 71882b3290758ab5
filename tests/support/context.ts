import type { Context } from "../../provider/context";
import type { Ssh } from "../../provider/ssh/ssh";

/** What a handler is given, for one whose machine is only said to be there; the SSH room is the real one. */
export class TestContext {
  /** What the handler has said. */
  readonly said: string[] = [];
  /** Whether all machines are alive. */
  machinesAlive = true;
  /** Machines that Pulumi is about to remove. */
  readonly leaving = new Set<string>();
  /** Port at which they answer in their networks. */
  guestSshPort = 64_022;

  /** @param ssh The room. @param machineFile Where files of a machine's folder are. */
  constructor(
    private readonly ssh: Ssh,
    private readonly machineFile: (id: string, name: string) => string = (id, name) => `/no/such/home/${id}/${name}`,
  ) {}

  /** For one call. */
  get context(): Context {
    return {
      ssh: this.ssh,
      machines: {
        isAlive: () => Promise.resolve(this.machinesAlive),
        file: this.machineFile,
        record: () => Promise.resolve(undefined),
        guestSshPort: this.guestSshPort,
      },
      leaving: this.leaving,
      owner: { project: "p", stack: "s", resource: "tests" },
      signal: AbortSignal.timeout(30_000),
      say: (text: string) => this.said.push(text),
      step: <T>(_title: string, work: () => Promise<T>) => work(),
    } as unknown as Context;
  }
}

/** What work fails with. */
export async function failureOf<E extends Error = Error>(work: Promise<unknown>): Promise<E> {
  const error: unknown = await work.then(
    () => new Error("it did not fail"),
    (thrown: unknown) => thrown,
  );
  return error as E;
}
