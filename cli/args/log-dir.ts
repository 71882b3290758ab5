import { UsageError } from "../trouble";

/** What of a VM can be written to a file as it comes. */
const LOG_STREAMS = ["console", "journal"] as const;

/** `--log-dir STREAMS=DIR`. */
export interface LogDir {
  readonly streams: readonly (typeof LOG_STREAMS)[number][];
  /** As it was written. */
  readonly folder: string;
}

/** Reads `console,journal=DIR`; the folder may hold an equals sign. Pure. */
export function readLogDir(text: string): LogDir {
  const [, words = "", folder] = /^([^=]*)=(.+)$/.exec(text) ?? [];
  const streams = LOG_STREAMS.filter((stream) => words.split(",").includes(stream));
  const isKnown = words.split(",").every((word) => (LOG_STREAMS as readonly string[]).includes(word));
  if (folder === undefined || !isKnown)
    throw new UsageError(`--log-dir ${text}: must be console=DIR, journal=DIR or console,journal=DIR`);
  return { streams, folder };
}
