// The page's shell: tabs, theme, the socket, and what every instrument shares.
// An instrument is static/instruments/NAME.js with `mount(root, lab)` that returns
// { onWords(message), onFrame(header, arrays), onKey(event) -> bool, unmount(), keys: [[key, what], ...] }.

import { dark, decode, el, readAddress } from "./base.js";

const $ = (id) => document.getElementById(id);

const lab = {
  catalogue: {},
  instruments: {},
  name: "game",
  socket: null,
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  },
  banner(text, button = null) {
    const node = $("banner");
    node.hidden = !text;
    node.replaceChildren(text, ...(button ? [button] : []));
  },
};

let mounted = null;
let received = 0;
let waiting = [];
let excuse = ""; // why an address wasn't followed
let drawing = false;
let opening = 0; // how often an instrument was asked for: only the last one is mounted

function draw() {
  drawing = false;
  const frames = waiting;
  waiting = [];
  const latest = new Map(frames.map((frame) => [frame.header.game, frame]));
  for (const frame of frames) if (!mounted?.latestOnly || latest.get(frame.header.game) === frame) mounted?.onFrame(frame.header, frame.arrays);
  lab.send({ kind: "seen", frame: received });
  lab.drawn = (lab.drawn || 0) + 1; // pictures, however many frames they were
}

function connect(link) {
  received = 0;
  let opened = false;
  lab.socket?.close();
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket`);
  lab.socket = socket;
  socket.binaryType = "arraybuffer";
  let parting = "";
  socket.onopen = () => {
    lab.banner(excuse, excuse ? el("button", { type: "button", onclick: () => lab.banner("") }, "Close") : null);
    excuse = "";
    lab.send({ kind: "open", instrument: lab.name, link: link || {} });
    if (document.hidden) lab.send({ kind: "hide", on: true });
  };
  socket.onmessage = ({ data }) => {
    if (socket !== lab.socket) return;
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.kind === "closed" || message.kind === "failed") parting = message.text;
      else if (message.kind === "refused" && !opened) { // a link that holds nothing: what there is without one, and why
        opened = true;
        lab.banner(`${message.text}. Here is what opens without a link.`, el("button", { type: "button", onclick: () => lab.banner("") }, "Close"));
        lab.send({ kind: "open", instrument: lab.name, link: {} });
      }
      else { opened ||= message.opened === true; mounted?.onWords(message); }
      return;
    }
    received += 1;
    lab.bytes = data.byteLength;
    waiting.push(decode(data));
    if (!drawing) {
      drawing = true;
      requestAnimationFrame(draw);
    }
  };
  socket.onclose = () => {
    if (socket !== lab.socket) return;
    const again = el("button", { type: "button", onclick: () => connect(mounted?.link?.() || link) }, "Connect again");
    lab.banner(parting ? `${parting} ` : "The lab doesn't answer any more. ", again);
  };
}

const object = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const known = (name) => (Object.hasOwn(lab.instruments, name ?? "") ? name : Object.keys(lab.instruments)[0]);

// an address that opens no instrument, or holds no state that can be read, is said to
const senseless = ([name, state]) => Boolean(location.hash.slice(1)) && (!Object.hasOwn(lab.instruments, name ?? "") || (location.hash.includes("/") && (object(state) !== state || object(state.link ?? state) !== (state.link ?? state))));
async function follow() {
  const [name, state] = readAddress();
  excuse = senseless([name, state]) ? `The link ${decoded(location.hash).slice(0, 60)} holds nothing that the lab can open. Here is what opens without one.` : "";
  await open(known(name), state);
}
const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };

async function open(name, state) {
  opening += 1;
  const mine = opening;
  lab.name = name;
  mounted?.unmount?.();
  mounted = null;
  const before = lab.socket; // what it still says is for an instrument that is gone
  lab.socket = null;
  before?.close();
  waiting = [];
  for (const tab of $("tabs").children) {
    tab.setAttribute("aria-current", tab.dataset.name === name ? "page" : "false");
    if (tab.dataset.name === name) $("tabs").scrollLeft = tab.offsetLeft - $("tabs").offsetLeft - 24;
  }
  const { mount } = await import(`./instruments/${name}.js`);
  if (mine !== opening) return;
  $("main").replaceChildren();
  mounted = mount($("main"), lab, object(state?.view));
  window.lab = lab; // for a curious reader's console
  lab.mounted = mounted;
  connect(object(state?.link));
}

lab.open = (name, state) => { history.pushState(null, "", `#${name}`); open(name, state); };

function theme(name) {
  document.documentElement.dataset.theme = name;
  try { localStorage.setItem("theme", name); } catch { /* private windows */ }
  mounted?.onTheme?.();
}

function showKeys() {
  const rows = [...(mounted?.keys || []), ["t", "light or dark"], ["?", "this list"]];
  const list = el("dl", {}, ...rows.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)]));
  const close = el("button", { type: "button", onclick: () => $("keys").close() }, "Close");
  $("keys").replaceChildren(el("h2", {}, "Keys"), list, close);
  $("keys").showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const typing = event.target.closest("input:not([type=checkbox]):not([type=range]), select, textarea");
  if (typing) return;
  if (event.key === " " && event.target.closest("button, summary, a, input")) return;
  if (event.key === "t") theme(dark() ? "light" : "dark");
  else if (event.key === "?") showKeys();
  else if (!mounted?.onKey?.(event)) return;
  event.preventDefault();
});
// a button that was pressed with the pointer lets go of the focus, so that space plays on
document.addEventListener("click", (event) => event.detail > 0 && event.target.closest("button")?.blur());
document.addEventListener("visibilitychange", () => lab.send({ kind: "hide", on: document.hidden }));
addEventListener("popstate", () => {
  follow();
});
$("theme").onclick = () => theme(dark() ? "light" : "dark");
$("help").onclick = showKeys;

let chosen = null;
try { chosen = localStorage.getItem("theme"); } catch { /* private windows */ }
const system = matchMedia("(prefers-color-scheme: dark)");
document.documentElement.dataset.theme = chosen || (system.matches ? "dark" : "light");
system.addEventListener("change", () => {
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* private windows */ }
  if (!kept) { document.documentElement.dataset.theme = system.matches ? "dark" : "light"; mounted?.onTheme?.(); }
});

try {
  const listing = await (await fetch("catalogue.json")).json();
  Object.assign(lab, listing);
  $("tabs").replaceChildren(
    ...Object.entries(lab.instruments).map(([key, title]) => {
      const tab = el("button", { type: "button", class: "tab", onclick: () => lab.open(key, null) }, title);
      tab.dataset.name = key;
      return tab;
    }),
  );
  await follow();
} catch (error) {
  lab.banner(`The lab could not start (${error.message}). Reload the page.`);
}
