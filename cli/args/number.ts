/** Digits alone are a number, of the unit that the field counts in; all else stays a text. */
export function numeric(text: string | undefined): string | number | undefined {
  return text !== undefined && /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}
