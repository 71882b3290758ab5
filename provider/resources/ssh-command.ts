import { constants } from "node:os";
import { isDeepStrictEqual } from "node:util";
import type { Context } from "../context";
import { IncompleteError, MayflyError } from "../errors";
import { sshCommandSchema, type SshCommandSpec } from "../schema/ssh-command";
import type { ExecResult } from "../ssh/ssh";
import { diagnosed } from "./diagnosed";
import { isMachineGone, isMachineLeaving } from "./machine-gone";
import type { ResourceHandler } from "./resource";
import { ignoredWay, isElsewhere } from "./target";
import { endpointNow, endpointOf, loginCommand } from "./vm-connection";

/** What is known of a command that ran. */
export interface SshCommandState {
  /** What it printed, without one newline at the end. */
  readonly stdout: string;
  /** What it printed on the other stream, without one newline at the end. */
  readonly stderr: string;
  /** Its exit code; 128 and the signal's number when a signal ended it, as shells say; -1 when its end is not known. */
  readonly exitCode: number;
  /** From its start to the end of its output. */
  readonly durationSeconds: number;
  /** Whether stdout and stderr are secret. */
  readonly redacted: boolean;
}

/** What the handler is given of a command that exists. */
type Saved = SshCommandState & SshCommandSpec;

type Step = "create" | "update" | "delete" | "read";

/** Inputs that change what runs. A change of others (`delete`, `timeout`, `logging`…) is only remembered. */
const RUN_ON_CHANGES = ["create", "update", "stdin", "environment", "interpreter", "directory"] as const;
const UNKNOWN_EXIT = -1;
const DAY = 86_400;

/** The life of a command: the semantics of `remote.Command`, and what its users miss there. */
export const sshCommand: ResourceHandler<typeof sshCommandSchema, SshCommandState> = {
  schema: sshCommandSchema,
  replaceOnChanges: ["vmId", "triggers"],
  ignoreChanges: ignoredWay,
  identityInputs: ["vmId"],
  // What bounds a command is its own `timeout`; these only catch what that does not cover.
  deadlines: { create: DAY, update: DAY, read: DAY, delete: DAY },
  secretOutputs: ({ redacted }) => (redacted ? ["stdout", "stderr"] : []),

  create: (_id, inputs, context) => create(inputs, {}, context),

  async read(_id, state: SshCommandState & Partial<SshCommandSpec>, context) {
    const saved = state as Saved;
    if (await isMachineGone(saved, context)) return undefined;
    if (saved.read === undefined) return outputsOf(saved);
    const { exitCode } = await execute("read", saved.read, saved, {}, context);
    if (saved.allowedExitCodes.includes(exitCode)) return outputsOf(saved);
    context.say(`gone, says the read command by exit code ${String(exitCode)}; create runs again at the next up`);
    return undefined;
  },

  // Pulumi forgets at a refresh that the first run failed.
  needsUpdate: (_id, state) => Promise.resolve(hasFailed(state)),

  async update(_id, state, inputs, context) {
    const before = () => previousOutput(state, inputs, context);
    // It left something behind. Whatever was changed since, it has to succeed first.
    if (hasFailed(state)) return create(inputs, before(), context);
    const command = inputs.update ?? inputs.create;
    // Also where its last exit code is not allowed any more: it has to come to another one, now and not at a later `up`.
    const isChanged =
      isElsewhere(state, inputs) ||
      !inputs.allowedExitCodes.includes(state.exitCode) ||
      RUN_ON_CHANGES.some((field) => !isDeepStrictEqual(state[field], inputs[field]));
    if (command === undefined || !isChanged) return { ...outputsOf(state), redacted: inputs.secretOutput };
    return run("update", command, inputs, before(), context);
  },

  // The order in which both commands are meant: `useradd` after `userdel`. On another VM nothing is in the new one's way.
  deleteFirst: (old, next) => old.delete !== undefined && old.vmId === next.vmId,

  async delete(_id, state, context) {
    if (state.delete === undefined || (await isMachineLeaving(state, context))) return;
    try {
      await run("delete", state.delete, state, previousOutput(state, state, context), context);
    } catch (error) {
      if (await isMachineGone(state, context)) return; // it went while we tried
      if (!state.ignoreDeleteErrors) throw error;
      context.say(`warning, passed over by ignoreDeleteErrors: ${(error as Error).message}`);
    }
  },
};

/** Whether the first run failed, and was kept for its `delete`. */
function hasFailed({ create, allowedExitCodes, exitCode }: Saved): boolean {
  return create !== undefined && !allowedExitCodes.includes(exitCode);
}

/** Runs `create`. What failed after it had begun is kept when there is a `delete` that can clean up behind it. */
async function create(inputs: SshCommandSpec, before: Environment, context: Context): Promise<SshCommandState> {
  if (inputs.create === undefined) return remember(nothingRan, inputs);
  const progress: Progress = { begun: false };
  try {
    return await run("create", inputs.create, inputs, before, context, progress);
  } catch (error) {
    const mayHaveBegun = progress.begun || (error instanceof MayflyError && error.code === "COMMAND_FAILED");
    if (inputs.delete === undefined || !mayHaveBegun) throw error;
    throw new IncompleteError(progress.state ?? remember(unknownEnd, inputs), error as Error);
  }
}

/** How far a run came; filled in while it goes on, for the case that it fails. */
interface Progress {
  begun: boolean;
  state?: SshCommandState;
}

type Environment = Readonly<Record<string, string>>;

/** Runs a command to an end that counts as success. */
async function run(
  step: Step,
  command: string,
  spec: SshCommandSpec,
  before: Environment,
  context: Context,
  progress: Progress = { begun: false },
): Promise<SshCommandState> {
  const state = await execute(step, command, spec, before, context, progress);
  progress.state = state;
  if (spec.allowedExitCodes.includes(state.exitCode)) return state;
  const login = await loginCommand(spec, context);
  const byHand = login === undefined ? "try it by hand" : `try it by hand: ${login}`;
  throw failure(step, command, spec, context, state, {
    code: "COMMAND_FAILED",
    how: `failed with exit code ${String(state.exitCode)}`,
    remedy: spec.secretOutput ? byHand : `see its output, and ${byHand}`,
  });
}

/** Runs a command to its own end, whatever its exit code. */
async function execute(
  step: Step,
  command: string,
  spec: SshCommandSpec,
  before: Environment,
  context: Context,
  progress: Progress = { begun: false },
): Promise<SshCommandState> {
  const { stdin, interpreter, directory, timeout, maxOutputBytes } = spec;
  const isOfProgram = step === "create" || step === "update";
  const endpoint = await (isOfProgram ? endpointOf : endpointNow)(spec, context);
  const request = {
    ...{ command, stdin, interpreter, directory, timeout, maxOutputBytes, isSecret: spec.secretOutput },
    environment: { ...before, ...spec.environment },
    onLine: teller(step, spec, context),
    onStart: () => {
      progress.begun = true;
    },
  };
  const title = `Running ${step} of ${context.owner.resource}`;
  const work = () => context.ssh.exec(endpoint, request, context.signal);
  const result = await context.step(title, () => diagnosed({ id: spec.vmId, endpoint }, context, work));
  const state = remember(result, spec);
  progress.state = state;
  if (result.endedBy === "timeout")
    throw failure(step, command, spec, context, state, {
      code: "COMMAND_TIMEOUT",
      ...ended(result, `after ${String(timeout)} s`, 'if it only needs longer, give it time: timeout: "2h"'),
    });
  if (result.endedBy === "outputLimit")
    throw failure(step, command, spec, context, state, {
      code: "COMMAND_FAILED",
      ...ended(
        result,
        `because it printed more than ${String(maxOutputBytes)} bytes`,
        "send the output to a file in the guest, or raise maxOutputBytes",
      ),
    });
  return state;
}

/** That we have ended a command, or have tried to. */
function ended({ survivors }: ExecResult, why: string, remedy: string): { how: string; remedy: string } {
  if (survivors.length === 0) return { how: `was ended ${why} with all of its process group`, remedy };
  const pids = survivors.join(" ");
  return {
    how: `was to be ended ${why}, and of its processes ${pids} run on`,
    remedy: `end them as root, in the guest: kill -KILL ${pids}; ${remedy}`,
  };
}

/** What is printed while a command runs; never of one whose output is secret. */
function teller(step: Step, { logging, secretOutput }: SshCommandSpec, { say }: Context) {
  if (secretOutput || logging === "none" || step === "read") return undefined;
  return (line: string, stream: "stdout" | "stderr") => {
    if (logging === "stdoutAndStderr" || logging === stream) say(line);
  };
}

const nothingRan = { exitCode: 0, stdout: "", stderr: "", durationSeconds: 0 };
const unknownEnd = { ...nothingRan, exitCode: UNKNOWN_EXIT };

function remember(
  result: Pick<ExecResult, "exitCode" | "stdout" | "stderr" | "durationSeconds"> & { signal?: string | undefined },
  { secretOutput }: SshCommandSpec,
): SshCommandState {
  const { durationSeconds, signal } = result;
  const bySignal = signal === undefined ? undefined : constants.signals[signal as NodeJS.Signals];
  return {
    stdout: result.stdout.replace(/\n$/, ""),
    stderr: result.stderr.replace(/\n$/, ""),
    exitCode: result.exitCode ?? (bySignal === undefined ? UNKNOWN_EXIT : 128 + bySignal),
    durationSeconds,
    redacted: secretOutput,
  };
}

function outputsOf({ stdout, stderr, exitCode, durationSeconds, redacted }: SshCommandState): SshCommandState {
  return { stdout, stderr, exitCode, durationSeconds, redacted };
}

/** Linux takes no longer text for one variable (MAX_ARG_STRLEN, 128 KiB with its name). */
const LONGEST_VARIABLE = 131_000;

/** As in `remote.Command`; a longer output than a process can be given is left out, and said so. */
function previousOutput(state: Saved, { addPreviousOutputInEnv }: SshCommandSpec, { say }: Context): Environment {
  if (!addPreviousOutputInEnv) return {};
  const variables = { PULUMI_COMMAND_STDOUT: state.stdout, PULUMI_COMMAND_STDERR: state.stderr };
  const given = Object.entries(variables).filter(([name, value]) => {
    const fits = Buffer.byteLength(value) < LONGEST_VARIABLE && !value.includes("\0");
    if (!fits) say(`${name} is not set: the last output is longer than a variable may be, or holds NUL`);
    return fits;
  });
  return Object.fromEntries(given);
}

const EVIDENCE_LINES = 12;
const LONGEST_TITLE = 80;

function failure(
  step: Step,
  command: string,
  spec: SshCommandSpec,
  { owner }: Context,
  { stdout, stderr }: SshCommandState,
  { code, how, remedy }: { code: "COMMAND_FAILED" | "COMMAND_TIMEOUT"; how: string; remedy: string },
): MayflyError {
  const { user, host, port } = spec.connection;
  const where = spec.vmId === undefined ? `${user}@${host}:${String(port)}` : `VM ${spec.vmId}`;
  const [line = ""] = command.trim().split("\n");
  const title = line.length > LONGEST_TITLE ? `${line.slice(0, LONGEST_TITLE - 1)}…` : line;
  const last = [stdout, stderr].filter((text) => text !== "").join("\n");
  const tail = last.trimEnd().split("\n").slice(-EVIDENCE_LINES).join("\n");
  const hidden = "its command and output are secret, and not shown";
  return new MayflyError(code, `SshCommand "${owner.resource}": ${step} ${how} on ${where}`, {
    evidence: spec.secretOutput ? hidden : `$ ${title}\n${tail}`.trimEnd(),
    remedy,
  });
}
