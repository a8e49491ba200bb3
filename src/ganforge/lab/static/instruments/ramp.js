// Instrument 4: two bumps to drag, a classifier that goes flat and a critic that stays a ramp.

import { el, writeAddress } from "../base.js";
import { short } from "../charts.js";
import { palette } from "../paint.js";
import { axes, figure, legend, problem as trouble, readings, select, slider, throttled } from "../parts.js";
import { takeaway } from "../takeaway.js";

const NAMES = ["vanilla", "critic"];
const ARROW = 1.4; // of the axis for a slope of 1

export function mount(root, lab) {
  let state = null, header = null, arrays = null, link = null, held = null, chosen = "fake";
  const board = (name, words) => el("canvas", { class: "landscape", id: name, tabIndex: 0, role: "slider", "aria-label": words, "aria-valuetext": "" });
  const boards = { vanilla: board("vanilla", "The classifier's landscape, and both bumps: drag them, or use the arrow keys"), critic: board("critic", "The critic's landscape, and both bumps: drag them, or use the arrow keys") };
  const chart = el("canvas", { class: "curve", role: "img", "aria-label": "JSD and W1 over the distance" });
  const ways = el("canvas", { class: "curve short", role: "img", "aria-label": "Where the fakes were after each round" });
  const go = el("button", { id: "go", type: "button", class: "primary", onclick: () => lab.send({ kind: "train", on: !state?.playing }) }, "Train G");
  const back = el("button", { id: "back", type: "button", onclick: () => lab.send({ kind: "reset" }) }, "Reset");
  const told = el("p", { class: "note", id: "told", role: "status" });
  const tables = Object.fromEntries(NAMES.map((n) => [n, readings([["fake", "fakes’ centre"], ["slope", "slope at the fakes"], ["travel", "way travelled"], ["jsd", "JSD"], ["w1", "W1"]], `${n}-figures`)]));
  const put = throttled((change) => { if (link) { link = { ...link, ...change }; const { rounds, script, ...rest } = link; lab.send({ kind: "put", ...rest }); } }, 90);
  const width = slider({ id: "width", label: "width of the bumps", min: 0.15, max: 1, step: 0.05, value: 0.25, change: (v) => put({ width: v }) });
  const loss = select({ id: "objective", label: "generator’s loss above", options: [["minimax", "saturating, log(1 − D)"], ["non_saturating", "non-saturating, −log D"]], change: (v) => put({ objective: v }) });
  const seed = slider({ id: "seed", label: "seed", min: 0, max: 20, step: 1, value: 0, change: (v) => put({ seed: v }) });
  const problem = trouble();
  const keys = () => legend([palette().real, "real"], [palette().fake, "fake"], [palette().ink, "D, trained"], [palette().soft, "the best D", true]);
  const captions = NAMES.map(() => el("span"));
  const take = takeaway(lab, "ramp", {
    canvases: () => [boards.vanilla, boards.critic, chart, ways], ask: ["recipe"],
    table: () => arrays && [["round", ...NAMES], Array.from(arrays.vanilla_way, (_, i) => [i, arrays.vanilla_way[i], arrays.critic_way[i]])],
    about: "The recipes are those of both games with the generators free; here the discriminators learn alone first." });
  const single = (what) => () => lab.send({ kind: "step", what });
  const steps = el("span", { class: "joined" }, ...[["discriminator", "D", "d"], ["generator", "G", "g"], ["both", "D + G", "b"]].map(([what, label, key]) => el("button", { type: "button", id: `step-${key}`, title: `One update (${key})`, "aria-label": what === "both" ? "Step both" : `Step the ${what}`, onclick: single(what) }, label)));
  const speed = select({ id: "speed", label: "speed", options: [["6", "6 rounds/s"], ["60", "60 rounds/s"], ["300", "300 rounds/s"]], change: (v) => lab.send({ kind: "pace", rounds: Number(v) }) });
  root.append(el("div", { class: "bench lab-two" },
    el("section", { class: "card" }, el("h3", {}, "A classifier, D(x)"), captions[0], boards.vanilla, el("h3", {}, "A critic of slope at most 1"), captions[1], boards.critic,
      el("div", { class: "transport" }, go, steps, back, el("span", { class: "count" }, el("output", { id: "rounds", class: "rounds" }, "0"), " rounds")), told, problem),
    el("section", { class: "left-over" },
      el("section", { class: "card prose" }, el("h3", {}, "Flat and ramp"),
        el("p", {}, "Drag the two bumps apart. Once they don’t overlap, a classifier is sure on both sides: a step, flat where the fakes are, and the loss that the first paper has gives them no direction. A critic that may not be steeper than 1 stays a ramp from one bump to the other, however far. Then let the generators go."),
        el("p", { class: "note" }, "The arrow at the fakes is where the generator’s loss sends them; its length is the slope.")),
      el("section", { class: "card" }, width.node, loss.node, seed.node, speed.node),
      el("section", { class: "card" }, figure(chart, "Distances of two such bumps", el("span", { id: "chart-legend" })), figure(ways, "The fakes’ centre, round by round", el("span", { id: "ways-legend" }))),
      el("section", { class: "card pair" }, el("div", {}, el("h4", {}, "Classifier"), tables.vanilla.node), el("div", {}, el("h4", {}, "Critic"), tables.critic.node)), take.node)));

  const bump = (mean, sigma) => (v) => Math.exp(-0.5 * ((v - mean) / sigma) ** 2);

  function landscape(name) {
    const half = state.half, at = header[name], xs = places();
    const y = name === "vanilla" ? [-0.03, 1.08] : [-half * 1.05, half * 1.1];
    const plot = axes(boards[name], { x: [-half, half], y, yticks: name === "vanilla" ? [0, 0.5, 1] : [-4, -2, 0, 2, 4] });
    const { context, colours, px, py } = plot;
    if (!plot.width) return;
    const tall = (y[1] - y[0]) * 0.36;
    const fake = held ? link.fake : at.fake, real = held ? link.real : header.real;
    for (const [mean, sigma, colour] of [[real, link.width, colours.real], [fake, held ? link.width : at.width, colours.fake]]) {
      const shape = bump(mean, sigma);
      const ys = xs.map((v) => y[0] + tall * shape(v));
      plot.area(xs, ys, colour, 0.32);
      plot.line(xs, ys, colour, { thick: 1.4 });
    }
    plot.line(xs, arrays[`${name}_optimum`], colours.soft, { dash: [3, 4], thick: 1.4 });
    plot.line(xs, arrays[`${name}_landscape`], colours.ink, { thick: 2.4 });
    plot.dot(real, y[0] + tall * 0.5, colours.real);
    plot.dot(fake, y[0] + tall * 0.5, colours.fake, true);
    const reach = -at.slope * ARROW, from = px(at.fake), to = px(at.fake + reach), level = py(y[0] + tall * 1.25);
    context.strokeStyle = context.fillStyle = colours.arrow;
    context.lineWidth = 2.5;
    if (!held && Math.abs(to - from) > 2.5) {
      const way = Math.sign(to - from), head = Math.min(9, Math.abs(to - from));
      context.beginPath();
      context.moveTo(from, level); context.lineTo(to - way * head * 0.7, level);
      context.stroke();
      context.beginPath();
      context.moveTo(to, level); context.lineTo(to - way * head, level - head * 0.55); context.lineTo(to - way * head, level + head * 0.55);
      context.fill();
    } else if (!held) {
      context.beginPath();
      context.arc(from, level, 2.5, 0, 6.2832);
      context.fill();
    }
    if (document.activeElement === boards[name]) {
      context.strokeStyle = colours.ink;
      context.lineWidth = 1.5;
      context.beginPath();
      context.arc(px(chosen === "fake" ? fake : real), py(y[0] + tall * 0.5), 11, 0, 6.2832);
      context.stroke();
    }
    boards[name].setAttribute("aria-valuetext", `real at ${short(real)}, fakes at ${short(fake)}, slope there ${short(at.slope)}`);
  }

  const places = () => Array.from({ length: arrays.vanilla_landscape.length }, (_, i) => -state.half + (2 * state.half * i) / (arrays.vanilla_landscape.length - 1));

  function distances() {
    const { apart, jsd, w1 } = state.distances;
    const plot = axes(chart, { x: [0, state.far], y: [0, state.far], yticks: [0, 2, 4, 6, 8], xlabel: "how far apart", left: 30 });
    if (!plot.width) return;
    plot.line(apart, w1, plot.colours.real);
    const scale = state.far / 0.8; // JSD has an axis of its own: log 2 = .693 stays in sight
    plot.line(apart, jsd.map((v) => v * scale), plot.colours.fake);
    plot.context.fillStyle = plot.colours.fake;
    plot.context.textAlign = "center";
    plot.context.textBaseline = "bottom";
    plot.context.fillText("log 2", plot.px(5.2), plot.py(Math.log(2) * scale) - 3);
    for (const name of NAMES) {
      const at = Math.abs(header[name].fake - header.real);
      plot.dot(at, name === "vanilla" ? header.vanilla.jsd * scale : header.critic.w1, name === "vanilla" ? plot.colours.fake : plot.colours.real, name === "vanilla");
    }
    const long = axes(ways, { x: [0, Math.max(60, arrays.vanilla_way.length - 1)], y: [-state.half, state.half], yticks: [-4, -2, 0, 2, 4], xlabel: "round", left: 30 });
    if (!long.width) return;
    long.line([0, 1e4], [header.real, header.real], long.colours.soft, { dash: [2, 3], thick: 1 });
    const rounds = Array.from(arrays.vanilla_way, (_, i) => i);
    long.line(rounds, arrays.vanilla_way, long.colours.fake);
    long.line(rounds, arrays.critic_way, long.colours.real);
  }

  function draw() {
    if (!state || !header) return;
    NAMES.forEach(landscape);
    distances();
  }

  function captioned() {
    const c = palette();
    captions.forEach((node) => node.replaceChildren(keys()));
    document.getElementById("chart-legend").replaceChildren(legend([c.fake, "JSD (0 … 0.8)"], [c.real, "W1"]));
    document.getElementById("ways-legend").replaceChildren(legend([c.fake, "under the classifier"], [c.real, "under the critic"], [c.soft, "the data", true]));
  }

  function words() {
    const left = state.warm - header.warmed;
    told.textContent = left > 0 ? `The discriminators learn the bumps first: ${left} rounds to go.`
      : header.rounds === 0 ? "The discriminators know the bumps. Train G lets both generators go."
      : `After ${header.rounds} rounds the one under the classifier has moved by ${short(Math.abs(header.vanilla.travel))}, the one under the critic by ${short(Math.abs(header.critic.travel))}.`;
    document.getElementById("rounds").value = header.rounds;
    go.disabled = left > 0 || header.rounds >= state.most;
    for (const name of NAMES) tables[name].show(header[name]);
  }

  for (const canvas of Object.values(boards)) {
    const place = (event) => { const box = canvas.getBoundingClientRect(); const v = -state.half + ((event.clientX - box.left - 40) / (box.width - 48)) * 2 * state.half; return Math.round(Math.max(-4, Math.min(4, v)) * 20) / 20; };
    const move = (event) => { const change = { [chosen]: place(event) }; link = { ...link, ...change }; put(change); draw(); };
    canvas.onpointerdown = (event) => {
      if (!header) return;
      const at = place(event), name = canvas.id;
      const start = { real: header.real, fake: header[name].fake };
      chosen = Math.abs(at - start.real) < Math.abs(at - start.fake) ? "real" : "fake";
      link = { ...link, fake: Math.round(Math.max(-4, Math.min(4, header[name].fake)) * 20) / 20 };
      held = canvas;
      canvas.setPointerCapture(event.pointerId);
      canvas.focus({ preventScroll: true });
      move(event);
    };
    canvas.onpointermove = (event) => held && event.buttons && move(event);
    canvas.onpointerup = canvas.onpointercancel = () => { held = null; };
    canvas.onfocus = canvas.onblur = () => draw();
    canvas.onkeydown = (event) => {
      if (event.key === "x") { chosen = chosen === "fake" ? "real" : "fake"; draw(); } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        const v = Math.round((link[chosen] + (event.key === "ArrowLeft" ? -0.25 : 0.25)) * 20) / 20;
        const change = { [chosen]: Math.max(-4, Math.min(4, v)) };
        link = { ...link, ...change };
        put(change);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    };
  }

  const resize = new ResizeObserver(() => draw());
  resize.observe(root);
  captioned();
  return {
    keys: [["space", "let the generators go, or hold them"], ["d, g, b", "one update of both games’ discriminators, generators, a round"], ["r", "reset"], ["← →", "move the bump that is chosen"], ["x", "choose the other bump"]],
    link: () => link,
    state: () => state,
    frame: () => (header ? { header, arrays } : undefined),
    onTheme() { captioned(); draw(); },
    onFrame(h, a) { header = h; arrays = a; draw(); words(); },
    onWords(message) {
      if (message.kind === "refused") { problem.textContent = message.text; problem.hidden = false; return; }
      if (take.hears(message)) return;
      if (message.kind !== "state") return;
      problem.hidden = true;
      state = message;
      if (!held) link = message.link;
      width.set(link.width);
      loss.set(link.objective);
      seed.set(link.seed);
      speed.set(String(state.pace));
      go.textContent = state.playing ? "Hold G" : "Train G";
      go.setAttribute("aria-pressed", String(state.playing));
      writeAddress("ramp", { link: message.link });
      if (header) draw();
    },
    onKey(event) {
      if (event.key === " ") { if (!go.disabled) go.click(); } else if (event.key === "r") back.click();
      else if (["d", "g", "b"].includes(event.key)) steps.querySelector(`#step-${event.key}`).click();
      else return false;
      return true;
    },
    unmount() { resize.disconnect(); },
  };
}
