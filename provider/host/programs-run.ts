import { channel } from "node:diagnostics_channel";

/** A program of the host that is about to be run. Arguments never hold a secret. */
export interface ProgramRun {
  readonly file: string;
  readonly args: readonly string[];
}

const programs = channel("mayfly.program");

/** Tells whoever listens that a program is about to be run. Costs nothing where nobody does. */
export function tellOfProgram(file: string, args: readonly string[]): void {
  if (programs.hasSubscribers) programs.publish({ file, args } satisfies ProgramRun);
}

/** Calls `hear` for each program of the host that this process runs from now on. */
export function hearOfPrograms(hear: (program: ProgramRun) => void): void {
  programs.subscribe((message) => {
    hear(message as ProgramRun);
  });
}
