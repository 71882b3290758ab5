import { stripVTControlCharacters } from "node:util";

const SILENT_MS = 1_000; // quicker steps pass without a word
const REPEAT_MS = 10_000; // a CI log shows that we live
const REDRAW_MS = 250;
const CLEAR_LINE = "\r\u001B[2K";

/**
 * Prints one line.
 *
 * @param {string} line The text, without its newline.
 */
export function say(line) {
  const start = process.stdout.isTTY ? CLEAR_LINE : ""; // a step may show itself on this line
  process.stdout.write(`${start}${line}\n`);
}

/**
 * A time as people say it: `0.8 s`, `47 s`, `2 min 05 s`.
 *
 * @param {number} milliseconds How long it took.
 */
export function duration(milliseconds) {
  const seconds = milliseconds / 1_000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/**
 * Runs one step of a longer piece of work and shows that it lives: in place on a terminal, else a line every 10 s.
 * Says nothing about a step that takes less than a second.
 *
 * @template T
 * @param {string} title What is being done.
 * @param {(note: (line: string) => void) => Promise<T>} work Does it; may note the latest line of a program's output.
 * @returns {Promise<T>} What the work returned.
 */
export async function step(title, work) {
  const started = performance.now();
  const elapsed = () => performance.now() - started;
  const display = process.stdout.isTTY ? inPlace(title, elapsed) : byLines(title, elapsed);
  let done = false;
  try {
    const result = await work(display.note);
    done = true;
    return result;
  } finally {
    display.end();
    if (elapsed() > SILENT_MS) say(`${title}: ${done ? "done" : "failed"} after ${duration(elapsed())}`);
  }
}

/**
 * @param {string} title What is being done.
 * @param {() => number} elapsed Milliseconds since it began.
 */
function inPlace(title, elapsed) {
  let latest = "";
  const timer = setInterval(() => {
    const line = `${title}… ${duration(elapsed())}  ${latest}`;
    if (elapsed() > SILENT_MS) process.stdout.write(CLEAR_LINE + line.slice(0, (process.stdout.columns || 80) - 1));
  }, REDRAW_MS);
  return {
    /** @param {string} line The latest line of a program's output. */
    note(line) {
      latest = stripVTControlCharacters(line).trim();
    },
    end() {
      clearInterval(timer);
      process.stdout.write(CLEAR_LINE);
    },
  };
}

/**
 * @param {string} title What is being done.
 * @param {() => number} elapsed Milliseconds since it began.
 */
function byLines(title, elapsed) {
  const first = setTimeout(() => {
    say(`${title}…`);
  }, SILENT_MS);
  const repeat = setInterval(() => {
    say(`${title}… ${duration(elapsed())}`);
  }, REPEAT_MS);
  return {
    note() {
      // a log shows the steps; the programs' own lines come with a failure
    },
    end() {
      clearTimeout(first);
      clearInterval(repeat);
    },
  };
}
