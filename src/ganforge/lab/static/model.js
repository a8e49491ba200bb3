// The game as a graph: noise, generator, samples, discriminator, verdicts, losses, and the gradients that go back.

import { calm, el } from "./base.js";
import { short } from "./charts.js";
import { Plane, cells, palette, sharp } from "./paint.js";

const NODES = ["noise z", "generator", "samples", "discriminator", "verdicts", "losses"];
const AT_WORK = [[0], [1, 2], [3, 4], [5], []]; // which of them a stage of an update is about

export class Model {
  constructor() {
    this.canvas = el("canvas", { class: "model-graph", role: "img", "aria-label": "The model graph" });
    this.words = el("p", { class: "note", id: "model-words" });
    this.button = el("button", { type: "button", id: "morph", onclick: () => this.morph() }, "Show G at work");
    this.canvas.addEventListener("pointermove", (event) => { if (this.over(event, 1) && !this.morphing) this.morph(); });
    this.canvas.addEventListener("pointerdown", (event) => this.over(event, 1) && this.morph());
    this.node = el("section", { class: "card", hidden: true, "aria-label": "Model graph" }, el("div", { class: "stage-head" }, el("h3", {}, "Model graph"), this.button), this.canvas, this.words);
    this.flow = 0;
    this.t = 1;
    this.turns = null;
    this.mine = null;
  }

  over(event, k) {
    const box = this.canvas.getBoundingClientRect(), at = this.places?.[k];
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return at && x > at.x && x < at.x + this.s && y > at.y && y < at.y + this.s;
  }

  // two seconds in which each latent goes to where G puts it
  morph() {
    if (this.morphing || !this.last) return;
    const start = performance.now(), length = calm() ? 1 : 2000;
    this.morphing = true;
    const go = () => {
      this.t = Math.min(1, (performance.now() - start) / length);
      this.morphing = this.t < 1;
      this.paint();
      if (this.morphing) requestAnimationFrame(go);
    };
    go();
  }

  draw(header, arrays, half) {
    const before = this.turns;
    this.turns = header.turns;
    this.moved = header.stage ? (header.stage.index === 4 ? [header.stage.player] : []) : ["discriminator", "generator"].filter((p) => before && header.turns[p] > before[p]);
    this.flow -= 3;
    this.last = { header, arrays, half };
    if (!this.node.hidden) this.paint();
  }

  layout(width) {
    const rows = width < 560 ? 2 : 1, across = 6 / rows;
    this.s = width / (across + (across - 1) * 0.3);
    const tall = this.s + 44;
    this.places = NODES.map((_, k) => ({ x: (k % across) * this.s * 1.3, y: 18 + Math.floor(k / across) * tall, row: Math.floor(k / across) }));
    return (rows - 1) * tall + 18 + this.s + 26;
  }

  paint() {
    const wanted = Math.round(this.layout(this.canvas.clientWidth));
    if (this.canvas.clientHeight !== wanted) this.canvas.style.height = `${wanted}px`;
    const [context, width, height] = sharp(this.canvas);
    if (!width || !this.last) return;
    const { header, arrays, half } = this.last, c = palette(), s = this.s, stage = header.stage;
    context.clearRect(0, 0, width, height);
    context.font = "11px ui-sans-serif, system-ui, sans-serif";
    this.arrows(context, c);
    NODES.forEach((name, k) => {
      const { x, y } = this.places[k], now = stage ? AT_WORK[stage.index].includes(k) : false;
      context.save();
      context.beginPath();
      context.rect(x, y, s, s);
      context.fillStyle = c.ground;
      context.fill();
      context.clip();
      context.translate(x, y);
      this.fill(k, context, c, s, arrays, header, half);
      context.restore();
      context.strokeStyle = now ? c.ink : c.soft;
      context.lineWidth = now ? 2.5 : 1;
      context.strokeRect(x + 0.5, y + 0.5, s - 1, s - 1);
      context.fillStyle = now ? c.ink : c.text;
      context.textAlign = "center";
      context.textBaseline = "bottom";
      context.fillText(name, x + s / 2, y - 3);
    });
    this.say(header);
  }

  fill(k, context, c, s, arrays, header, half) {
    const dots = (points, colour, scale, square) => {
      if (!points?.length) return;
      const dim = points.shape[1];
      context.fillStyle = colour;
      for (let i = 0; i < points.shape[0]; i += 1) {
        const a = points[dim * i], b = dim > 1 ? points[dim * i + 1] : 0;
        const [x, y] = [(a / scale + 1) * 0.5 * s, (1 - b / scale) * 0.5 * s];
        square ? context.fillRect(x - 1.2, y - 1.2, 2.4, 2.4) : (context.beginPath(), context.arc(x, y, 1.4, 0, 6.2832), context.fill());
      }
    };
    const z = arrays.stage_z || arrays.z, fakes = arrays.stage_fakes || arrays.fakes, real = arrays.stage_real || arrays.real_points || arrays.real;
    if (k === 0) dots(z, c.text, 3.2, true);
    if (k === 1) {
      if (this.t < 1 && z && fakes) {
        const n = Math.min(z.shape[0], fakes.shape[0]), at = new Float32Array(2 * n), dim = z.shape[1], t = this.t * this.t * (3 - 2 * this.t);
        for (let i = 0; i < n; i += 1) for (let j = 0; j < 2; j += 1) at[2 * i + j] = (1 - t) * ((j < dim ? z[dim * i + j] : 0) / 3.2) + (t * fakes[2 * i + j]) / half;
        at.shape = [n, 2];
        dots(at, c.fake, 1, true);
      } else if (arrays.mesh) { const small = new Plane(this.canvas); small.half = half; small.size = s; small.mesh(context, arrays.mesh, c); }
    }
    if (k === 2) { dots(real, c.real, half); dots(fakes, c.fake, half, true); }
    if (k === 3 && arrays.heat) cells(context, arrays.heat, c.heat, s);
    if (k === 4) this.verdicts(context, c, s, [arrays.stage_real_belief || arrays.judged_real, arrays.stage_fake_belief || arrays.judged_fake]);
    if (k === 5) this.losses(context, c, s, header.losses);
  }

  verdicts(context, c, s, sides) {
    const bins = 16;
    sides.forEach((bytes, side) => {
      const counts = Array(bins).fill(0);
      for (const byte of bytes || []) counts[Math.min(bins - 1, Math.floor((byte / 255) * bins))] += 1;
      const most = Math.max(1, ...counts);
      context.fillStyle = side ? c.fake : c.real;
      counts.forEach((n, i) => { const tall = (n / most) * (s / 2 - 8); context.fillRect((i * s) / bins + 0.5, s / 2 - (side ? 0 : tall), s / bins - 1, tall); });
    });
    context.fillStyle = c.text;
    context.fillRect(0, s / 2 - 0.5, s, 1);
    context.textBaseline = "bottom";
    context.textAlign = "left";
    context.fillText("0", 3, s - 2);
    context.textAlign = "right";
    context.fillText("1", s - 3, s - 2);
  }

  losses(context, c, s, losses) {
    if (!losses) return;
    const most = Math.max(1, ...Object.values(losses).map((v) => Math.abs(v ?? 0)));
    [["discriminator", "D", c.real], ["generator", "G", c.fake]].forEach(([player, name, colour], i) => {
      const y = s * (0.12 + 0.44 * i), v = losses[player];
      context.fillStyle = c.text;
      context.textBaseline = "top";
      context.textAlign = "left";
      context.fillText(`${name} ${short(v)}`, 6, y);
      context.fillStyle = colour;
      context.fillRect(6, y + 15, Math.max(1, (Math.abs(v ?? 0) / most) * (s - 12)), 8);
    });
  }

  // dashes move as rounds do: forward from node to node, back below them from the losses to whoever has learnt
  arrows(context, c) {
    const s = this.s, mid = (k) => this.places[k].y + s / 2;
    const line = (points, colour, thick) => {
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = thick;
      context.setLineDash([5, 4]);
      context.lineDashOffset = this.flow;
      context.beginPath();
      points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.stroke();
      context.setLineDash([]);
      const [[ax, ay], [bx, by]] = points.slice(-2), l = Math.hypot(bx - ax, by - ay) || 1, [dx, dy] = [(bx - ax) / l, (by - ay) / l];
      context.beginPath();
      context.moveTo(bx, by); context.lineTo(bx - 7 * dx + 4 * dy, by - 7 * dy - 4 * dx); context.lineTo(bx - 7 * dx - 4 * dy, by - 7 * dy + 4 * dx);
      context.fill();
    };
    for (let k = 0; k + 1 < NODES.length; k += 1) {
      const [a, b] = [this.places[k], this.places[k + 1]];
      if (a.row === b.row) line([[a.x + s + 1, mid(k)], [b.x - 1, mid(k + 1)]], c.soft, 1.5);
      else { const y = a.y + s + 20; line([[a.x + s * 0.75, a.y + s], [a.x + s * 0.75, y], [b.x + s * 0.5, y], [b.x + s * 0.5, b.y - 15]], c.soft, 1.5); }
    }
    const from = this.places[5], back = (k, player, colour, drop) => {
      const to = this.places[k], on = this.moved?.includes(player), y = from.y + s + drop;
      context.globalAlpha = on ? 1 : 0.35;
      const end = to.row === from.row ? [[to.x + s / 2, y], [to.x + s / 2, to.y + s + 1]] : [[to.x + s * 1.15, y], [to.x + s * 1.15, to.y + s * 0.8], [to.x + s + 1, to.y + s * 0.8]];
      line([[from.x + s * (drop > 14 ? 0.65 : 0.35), from.y + s], [from.x + s * (drop > 14 ? 0.65 : 0.35), y], ...end], colour, on ? 2.2 : 1.4);
      context.globalAlpha = 1;
    };
    back(3, "discriminator", c.real, 9);
    back(1, "generator", c.fake, 19);
  }

  say({ losses, stage, round }) {
    const words = losses ? `D’s loss ${short(losses.discriminator)}, G’s loss ${short(losses.generator)}, of the points that are drawn and without penalties. ` : "";
    this.words.textContent = `${words}Dashed below: the gradients, blue to D’s weights, orange through D to G’s.`;
    this.canvas.setAttribute("aria-label", `The model graph at round ${round}: noise, generator, samples, discriminator, verdicts, losses. ${words}${stage ? `Now: ${stage.name} of the ${stage.player}’s update.` : ""}`);
  }
}
