import { span } from "./trace";

/** Where progress goes: the engine's log, a terminal's last line, or JSON lines. */
export type Say = (text: string) => void;

const SILENT_MS = 1_000; // quicker steps pass without a word
const REPEAT_MS = 10_000; // a CI log shows that we live
const LONG_MS = 60_000; // who has waited for so long hears of it less often
const LONG_REPEAT_MS = 30_000;

/** Runs one step of a longer piece of work, and tells a person who would start to wonder. */
export async function step<T>(say: Say, title: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const sinceMs = () => performance.now() - started;
  const elapsed = () => `${(sinceMs() / 1_000).toFixed(1)} s`;
  const first = setTimeout(() => {
    say(`${title}…`);
  }, SILENT_MS).unref();
  const sayAgain = () => {
    say(`${title}… ${elapsed()}`);
    repeat = setTimeout(sayAgain, sinceMs() < LONG_MS ? REPEAT_MS : LONG_REPEAT_MS).unref();
  };
  let repeat = setTimeout(sayAgain, REPEAT_MS).unref();
  try {
    const result = await span(title, work);
    if (sinceMs() > SILENT_MS) say(`${title}: done in ${elapsed()}`);
    return result;
  } finally {
    clearTimeout(first);
    clearTimeout(repeat);
  }
}
