import type { TraceEvent } from "../provider/host/trace";

const WIDTH = 960;
const LEFT = 220;
const ROW = 26;
const TOP = 44;

/** A step chart in SVG: one bar a step, from where it began to where it ended, in the order of their beginnings. */
export function stepChart(title: string, events: readonly TraceEvent[]): string {
  const steps = [...events].sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const begin = Math.min(...steps.map(({ ts }) => ts));
  const end = Math.max(...steps.map(({ ts, dur }) => ts + dur));
  const scale = (WIDTH - LEFT - 80) / Math.max(1, end - begin);
  const height = TOP + steps.length * ROW + 12;
  const bars = steps.map(({ name, ts, dur }, index) => {
    const [x, y, width] = [LEFT + (ts - begin) * scale, TOP + index * ROW, Math.max(1, dur * scale)];
    const ms = String(Math.round(dur / 1_000));
    return [
      `<text x="${String(LEFT - 10)}" y="${String(y + 14)}" text-anchor="end">${escape(name)}</text>`,
      `<rect x="${x.toFixed(1)}" y="${String(y)}" width="${width.toFixed(1)}" height="${String(ROW - 8)}" rx="2"/>`,
      `<text x="${(x + width + 6).toFixed(1)}" y="${String(y + 14)}" class="ms">${ms} ms</text>`,
    ].join("");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(WIDTH)}" height="${String(height)}" viewBox="0 0 ${String(WIDTH)} ${String(height)}">`,
    `<style>text{font:13px sans-serif;fill:#222}.ms{fill:#666;font-size:11px}rect{fill:#4a7fb5}</style>`,
    `<rect width="100%" height="100%" style="fill:#fff"/>`,
    `<text x="16" y="26" style="font-size:15px;font-weight:bold">${escape(title)}</text>`,
    ...bars,
    "</svg>\n",
  ].join("\n");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
