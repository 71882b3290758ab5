import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Endpoint } from "../../provider/ssh/ssh";
import { Program } from "../../tests/support/program";

const execute = promisify(execFile);

interface Outputs {
  readonly connection: Endpoint;
  readonly sshConfig: string;
  readonly forwardPort?: number;
}

/** The one VM on which everything of this part is measured, as a stack that is up. */
export class Site implements AsyncDisposable {
  private constructor(
    readonly program: Program,
    readonly endpoint: Endpoint,
    /** What `ssh -F` takes. */
    readonly config: string,
  ) {}

  /** Makes it. */
  static async open(): Promise<Site> {
    const program = await Program.open("reach");
    try {
      await Site.#declare(program);
      await program.pulumi("up", "--yes", "--skip-preview");
      const { connection, sshConfig } = await program.outputs<Outputs>();
      return new Site(program, connection, sshConfig);
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Writes the stack's program: the VM and more. */
  async declare(more = ""): Promise<void> {
    await Site.#declare(this.program, more);
  }

  /** What the stack exports. */
  async outputs(): Promise<Outputs> {
    return this.program.outputs<Outputs>();
  }

  /** Runs a command in the VM by OpenSSH's client; what it printed. */
  async guest(command: string, ...options: readonly string[]): Promise<string> {
    return this.host("ssh", "-F", this.config, ...options, HOSTNAME, command);
  }

  /** Runs a program of this host; what it printed. */
  async host(file: string, ...args: readonly string[]): Promise<string> {
    return (await execute(file, args, { maxBuffer: 1e8 })).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
  }

  static async #declare(program: Program, more = ""): Promise<void> {
    await program.write(`
const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("${HOSTNAME}", { image, memory: "1GiB", ports: [{ guest: 2022 }] });
exports.connection = vm.connection;
exports.sshConfig = vm.sshConfig;
${more}
`);
  }
}

/** The VM's name, for OpenSSH too. */
export const HOSTNAME = "reach";
