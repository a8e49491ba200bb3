// Instrument 3: eight Gaussians, a remedy by name, a scrubber over the whole training.

import { el, writeAddress } from "../base.js";
import { short } from "../charts.js";
import { palette } from "../paint.js";
import { axes, figure, legend, problem as trouble, readings, select, slider, throttled } from "../parts.js";
import { table as table_, takeaway } from "../takeaway.js";

const REMEDIES = [["packing", "packing"], ["minibatch", "minibatch discrimination"], ["unrolling", "unrolling"]];
const WORDS = {
  "on the way": "On the way: no mode is found yet.", astray: "Astray: modes were found, and most fakes have left them again.", collapsed: "Collapsed: all fakes at a few modes, and they stay there.",
  hopping: "Hopping: all fakes in one heap that moves from mode to mode.", partial: "Partial: most modes are found, some aren’t.",
  covered: "Covered: every mode has its fakes.", scattered: "Scattered: every mode is found, but most fakes lie between them.",
};

export function mount(root, lab, view) {
  let state = null, header = null, arrays = null, shots = [], at = Number.isInteger(view.at) ? view.at : null, timer = null;
  const plane = el("canvas", { class: "plane", role: "img", "aria-label": "Fakes and the eight modes" });
  const chart = el("canvas", { class: "curve", role: "img", "aria-label": "Modes found and coverage over the rounds" });
  const shares = el("canvas", { class: "curve short", role: "img", "aria-label": "Shares of the modes" });
  const scrub = el("input", { id: "scrub", type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Round of the recorded training", oninput: () => { stop(); at = Number(scrub.value); show(); remember(); } });
  const play = el("button", { id: "play", type: "button", class: "primary", onclick: () => (timer ? stop() : run()) }, "Play");
  const remember = throttled(() => state && writeAddress("collapse", { link: state.link, view: at === null ? {} : { at } }), 150);
  const tell = throttled((change) => state && lab.send({ kind: "press", ...state.link, ...change }), 40);
  const remedy = select({ id: "remedy", label: "diversity pressure by", options: REMEDIES, change: (v) => tell({ remedy: v, pressure: Math.min(state.link.pressure, state.remedies[v].length - 1) }) });
  const pressure = slider({ id: "pressure", label: "pressure", min: 0, max: 3, step: 1, value: 0, say: (v) => state?.remedies[state.link.remedy][v]?.replace("=", " = ") ?? "", change: (v) => tell({ pressure: v }) });
  const seed = slider({ id: "seed", label: "seed", min: 0, max: 20, step: 1, value: 0, change: (v) => tell({ seed: v }) });
  const table = readings([["round", "round"], ["modes_found", "modes covered, of 8"], ["reached", "coverage"], ["quality", "share of fakes at a mode"]], "read-outs");
  const regime = el("p", { class: "verdict", id: "regime", role: "status" });
  const doctor = el("ul", { class: "sure", id: "doctor" });
  const problem = trouble();
  const key = el("span"), chartKey = el("span"), shareKey = el("span");
  const take = takeaway(lab, "collapse", {
    canvases: () => [plane, chart, shares], ask: ["recipe"], reset: () => lab.send({ kind: "press", ...state.start }),
    table: () => header && [["round", "modes_found", "coverage", "quality", "d_real", "d_fake", "regime", ...state.means.map((_, k) => `share_${k}`)],
      Array.from(arrays.round, (r, i) => [r, arrays.modes_found[i], arrays.reached[i], arrays.quality[i], arrays.d_real[i], arrays.d_fake[i], header.regimes[i], ...header.shares[i]])] });
  const pace = select({ id: "speed", label: "speed", options: [["160", "half"], ["80", "as it is"], ["40", "double"], ["16", "fastest"]], change: () => { if (timer) { stop(); run(); } } });
  pace.set("80");
  root.append(el("div", { class: "bench lab-two" },
    el("section", { class: "center" }, el("figure", { class: "board wide" }, plane), el("div", { class: "transport scrubber" }, play, scrub, el("span", { class: "count" }, "round ", el("output", { id: "rounds", class: "rounds" }, "0"))), el("p", { class: "tip note" }, key), problem),
    el("section", { class: "left-over" },
      el("section", { class: "card prose" }, el("h3", {}, "Mode collapse"), el("p", {}, "Eight Gaussians, and a generator that learns four times as fast as its discriminator: it puts all its fakes where D is fooled just now. Give D a way of seeing several fakes at once, or let G look ahead, and scrub through what becomes of it.")),
      el("section", { class: "card" }, remedy.node, pressure.node, seed.node, pace.node, el("div", { class: "buttons" }, table_(lab, () => state.settings))),
      el("section", { class: "card" }, regime, table.node),
      el("section", { class: "card" }, figure(chart, "The whole training", chartKey), figure(shares, "Share of the fakes at each mode", shareKey)),
      el("section", { class: "card" }, el("h4", {}, "What the doctor finds at the end"), doctor), take.node)));

  const stop = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
  function run() {
    if (at === null || at >= shots.length - 1) at = 0;
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (at < shots.length - 1) { at += 1; show(); } else if (header.done) { stop(); remember(); }
    }, Number(pace.input.value));
  }
  const now = () => Math.max(0, Math.min(at ?? shots.length - 1, shots.length - 1));

  function show() {
    if (!header || !state || !shots.length) return;
    const i = now(), c = palette();
    scrub.max = shots.length - 1;
    scrub.value = i;
    scrub.setAttribute("aria-valuetext", `round ${arrays.round[i]}`);
    document.getElementById("rounds").value = arrays.round[i];
    table.show({ round: arrays.round[i], modes_found: arrays.modes_found[i], reached: arrays.reached[i], quality: arrays.quality[i] });
    regime.textContent = WORDS[header.regimes[i]];
    regime.dataset.regime = header.regimes[i];
    const half = 1.5, size = plane.clientWidth;
    const plot = axes(plane, { x: [-half, half], y: [-half, half], ticks: [], yticks: [], left: 0 });
    if (!plot.width) return;
    const { context } = plot;
    const px = (v) => ((v / half + 1) * size) / 2, py = (v) => ((1 - v / half) * size) / 2;
    state.means.forEach(([x, y], k) => {
      const found = header.shares[i][k] >= 20 / 2500;
      context.strokeStyle = context.fillStyle = c.real;
      context.globalAlpha = found ? 0.22 : 0.06;
      context.beginPath(); context.arc(px(x), py(y), 3 * state.sigma * size / (2 * half), 0, 6.2832); context.fill();
      context.globalAlpha = 1;
      context.lineWidth = 1.8;
      context.setLineDash(found ? [] : [3, 4]);
      context.beginPath(); context.arc(px(x), py(y), 3 * state.sigma * size / (2 * half) + 5, 0, 6.2832); context.stroke();
    });
    context.setLineDash([]);
    context.fillStyle = c.fake;
    context.globalAlpha = 0.7;
    const points = shots[i], r = Math.max(1.5, size / 300);
    for (let k = 0; k < points.length; k += 2) context.fillRect(px(points[k]) - r, py(points[k + 1]) - r, 2 * r, 2 * r);
    context.globalAlpha = 1;
    plane.setAttribute("aria-label", `Round ${arrays.round[i]}: ${arrays.modes_found[i]} of 8 modes, coverage ${short(arrays.reached[i])}, ${header.regimes[i]}`);
    const lines = axes(chart, { x: [0, state.rounds], y: [0, 8], yticks: [0, 2, 4, 6, 8], xlabel: "round", left: 26 });
    lines.line(arrays.round, arrays.modes_found, c.real);
    lines.line(arrays.round, Array.from(arrays.reached, (v) => v * 8), c.fake);
    lines.line([arrays.round[i], arrays.round[i]], [0, 8], c.ink, { thick: 1.2, dash: [3, 3] });
    const bars = axes(shares, { x: [-0.5, 7.5], y: [0, Math.max(0.25, ...header.shares[i]) * 1.1], ticks: [0, 1, 2, 3, 4, 5, 6, 7], left: 30 });
    if (!bars.width) return;
    header.shares[i].forEach((v, k) => { bars.context.fillStyle = c.fake; bars.context.fillRect(bars.px(k) - (bars.px(0.62) - bars.px(0)) / 2, bars.py(v), bars.px(0.62) - bars.px(0), bars.bottom - bars.py(v)); });
    bars.line([-0.5, 7.5], [0.125, 0.125], c.real, { dash: [4, 4], thick: 1.5 });
    key.replaceChildren(legend([c.fake, "fakes"], [c.real, "a mode that is found"], [c.real, "one that isn’t", true]));
    chartKey.replaceChildren(legend([c.real, "modes covered"], [c.fake, "coverage × 8"]));
    shareKey.replaceChildren(legend([c.real, "what each should have", true]));
  }

  const resize = new ResizeObserver(() => show());
  resize.observe(root);
  return {
    keys: [["space", "play or pause the recording"], ["← →", "on the scrubber: a look back, a look on"], ["r", "reset"]],
    link: () => state?.link,
    state: () => state,
    frame: () => (header ? { header, arrays, at: now() } : undefined),
    onTheme: show,
    onFrame(h, a) {
      if (h.first === 0) shots = [];
      const [n, count] = a.shots.shape;
      for (let i = 0; i < n; i += 1) shots[h.first + i] = a.shots.subarray(i * count * 2, (i + 1) * count * 2);
      header = h; arrays = a;
      doctor.replaceChildren(...(h.findings.length ? h.findings.map((f) => el("li", { title: f.text }, el("span", {}, f.name), el("meter", { min: 0, max: 1, value: f.certainty, "aria-label": `${f.name}, how sure` }), el("output", { "data-finding": f.name }, `${Math.round(f.certainty * 100)} %`))) : [el("li", {}, h.done ? "Nothing: a game that goes well." : `recording, round ${h.round} …`)]));
      show();
    },
    onWords(message) {
      if (message.kind === "refused") { problem.textContent = message.text; problem.hidden = false; return; }
      if (take.hears(message)) return;
      if (message.kind !== "state") return;
      problem.hidden = true;
      const anew = state !== null && JSON.stringify(state.link) !== JSON.stringify(message.link);
      state = message;
      if (anew) { stop(); at = null; }
      pressure.input.max = state.remedies[state.link.remedy].length - 1;
      remedy.set(state.link.remedy); pressure.set(state.link.pressure); seed.set(state.link.seed);
      remember();
    },
    onKey(event) { if (event.key === " ") play.click(); else if (event.key === "r") take.reset(); else return false; return true; },
    unmount() { stop(); resize.disconnect(); },
  };
}
