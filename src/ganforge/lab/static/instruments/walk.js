// Instrument 5: between two codes of a trained generator.

import { el, writeAddress } from "../base.js";
import { palette } from "../paint.js";
import { short } from "../charts.js";
import { axes, figure, legend, problem as trouble, readings, select, slider, throttled } from "../parts.js";
import { takeaway } from "../takeaway.js";

// uint8 images (N, C, H, W) side by side on a canvas; the browser enlarges it with hard edges
function paintImages(canvas, images, columns, gap = 1) {
  const [n, c, h, w] = images.shape;
  const rows = Math.ceil(n / columns);
  canvas.width = columns * (w + gap) - gap;
  canvas.height = rows * (h + gap) - gap;
  const context = canvas.getContext("2d");
  for (let k = 0; k < n; k += 1) {
    const patch = context.createImageData(w, h);
    for (let i = 0; i < h * w; i += 1) {
      for (let j = 0; j < 3; j += 1) patch.data[4 * i + j] = images[k * c * h * w + (c === 3 ? j : 0) * h * w + i];
      patch.data[4 * i + 3] = 255;
    }
    context.putImageData(patch, (k % columns) * (w + gap), Math.floor(k / columns) * (h + gap));
  }
}

export function mount(root, lab) {
  let state = null, header = null, arrays = {}, link = null;
  const picture = (id, label, kind) => el("canvas", { id, class: kind, role: "img", "aria-label": label });
  const here = { lerp: picture("here-lerp", "The sample at t on the straight line", "sample"), slerp: picture("here-slerp", "The sample at t on the turn", "sample") };
  const strip = { lerp: picture("strip-lerp", "Nine samples along the straight line", "strip"), slerp: picture("strip-slerp", "Nine samples along the turn", "strip") };
  const grid = picture("grid", "Five by five samples between four codes", "grid");
  const chart = el("canvas", { class: "curve short", role: "img", "aria-label": "Length of the code along both ways" });
  const chartKey = el("span");
  const problem = trouble();
  let asked = 0, since = 0;  // answers that are on their way, and when the last was asked for
  const say = throttled(() => { asked += 1; since = performance.now(); lab.send({ kind: "go", ...link }); }, 45);
  const tell = (change) => { if (!link) return; link = { ...link, ...change }; say(); };
  const t = slider({ id: "t", label: "t, from A to B", min: 0, max: 1, step: 0.01, value: 0.5, live: true, say: (v) => v.toFixed(2), change: (v) => tell({ t: v }) });
  const size = slider({ id: "size", label: "size of the codes", min: 0, max: 1.5, step: 0.05, value: 1, live: true, say: (v) => `× ${v.toFixed(2)}`, change: (v) => tell({ size: v }), about: "below 1: truncation, typical samples and little variety" });
  const run = select({ id: "run", label: "generator", options: [["", "digits, learnt here"]], change: (v) => tell({ run: v, label: null, along: [] }) });
  const label = select({ id: "label", label: "asked for", options: [["", "each code’s own class"]], change: (v) => tell({ label: v === "" ? null : Number(v) }) });
  const codes = ["A", "B", "C", "D"].map((name, i) => {
    const input = el("input", { id: `code-${name}`, type: "text", inputMode: "numeric", autocomplete: "off", onchange: () => {
      if (!/^\d{1,10}$/.test(input.value.trim()) || Number(input.value) > 1e9) {
        problem.textContent = `code ${name} = ${input.value.slice(0, 40)}: a code’s seed is a whole number from 0 to 1,000,000,000`;
        problem.hidden = false;
        input.value = link.seeds[i];
        return;
      }
      const seeds = [...link.seeds];
      seeds[i] = Number(input.value);
      tell({ seeds });
    } });
    return { node: el("div", { class: "row" }, el("label", { for: `code-${name}` }, `code ${name}, a seed`), input), input };
  });
  const other = el("button", { id: "other", type: "button", onclick: () => tell({ seeds: link.seeds.map((s) => (s * 48271 + 11) % 100_000) }) }, "Other codes");
  const table = readings([["lerp", "|z|, straight line"], ["slerp", "|z|, turn"], ["typical", "|z| of a typical code"]], "read-outs");
  const told = el("p", { class: "note", id: "told", role: "status" });
  const take = takeaway(lab, "walk", {
    canvases: () => [here.lerp, here.slerp, strip.lerp, strip.slerp, grid], ask: ["data", "recipe"],
    reset: () => state && tell({ ...state.start, run: link.run }), about: "The recipe is the generator’s, the data are the codes." });
  let timer = null;
  const still = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
  const play = el("button", { id: "play", type: "button", class: "primary", title: "From A to B and back (space)", onclick: () => {
    if (timer) { still(); return; }
    let way = 1;
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (!link) return;
      const next = Math.round(100 * (link.t + 0.02 * way * Number(speed.input.value))) / 100;
      if (next >= 1 || next <= 0) way = -way;
      tell({ t: Math.max(0, Math.min(1, next)) });
    }, 80);
  } }, "Play");
  const speed = select({ id: "speed", label: "speed", options: [["0.5", "half"], ["1", "as it is"], ["3", "threefold"]], change: () => {} });
  speed.set("1");
  const ways = el("section", { class: "card", hidden: true, "aria-label": "Directions" });
  let along = [];
  // a slider for each direction that was found of the run
  function directions() {
    const text = JSON.stringify([link.run, state.directions, state.problem]);
    if (ways.dataset.made !== text) {
      ways.dataset.made = text;
      along = state.directions.map((d, i) => slider({ id: `along-${i}`, label: d.name.replace(/_/g, " "), min: -6, max: 6, step: 0.25, value: 0, live: true, about: d.note, say: (v) => `${v > 0 ? "+" : ""}${v} σ`,
        change: (v) => { const moved = state.directions.map((_, k) => link.along[k] || 0); moved[i] = v; tell({ along: moved }); } }));
      const none = el("button", { type: "button", id: "along-none", onclick: () => tell({ along: [] }) }, "All to 0");
      ways.replaceChildren(el("h4", {}, "Along the directions of this run"), ...along.map((s) => s.node), state.problem ? el("p", { class: "problem" }, state.problem) : el("div", { class: "buttons" }, none));
      ways.hidden = !along.length && !state.problem;
    }
    along.forEach((s, i) => s.set(link.along[i] || 0));
  }
  root.append(el("div", { class: "bench lab-two" },
    el("div", { class: "left-over" }, el("section", { class: "card" },
      el("h3", {}, "From A to B"), el("div", { class: "transport scrubber" }, play, t.node),
      el("div", { class: "samples" }, el("figure", {}, here.lerp, el("figcaption", { class: "note" }, "straight line (lerp)")), el("figure", {}, here.slerp, el("figcaption", { class: "note" }, "turn (slerp)"))),
      figure(strip.lerp, "Straight line, t = 0 … 1"), figure(strip.slerp, "Turn"), told, problem), ways),
    el("section", { class: "left-over" },
      el("section", { class: "card prose" }, el("h3", {}, "Latent walk"), el("p", {}, "A code is a vector of Gaussian numbers, and all of them are about equally long. The straight line between two passes through shorter ones, which the generator was never trained on; the turn keeps the length."), el("p", { class: "note", id: "make" })),
      el("section", { class: "card" }, run.node, label.node, size.node, ...codes.map((c) => c.node), speed.node, el("div", { class: "buttons" }, other)),
      el("section", { class: "card" }, figure(chart, "Length of the code on the way", chartKey), table.node),
      el("section", { class: "card" }, figure(grid, "Between four codes", el("span", { class: "note" }, "A upper left, B upper right, C, D below"))), take.node)));

  function draw() {
    if (!state) return;
    const c = palette();
    const all = [...state.norms.lerp, ...state.norms.slerp, state.typical];
    const plot = axes(chart, { x: [0, 1], y: [0, Math.max(...all) * 1.15], ticks: [0, 0.25, 0.5, 0.75, 1], xlabel: "t", left: 28 });
    if (!plot.width) return;
    const xs = state.norms.lerp.map((_, i) => i / (state.norms.lerp.length - 1));
    plot.line([0, 1], [state.typical, state.typical], c.soft, { dash: [3, 3], thick: 1.3 });
    plot.line(xs, state.norms.lerp, c.fake);
    plot.line(xs, state.norms.slerp, c.real);
    if (header) { plot.dot(header.link.t, header.norm.lerp, c.fake, true); plot.dot(header.link.t, header.norm.slerp, c.real); }
    chartKey.replaceChildren(legend([c.fake, "line"], [c.real, "turn"], [c.soft, "typical", true]));
  }

  const options = (input, wanted) => { const text = JSON.stringify(wanted); if (input.dataset.options === text) return; input.dataset.options = text; input.replaceChildren(...wanted.map(([value, name]) => el("option", { value }, name))); };
  const resize = new ResizeObserver(() => draw());
  resize.observe(root);
  return {
    keys: [["space", "from A to B and back"], ["r", "reset"], ["← →", "on the slider of t: a step along the way"], ["o", "other codes"]],
    link: () => link,
    state: () => state,
    frame: () => (header ? { header, arrays } : undefined),
    onTheme: draw,
    onFrame(h, a) {
      header = h;
      Object.assign(arrays, a);
      for (const way of ["lerp", "slerp"]) {
        if (a[`here_${way}`]) paintImages(here[way], a[`here_${way}`], 1);
        if (a[`strip_${way}`]) paintImages(strip[way], a[`strip_${way}`], a[`strip_${way}`].shape[0]);
      }
      if (a.grid) paintImages(grid, a.grid, 5);
      table.show({ ...h.norm, typical: state?.typical });
      told.textContent = h.lesson === null ? `${h.name}, ${h.images.toLocaleString("en")} images seen in training.`
        : h.lesson < 1 ? `The lab trains a small generator of digits meanwhile: ${Math.round(100 * h.lesson)} %.` : `A small generator that has just learnt from ${h.images.toLocaleString("en")} digits.`;
      draw();
    },
    onWords(message) {
      asked = Math.max(0, asked - 1);
      if (message.kind === "refused") { problem.textContent = message.text; problem.hidden = false; link = state ? state.link : link; if (state) { run.set(link.run); label.set(link.label ?? ""); } return; }
      if (take.hears(message)) return;
      if (message.kind !== "state") return;
      problem.hidden = true;
      state = message;
      if (asked && performance.now() - since < 1000) return;  // a later answer is on its way: no step back
      link = state.link;
      options(run.input, [["", "digits, learnt here"], ...state.runs.map((name) => [name, name])]);
      options(label.input, [["", state.classes.length ? "each code’s own class" : "(it takes no classes)"], ...state.classes.map((name, i) => [String(i), name])]);
      label.input.disabled = !state.classes.length;
      run.set(link.run); label.set(link.label ?? ""); t.set(link.t); size.set(link.size);
      codes.forEach(({ input }, i) => { if (document.activeElement !== input) input.value = link.seeds[i]; });
      table.show({ typical: state.typical });
      document.getElementById("make").textContent = state.runs.length ? "" : "Your own: ganforge train dcgan_mnist_28 --out runs/digits, then ganforge lab --runs runs";
      directions();
      writeAddress("walk", { link });
      draw();
    },
    onKey(event) { const act = { o: () => other.click(), " ": () => play.click(), r: () => take.reset() }[event.key]; act?.(); return Boolean(act); },
    unmount() { still(); resize.disconnect(); },
  };
}
