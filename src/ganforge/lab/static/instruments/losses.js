// Instrument 6: losses over the logit, and two distributions to drag.

import { el, writeAddress } from "../base.js";
import { palette, sharp } from "../paint.js";
import { short } from "../charts.js";
import { titled } from "../controls.js";
import { even } from "../parts.js";
import { takeaway } from "../takeaway.js";

const MEASURES = { jsd: "Jensen-Shannon", kl: "KL(p‖q)", reverse_kl: "KL(q‖p)", total_variation: "total variation", pearson_chi2: "Pearson χ²(p‖q)",
  neyman_chi2: "Neyman χ²", squared_hellinger: "squared Hellinger", w1: "Wasserstein-1" };
const say = (x) => (x === null ? "∞" : typeof x === "string" ? x : short(x));

export function mount(root, lab) {
  let state = null;
  let last = 0;
  const choice = el("select", { id: "objective", "aria-label": "Objective", onchange: () => tell({ objective: choice.value }) });
  const loss = el("canvas", { class: "curve", role: "img", "aria-label": "Loss" });
  const slope = el("canvas", { class: "curve", role: "img", "aria-label": "Slope" });
  const bars = el("canvas", { class: "bars", role: "slider", tabIndex: 0, "aria-label": "Bars of the two distributions", "aria-valuetext": "" });
  const table = el("dl", { class: "figures", id: "measures" });
  const worked = el("div", { class: "scroll" });
  const texts = el("div", { class: "prose" });
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  let cursor = [0, "p"];
  const take = takeaway(lab, "losses", {
    canvases: () => [loss, slope, bars], reset: () => state && lab.send({ kind: "weigh", ...state.start }),
    table: () => state && [["place", "p", "q", "best", "gradient"], state.p.map((p, i) => [i, p, state.q[i], state.best[i], state.gradient[i]])] });
  root.append(el("div", { class: "bench two-columns" },
    el("section", { class: "card" }, el("h3", {}, "The generator’s loss"), el("div", { class: "row" }, el("label", { for: "objective" }, "objective"), choice),
      el("figure", {}, el("figcaption", { class: "note" }, "loss over the logit of a fake (left: D calls it fake)"), loss),
      el("figure", {}, el("figcaption", { class: "note" }, "its slope: where it is 0, the generator learns nothing"), slope), texts),
    el("div", { class: "left-over" }, el("section", { class: "card" }, el("h3", {}, "Two distributions"), el("p", { class: "note" }, "Drag the bars: blue is the data p, orange the generator q. Arrow keys move between bars and change them; x switches p and q. They are divided by their sums."), bars, problem, table, el("h4", {}, "Worked out, place by place"), worked), take.node)));

  const tell = (change) => state && lab.send({ kind: "weigh", ...state.link, ...change });

  function line(canvas, key, label) {
    const [context, width, height] = sharp(canvas);
    const colours = palette();
    context.clearRect(0, 0, width, height);
    const { logit, objectives } = state.curves;
    const own = objectives[state.link.objective][key].map((v) => v ?? NaN);
    const inside = own.filter((v) => Math.abs(v) < 12);
    let [low, high] = [Math.min(0, ...inside), Math.max(0, ...inside)];
    if (high - low < 1e-6) high = low + 1;
    [low, high] = [low - (high - low) * 0.08, high + (high - low) * 0.08];
    const x = (v) => 48 + ((v - logit[0]) / (logit.at(-1) - logit[0])) * (width - 56);
    const y = (v) => height - 18 - ((v - low) / (high - low)) * (height - 26);
    context.font = "11px ui-sans-serif, system-ui, sans-serif";
    context.fillStyle = context.strokeStyle = colours.soft;
    context.globalAlpha = 0.5;
    context.beginPath();
    context.moveTo(x(0), 6); context.lineTo(x(0), height - 18);
    context.moveTo(48, y(0)); context.lineTo(width - 8, y(0));
    context.stroke();
    context.globalAlpha = 1;
    context.textAlign = "center";
    for (const v of [-6, -3, 0, 3, 6]) context.fillText(String(v), x(v), height - 4);
    context.textAlign = "right";
    for (const v of even([low, high], 4)) context.fillText(Number(v.toPrecision(3)), 44, y(v) + 4);
    context.save();
    context.beginPath();
    context.rect(48, 4, width - 56, height - 22);
    context.clip();
    for (const name of [...Object.keys(objectives), state.link.objective]) {
      const mine = name === state.link.objective;
      context.strokeStyle = mine ? colours.fake : colours.soft;
      context.globalAlpha = mine ? 1 : 0.22;
      context.lineWidth = mine ? 2.4 : 1;
      context.beginPath();
      objectives[name][key].forEach((v, i) => { const place = [x(logit[i]), Math.max(-50, Math.min(height + 50, y(v ?? 99)))]; i ? context.lineTo(...place) : context.moveTo(...place); });
      context.stroke();
    }
    context.restore();
    context.globalAlpha = 1;
    canvas.setAttribute("aria-label", `${label} of ${titled(state.link.objective)}: ${short(own[0])} at -6, ${short(own[(own.length - 1) / 2])} at 0, ${short(own.at(-1))} at 6`);
  }

  const top = () => Math.max(1, ...state.link.p, ...state.link.q) * 1.1;
  function drawBars() {
    const [context, width, height] = sharp(bars);
    const colours = palette();
    context.clearRect(0, 0, width, height);
    const n = state.link.p.length, step = width / n, most = top();
    context.fillStyle = colours.soft;
    context.fillRect(0, height - 16, width, 1);
    context.font = "11px ui-sans-serif, system-ui, sans-serif";
    context.textAlign = "center";
    for (let i = 0; i < n; i += 1) {
      [["p", colours.real, 0.1], ["q", colours.fake, 0.52]].forEach(([which, colour, at]) => {
        const tall = Math.max(2, (state.link[which][i] / most) * (height - 22));
        context.fillStyle = colour;
        context.fillRect((i + at) * step, height - 16 - tall, step * 0.38, tall);
        if (document.activeElement === bars && cursor[0] === i && cursor[1] === which) { context.strokeStyle = colours.ink; context.lineWidth = 2; context.strokeRect((i + at) * step, height - 16 - tall, step * 0.38, tall); }
      });
      context.fillStyle = colours.soft;
      context.fillText(String(i), (i + 0.5) * step, height - 3);
    }
    bars.setAttribute("aria-valuetext", `place ${cursor[0]}, ${cursor[1]} = ${short(state[cursor[1]][cursor[0]])}`);
  }

  function set(index, which, value) {
    const moved = [...state.link[which]];
    moved[index] = Math.max(0, Math.round(value * 100) / 100);
    state.link[which] = moved;
    drawBars();
    const now = performance.now();
    if (now - last > 40) { last = now; tell({}); }
  }
  const drag = (event) => {
    const box = bars.getBoundingClientRect();
    const height = box.height - 22;
    set(cursor[0], cursor[1], Math.min(top(), ((box.bottom - 16 - event.clientY) / height) * top() ));
  };
  bars.onpointerdown = (event) => {
    const box = bars.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * state.link.p.length;
    cursor = [Math.min(state.link.p.length - 1, Math.max(0, Math.floor(place))), place % 1 < 0.5 ? "p" : "q"];
    bars.setPointerCapture(event.pointerId);
    bars.focus();
    drag(event);
  };
  bars.onpointermove = (event) => event.buttons && drag(event);
  bars.onpointerup = () => tell({});
  bars.onfocus = bars.onblur = () => state && drawBars();
  bars.onkeydown = (event) => {
    const n = state.link.p.length;
    const [i, which] = cursor;
    if (event.key === "ArrowLeft") cursor = [(i + n - 1) % n, which];
    else if (event.key === "ArrowRight") cursor = [(i + 1) % n, which];
    else if (event.key === "x") cursor = [i, which === "p" ? "q" : "p"];
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") { last = 0; set(i, which, state.link[which][i] + (event.key === "ArrowUp" ? 0.25 : -0.25)); }
    else return;
    event.preventDefault();
    event.stopPropagation();
    drawBars();
  };

  function draw() {
    if (!state) return;
    line(loss, "loss", "Loss");
    line(slope, "slope", "Slope");
    drawBars();
    table.replaceChildren(...Object.entries(MEASURES).flatMap(([key, name]) => [el("dt", {}, name), el("dd", {}, el("output", { "data-key": key }, say(state.measures[key])))]),
      el("dt", {}, `value of the ${titled(state.link.objective)} game`), el("dd", {}, el("output", { "data-key": "value" }, say(state.value))));
    const best = state.link_ ? "D*" : "best logit";
    const rows = [["place", state.p.map((_, i) => i)], ["p", state.p.map(short)], ["q", state.q.map(short)], [best, state.best.map(say)], ["G’s gradient", state.gradient.map(say)]];
    worked.replaceChildren(el("table", { class: "worked" }, ...rows.map(([name, cells]) => el("tr", {}, el("th", { scope: "row" }, name), ...cells.map((c) => el("td", {}, String(c)))))));
    const t = state.texts;
    texts.replaceChildren(el("p", {}, el("b", {}, "Best D: "), t.optimum, "."), el("p", {}, el("b", {}, "The game’s value: "), t.value, "."), el("p", {}, el("b", {}, "The generator follows: "), t.follows, "."), el("p", { class: "note" }, t.citation));
  }

  const resize = new ResizeObserver(() => draw());
  resize.observe(root);
  return {
    keys: [["r", "reset"], ["← →", "another bar"], ["↑ ↓", "higher, lower"], ["x", "p or q"]],
    link: () => state?.link,
    state: () => state,
    frame: () => null,
    onTheme: draw,
    onFrame() {},
    onWords(message) {
      if (message.kind === "refused") { problem.textContent = message.text; problem.hidden = false; return; }
      if (message.kind !== "state") return;
      problem.hidden = true;
      state = { ...message, link_: message.best_is_probability };
      if (!choice.options.length) choice.append(...Object.keys(state.curves.objectives).map((name) => el("option", { value: name }, titled(name))));
      choice.value = state.link.objective;
      draw();
      writeAddress("losses", { link: state.link });
    },
    onKey(event) { if (event.key !== "r") return false; take.reset(); return true; },
    unmount() { resize.disconnect(); },
  };
}
