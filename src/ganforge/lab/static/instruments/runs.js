// Instrument 7: every run of a folder, live.

import { el, writeAddress } from "../base.js";
import { palette } from "../paint.js";
import { short } from "../charts.js";
import { takeaway } from "../takeaway.js";
import { axes, bounds, figure, legend, problem as trouble, select, throttled } from "../parts.js";

const CHARTS = [["losses", "Losses", ["loss_discriminator", "loss_generator"], ["D", "G"]], ["beliefs", "What D believes", ["d_real", "d_fake"], ["D(real)", "D(G(z))"]]];

export function mount(root, lab, view) {
  let state = null, header = null, metric = null, chosen = typeof view.metric === "string" ? view.metric : null;  // by the reader
  const pictures = { run: el("canvas", { class: "grid-of-run", id: "grid-run", role: "img", "aria-label": "Samples of the run" }), other: el("canvas", { class: "grid-of-run", id: "grid-other", role: "img", "aria-label": "Samples of the run beside it" }) };
  const names = { run: el("figcaption", { class: "note" }), other: el("figcaption", { class: "note" }) };
  const otherBoard = el("figure", { hidden: true }, names.other, pictures.other);
  const charts = Object.fromEntries(CHARTS.map(([id, title]) => [id, el("canvas", { class: "curve", role: "img", "aria-label": title })]));
  const keys = Object.fromEntries([...CHARTS.map(([id]) => [id, el("span")]), ["metric", el("span")]]);
  const metricChart = el("canvas", { class: "curve", role: "img", "aria-label": "A metric over images seen" });
  const look = throttled((change) => state && lab.send({ kind: "look", ...state.link, ...change }), 60);
  const run = select({ id: "run", label: "run", options: [], change: (v) => look({ run: v || null, at: null }) });
  const other = select({ id: "beside", label: "beside it", options: [], change: (v) => look({ other: v || null }) });
  const figureOf = select({ id: "metric", label: "metric", options: [], change: (v) => { chosen = metric = v; address(); draw(); } });
  const scrub = el("input", { id: "scrub", type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Which grid of samples", oninput: () => { const grids = header.shown.run.grids; const i = Number(scrub.value); look({ at: i === grids.length - 1 ? null : grids[i] }); } });
  const seen = el("output", { id: "seen", class: "rounds" }, "–");
  const findings = el("ol", { class: "findings", id: "findings" });
  const words = el("p", { class: "note", id: "words", role: "status" });
  const problem = trouble();
  const recipe = select({ id: "recipe", label: "recipe", options: [], change: () => {} });
  const name = el("input", { id: "name", type: "text", autocomplete: "off", spellcheck: false, value: "" });
  const start = el("button", { id: "start", type: "button", class: "primary", onclick: () => lab.send({ kind: "train", recipe: recipe.input.value, name: name.value.trim() || `${recipe.input.value}_${Date.now().toString(36)}` }) }, "Train");
  const stop = el("button", { id: "stop", type: "button", onclick: () => lab.send({ kind: "stop" }) }, "Stop and save");
  const resume = el("button", { id: "resume", type: "button", onclick: () => lab.send({ kind: "resume", run: state.link.run }) }, "Resume this run");
  const none = el("p", { class: "note", id: "none" });
  const address = () => state && writeAddress("runs", chosen ? { link: state.link, view: { metric: chosen } } : { link: state.link });
  let timer = null;
  const still = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
  const play = el("button", { id: "play", type: "button", title: "Through the grids (space)", onclick: () => {
    const grids = header?.shown.run?.grids || [];
    if (timer || grids.length < 2) { still(); return; }
    let i = Number(scrub.value) >= grids.length - 1 ? -1 : Number(scrub.value);
    play.textContent = "Pause";
    timer = setInterval(() => { i += 1; if (i >= grids.length - 1) still(); look({ at: i >= grids.length - 1 ? null : grids[i] }); }, 700);
  } }, "Play");
  const take = takeaway(lab, "run", {
    canvases: () => [pictures.run, pictures.other, ...Object.values(charts), metricChart], ask: ["recipe"],
    table: () => { const r = header?.shown.run; return r && [["images", ...Object.keys(r.series)], r.images.map((n, i) => [n, ...Object.values(r.series).map((v) => v[i])])]; } });
  root.append(el("div", { class: "bench lab-two" },
    el("section", { class: "card" }, el("div", { class: "grids" }, el("figure", {}, names.run, pictures.run), otherBoard),
      el("div", { class: "transport scrubber" }, el("label", { for: "scrub", class: "note" }, "grid"), play, scrub, el("span", { class: "count" }, seen, " images seen")),
      ...CHARTS.map(([id, title]) => figure(charts[id], title, keys[id])), figure(metricChart, "Metric", keys.metric)),
    el("section", { class: "left-over" },
      el("section", { class: "card prose" }, el("h3", {}, "Runs"), el("p", {}, "What ganforge train leaves in a folder, as it grows: curves, grids of samples, metrics, what the doctor says; two runs beside each other, and a run begun from here."), none),
      el("section", { class: "card" }, run.node, other.node, figureOf.node),
      el("section", { class: "card" }, el("h4", {}, "Train"), recipe.node, el("div", { class: "row" }, el("label", { for: "name" }, "name of the run"), name), el("div", { class: "buttons" }, start, stop, resume), words, problem),
      el("section", { class: "card" }, el("h4", {}, "What the doctor said"), findings), take.node)));

  function lines(canvas, key, series, titles) {
    const c = palette();
    const shown = ["run", "other"].map((w) => header.shown[w]).filter(Boolean);
    const values = shown.flatMap((s) => series.flatMap((k) => s.series[k]));
    const last = Math.max(1, ...shown.map((s) => s.images.at(-1) || 1));
    const plot = axes(canvas, { x: [0, last], y: series[0] === "d_real" && values.every((v) => v === null || (v >= 0 && v <= 1)) ? [-0.02, 1.02] : bounds(values, { zero: true }), xlabel: "images seen" });
    if (!plot.width) return;
    shown.forEach((s, n) => series.forEach((k, i) => plot.line(s.images, s.series[k], [c.real, c.fake][i], n ? { dash: [5, 4], thick: 1.4, alpha: 0.8 } : {})));
    key.replaceChildren(legend([c.real, titles[0]], [c.fake, titles[1]], ...(shown.length > 1 ? [[c.soft, header.shown.other.name, true]] : [])));
    canvas.setAttribute("aria-label", shown.map((s) => `${s.name}: ${series.map((k) => `${k.replace(/_/g, " ")} ${short(s.series[k].at(-1))}`).join(", ")}`).join("; "));
  }

  function draw() {
    if (!state || !header) return;
    for (const [id, , series, titles] of CHARTS) lines(charts[id], keys[id], series, titles);
    const shown = ["run", "other"].map((w) => header.shown[w]).filter(Boolean);
    const points = shown.map((s) => s.metrics[metric] || []);
    const plot = axes(metricChart, { x: [0, Math.max(1, ...shown.map((s) => s.images.at(-1) || 1))], y: bounds(points.flat().map((p) => p[1]), { zero: true }), xlabel: "images seen" });
    const c = palette();
    if (plot.width) points.forEach((p, n) => {
      plot.line(p.map((q) => q[0]), p.map((q) => q[1]), n ? c.fake : c.real, n ? { dash: [5, 4] } : {});
      p.forEach(([x, y]) => plot.dot(x, y, n ? c.fake : c.real, Boolean(n), 3));
    });
    keys.metric.textContent = points.some((p) => p.length) ? shown.map((s, n) => `${s.name}: ${short(points[n].at(-1)?.[1])}`).join(" · ") : "no metrics yet";
  }

  async function paint(which, bytes) {
    const canvas = pictures[which];
    if (!bytes?.length) { canvas.width = canvas.height = 1; return; }
    let image = null;
    try { image = await createImageBitmap(new Blob([bytes], { type: "image/png" })); } catch {
      canvas.width = canvas.height = 1;
      names[which].textContent += " – this grid’s file is broken";
      return;
    }
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d").drawImage(image, 0, 0);
    image.close();
  }

  const options = (input, wanted) => { const text = JSON.stringify(wanted); if (input.dataset.options === text) return; input.dataset.options = text; const kept = input.value; input.replaceChildren(...wanted.map(([value, label]) => el("option", { value }, label))); input.value = kept; };
  const resize = new ResizeObserver(() => draw());
  resize.observe(root);
  return {
    keys: [["space", "play through the grids"], ["← →", "on the scrubber: an earlier grid, a later one"]],
    link: () => state?.link,
    state: () => state,
    frame: () => (header ? { header } : undefined),
    onTheme: draw,
    onFrame(h, a) {
      header = h;
      if (h.problem) { problem.textContent = h.problem; problem.hidden = false; }
      const mine = h.shown.run, beside = h.shown.other;
      options(run.input, [["", h.runs.length ? "choose one" : "none yet"], ...h.runs.map((n) => [n, n])]);
      options(other.input, [["", "nothing"], ...h.runs.filter((n) => n !== h.link.run).map((n) => [n, n])]);
      run.set(h.link.run || ""); other.set(h.link.other || "");
      const known = [...new Set([...Object.keys(mine?.metrics || {}), ...Object.keys(beside?.metrics || {})])];
      options(figureOf.input, known.length ? known.map((n) => [n, n.replace(/_/g, " ")]) : [["", "none yet"]]);
      if (known.includes(chosen)) metric = chosen;
      else if (!known.includes(metric)) metric = known.find((n) => n.includes("frechet")) || known[0] || null;
      figureOf.set(metric || "");
      const grids = mine?.grids || [];
      scrub.max = Math.max(0, grids.length - 1);
      scrub.disabled = grids.length < 2;
      if (document.activeElement !== scrub) scrub.value = Math.max(0, grids.indexOf(mine?.at));
      seen.value = mine?.at === null || mine?.at === undefined ? "–" : mine.at.toLocaleString("en");
      names.run.textContent = mine ? `${mine.name}: ${(mine.images.at(-1) || 0).toLocaleString("en")} images seen, ${(mine.planned || 0).toLocaleString("en")} planned` : "no run is chosen";
      names.other.textContent = beside ? `${beside.name}, at ${(beside.at || 0).toLocaleString("en")}` : "";
      otherBoard.hidden = !beside;
      paint("run", a.run); paint("other", a.other);
      findings.replaceChildren(...(mine?.findings.length ? mine.findings.map((f) => el("li", {}, el("b", {}, f.name), el("span", { class: "note" }, f.text), ...(f.remedy ? [el("code", {}, f.remedy), el("button", { type: "button", class: "apply", disabled: h.working, title: `Train the recipe anew with ${f.remedy}, and compare`, "aria-label": `Train again with ${f.remedy}`, onclick: () => lab.send({ kind: "treat", run: mine.name, remedy: f.remedy }) }, "Train again with it")] : []))) : [el("li", {}, "Nothing so far.")]));
      words.textContent = h.words ? `${h.words}.` : "";
      start.disabled = h.working || !state?.folder;
      stop.disabled = !h.working;
      resume.disabled = h.working || !mine?.resumable || (mine.images.at(-1) || 0) >= (mine.planned || 0);
      draw();
    },
    onWords(message) {
      if (message.kind === "refused") { problem.textContent = message.text; problem.hidden = false; return; }
      if (take.hears(message)) return;
      if (message.kind !== "state") return;
      problem.hidden = true;
      state = message;
      options(recipe.input, state.recipes.map((n) => [n, n]));
      if (!recipe.input.value) recipe.input.value = "points_ring_8";
      none.textContent = state.folder ? "" : "The lab was opened without a folder of runs: ganforge lab --runs runs";
      address();
    },
    onKey(event) { if (event.key !== " ") return false; play.click(); return true; },
    unmount() { still(); resize.disconnect(); },
  };
}
