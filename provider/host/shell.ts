/** A text as one word of a POSIX shell, whatever is in it. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Likewise, but a plain word stays as it is: for what people read and type. */
export function quoteIfNeeded(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : quote(text);
}
