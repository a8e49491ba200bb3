// What can be taken along from an instrument: a picture, its numbers, the recipe, the link.

import { el, save } from "./base.js";
import { palette } from "./paint.js";

// canvases side by side under each other as one PNG, on paper of the theme's colour
export function photograph(canvases, name) {
  const shown = canvases.filter((c) => c.width > 1 && c.offsetParent !== null);
  if (!shown.length) return;
  const wide = Math.max(...shown.map((c) => c.width)), scaled = shown.map((c) => Math.round((c.height * wide) / c.width));
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [wide + 24, scaled.reduce((a, b) => a + b + 12, 12)];
  const context = sheet.getContext("2d");
  context.fillStyle = palette().ground;
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.imageSmoothingEnabled = false;
  let y = 12;
  shown.forEach((c, i) => { context.drawImage(c, 12, y, wide, scaled[i]); y += scaled[i] + 12; });
  sheet.toBlob((blob) => save(`${name}.png`, blob, "image/png"));
}

const cell = (v) => { const text = v === null || v === undefined || Number.isNaN(v) ? "" : String(v); return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text; };
export const csv = (names, rows) => [names.join(","), ...rows.map((row) => row.map(cell).join(","))].join("\n");

export function takeaway(lab, name, { canvases, table = null, ask = [], reset = null, about = "" }) {
  const said = el("p", { class: "note", id: "said", role: "status" }, about);
  const button = (id, label, title, act) => el("button", { type: "button", id: `export-${id}`, title, onclick: act }, label);
  const link = async () => {
    try { await navigator.clipboard.writeText(location.href); said.textContent = "The link is copied; it holds everything, the seed included."; }
    catch { said.textContent = "Copy the address of this page; it holds everything, the seed included."; }
  };
  const node = el("section", { class: "card", "aria-label": "Take it along" }, el("h4", {}, "Take it along"), el("div", { class: "buttons" },
    reset && el("button", { type: "button", id: "reset", title: "As it was at first (r)", onclick: reset }, "Reset"),
    button("picture", "Picture", "PNG of what is drawn", () => photograph(canvases(), name)),
    table && button("data", "Data", "The numbers as CSV", () => { const found = table(); if (found) save(`${name}.csv`, csv(...found), "text/csv"); }),
    ask.includes("data") && button("data", "Data", "The numbers as CSV", () => lab.send({ kind: "data" })),
    ask.includes("recipe") && button("recipe", "Recipe", "TOML that `ganforge train` accepts", () => lab.send({ kind: "recipe" })),
    button("link", "Link", "Copy a link to this very state", link)), said);
  // whether a message was for this
  const hears = (message) => {
    if (message.kind === "recipe") message.texts.forEach((text, i) => save(message.texts.length > 1 ? `${name}_${i + 1}.toml` : `${name}.toml`, text, "application/toml"));
    else if (message.kind === "data") for (const [part, text] of Object.entries(message.files)) save(`${part}.csv`, text, "text/csv");
    else return false;
    return true;
  };
  return { node, hears, reset: () => reset?.() };
}

// a way from a recorded game to the table, where it can be stepped and seen in slow motion
export function table(lab, settings) {
  return el("button", { type: "button", id: "table", title: "The same game where it can be stepped, seen in slow motion and changed", onclick: () => lab.open("game", { link: { settings: settings() } }) }, "Play it in the 2-D game");
}
