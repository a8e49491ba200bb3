// Instrument 2: a small fixed game, rendered whole.

import { el, writeAddress } from "../base.js";
import { short } from "../charts.js";
import { palette } from "../paint.js";
import { axes, bounds, figure, legend, problem as trouble, readings, select, slider, throttled } from "../parts.js";
import { table as table_, takeaway } from "../takeaway.js";

const LOSSES = [["minimax", "saturating, log(1 − D)"], ["non_saturating", "non-saturating, −log D"]];

export function mount(root, lab) {
  let state = null, header = null, arrays = null;
  const canvas = (label, tall = "") => el("canvas", { class: `curve ${tall}`, role: "img", "aria-label": label });
  const losses = canvas("Both losses"), beliefs = canvas("D(real) and D(G(z))"), gradient = canvas("The generator’s gradient"), plane = el("canvas", { class: "small-plane", role: "img", "aria-label": "Where the fakes began and where they are" });
  const names = { losses: el("span"), beliefs: el("span"), gradient: el("span"), plane: el("span") };
  const tell = throttled((change) => state && lab.send({ kind: "simulate", ...state.link, ...change }), 40);
  const rate = slider({ id: "d_lr", label: "D’s learning rate", min: -4, max: -0.7, step: 0.05, value: -2.7, say: (v) => (10 ** v).toPrecision(2), change: (v) => tell({ d_lr: Number((10 ** v).toPrecision(3)) }), about: "the generator's is 0.0005" });
  const steps = slider({ id: "d_steps", label: "D steps per G step", min: 1, max: 5, step: 1, value: 1, change: (v) => tell({ d_steps: v }) });
  const loss = select({ id: "objective", label: "generator’s loss", options: LOSSES, change: (v) => tell({ objective: v }) });
  const seed = slider({ id: "seed", label: "seed", min: 0, max: 20, step: 1, value: 0, change: (v) => tell({ seed: v }) });
  const table = readings([["loss_discriminator", "D’s loss at the end"], ["loss_generator", "G’s loss at the end"], ["d_real", "D(real)"], ["d_fake", "D(G(z))"], ["gradient_norm_generator", "norm of G’s gradient"], ["slope", "slope of G’s loss in the logit"]], "read-outs");
  const doctor = el("ul", { class: "sure", id: "doctor" });
  const told = el("p", { class: "note", id: "told", role: "status" });
  const problem = trouble();
  const keys = ["round", "loss_discriminator", "loss_generator", "d_real", "d_fake", "gradient_norm_generator", "slope"];
  const take = takeaway(lab, "simulation", {
    canvases: () => [losses, beliefs, gradient, plane], ask: ["recipe"], reset: () => lab.send({ kind: "simulate", ...state.start }),
    table: () => arrays && [keys, Array.from(arrays.round, (_, i) => keys.map((k) => arrays[k][i]))] });
  root.append(el("div", { class: "bench lab-two" },
    el("section", { class: "card" }, figure(losses, "Losses", names.losses), figure(beliefs, "What D believes", names.beliefs), figure(gradient, "Norm of G’s gradient", names.gradient), told, problem),
    el("section", { class: "left-over" },
      el("section", { class: "card prose" }, el("h3", {}, "Training simulator"), el("p", {}, "One Gaussian, some way off; a small generator that learns slowly. Crank the discriminator’s learning rate: its loss goes to nothing, D(G(z)) to 0, and with the saturating loss the generator’s gradient with it. Then change the loss.")),
      el("section", { class: "card" }, rate.node, steps.node, loss.node, seed.node, el("div", { class: "buttons" }, table_(lab, () => state.settings))),
      el("section", { class: "card" }, el("h4", {}, "At the end"), table.node, el("h4", {}, "What the doctor finds"), doctor),
      el("section", { class: "card" }, figure(plane, "Where the fakes end up", names.plane)), take.node)));

  function chart(node, keys, range, alone) {
    const c = palette();
    const rounds = Array.from(arrays.round);
    const values = keys.map((k) => Array.from(arrays[k]));
    const plot = axes(node, { x: [0, state.rounds], y: range || bounds(values.flat(), { zero: true }), xlabel: alone ? "round" : "" });
    if (!plot.width) return;
    keys.forEach((k, i) => plot.line(rounds, values[i], [c.real, c.fake][keys.length === 1 ? 1 : i]));
    node.setAttribute("aria-label", keys.map((k) => `${k.replace(/_/g, " ")} ends at ${short(header.last[k])}`).join(", "));
  }

  function draw() {
    if (!state || !header) return;
    const c = palette();
    chart(losses, ["loss_discriminator", "loss_generator"]);
    chart(beliefs, ["d_real", "d_fake"], [-0.02, 1.02]);
    chart(gradient, ["gradient_norm_generator"], null, true);
    const plot = axes(plane, { x: [-2, 4], y: [-2, 2], left: 24, ticks: [-2, 0, 2, 4], yticks: [-2, 0, 2] });
    if (plot.width) {
      const { context, px, py } = plot;
      context.strokeStyle = c.real;
      for (const r of [0.3, 0.6, 0.9]) { context.globalAlpha = 1 - r; context.lineWidth = 2; context.beginPath(); context.ellipse(px(2.5), py(0), r * (px(1) - px(0)), r * (py(0) - py(1)), 0, 0, 6.2832); context.stroke(); }
      [[arrays.start, c.soft, 0.5], [arrays.fakes, c.fake, 0.75]].forEach(([points, colour, alpha]) => {
        context.fillStyle = colour;
        context.globalAlpha = alpha;
        for (let i = 0; i < points.length; i += 2) { const [a, b] = [px(points[i]), py(points[i + 1])]; if (a > plot.left && a < plot.right && b > plot.top && b < plot.bottom) context.fillRect(a - 1.5, b - 1.5, 3, 3); }
      });
      context.globalAlpha = 1;
    }
    names.losses.replaceChildren(legend([c.real, "D"], [c.fake, "G"]));
    names.beliefs.replaceChildren(legend([c.real, "D(real)"], [c.fake, "D(G(z))"]));
    names.gradient.replaceChildren(legend([c.fake, "near 0, G learns nothing"]));
    names.plane.replaceChildren(legend([c.real, "data"], [c.soft, "fakes, round 0"], [c.fake, "at the end"]));
  }

  const resize = new ResizeObserver(() => draw());
  resize.observe(root);
  return {
    keys: [["r", "reset"]],
    link: () => state?.link,
    state: () => state,
    frame: () => (header ? { header, arrays } : undefined),
    onTheme: draw,
    onFrame(h, a) {
      header = h; arrays = a;
      table.show(h.last);
      doctor.replaceChildren(...(h.findings.length ? h.findings.map((f) => el("li", { title: f.text }, el("span", {}, f.name), el("meter", { min: 0, max: 1, value: f.certainty, "aria-label": `${f.name}, how sure` }), el("output", { "data-finding": f.name }, `${Math.round(f.certainty * 100)} %`))) : [el("li", {}, h.done ? "Nothing: a game that goes well." : "…")]));
      told.textContent = h.ended || (h.done ? `${h.round} rounds, rendered; the same sliders give the same curves.` : `Round ${h.round} of ${state?.rounds} …`);
      draw();
    },
    onWords(message) {
      if (message.kind === "refused") { problem.textContent = message.text; problem.hidden = false; return; }
      if (take.hears(message)) return;
      if (message.kind !== "state") return;
      problem.hidden = true;
      state = message;
      rate.set(Math.log10(state.link.d_lr)); steps.set(state.link.d_steps); loss.set(state.link.objective); seed.set(state.link.seed);
      writeAddress("simulator", { link: state.link });
    },
    onKey(event) { if (event.key !== "r") return false; take.reset(); return true; },
    unmount() { resize.disconnect(); },
  };
}
