// Line charts and the phase portrait, drawn on small canvases.

import { el } from "./base.js";
import { palette, sharp } from "./paint.js";

export const short = (x) => {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e5) return String(x);
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return x.toExponential(1);
  return size >= 100 ? x.toFixed(0) : size >= 10 ? x.toFixed(1) : x.toFixed(size < 0.1 ? 4 : 3);
};

function nice(span) {
  const power = 10 ** Math.floor(Math.log10(span));
  const lead = span / power;
  return (lead > 5 ? 2 : lead > 2 ? 1 : 0.5) * power;
}

// a chart of named series of the rows of one game or two
export class Chart {
  constructor({ title, about, series, range = null, floor = null }) {
    Object.assign(this, { title, series, range, floor });
    this.canvas = el("canvas", { class: "chart-canvas", role: "img", "aria-label": title });
    this.legend = el("div", { class: "legend" });
    this.node = el("figure", { class: "chart", title: about }, el("figcaption", {}, el("b", {}, title), this.legend), this.canvas);
  }

  colour(index) { return [palette().real, palette().fake, palette().mesh][index]; }

  draw(games, floors) {
    const [context, width, height] = sharp(this.canvas);
    if (!width) return;
    const colours = palette();
    context.clearRect(0, 0, width, height);
    const lines = games.flatMap((rows, game) => this.series.map(([key, name], index) => ({
      name, key, index, game, points: rows.filter((row) => Number.isFinite(row[key])).map((row) => [row.round, row[key]]),
    })));
    const values = lines.flatMap((line) => line.points.map((p) => p[1]));
    const floor = this.floor ? floors?.[this.floor] : null;
    let [low, high] = this.range || [Math.min(...values), Math.max(...values)];
    if (!this.range && floor !== null && floor !== undefined) low = Math.min(low, 0);
    if (!values.length) [low, high] = this.range || [0, 1];
    if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
    if (!this.range) { const pad = (high - low) * 0.06; low -= low === 0 ? 0 : pad; high += pad; }
    const last = Math.max(1, ...lines.flatMap((line) => line.points.slice(-1).map((p) => p[0])));
    const first = Math.min(last - 1, ...lines.flatMap((line) => line.points.slice(0, 1).map((p) => p[0])));
    const [left, right, top, bottom] = [34, width - 4, 6, height - 14];
    const x = (round) => left + ((round - first) / (last - first)) * (right - left);
    const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
    context.font = "10px ui-sans-serif, system-ui, sans-serif";
    context.fillStyle = colours.soft;
    context.strokeStyle = colours.soft;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const step = nice(high - low);
    for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step) {
      context.globalAlpha = 0.25;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(left, Math.round(y(tick)) + 0.5);
      context.lineTo(right, Math.round(y(tick)) + 0.5);
      context.stroke();
      context.globalAlpha = 1;
      context.fillText(Number(tick.toPrecision(3)).toString(), left - 4, y(tick));
    }
    context.textBaseline = "bottom";
    context.textAlign = "left";
    context.fillText(String(Math.round(first)), left, height);
    context.textAlign = "right";
    context.fillText(`round ${Math.round(last)}`, right, height);
    if (floor !== null && floor !== undefined) {
      context.setLineDash([2, 3]);
      context.beginPath();
      context.moveTo(left, y(floor));
      context.lineTo(right, y(floor));
      context.stroke();
      context.setLineDash([]);
    }
    for (const line of lines) {
      context.strokeStyle = this.colour(line.index);
      context.lineWidth = line.game ? 1.2 : 1.6;
      context.setLineDash(line.game ? [4, 3] : []);
      context.beginPath();
      const every = Math.max(1, Math.floor(line.points.length / Math.max(1, right - left)));
      line.points.forEach(([round, value], i) => {
        if (i % every && i !== line.points.length - 1) return;
        const place = [x(round), Math.min(bottom + 1, Math.max(top - 1, y(value)))];
        i ? context.lineTo(...place) : context.moveTo(...place);
      });
      context.stroke();
    }
    context.setLineDash([]);
    this.say(lines);
  }

  say(lines) {
    const items = lines.map((line) => {
      const value = short(line.points.at(-1)?.[1]);
      const mark = el("i", { class: line.game ? "mark dashed" : "mark" });
      mark.style.setProperty("--mark", this.colour(line.index));
      return el("span", {}, mark, line.game ? "" : `${line.name} `, el("output", { "data-key": line.key, "data-game": String(line.game) }, value));
    });
    this.legend.replaceChildren(...items);
    this.canvas.setAttribute("aria-label", `${this.title}: ${lines.map((l) => `${l.name} ${short(l.points.at(-1)?.[1])}`).join(", ")}`);
  }
}

const PAIRS = {
  beliefs: ["d_fake", "d_real", "D(G(z))", "D(real)"],
  losses: ["loss_generator", "loss_discriminator", "generator's loss", "discriminator's loss"],
};

// one quantity against another: a game that circles is seen to circle
export class Portrait {
  constructor() {
    this.pair = "beliefs";
    this.canvas = el("canvas", { class: "chart-canvas tall", role: "img", "aria-label": "Phase portrait" });
    this.choice = el("select", { "aria-label": "What the phase portrait shows", onchange: () => { this.pair = this.choice.value; this.draw(this.games || []); } },
      el("option", { value: "beliefs" }, "D(real) over D(G(z))"), el("option", { value: "losses" }, "loss over loss"));
    this.node = el("figure", { class: "chart portrait", title: "Each tick is a point; the latest is the dot. A circle is a game that doesn't settle." },
      el("figcaption", {}, el("b", {}, "Phase portrait"), this.choice), this.canvas);
  }

  draw(games) {
    this.games = games;
    const [context, width, height] = sharp(this.canvas);
    if (!width) return;
    const colours = palette();
    const [kx, ky, nx, ny] = PAIRS[this.pair];
    context.clearRect(0, 0, width, height);
    const paths = games.map((rows) => rows.slice(-400).filter((r) => Number.isFinite(r[kx]) && Number.isFinite(r[ky])).map((r) => [r[kx], r[ky]]));
    const all = paths.flat();
    const range = (k) => {
      let [low, high] = all.length ? [Math.min(...all.map((p) => p[k])), Math.max(...all.map((p) => p[k]))] : [0, 1];
      if (high - low < 1e-6) [low, high] = [low - 0.5, high + 0.5];
      return [low - (high - low) * 0.08, high + (high - low) * 0.08];
    };
    const [[x0, x1], [y0, y1]] = [range(0), range(1)];
    const [left, right, top, bottom] = [34, width - 6, 6, height - 16];
    const place = ([a, b]) => [left + ((a - x0) / (x1 - x0)) * (right - left), bottom - ((b - y0) / (y1 - y0)) * (bottom - top)];
    context.strokeStyle = colours.soft;
    context.globalAlpha = 0.4;
    context.strokeRect(left, top, right - left, bottom - top);
    context.globalAlpha = 1;
    context.fillStyle = colours.soft;
    context.font = "10px ui-sans-serif, system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText(`${nx}  ${short(x0)} … ${short(x1)}`, (left + right) / 2, height - 3);
    context.save();
    context.translate(11, (top + bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(`${ny}  ${short(y0)} … ${short(y1)}`, 0, 0);
    context.restore();
    paths.forEach((path, game) => {
      const colour = game ? colours.fake : colours.real;
      context.strokeStyle = context.fillStyle = colour;
      for (let i = 1; i < path.length; i += 1) {
        context.globalAlpha = 0.15 + (0.75 * i) / path.length;
        context.beginPath();
        context.moveTo(...place(path[i - 1]));
        context.lineTo(...place(path[i]));
        context.stroke();
      }
      context.globalAlpha = 1;
      if (path.length) {
        const [x, y] = place(path.at(-1));
        context.beginPath();
        context.arc(x, y, 3.5, 0, 6.2832);
        context.fill();
      }
    });
    this.canvas.setAttribute("aria-label", `Phase portrait, ${ny} over ${nx}, ${all.length} points`);
  }
}
