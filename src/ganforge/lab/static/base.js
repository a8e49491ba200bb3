// What the shell and the instruments share: nodes, frames, the address, files.

const reduced = matchMedia("(prefers-reduced-motion: reduce)");

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && key !== "list" && key !== "form") node[key] = value;
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function decode(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const arrays = {};
  let place = 4 + size;
  for (const [name, kind, shape] of header.arrays) {
    const count = shape.reduce((a, b) => a * b, 1);
    const Kind = kind === "f4" ? Float32Array : Uint8Array;
    const data = new Kind(buffer, place, count);
    data.shape = shape;
    arrays[name] = data;
    place += Math.ceil((count * Kind.BYTES_PER_ELEMENT) / 4) * 4;
  }
  return { header, arrays };
}

// the state in the address: #instrument/base64url(JSON)
export function readAddress() {
  const [name, text] = location.hash.slice(1).split("/");
  try {
    const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return [name, JSON.parse(new TextDecoder().decode(bytes))];
  } catch {
    return [name || null, null];
  }
}

export function writeAddress(name, state) {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  const code = btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  history.replaceState(null, "", `#${name}/${code}`);
}

export function save(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 5000);
}

export const dark = () => document.documentElement.dataset.theme === "dark";
export const calm = () => reduced.matches;
