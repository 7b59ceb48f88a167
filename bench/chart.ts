// Comparisons as a picture: how many times better than etcd, on a logarithmic scale.

import { type Comparison, times } from "./report.ts";

const [width, left, right, top, rowHeight, barHeight] = [920, 250, 150, 84, 58, 14];
/** The scale's ends: this many times worse and better. */
const [worst, best] = [1 / 4, 16];
const colours = {
  better: "#2a8a5f",
  worse: "#c9572b",
  aim: "#333",
  text: "#222",
  faint: "#767676",
};

function x(ratio: number): number {
  const at = Math.min(best, Math.max(worst, ratio));
  const part = Math.log2(at / worst) / Math.log2(best / worst);
  return left + part * (width - left - right);
}

const xml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** One bar from 1x outwards; `better` is the ratio turned so that more is better. */
function bar(y: number, better: number, shown: string): string[] {
  if (!Number.isFinite(better)) return [];
  const [from, to] = [Math.min(x(1), x(better)), Math.max(x(1), x(better))];
  const colour = better >= 1 ? colours.better : colours.worse;
  return [
    `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(1, to - from).toFixed(1)}" height="${barHeight}" fill="${colour}"/>`,
    `<text x="${(to + 6).toFixed(1)}" y="${y + 11}" font-size="11" fill="${colours.faint}">${shown}</text>`,
  ];
}

function rowOf(c: Comparison, i: number): string[] {
  const y = top + i * rowHeight;
  const step = barHeight + 2;
  const aim = c.row.aim;
  const aimText = aim === undefined ? "" : `: aim ${aim.rate}x the rate`;
  const lines = [
    `<line x1="10" y1="${y - 6}" x2="${width - 10}" y2="${y - 6}" stroke="#eee"/>`,
    `<text x="10" y="${y + 16}" font-weight="600">${xml(c.row.name)}</text>`,
    `<text x="10" y="${y + 33}" font-size="11" fill="${colours.faint}">${c.verdict}${aimText}</text>`,
    ...bar(y, c.rate, `rate ${times(c.rate)}`),
    ...bar(y + step, 1 / c.cpu, `CPU per operation ${times(c.cpu)}`),
    ...bar(y + 2 * step, 1 / c.p99, `p99 ${times(c.p99)}`),
  ];
  if (aim === undefined) return lines;
  const at = x(aim.rate).toFixed(1);
  const mark = `x1="${at}" y1="${y - 2}" x2="${at}" y2="${y + step}"`;
  return [...lines, `<line ${mark} stroke="${colours.aim}" stroke-width="2"/>`];
}

/** An SVG file; `comparisons` of clusters of one size. */
export function chart(title: string, about: string, comparisons: readonly Comparison[]): string {
  const height = top + comparisons.length * rowHeight + 10;
  const grid = [1 / 4, 1 / 2, 1, 2, 4, 8, 16].flatMap((ratio) => {
    const at = x(ratio).toFixed(1);
    const name = ratio < 1 ? `1/${1 / ratio}` : `${ratio}x`;
    return [
      `<line x1="${at}" y1="${top - 12}" x2="${at}" y2="${height - 10}" stroke="${ratio === 1 ? "#888" : "#e3e3e3"}"/>`,
      `<text x="${at}" y="${top - 18}" text-anchor="middle" font-size="11" fill="${colours.faint}">${name}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" fill="${colours.text}">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="10" y="24" font-size="16" font-weight="600">${xml(title)}</text>`,
    `<text x="10" y="44" font-size="11" fill="${colours.faint}">${xml(about)}</text>`,
    ...grid,
    ...comparisons.flatMap(rowOf),
    "</svg>",
    "",
  ].join("\n");
}
