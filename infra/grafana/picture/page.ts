// A static page that draws the panels' lines. It is not Grafana: it shows what its queries give.
import type { Panel, Row } from "../src/panels.ts";
import type { Line } from "../../test/live/panels.ts";

/** A panel with what its queries gave. */
export type Drawn = { panel: Panel; lines: readonly Line[] };

const palette = ["#4f9cf0", "#56b66a", "#e8a33d", "#d65f5f", "#a678de", "#3fb8af", "#c9c9c9", "#e377c2"];
const width = 400;
const height = 120;

/** The page as HTML, without scripts. */
export function pageOf(rows: readonly { row: Row; drawn: readonly Drawn[] }[], caption: string): string {
  const body = rows.map(({ row, drawn }) => {
    const columns = `grid-template-columns:repeat(${drawn.length},1fr)`;
    return `<h2>${safe(row.title)}</h2><div class=row style="${columns}">${drawn.map(panelOf).join("")}</div>`;
  });
  return `<!doctype html><meta charset=utf-8><style>${style}</style><p>${safe(caption)}</p>${body.join("")}`;
}

const style = `
body{background:#16181d;color:#d5d7dc;font:12px sans-serif;margin:12px;width:1256px}
h2{font-size:13px;margin:10px 0 4px} p{margin:0;color:#9a9da5} .row{display:grid;gap:8px}
.panel{background:#1f2229;border-radius:3px;padding:6px 8px} h3{font-size:12px;margin:0 0 4px;font-weight:600}
.stat{font-size:26px;color:#56b66a;text-align:center} .stat.red{color:#d65f5f}
svg{width:100%;display:block} .legend span{margin-right:10px;white-space:nowrap}
`;

function panelOf({ panel, lines }: Drawn): string {
  const title = `<h3>${safe(panel.title)}</h3>`;
  if (panel.kind === "lines")
    return `<div class=panel>${title}${chartOf(panel, lines)}${legendOf(lines)}</div>`;
  const value = lines[0]?.values.at(-1)?.[1] ?? Number.NaN;
  const isRed = panel.redFrom !== undefined && value >= panel.redFrom;
  return `<div class=panel>${title}<div class="stat${isRed ? " red" : ""}">${textOf(value, panel.unit)}</div></div>`;
}

function chartOf({ unit }: Panel, lines: readonly Line[]): string {
  const points = lines.flatMap(({ values }) => values).filter(([, value]) => Number.isFinite(value));
  const times = points.map(([at]) => at);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const top = Math.max(...points.map(([, value]) => value), 0) || 1;
  const x = (at: number) => 50 + ((width - 55) * (at - from)) / Math.max(1, to - from);
  const y = (value: number) => height - 8 - ((height - 20) * value) / top;
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(share * top);
    const label = `<text x=46 y=${at + 3} text-anchor=end font-size=9 fill=#9a9da5>${textOf(share * top, unit)}</text>`;
    return `<line x1=50 x2=${width} y1=${at} y2=${at} stroke=#333740 />${label}`;
  });
  const drawn = lines.map(({ values }, index) => {
    const finite = values.filter(([, value]) => Number.isFinite(value));
    const path = finite.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    return `<polyline points="${path}" fill=none stroke="${colour(index)}" stroke-width=1.5 />`;
  });
  return `<svg viewBox="0 0 ${width} ${height}">${grid.join("")}${drawn.join("")}</svg>`;
}

function legendOf(lines: readonly Line[]): string {
  const entries = lines.map(
    ({ name }, index) => `<span style="color:${colour(index)}">&#9473; ${safe(name)}</span>`,
  );
  return `<div class=legend>${entries.join(" ")}</div>`;
}

function colour(index: number): string {
  return palette[index % palette.length] ?? "";
}

function textOf(value: number, unit: Panel["unit"]): string {
  const short = (number: number) => String(Number(number.toPrecision(3)));
  if (unit === "percentunit") return `${short(value * 100)} %`;
  if (unit === "s") return value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`;
  return unit === "ops" ? `${short(value)}/s` : short(value);
}

function safe(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
