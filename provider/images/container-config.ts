import { quote } from "../host/shell";

/** The part of an image's configuration that says what a container of it runs; the OCI image specification has it. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Env?: readonly string[] | null;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
}

/** What a container of an image runs, and as whom. */
export interface ContainerConfig {
  /** Program and arguments; empty when the image names none. */
  readonly command: readonly string[];
  /** `NAME=value`, as the image has it. */
  readonly environment: readonly string[];
  /** `USER`, `USER:GROUP`, or numbers. Empty: root. */
  readonly user: string;
  readonly directory: string;
  /** What asks it to end: `SIGTERM`, or a number. */
  readonly stopSignal: string;
}

/** Reads an image's configuration, with the defaults that containers have. */
export function containerOf(config: ImageConfig | null | undefined): ContainerConfig {
  const { Entrypoint, Cmd, Env, User, WorkingDir, StopSignal } = config ?? {};
  return {
    command: [...(Entrypoint ?? []), ...(Cmd ?? [])],
    environment: Env ?? [],
    user: User ?? "",
    directory: WorkingDir === undefined || WorkingDir === "" ? "/" : WorkingDir,
    stopSignal: StopSignal === undefined || StopSignal === "" ? "SIGTERM" : StopSignal,
  };
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; // what containers get
const OWN_PROGRAMS = "/usr/lib/mayfly/bin"; // busybox's; last, so that an image without `ls` has one all the same

/** Files that the guest reads it from, by name in `/usr/lib/mayfly`. */
export function containerFiles(container: ContainerConfig): ReadonlyMap<string, string> {
  return new Map([
    ["entrypoint", entrypointFile(container)],
    ["environment", sessionEnvironment(container)],
  ]);
}

/** Shell text for `minimal-init.sh`. Functions instead of variables: they keep a list of any words as it is. */
function entrypointFile({ command, environment, user, directory, stopSignal }: ContainerConfig): string {
  const [program = "", ...rest] = command;
  const words = (texts: readonly string[]) => texts.map((text) => ` ${quote(text)}`).join("");
  return `# What a container of this image would run. with_…: calls its arguments with more of them.
program=${quote(program)}
path=${quote(pathOf(environment))}
user=${quote(user)}
directory=${quote(directory)}
stop_signal=${quote(stopSignal.replace(/^SIG/, ""))}
with_environment() { "$@"${words(environment)}; }
with_command() { "$@" "$program"${words(rest)}; }
`;
}

/** Lines for /etc/environment. One line a variable, and pam_env(8) takes what follows a `#` for a comment. */
function sessionEnvironment({ environment }: ContainerConfig): string {
  const lines = environment.filter((pair) => !pair.startsWith("PATH=") && /^\w+=[^\n\r#]*$/.test(pair));
  return [...lines, `PATH=${pathOf(environment)}:${OWN_PROGRAMS}`]
    .map((pair) => `${pair.replace("=", '="')}"\n`)
    .join("");
}

function pathOf(environment: readonly string[]): string {
  return environment.findLast((pair) => pair.startsWith("PATH="))?.slice("PATH=".length) ?? DEFAULT_PATH;
}
