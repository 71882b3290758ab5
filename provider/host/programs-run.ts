import { channel, subscribe } from "node:diagnostics_channel";

/** A program of the host that is about to be run. Arguments never hold a secret. */
export interface ProgramRun {
  readonly file: string;
  readonly args: readonly string[];
}

const NAME = "mayfly.program";
const programs = channel(NAME);

/** Tells whoever listens that a program is about to be run. Costs nothing where nobody does. */
export function tellOfProgram(file: string, args: readonly string[]): void {
  if (programs.hasSubscribers) programs.publish({ file, args } satisfies ProgramRun);
}

/** Calls `hear` for each program of the host that this process runs from now on. */
export function hearOfPrograms(hear: (program: ProgramRun) => void): void {
  subscribe(NAME, (message) => {
    hear(message as ProgramRun);
  });
}
