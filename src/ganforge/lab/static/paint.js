// Colours and the plane: what a game's frame looks like.

import { dark } from "./base.js";

// mixing in OKLab, where equal steps look equal
const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const gamma = (c) => Math.round(255 * Math.min(1, Math.max(0, c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055)));
function toLab(hex) {
  const [r, g, b] = [1, 3, 5].map((i) => linear(parseInt(hex.slice(i, i + 2), 16) / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}
function fromLab([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s].map(gamma);
}
function ramp(low, middle, high) {
  const [a, b, c] = [low, middle, high].map(toLab);
  return Array.from({ length: 255 }, (_, i) => {
    const t = i / 127 - 1; // steps near ½ are drawn out: a good game is played there
    const [from, to, s] = t < 0 ? [b, a, (-t) ** 0.7] : [b, c, t ** 0.7];
    return fromLab(from.map((x, k) => x + (to[k] - x) * s));
  });
}

const PALETTES = {
  light: { real: "#1d5fd0", fake: "#d9640a", ink: "#22242b", soft: "#8a8f9c", text: "#5d6371", ground: "#ffffff", halo: "rgba(255,255,255,.9)",
    mesh: "#6b3fa0", arrow: "#5a2a02", heat: ramp("#ffb366", "#fbfaf7", "#86b4ff"), deep: ramp("#e0730c", "#efece4", "#2e6fe0") },
  dark: { real: "#7db1ff", fake: "#ffa552", ink: "#eceef4", soft: "#7d8496", text: "#a3abbb", ground: "#12151c", halo: "rgba(10,12,18,.85)",
    mesh: "#c9a6ff", arrow: "#ffe2bf", heat: ramp("#8f4a06", "#141821", "#134fae"), deep: ramp("#ff9b3d", "#2a2f3b", "#5b9bff") },
};
export const palette = () => PALETTES[dark() ? "dark" : "light"];

// a canvas as sharp as the screen; its drawing units are CSS pixels
export function sharp(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [context, width, height];
}

const patch = document.createElement("canvas");
let image = null;
export function cells(context, beliefs, colours, size) {
  const [rows, columns] = beliefs.shape;
  const small = patch.getContext("2d");
  if (image?.width !== columns || image.height !== rows) {
    [patch.width, patch.height] = [columns, rows];
    image = small.createImageData(columns, rows);
  }
  const pixels = new Uint32Array(image.data.buffer);
  const packed = (colours.packed ||= Uint32Array.from(colours, ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r));
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) pixels[row * columns + column] = packed[Math.round(254 * beliefs[(rows - 1 - row) * columns + column])];
  }
  small.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "low";
  context.drawImage(patch, 0, 0, size, size);
}

// marching squares: the line where the belief is ½
function level(context, beliefs, size) {
  const [rows, columns] = beliefs.shape;
  const step = size / columns;
  const at = (row, column) => beliefs[row * columns + column] - 0.5;
  const x = (column) => (column + 0.5) * step;
  const y = (row) => size - (row + 0.5) * step;
  context.beginPath();
  for (let row = 0; row + 1 < rows; row += 1) {
    for (let column = 0; column + 1 < columns; column += 1) {
      const a = at(row, column), b = at(row, column + 1), c = at(row + 1, column + 1), d = at(row + 1, column);
      const cuts = [];
      if (a > 0 !== b > 0) cuts.push([x(column + a / (a - b)), y(row)]);
      if (b > 0 !== c > 0) cuts.push([x(column + 1), y(row + b / (b - c))]);
      if (d > 0 !== c > 0) cuts.push([x(column + d / (d - c)), y(row + 1)]);
      if (a > 0 !== d > 0) cuts.push([x(column), y(row + a / (a - d))]);
      for (let i = 0; i + 1 < cuts.length; i += 2) {
        context.moveTo(...cuts[i]);
        context.lineTo(...cuts[i + 1]);
      }
    }
  }
  context.stroke();
}

export class Plane {
  constructor(canvas) {
    this.canvas = canvas;
    this.half = 1;
    this.trail = [];
    this.outside = 0;  // fakes that the window doesn't show
  }

  place(x, y) {
    const size = this.size;
    return [(x / this.half + 1) * 0.5 * size, (1 - y / this.half) * 0.5 * size];
  }

  inverse(px, py) {
    return [((px / this.size) * 2 - 1) * this.half, (1 - (py / this.size) * 2) * this.half];
  }

  forget() { this.trail = []; }

  draw(arrays, layers) {
    const [context, width] = sharp(this.canvas);
    const colours = palette();
    const size = (this.size = width);
    context.clearRect(0, 0, size, size);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, size, size);
    if (arrays.heat && layers.has("heat")) cells(context, arrays.heat, colours.heat, size);
    if (arrays.optimum && layers.has("optimum")) this.inlay(context, arrays.optimum, colours);
    if (arrays.mesh && layers.has("mesh")) this.mesh(context, arrays.mesh, colours);
    if (arrays.heat && layers.has("level")) {
      context.strokeStyle = colours.ink;
      context.globalAlpha = 0.75;
      context.lineWidth = 1.4;
      level(context, arrays.heat, size);
      context.globalAlpha = 1;
    }
    const fakes = arrays.fakes || arrays.stage_fakes;
    if (arrays.real && layers.has("real")) this.still(context, arrays.real, colours);
    if (layers.has("trails")) this.trails(context, arrays.fakes, colours);
    if (fakes && layers.has("fakes")) this.dots(context, fakes, colours.fake, colours.halo, size / 260, true);
    const arrows = arrays.arrows || arrays.stage_arrows;
    if (arrows && fakes && layers.has("arrows")) this.arrows(context, fakes, arrows, colours);
    this.outside = fakes && layers.has("fakes") ? this.missing(fakes) : 0;
    if (this.outside) this.note(context, `${this.outside} of ${fakes.length / 2} fakes are outside`, colours);
  }

  // how many points the window doesn't show
  missing(points) {
    let count = 0;
    for (let i = 0; i < points.length; i += 2) if (!(Math.abs(points[i]) <= this.half && Math.abs(points[i + 1]) <= this.half)) count += 1;
    return count;
  }

  note(context, text, colours) {
    context.font = "12px ui-sans-serif, system-ui, sans-serif";
    context.fillStyle = colours.halo;
    context.fillRect(8, this.size - 28, context.measureText(text).width + 12, 20);
    context.fillStyle = colours.text;
    context.fillText(text, 14, this.size - 14);
  }

  // the real points stay where they are: they are drawn once
  still(context, points, colours) {
    const key = [points.length, ...points.subarray(0, 8), this.half, this.canvas.width, colours.real].join();
    if (key !== this.drawn) {
      this.drawn = key;
      this.layer ||= document.createElement("canvas");
      [this.layer.width, this.layer.height] = [this.canvas.width, this.canvas.height];
      const own = this.layer.getContext("2d");
      own.setTransform(context.getTransform());
      this.dots(own, points, colours.real, colours.halo, this.size / 260);
    }
    context.drawImage(this.layer, 0, 0, this.size, (this.size * this.layer.height) / this.layer.width);
  }

  dots(context, points, colour, halo, radius, square = false) {
    radius = Math.max(1.6, radius);
    for (const [fill, r] of [[halo, radius + 0.8], [colour, radius]]) {
      context.fillStyle = fill;
      context.beginPath();
      for (let i = 0; i < points.length; i += 2) {
        const [x, y] = this.place(points[i], points[i + 1]);
        if (square) context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
        else { context.moveTo(x + r, y); context.arc(x, y, r, 0, 6.2832); }
      }
      context.fill();
    }
  }

  trails(context, fakes, colours) {
    if (fakes) this.trail = [...this.trail.slice(-14), fakes];
    context.strokeStyle = colours.fake;
    context.lineWidth = 1;
    const count = Math.min(80, (fakes?.length || 0) / 2);
    for (let t = 1; t < this.trail.length; t += 1) {
      context.globalAlpha = (0.5 * t) / this.trail.length;
      context.beginPath();
      for (let i = 0; i < 2 * count; i += 2) {
        context.moveTo(...this.place(this.trail[t - 1][i], this.trail[t - 1][i + 1]));
        context.lineTo(...this.place(this.trail[t][i], this.trail[t][i + 1]));
      }
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  arrows(context, points, arrows, colours) {
    const lengths = [];
    for (let i = 0; i < arrows.length; i += 2) lengths.push(Math.hypot(arrows[i], arrows[i + 1]));
    const typical = [...lengths].sort((a, b) => a - b)[Math.floor(lengths.length * 0.9)] || 0;
    // the tenth longest is a fourteenth of the window; below a slope of .02 arrows shrink for good, so starving shows
    const scale = (this.size / 14) / Math.max(typical, 0.02);
    context.strokeStyle = colours.arrow;
    context.lineWidth = Math.max(1, this.size / 620);
    context.globalAlpha = 0.8;
    context.beginPath();
    const every = Math.max(1, Math.ceil(points.length / 2 / 220));
    for (let k = 0; k < lengths.length; k += every) {
      const [x, y] = this.place(points[2 * k], points[2 * k + 1]);
      const reach = Math.min(lengths[k] * scale, this.size / 9);
      if (reach < 1) continue;
      const [dx, dy] = [arrows[2 * k] / lengths[k], -arrows[2 * k + 1] / lengths[k]];
      const [ex, ey] = [x + dx * reach, y + dy * reach];
      const head = Math.min(5, reach / 2.5);
      context.moveTo(x, y);
      context.lineTo(ex, ey);
      context.moveTo(ex - head * (dx + dy * 0.6), ey - head * (dy - dx * 0.6));
      context.lineTo(ex, ey);
      context.lineTo(ex - head * (dx - dy * 0.6), ey - head * (dy + dx * 0.6));
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  mesh(context, mesh, colours) {
    const [rows, columns] = mesh.shape;
    const at = (r, c) => this.place(mesh[2 * (r * columns + c)], mesh[2 * (r * columns + c) + 1]);
    context.strokeStyle = colours.mesh;
    context.fillStyle = colours.mesh;
    if (rows > 1) {
      const whole = this.size * this.size;
      for (let r = 0; r + 1 < rows; r += 1) {
        for (let c = 0; c + 1 < columns; c += 1) {
          const [p, q, s, t] = [at(r, c), at(r, c + 1), at(r + 1, c + 1), at(r + 1, c)];
          const area = Math.abs((s[0] - p[0]) * (t[1] - q[1]) - (t[0] - q[0]) * (s[1] - p[1])) / 2;
          context.globalAlpha = Math.min(0.55, (0.05 * whole) / (rows * columns * Math.max(area, 1)) + 0.02);
          context.beginPath();
          context.moveTo(...p); context.lineTo(...q); context.lineTo(...s); context.lineTo(...t);
          context.fill();
        }
      }
    }
    context.globalAlpha = rows > 1 ? 0.45 : 0.9;
    context.lineWidth = rows > 1 ? 0.8 : 2;
    context.beginPath();
    for (let r = 0; r < rows; r += 1) for (let c = 0; c < columns; c += 1) c ? context.lineTo(...at(r, c)) : context.moveTo(...at(r, c));
    if (rows > 1) for (let c = 0; c < columns; c += 1) for (let r = 0; r < rows; r += 1) r ? context.lineTo(...at(r, c)) : context.moveTo(...at(r, c));
    context.stroke();
    context.globalAlpha = 1;
  }

  // the best discriminator as an inlay: where a square looks like its ground, D is as good as can be
  inlay(context, bytes, colours) {
    const [rows, columns] = bytes.shape;
    const step = this.size / columns;
    for (let i = 0; i < bytes.length; i += 1) {
      if (bytes[i] === 255) continue;
      const [row, column] = [Math.floor(i / columns), i % columns];
      context.fillStyle = `rgb(${colours.deep[bytes[i]].join()})`;
      context.fillRect((column + 0.35) * step, this.size - (row + 0.65) * step, step * 0.3, step * 0.3);
    }
  }
}

// small scatter of points in a square, for the stages
export function scatter(canvas, sets, half) {
  const [context, width, height] = sharp(canvas);
  context.clearRect(0, 0, width, height);
  for (const [points, colour] of sets) {
    if (!points) continue;
    context.fillStyle = colour;
    const dim = points.shape[1];
    for (let i = 0; i < points.shape[0]; i += 1) {
      const x = points[dim * i], y = dim > 1 ? points[dim * i + 1] : 0;
      context.fillRect(((x / half + 1) * width) / 2 - 1, ((1 - y / half) * height) / 2 - 1, 2, 2);
    }
  }
}
