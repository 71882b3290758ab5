import { span } from "./trace";

/** Where progress goes: the engine's log, a terminal's last line, or JSON lines. */
export type Say = (text: string) => void;

const SILENT_MS = 1_000; // quicker steps pass without a word
const REPEAT_MS = 10_000; // a CI log shows that we live

/** Runs one step of a longer piece of work, and tells a person who would start to wonder. */
export async function step<T>(say: Say, title: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const elapsed = () => `${((performance.now() - started) / 1_000).toFixed(1)} s`;
  const first = setTimeout(() => {
    say(`${title}…`);
  }, SILENT_MS).unref();
  const repeat = setInterval(() => {
    say(`${title}… ${elapsed()}`);
  }, REPEAT_MS).unref();
  try {
    const result = await span(title, work);
    if (performance.now() - started > SILENT_MS) say(`${title}: done in ${elapsed()}`);
    return result;
  } finally {
    clearTimeout(first);
    clearInterval(repeat);
  }
}
