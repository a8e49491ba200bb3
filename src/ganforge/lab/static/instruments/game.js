// Instrument 1, the 2-D game: frames to pixels, knobs to messages.

import { calm, el, save, writeAddress } from "../base.js";
import { Plane, palette, scatter, sharp } from "../paint.js";
import { Chart, Portrait, short } from "../charts.js";
import { Controls } from "../controls.js";
import { Model } from "../model.js";

const LAYERS = [["real", "real"], ["fakes", "fakes"], ["heat", "D's belief"], ["level", "level D = ½"], ["arrows", "gradient"],
  ["mesh", "manifold"], ["optimum", "optimal D"], ["trails", "trails"], ["model", "model graph"]];
const STAGES = ["Noise", "Fakes", "Judgement", "Loss", "Gradient"];
const PACES = [[0, "fastest"], [60, "60 rounds/s"], [30, "30 rounds/s"], [10, "10 rounds/s"], [3, "3 rounds/s"], [1, "1 round/s"]];
const RIVALS = [
  ["penalties.r1=none", "without R1"], ["objective=minimax", "the saturating loss"], ["objective=wasserstein,penalties.r1=none,penalties.gradient_penalty.weight=1", "Wasserstein with gradient penalty"],
  ["objective=relativistic_pairing,penalties.r2.gamma=0.02", "relativistic with R1 and R2"], ["discriminator.norm=spectral", "spectral norm"], ["game.pack=2", "packs of two"],
  ["penalties.r1=none,discriminator.minibatch=discrimination", "minibatch discrimination, no R1"], ["game.unroll=3", "three steps unrolled"], ["train.d_steps=5", "five D steps"],
  ["optimizer.discriminator.lr=0.02", "D ten times as fast"], ["optimizer.generator.beta1=0.9,optimizer.discriminator.beta1=0.9", "momentum .9"], ["generator.z_dim=1", "a latent of one dimension"], ["train.seed=1", "another seed"],
];

export function mount(root, lab, view) {
  const asked = Array.isArray(view.layers) ? view.layers.filter((name) => LAYERS.some(([known]) => known === name)) : null;
  const layers = new Set(asked || ["real", "fakes", "heat", "level", "arrows"]);
  let state = null;
  let charts = [[], []];
  let frames = [];
  let mean = Boolean(view.average);
  let planes = [];
  let dirty = true;

  const controls = new Controls(lab.catalogue, (message) => lab.send(message));
  const boards = el("div", { class: "boards" });
  const rounds = el("output", { class: "rounds", id: "rounds" }, "0");
  const rate = el("span", { class: "soft", id: "rate" });

  // --- transport
  const button = (label, title, act, extra = {}) => el("button", { type: "button", title, onclick: act, ...extra }, label);
  const play = button("▶ Play", "Play or pause (space)", () => lab.send({ kind: "play", on: !state?.playing }), { class: "primary", id: "play" });
  const step = (what) => () => lab.send({ kind: "step", what, count: 1 });
  const slow = button("Slow", "Slow motion: the five stages of each update (s)", () => pace({ slow: !state?.slow }), { "aria-pressed": "false", id: "slow" });
  const speed = el("select", { "aria-label": "Speed", id: "speed", onchange: () => pace({ rounds: Number(speed.value) }) }, ...PACES.map(([n, t]) => el("option", { value: n }, t)));
  const pace = ({ rounds: n = state?.pace ?? 0, slow: s = state?.slow ?? false }) => lab.send({ kind: "pace", rounds: n, slow: s });
  const transport = el("div", { class: "transport", role: "toolbar", "aria-label": "Play" }, play,
    el("span", { class: "joined" }, button("D", "One discriminator update (d)", step("discriminator"), { "aria-label": "Step the discriminator", id: "step-d" }),
      button("G", "One generator update (g)", step("generator"), { "aria-label": "Step the generator", id: "step-g" }),
      button("D + G", "One round (b)", step("both"), { "aria-label": "Step both", id: "step-both" })),
    slow, button("» 500", "Play 500 rounds at once (f)", () => lab.send({ kind: "step", what: "both", count: 500 }), { id: "ahead", "aria-label": "Play 500 rounds at once" }), button("Reset", "Back to the start (r)", () => lab.send({ kind: "reset" }), { id: "reset" }), speed,
    button("Settings", "To the settings, below", () => { const side = root.querySelector(".left"); side.scrollIntoView({ block: "start" }); side.querySelector("summary").focus(); }, { class: "narrow", id: "to-settings" }),
    el("span", { class: "count" }, "round ", rounds, " ", rate));

  // --- layers
  const chips = LAYERS.map(([name, label], i) => {
    const chip = el("button", { type: "button", class: "chip", title: `Layer ${i + 1} (${i + 1})`, "aria-pressed": String(layers.has(name)), onclick: () => toggle(name) },
      el("i", { class: `swatch ${name}` }), label);
    chip.dataset.layer = name;
    return chip;
  });
  const average = el("button", { type: "button", class: "chip", title: "Draw the moving average of the generator (a)", "aria-pressed": String(mean), onclick: () => { mean = !mean; average.setAttribute("aria-pressed", String(mean)); told(); } }, "averaged G");
  const told = () => { lab.send({ kind: "layers", names: [...layers], average: mean }); address(); };
  function toggle(name) {
    layers.has(name) ? layers.delete(name) : layers.add(name);
    chips.find((c) => c.dataset.layer === name).setAttribute("aria-pressed", String(layers.has(name)));
    planes.forEach((p) => p.plane.forget());
    model.node.hidden = !layers.has("model");
    told();
    dirty = true;
    repaint();
  }

  // --- the model graph
  const model = new Model();
  model.node.hidden = !layers.has("model");

  // --- slow motion
  const stageTitle = el("h3", {}, "");
  const cards = STAGES.map((name, i) => {
    const canvas = i < 3 || i === 4 ? el("canvas", { role: "img", "aria-label": name }) : null;
    const words = el("p", { class: "stage-words" });
    return { node: el("li", { class: "stage" }, el("b", {}, `${i + 1}  ${name}`), canvas, words), canvas, words };
  });
  const stages = el("section", { class: "stages card", hidden: true, "aria-label": "Slow motion" }, el("div", { class: "stage-head" }, stageTitle, button("Next stage →", "On to the next stage (n)", () => lab.send({ kind: "stage" }), { id: "next-stage" })),
    el("ol", {}, ...cards.map((c) => c.node)));

  // --- charts
  const book = [
    new Chart({ title: "Losses", about: "Mean of each tick", series: [["loss_discriminator", "D"], ["loss_generator", "G"]] }),
    new Chart({ title: "Beliefs", about: "What D says of reals and of fakes; probabilities where the objective has a link, else logits", series: [["d_real", "D(real)"], ["d_fake", "D(G(z))"]] }),
    new Chart({ title: "Gradient norms", about: "Of all weights, before clipping", series: [["gradient_norm_discriminator", "D"], ["gradient_norm_generator", "G"]] }),
    new Chart({ title: "Modes found", about: "By 2,500 fakes, each within three deviations of a mode; 20 make it found", series: [["modes", "modes"]] }),
    new Chart({ title: "High quality", about: "Share of 2,500 fakes within three deviations of a mode; the data's own is .989", series: [["quality", "share"]], range: [0, 1] }),
    new Chart({ title: "JSD", about: "Jensen-Shannon divergence in nats, 10,000 samples of each counted in 24 × 24 cells and one outside; dots: what two drawings of the data differ by", series: [["jsd", "nats"]], floor: "jsd" }),
    new Chart({ title: "KL", about: "Kullback-Leibler divergence of the data from the fakes in nats, of the same counts with half a sample more in each cell", series: [["kl", "nats"]] }),
    new Chart({ title: "Wasserstein", about: "W1 of 128 against 128, exact; sliced of 2,500; dots: W1 of two drawings of the data", series: [["w1", "W1"], ["sliced", "sliced"]], floor: "w1" }),
    new Chart({ title: "What D sees", about: "The stated game's payoff at this D, and at the best D that is constant on each cell", series: [["payoff", "this D"], ["best_payoff", "best D"]] }),
  ];
  const portrait = new Portrait();
  const gallery = el("section", { class: "charts", "aria-label": "Charts" }, ...book.map((c) => c.node), portrait.node);

  // --- findings, comparison, export, text
  const findings = el("ol", { class: "findings", "aria-live": "polite" });
  const quietly = el("p", { class: "note" }, "Nothing so far.");
  const rival = el("select", { "aria-label": "What the second game has otherwise", id: "rival", onchange: () => { own.value = rival.value.split(",").join(" "); } },
    el("option", { value: "" }, "choose …"), ...RIVALS.map(([v, t]) => el("option", { value: v }, t)));
  const own = el("input", { type: "text", id: "own", "aria-label": "Settings of the second game, KEY=VALUE", placeholder: "KEY=VALUE", spellcheck: false, autocomplete: "off" });
  const compareProblem = el("p", { class: "problem", role: "alert", hidden: true });
  const compare = button("Play side by side", "A second game from the same seed", () => lab.send({ kind: "compare", settings: own.value.trim() ? own.value.trim().split(/\s+(?=[a-z_.0-9]+=)/) : [] }), { id: "compare" });
  const alone = button("One game only", "Drop the second game", () => lab.send({ kind: "compare", settings: null }), { class: "quiet", id: "alone" });
  const versus = el("section", { class: "card" }, el("h3", {}, "Two games, one seed"), el("p", { class: "note" }, "The same start, with one setting changed. The second game is drawn beside the first and dashed in the charts."), el("div", { class: "row" }, el("label", { for: "rival" }, "changed"), rival), el("div", { class: "row" }, el("label", { for: "own" }, "or by hand"), own), compareProblem, el("div", { class: "buttons" }, compare, alone));
  const outputs = el("section", { class: "card" }, el("h3", {}, "Take it along"), el("div", { class: "buttons" },
    button("Picture", "PNG of the game", picture, { id: "export-picture" }), button("Data", "Two CSV files: charts and points", () => lab.send({ kind: "data" }), { id: "export-data" }),
    button("Recipe", "TOML that `ganforge train` accepts", () => lab.send({ kind: "recipe" }), { id: "export-recipe" }),
    button("Link", "Copy a link that plays the same game", async () => { try { await navigator.clipboard.writeText(location.href); said("The link is copied."); } catch { said("Copy the address of this page; it holds everything."); } }, { id: "export-link" })),
    el("p", { class: "note", id: "said", "aria-live": "polite" }, "The recipe ends where the game stands: ganforge train replays it, bit for bit. The link begins this very game, seed included, and repeats what was changed by hand in the same rounds."));
  const said = (text) => { outputs.querySelector("#said").textContent = text; };
  const lines = el("dl", { class: "figures" });
  const reading = el("section", { class: "card prose" }, el("h3", {}, "What you see"),
    el("p", {}, "A generator ", el("i", {}, "G"), " turns noise into points (", el("span", { class: "fake-word" }, "squares"), "). A discriminator ", el("i", {}, "D"), " tells them from the data (", el("span", { class: "real-word" }, "dots"), "). The ground shows what D believes of each place: blue for real, orange for fake, the line where it can’t tell. The arrows are the generator’s only teacher: where its loss would have each fake go. Where they vanish, it learns nothing."),
    el("p", {}, "Every update is the toolkit’s own. Speed D up and watch the arrows starve; take R1 out and watch the fakes hunt from mode to mode."));

  const about = el("p", { class: "note tip", id: "tip" }, "Point at the plane to ask D.");
  const center = el("div", { class: "center" }, transport, boards, el("div", { class: "chips", role: "group", "aria-label": "Layers" }, ...chips, average), about, model.node, stages, el("section", { class: "card" }, el("h3", {}, "The doctor"), quietly, findings));
  root.append(el("div", { class: "bench" }, el("aside", { class: "left", "aria-label": "Settings" }, controls.node), center, el("aside", { class: "right" }, gallery, versus, outputs, el("section", { class: "card" }, el("h3", {}, "Now"), lines), reading)));

  // --- planes
  function board(index) {
    const canvas = el("canvas", { class: "plane", role: "img", "aria-label": "The game in the plane" });
    const plane = new Plane(canvas);
    const title = el("figcaption", {});
    const node = el("figure", { class: "board" }, title, canvas);
    let last = 0;
    canvas.addEventListener("pointermove", (event) => {
      const now = performance.now();
      if (now - last < 90) return;
      last = now;
      const box = canvas.getBoundingClientRect();
      const [x, y] = plane.inverse(event.clientX - box.left, event.clientY - box.top);
      lab.send({ kind: "ask", x, y });
    });
    return { plane, canvas, title, node, index };
  }

  function address() {
    if (!state) return;
    const seen = { layers: [...layers] };
    if (mean) seen.average = true;
    writeAddress("game", { link: state.link, view: seen });
  }

  function picture() {
    const wide = document.createElement("canvas");
    const size = planes[0].canvas.width;
    wide.width = size * planes.length + 12 * (planes.length - 1);
    wide.height = planes[0].canvas.height;
    planes.forEach((p, i) => wide.getContext("2d").drawImage(p.canvas, i * (size + 12), 0));
    wide.toBlob((blob) => save(`ganforge_round_${rounds.value}.png`, blob, "image/png"));
  }

  function onState(message) {
    const before = state;
    state = message;
    controls.update(message.values);
    play.textContent = message.playing ? "❚❚ Pause" : "▶ Play";
    play.setAttribute("aria-pressed", String(message.playing));
    slow.setAttribute("aria-pressed", String(message.slow));
    speed.value = String(message.pace);
    if (!message.slow) stages.hidden = true;
    if (planes.length !== message.games.length) {
      planes = message.games.map((_, i) => board(i));
      boards.replaceChildren(...planes.map((p) => p.node));
      boards.classList.toggle("two", planes.length > 1);
    }
    alone.hidden = planes.length < 2;
    compareProblem.hidden = true;
    message.games.forEach((game, i) => {
      planes[i].plane.half = game.half;
      planes[i].title.textContent = planes.length < 2 ? "" : i ? message.link.compare.join(", ") : "as set";
      if (!game.ticks) { charts[i] = []; planes[i].plane.forget(); }
    });
    if (!message.games[1]) charts[1] = [];
    if (!message.games[0].ticks && !message.round) { findings.replaceChildren(); quietly.hidden = false; }
    const optimal = chips.find((c) => c.dataset.layer === "optimum");
    optimal.disabled = !message.games[0].optimum;
    optimal.title = message.games[0].optimum ? "The best of all D that are constant on each cell, as an inlay (7)" : "This objective has no best D without a bound on its slope";
    for (const title of ["Modes found", "High quality"]) book.find((c) => c.title === title).node.hidden = message.games[0].modes === null;
    book.find((c) => c.title === "Modes found").range = [0, message.games[0].modes || 1];
    if (message.opened) told();
    if (message.ended) lab.banner(`The game has ended: ${message.ended}`, el("button", { type: "button", onclick: () => { lab.banner(""); lab.send({ kind: "reset" }); } }, "Reset"));
    else if (before?.ended) lab.banner("");
    rounds.value = message.round;
    address();
    dirty = true;
    plot();
  }

  function onFinding(message) {
    quietly.hidden = true;
    const apply = button(`Apply ${message.remedy}`, "Change the recipe so", () => { lab.send({ kind: "set", settings: [message.remedy] }); apply.disabled = true; }, { class: "apply" });
    findings.prepend(el("li", {}, el("p", {}, el("b", {}, message.name), ` · round ${message.round}${planes.length > 1 ? ` · game ${message.game + 1}` : ""}`), el("p", { class: "note" }, message.text), apply));
    while (findings.children.length > 12) findings.lastChild.remove();
  }

  let plotting = 0;
  function plot() {
    if (plotting) return;
    plotting = setTimeout(() => {
      plotting = 0;
      const games = charts.slice(0, Math.max(1, planes.length));
      for (const chart of book) if (!chart.node.hidden) chart.draw(games, state?.games[0]?.floors);
      portrait.draw(games);
    }, 330);
  }

  function stage(header, arrays, half) {
    stages.hidden = false;
    const { player, index } = header.stage;
    const colours = palette();
    stageTitle.textContent = `${player === "discriminator" ? "The discriminator" : "The generator"}’s update ${header.turns[player] + 1}`;
    cards.forEach((card, i) => { card.node.classList.toggle("now", i === index); card.node.classList.toggle("later", i > index); if (i > index) card.words.textContent = ""; });
    cards[0].words.textContent = `${arrays.stage_z.shape[0]} latents z are drawn`;
    scatter(cards[0].canvas, [[arrays.stage_z, colours.soft]], 3);
    if (index >= 1) cards[1].words.textContent = player === "discriminator" ? "G makes fakes; as many reals join" : "G makes fakes, with a graph back to its weights";
    scatter(cards[1].canvas, [[arrays.stage_real, colours.real], [arrays.stage_fakes, colours.fake]], half);
    judgement(cards[2].canvas, arrays, colours);
    if (index >= 2) cards[2].words.textContent = player === "discriminator" ? "D says how real each looks" : "D says how real each fake looks";
    if (index >= 3) {
      const terms = Object.entries(header.stage.terms);
      cards[3].words.replaceChildren(el("output", { class: "big" }, short(header.stage.loss)), terms.length > 1 ? ` = ${terms.map(([n, v]) => `${n.replace(/_/g, " ")} ${short(v)}`).join(" + ")}` : ` ${terms[0][0]}`);
    }
    if (index >= 4) cards[4].words.replaceChildren(el("output", { class: "big" }, short(header.stage.gradient_norm)), ` norm; ${player === "discriminator" ? "D’s weights move against it" : "it goes back through D to each fake, and to G’s weights"}`);
    const [context, w, h] = sharp(cards[4].canvas);
    context.clearRect(0, 0, w, h);
    if (arrays.stage_arrows) {
      const small = new Plane(cards[4].canvas);
      small.half = half;
      small.size = w;
      small.arrows(context, arrays.stage_fakes, arrays.stage_arrows, colours);
    }
  }

  function judgement(canvas, arrays, colours) {
    const [context, width, height] = sharp(canvas);
    context.clearRect(0, 0, width, height);
    const bins = 24;
    [[arrays.stage_real_belief, colours.real, -1], [arrays.stage_fake_belief, colours.fake, 1]].forEach(([bytes, colour, way]) => {
      if (!bytes?.length) return;
      const counts = Array(bins).fill(0);
      for (const byte of bytes) counts[Math.min(bins - 1, Math.floor((byte / 255) * bins))] += 1;
      const most = Math.max(...counts);
      context.fillStyle = colour;
      counts.forEach((n, i) => { const tall = (n / most) * (height / 2 - 4); context.fillRect((i * width) / bins + 1, height / 2 + (way < 0 ? -tall : 0), width / bins - 2, tall); });
    });
    context.fillStyle = colours.soft;
    context.fillRect(0, height / 2 - 0.5, width, 1);
  }

  function repaint() {
    for (const { header, arrays } of frames) if (header && planes[header.game]) planes[header.game].plane.draw(arrays, layers);
  }

  let shown = performance.now();
  let then = [performance.now(), 0];
  return {
    keys: [["space", "play or pause"], ["d", "step the discriminator"], ["g", "step the generator"], ["b", "step both"], ["s", "slow motion"], ["n", "next stage"], ["f", "500 rounds at once"], ["r", "reset"], ["1 – 9", "layers; 9 is the model graph"], ["a", "averaged generator"]],
    link: () => state?.link,
    state: () => state,
    charts: () => charts,
    frame: (game = 0) => frames[game],
    outside: (game = 0) => planes[game]?.plane.outside,
    onTheme() { repaint(); plot(); model.paint(); },
    onWords(message) {
      if (message.kind === "state") onState(message);
      else if (message.kind === "tick") {
        charts[message.game].push(message);
        if (charts[message.game].length > 4000) charts[message.game].splice(0, 1000);
        plot();
      } else if (message.kind === "finding") onFinding(message);
      else if (message.kind === "answer") about.textContent = `At (${short(message.x)}, ${short(message.y)}): ${message.games.map((g) => `D ${short(g.belief)}, logit ${short(g.logit)}, slope ${short(Math.hypot(...g.arrow))}`).join("  ·  ")}`;
      else if (message.kind === "recipe") message.texts.forEach((text, i) => save(message.texts.length > 1 ? `lab_${i + 1}.toml` : "lab.toml", text, "application/toml"));
      else if (message.kind === "data") message.games.forEach((g, i) => { save(`charts_${i + 1}.csv`, g.charts, "text/csv"); save(`points_${i + 1}.csv`, g.points, "text/csv"); });
      else if (message.kind === "refused") {
        if (message.of === "compare") { compareProblem.textContent = message.text; compareProblem.hidden = false; }
        else if (!(message.settings.length && controls.refuse(message.settings, message.text))) lab.banner(message.text, el("button", { type: "button", onclick: () => lab.banner("") }, "Close"));
      }
    },
    onFrame(header, arrays) {
      frames[header.game] = { header, arrays };
      const board_ = planes[header.game];
      if (!board_) return;
      board_.plane.draw(arrays, layers);
      if (header.game) return;
      model.draw(header, arrays, board_.plane.half);
      rounds.value = header.round;
      const now = performance.now();
      if (now - then[0] > 700) {
        rate.textContent = state?.playing ? `${Math.round(((header.round - then[1]) * 1000) / (now - then[0]))}/s` : "";
        then = [now, header.round];
      }
      if (header.stage) stage(header, arrays, board_.plane.half);
      if (now - shown > 400 || dirty) {
        shown = now;
        dirty = false;
        const sizes = state?.games[0]?.parameters || {};
        const rows = [["images seen", header.images.toLocaleString("en")], ["D’s updates", header.turns.discriminator], ["G’s updates", header.turns.generator], ["weights of D, G", `${sizes.discriminator}, ${sizes.generator}`]];
        if (header.beliefs) rows.push(["D on reals, fakes", header.beliefs.map(short).join(", ")]);
        lines.replaceChildren(...rows.flatMap(([a, b]) => [el("dt", {}, a), el("dd", {}, String(b))]));
        board_.canvas.setAttribute("aria-label", `Round ${header.round}. ${header.beliefs ? `On the average D believes reals to be real at ${short(header.beliefs[0])}, fakes at ${short(header.beliefs[1])}.` : ""}`);
      }
    },
    onKey(event) {
      const act = { " ": () => play.click(), d: step("discriminator"), g: step("generator"), b: step("both"), s: () => slow.click(), n: () => lab.send({ kind: "stage" }), f: () => center.querySelector("#ahead").click(), r: () => lab.send({ kind: "reset" }), a: () => average.click() }[event.key];
      const layer = LAYERS[Number(event.key) - 1];
      if (act) act();
      else if (layer) toggle(layer[0]);
      else return false;
      return true;
    },
    unmount() { clearTimeout(plotting); },
    calm,
    latestOnly: true, // of frames that come at once, only the last one of each game is drawn
  };
}
