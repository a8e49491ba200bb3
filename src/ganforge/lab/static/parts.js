// What several instruments' pages are made of: sliders, read-outs, axes.

import { el } from "./base.js";
import { palette, sharp } from "./paint.js";
import { short } from "./charts.js";

let count = 0;

// a labelled slider; `say` gives the words of its value
export function slider({ id, label, min, max, step, value, say = short, change, live = false, about = "" }) {
  const input = el("input", { id, type: "range", min, max, step, oninput: () => { said.value = say(Number(input.value)); if (live) change(Number(input.value)); }, onchange: () => change(Number(input.value)) });
  const said = el("output", { for: id });
  input.value = value;
  said.value = say(Number(value));
  const set = (v) => { if (document.activeElement !== input) input.value = v; said.value = say(Number(input.value)); };
  return { node: el("div", { class: "row", title: about }, el("label", { for: id }, label), input, said), input, set };
}

export function select({ id, label, options, change, about = "" }) {
  const input = el("select", { id, onchange: () => change(input.value) }, ...options.map(([value, name]) => el("option", { value }, name)));
  return { node: el("div", { class: "row", title: about }, el("label", { for: id }, label), input), input, set: (v) => { input.value = v; } };
}

// named numbers: [[key, name], ...]; `show({key: words})`
export function readings(rows, id = null) {
  const outputs = Object.fromEntries(rows.map(([key]) => [key, el("output", { "data-key": key }, "–")]));
  const node = el("dl", { class: "figures", id }, ...rows.flatMap(([key, name]) => [el("dt", {}, name), el("dd", {}, outputs[key])]));
  return { node, show: (values) => { for (const [key, value] of Object.entries(values)) if (outputs[key]) outputs[key].value = typeof value === "string" ? value : short(value); } };
}

// a picture with axes: what is drawn is in the units of x and y
export function axes(canvas, { x, y, xlabel = "", ticks = null, yticks = null, left = 40 }) {
  const [context, width, height] = sharp(canvas);
  const colours = palette();
  const [right, top, bottom] = [width - 8, 10, height - (xlabel ? 30 : 20)];
  const px = (v) => left + ((v - x[0]) / (x[1] - x[0])) * (right - left);
  const py = (v) => bottom - ((v - y[0]) / (y[1] - y[0])) * (bottom - top);
  context.clearRect(0, 0, width, height);
  context.font = "11px ui-sans-serif, system-ui, sans-serif";
  context.fillStyle = context.strokeStyle = colours.soft;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const v of yticks || even(y, Math.max(2, Math.floor((bottom - top) / 34)))) {
    context.globalAlpha = 0.22;
    context.beginPath();
    context.moveTo(left, Math.round(py(v)) + 0.5); context.lineTo(right, Math.round(py(v)) + 0.5);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(Number(v.toPrecision(3)).toString(), left - 6, py(v));
  }
  context.textBaseline = "top";
  context.textAlign = "center";
  for (const v of ticks || even(x, Math.max(2, Math.floor((right - left) / 70)))) {
    const words = Number(v.toPrecision(4)).toLocaleString("en");
    context.fillText(words, Math.min(px(v), width - 1 - context.measureText(words).width / 2), bottom + 4);
  }
  if (xlabel) context.fillText(xlabel, (left + right) / 2, bottom + 17);
  const clipped = (draw) => { context.save(); context.beginPath(); context.rect(left, top - 4, right - left, bottom - top + 8); context.clip(); draw(); context.restore(); };
  return {
    context, colours, px, py, left, right, top, bottom, width, height,
    value: (pixel) => x[0] + ((pixel - left) / (right - left)) * (x[1] - x[0]),
    line(xs, ys, colour, { dash = [], thick = 2, alpha = 1 } = {}) {
      clipped(() => {
        context.strokeStyle = colour;
        context.lineWidth = thick;
        context.globalAlpha = alpha;
        context.setLineDash(dash);
        context.lineJoin = "round";
        context.beginPath();
        let pen = false;
        if (ys.length === 1 && Number.isFinite(ys[0])) { // a line of one point is a dot
          context.fillStyle = colour;
          context.arc(px(xs[0]), py(ys[0]), 2.5, 0, 2 * Math.PI);
          context.fill();
          return;
        }
        for (let i = 0; i < ys.length; i += 1) {
          if (ys[i] === null || !Number.isFinite(ys[i])) { pen = false; continue; }
          pen ? context.lineTo(px(xs[i]), py(ys[i])) : context.moveTo(px(xs[i]), py(ys[i]));
          pen = true;
        }
        context.stroke();
      });
    },
    area(xs, ys, colour, alpha = 0.3) {
      clipped(() => {
        context.fillStyle = colour;
        context.globalAlpha = alpha;
        context.beginPath();
        context.moveTo(px(xs[0]), py(y[0]));
        for (let i = 0; i < ys.length; i += 1) context.lineTo(px(xs[i]), py(ys[i]));
        context.lineTo(px(xs[xs.length - 1]), py(y[0]));
        context.fill();
      });
    },
    dot(a, b, colour, square = false, r = 5) {
      context.globalAlpha = 1;
      context.fillStyle = colour;
      context.strokeStyle = colours.ground;
      context.lineWidth = 1.5;
      context.beginPath();
      square ? context.rect(px(a) - r, py(b) - r, 2 * r, 2 * r) : context.arc(px(a), py(b), r, 0, 6.2832);
      context.fill();
      context.stroke();
    },
  };
}

export function even([low, high], most) {
  const span = high - low;
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => span / s <= most + 0.001);
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-6; v += step) found.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return found;
}

export const bounds = (values, { zero = false, pad = 0.06 } = {}) => {
  const good = values.filter((v) => v !== null && Number.isFinite(v));
  let low = Infinity, high = -Infinity;
  for (const v of good) { low = Math.min(low, v); high = Math.max(high, v); }
  if (!good.length) [low, high] = [0, 1];
  if (zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  const more = (high - low) * pad;
  return [zero && low === 0 ? 0 : low - more, high + more];
};

export const legend = (...items) => el("span", { class: "legend" }, ...items.map(([colour, name, dashed]) => {
  const mark = el("i", { class: dashed ? "mark dashed" : "mark" });
  mark.style.setProperty("--mark", colour);
  return el("span", {}, mark, name);
}));

export const figure = (canvas, title, ...more) => el("figure", { class: "plot" }, el("figcaption", { class: "note" }, el("b", {}, title), ...more), canvas);
export const problem = () => el("p", { class: "problem", role: "alert", hidden: true });
export const unique = (name) => `${name}-${(count += 1)}`;

// not more often than every so many milliseconds, and the last one surely
export function throttled(act, every = 60) {
  let last = 0, timer = null, args = null;
  return (...given) => {
    args = given;
    const wait = Math.max(0, last + every - performance.now());
    if (timer === null) timer = setTimeout(() => { timer = null; last = performance.now(); act(...args); }, wait);
  };
}
