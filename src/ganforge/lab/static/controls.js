// Knobs: each is a dotted key of the recipe. What can stand there, its bounds and its help come from the catalogue.

import { el } from "./base.js";

const LABELS = {
  "generator.z_dim": "latent dimensions", "generator.latent": "latent", "generator.activation": "activation",
  "discriminator.activation": "activation", "discriminator.norm": "norm", "discriminator.minibatch": "minibatch layer",
  "game.pack": "packing", "game.unroll": "unrolling", "game.fakes": "fakes", "game.top_k": "top k", "train.d_steps": "D steps",
  "train.g_steps": "G steps", "train.batch": "batch", "train.seed": "seed", "train.clip": "clip", "ema.half_life": "average: half-life",
};
const TITLES = { f_kl: "f: KL", f_reverse_kl: "f: reverse KL", f_pearson: "f: Pearson χ²", f_hellinger: "f: Hellinger",
  f_total_variation: "f: total variation", f_js: "f: Jensen-Shannon", r1: "R1", r2: "R2", dragan: "DRAGAN", lecam: "LeCam",
  sgd: "SGD", adam: "Adam", adamw: "AdamW", ring: "ring of 8", grid: "grid of 25", blobs: "three blobs", gaussians: "two unequal Gaussians",
  mixture: "one Gaussian", sketch: "draw your own", two_clusters: "two clusters", silu: "SiLU", relu: "ReLU", leaky_relu: "leaky ReLU" };
export const titled = (name) => TITLES[name] || name.replace(/_/g, " ");
const toml = (value) => (typeof value === "string" ? value : Array.isArray(value) ? `[${value.map(toml).join(", ")}]` : String(value));
let count = 0;

export class Controls {
  constructor(catalogue, send) {
    this.catalogue = catalogue;
    this.send = send;
    this.rows = new Map();
    this.node = el("div", { class: "controls" });
    this.open = new Set(["data", "objective", "players"]);
  }

  set(...settings) { this.send({ kind: "set", settings }); }

  // the state's values; everything is built anew only where other keys are there than before
  update(values) {
    this.values = values;
    const shape = JSON.stringify([Object.keys(values), values["data.source"], values["discriminator.name"], values["objective.name"]]);
    this.clearRefusals();
    if (shape !== this.shape) {
      this.shape = shape;
      const focus = document.activeElement?.dataset?.path;
      this.rows.clear();
      this.node.replaceChildren(...this.groups());
      if (focus) this.rows.get(focus)?.input?.focus();
    }
    for (const row of this.rows.values()) if (document.activeElement !== row.input || row.input.type === "checkbox") row.show();
  }

  spec(path) {
    const words = path.split(".");
    for (let cut = words.length - 1; cut > 0; cut -= 1) {
      const section = this.catalogue[words.slice(0, cut).join(".")];
      if (!section) continue;
      if (section.many) return section.choices[words[cut]]?.keys[words.at(-1)];
      const chosen = this.values[`${words.slice(0, cut).join(".")}.${section.chooser}`];
      return (section.choices ? section.choices[chosen]?.keys : section.keys)?.[words[cut]];
    }
    return null;
  }

  row(path, label, input, show, help = "") {
    const id = `k${(count += 1)}`;
    input.id = id;
    input.dataset.path = path;
    const problem = el("p", { class: "problem", role: "alert", hidden: true });
    const node = el("div", { class: "row", title: help }, el("label", { for: id }, label), input, problem);
    this.rows.set(path, { input, show, problem, node });
    return node;
  }

  key(path, label = LABELS[path] || path.split(".").at(-1).replace(/_/g, " ")) {
    const spec = this.spec(path);
    if (!spec) return null;
    const value = () => this.values[path];
    if (spec.kind === "choice") return this.choice(path, label, spec.choices, (v) => this.set(`${path}=${v}`), spec.help);
    if (spec.kind === "switch") {
      const input = el("input", { type: "checkbox", role: "switch", onchange: () => this.set(`${path}=${input.checked}`) });
      return this.row(path, label, input, () => { input.checked = value(); }, spec.help);
    }
    const number = spec.kind === "number" || spec.kind === "whole";
    const input = el("input", { type: "text", inputMode: number ? "decimal" : "text", autocomplete: "off", spellcheck: false,
      onchange: () => {
        const asked = input.value.trim();
        if (asked || !number || value() === "none") { this.set(`${path}=${asked || "none"}`); return; }
        this.refuse([path], `${label}: nothing was given; it stays at ${toml(value())}`);
      },
      onkeydown: (event) => {
        if (!number || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
        event.preventDefault();
        input.value = stepped(Number(input.value), event.key === "ArrowUp" ? 1 : -1, spec);
        input.dispatchEvent(new Event("change"));
      } });
    const bounds = [spec.ge ?? spec.gt, spec.le ?? spec.lt];
    const help = `${spec.help}${bounds.some((b) => b !== undefined) ? ` (${bounds[0] ?? ""} … ${bounds[1] ?? ""})` : ""}`;
    return this.row(path, label, input, () => { input.value = typeof value() === "object" && value() !== null && !Array.isArray(value()) ? "a schedule" : toml(value()); }, help);
  }

  choice(path, label, names, change, help = "") {
    const input = el("select", { onchange: () => change(input.value) }, ...names.map((name) => el("option", { value: name }, titled(name))));
    return this.row(path, label, input, () => { input.value = this.values[path]; }, help);
  }

  // a section's choice, and all the keys of what is chosen
  section(key, label, skip = []) {
    const section = this.catalogue[key];
    const chooser = `${key}.${section.chooser}`;
    const chosen = section.choices[this.values[chooser]];
    const pick = (name) => this.set(key === "data" && name === "mixture" ? "data=mixture" : `${key}=${name}`,
      ...(key === "data" && name === "mixture" ? ["data.means=[[0.0, 0.0]]", "data.sigmas=[0.5]"] : []),
      ...(key === "data" && name === "ring" ? ["data.sigma=0.05"] : []),
      ...(key === "discriminator" && this.depth ? [`discriminator.hidden=${toml(this.values["discriminator.hidden"])}`] : []));
    return [
      this.choice(chooser, label, Object.keys(section.choices), pick, section.help),
      el("p", { class: "note" }, chosen?.help || ""),
      ...Object.keys(chosen?.keys || {}).filter((name) => !skip.includes(name)).map((name) => this.key(`${key}.${name}`)),
    ];
  }

  layers(player) {
    const path = `${player}.hidden`;
    const hidden = () => this.values[path];
    const widths = () => this.set(`${path}=[${Array(Number(depth.value)).fill(Number(width.value)).join(", ")}]`);
    const depth = el("input", { type: "range", min: 1, max: 6, step: 1, onchange: widths, oninput: () => { dn.value = depth.value; } });
    const width = el("input", { type: "range", min: 2, max: 128, step: 2, onchange: widths, oninput: () => { wn.value = width.value; } });
    const [dn, wn] = [el("output"), el("output")];
    const rows = [
      this.row(path, "hidden layers", depth, () => { depth.value = hidden().length; dn.value = hidden().length; }, "how many hidden layers"),
      this.row(`${path}.width`, "units in each", width, () => { width.value = Math.max(...hidden()); wn.value = [...new Set(hidden())].join(", "); }, "width of the hidden layers"),
    ];
    rows[0].append(dn);
    rows[1].append(wn);
    return rows;
  }

  // sub-tables: those that are in, with their keys, and a choice of those that aren't
  many(key, label, single) {
    const section = this.catalogue[key];
    const present = Object.keys(section.choices).filter((name) => `${key}.${name}` in this.values || Object.keys(this.values).some((k) => k.startsWith(`${key}.${name}.`)));
    const blocks = present.flatMap((name) => {
      const out = el("button", { type: "button", class: "quiet", "aria-label": `Take out ${titled(name)}`, onclick: () => this.set(`${key}.${name}=none`) }, "×");
      return [el("div", { class: "part", title: section.choices[name].help }, el("b", {}, titled(name)), out),
        ...Object.keys(section.choices[name].keys).map((k) => this.key(`${key}.${name}.${k}`))];
    });
    const others = Object.keys(section.choices).filter((name) => !present.includes(name));
    const add = el("select", { onchange: () => { if (add.value) this.set(`${key}.${add.value}={}`); } },
      el("option", { value: "" }, single), ...others.map((name) => el("option", { value: name }, titled(name))));
    return [this.row(`${key}`, label, add, () => { add.value = ""; }, section.help), ...blocks];
  }

  group(id, title, children) {
    const node = el("details", { class: "group", open: this.open.has(id), ontoggle: () => (node.open ? this.open.add(id) : this.open.delete(id)) },
      el("summary", {}, title), ...children.filter(Boolean));
    return node;
  }

  groups() {
    const discriminator = Object.keys(this.catalogue.discriminator.choices[this.values["discriminator.name"]].keys).filter((k) => k !== "hidden");
    return [
      this.group("data", "Data", [...this.section("data", "samples", ["held_out", "count", "rows"]), this.values["data.source"] === "sketch" ? this.sketch() : null]),
      this.group("objective", "Objective and penalties", [...this.section("objective", "objective"), ...this.many("penalties", "penalties", "add …"),
        ...this.many("augment", "augmentation", "add …"), ...this.many("terms", "generator's terms", "add …")]),
      this.group("players", "Learning", [
        el("h4", {}, "Generator"), ...this.section("optimizer.generator", "optimiser", ["eps"]), el("h4", {}, "Discriminator"), ...this.section("optimizer.discriminator", "optimiser", ["eps"]),
        el("h4", {}, "A round"), ...["train.d_steps", "train.g_steps", "game.unroll", "game.pack", "game.top_k", "game.fakes", "train.clip", "ema.half_life"].map((k) => this.key(k))]),
      this.group("generator", "Generator's network", [this.key("generator.z_dim"), this.key("generator.latent"), ...this.layers("generator"), this.key("generator.activation")]),
      this.group("discriminator", "Discriminator's network", [
        this.choice("discriminator.name", "kind", Object.keys(this.catalogue.discriminator.choices), (name) => this.set(`discriminator=${name}`, `discriminator.hidden=${toml(this.values["discriminator.hidden"])}`)),
        ...this.layers("discriminator"), ...discriminator.map((k) => this.key(`discriminator.${k}`))]),
      this.group("seed", "Batch and seed", [this.key("train.batch"), this.key("train.seed")]),
    ];
  }

  // a pad of 40 by 40 cells to draw a density on
  sketch() {
    const side = 40;
    const cells = new Uint8Array(side * side);
    const old = this.values["data.rows"] || [];
    const across = Math.max(1, ...old.map((row) => row.length));
    const longer = Math.max(across, old.length);
    const [dy, dx] = [(longer - old.length) / 2, (longer - across) / 2];
    for (let i = 0; i < side * side; i += 1) {
      const [r, c] = [Math.floor(((Math.floor(i / side) + 0.5) / side) * longer - dy), Math.floor((((i % side) + 0.5) / side) * longer - dx)];
      cells[i] = ".0 ".includes(old[r]?.[c] ?? ".") ? 0 : 1;
    }
    const canvas = el("canvas", { class: "pad", width: 240, height: 240, tabIndex: 0, role: "img", "aria-label": "Drawing pad: draw with the pointer; the dark places are the data" });
    const context = canvas.getContext("2d");
    const paint = () => {
      const style = getComputedStyle(document.documentElement);
      context.fillStyle = style.getPropertyValue("--field");
      context.fillRect(0, 0, 240, 240);
      context.fillStyle = style.getPropertyValue("--real");
      cells.forEach((on, i) => on && context.fillRect((i % side) * 6, Math.floor(i / side) * 6, 6, 6));
    };
    const brush = (event) => {
      const box = canvas.getBoundingClientRect();
      const [c, r] = [((event.clientX - box.left) / box.width) * side, ((event.clientY - box.top) / box.height) * side];
      for (let y = -1; y <= 1; y += 1) for (let x = -1; x <= 1; x += 1) {
        const [a, b] = [Math.floor(r + y), Math.floor(c + x)];
        if (a >= 0 && a < side && b >= 0 && b < side && Math.hypot(x, y) < 1.3) cells[a * side + b] = event.shiftKey ? 0 : 1;
      }
      paint();
    };
    canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); brush(event); };
    canvas.onpointermove = (event) => { if (event.buttons) brush(event); };
    const rows = () => Array.from({ length: side }, (_, r) => Array.from(cells.slice(r * side, (r + 1) * side), (on) => (on ? "#" : ".")).join(""));
    const apply = el("button", { type: "button", onclick: () => this.set(`data.rows=${JSON.stringify(rows())}`) }, "Play this");
    const clear = el("button", { type: "button", class: "quiet", onclick: () => { cells.fill(0); paint(); } }, "Clear");
    requestAnimationFrame(paint);
    const problem = el("p", { class: "problem", role: "alert", hidden: true });
    this.rows.set("data.rows", { input: canvas, show: () => {}, problem });
    return el("div", { class: "sketch" }, canvas, el("div", { class: "buttons" }, apply, clear), el("p", { class: "note" }, "Draw with the pointer; Shift erases."), problem);
  }

  // a refusal stands beside the control that asked; true if there was one
  refuse(settings, text) {
    const path = settings[0]?.split("=")[0].trim();
    const row = this.rows.get(path) || this.rows.get(`${path}.name`) || this.rows.get(`${path}.source`) || this.rows.get(path?.split(".").slice(0, -1).join("."));
    if (!row) return false;
    row.problem.textContent = text;
    row.problem.hidden = false;
    row.show();
    row.input.setAttribute("aria-invalid", "true");
    row.problem.scrollIntoView?.({ block: "nearest" });
    return true;
  }

  clearRefusals() {
    for (const row of this.rows.values()) {
      row.problem.hidden = true;
      row.input.removeAttribute("aria-invalid");
    }
  }
}

// the next of 1, 2, 5, 10, ... for numbers, and of the whole ones for counts
export function stepped(value, way, spec) {
  if (spec.kind === "whole") return String(Math.min(spec.le ?? 1e9, Math.max(spec.ge ?? (spec.gt ?? -1) + 1, value + way)));
  if (!(value > 0)) return way > 0 ? "0.001" : "0";
  const power = 10 ** Math.floor(Math.log10(value * 1.0001));
  const lead = value / power;
  const steps = way > 0 ? [2, 5, 10] : [0.5, 1, 2, 5];
  const next = way > 0 ? steps.find((s) => s > lead * 1.001) : steps.filter((s) => s < lead * 0.999).at(-1);
  return String(Number((next * power).toPrecision(3)));
}
