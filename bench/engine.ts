import { rmSync } from "node:fs";
import { Plugin, type Wire } from "../tests/contract/support/plugin";
import { sentBy } from "../tests/contract/support/provider-text";
import { makeHome } from "../tests/support/home";
import { timed } from "./figures";

/** A VM that was made. */
export interface Made {
  readonly id: string;
  readonly outs: Wire;
  /** From the engine's call to its return. */
  readonly seconds: number;
}

/** Pulumi's own provider process, asked as the engine asks it, with a data folder of its own. */
export class Engine implements AsyncDisposable {
  private constructor(
    private readonly plugin: Plugin,
    readonly home: string,
    /** The program's, on all that it makes. */
    readonly project: string,
  ) {}

  /** @param home Its data folder, if not a new one. @param environment Added to its own. */
  static async start(home = makeHome("bench"), environment = {}): Promise<Engine> {
    const plugin = await Plugin.start({ environment: { MAYFLY_HOME: home, ...environment } });
    return new Engine(plugin, home, `bench-${String(process.pid)}`);
  }

  /** Makes a resource. */
  async create(kind: string, fields: Wire): Promise<Made> {
    const owner = { project: this.project, stack: "bench", resource: "web" };
    const { inputs, failures } = await this.plugin.check({ ...sentBy(kind), owner, ...fields });
    if (failures.length > 0) throw new Error(failures.join("\n"));
    const { seconds, result } = await timed(() => this.plugin.create(inputs));
    return { ...result, seconds };
  }

  /** Removes a VM; returns how long it took. */
  async remove(made: Made): Promise<number> {
    return (await timed(() => this.plugin.delete(made.id, { ...made.outs, ...sentBy("VM") }))).seconds;
  }

  /** Ends the process; its data folder stays. */
  async end(): Promise<void> {
    await this.plugin[Symbol.asyncDispose]();
  }

  /** Ends the process and removes its data folder, which must hold no VM any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    rmSync(this.home, { recursive: true, force: true });
  }
}
