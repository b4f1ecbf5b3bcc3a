
"use strict";

const { nodes, edges, walk, flow } = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const drawing = byId("drawing");

// What happens when. A step is a position of the slider: the start, each result, each visit.

const results = nodes.map((_, k) => k).filter((k) => nodes[k].op !== null);
const steps = [
  { phase: "start" },
  ...results.map((node) => ({ phase: "forward", node })),
  ...walk.map((visit) => ({ phase: "backward", node: visit.node, visit })),
];
const turn = 1 + results.length; // where the backward pass starts
const loss = walk[0].node;
const computedAt = nodes.map(() => 0);
results.forEach((node, k) => (computedAt[node] = 1 + k));
const visitedAt = nodes.map(() => Infinity);
const terms = nodes.map(() => []); // what arrives for each node, in order
const sentAlong = new Map(); // what goes back along each edge
walk.forEach((visit, k) => {
  visitedAt[visit.node] = turn + k;
  for (const sent of visit.sends) {
    const term = { ...sent, from: visit.node, at: turn + k };
    terms[sent.to].push(term);
    sentAlong.set(sent.edge, term);
  }
});

let position = 0;
let chosen = loss;
let playing = null;

// Words

const shape = (sizes) => `(${sizes.join(", ")}${sizes.length === 1 ? "," : ""})`;
const gradientOf = (node) => `dL/d${nodes[node].name}`;
const count = (n, one) => (n === 1 ? `1 ${one}` : `${n} ${one}s`);

function listed(words) {
  const unique = [...new Set(words)];
  return unique.length < 2 ? unique.join("") : `${unique.slice(0, -1).join(", ")} and ${unique.at(-1)}`;
}

function short(number, digits = 3) {
  const value = Number(number);
  if (!Number.isFinite(value)) return String(number);
  const tiny = value !== 0 && Math.abs(value) < 1e-3;
  const rounded = tiny ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return rounded.replaceAll("-", "−");
}

function sentence(step) {
  if (step.phase === "start") {
    const given = nodes.length - results.length;
    return `Start: ${count(given, "leaf").replace("leafs", "leaves")} given, nothing computed yet.`;
  }
  const { name, kind, inputs } = nodes[step.node];
  if (step.phase === "forward") {
    const from = listed(inputs.map((x) => ("node" in x ? nodes[x.node].name : x.is)));
    return `Forward ${position} of ${results.length}: ${name} is computed from ${from}.`;
  }
  const start = `Backward ${position - turn + 1} of ${walk.length}: ${gradientOf(step.node)}`;
  if (step.node === loss) return `${start} is 1, by definition. ${passedOn(step)}`;
  const arrived = terms[step.node].length;
  const whole = `${start} is complete, ${arrived === 1 ? "of one term" : `the sum of ${arrived} terms`}.`;
  return kind === "parameter" ? `${whole} backward() adds it to ${name}.grad.` : `${whole} ${passedOn(step)}`;
}

function passedOn(step) {
  const to = listed(step.visit.sends.map((sent) => nodes[sent.to].name));
  return to ? `${nodes[step.node].op} passes it on to ${to}.` : "";
}

// Elements

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("--")) made.style.setProperty(key, value);
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const part = (...children) => element("div", { class: "part" }, ...children);
const several = (title, told) => element("div", { class: "part terms" }, heading(title), element("div", {}, ...told));
const heading = (text) => element("h3", {}, text);
const formula = (text, kind = "") => element("code", { class: `formula ${kind}` }, text);
const facts = (text) => element("p", { class: "facts" }, text);

// Arrays as tables of numbers or, where there are many, as grids of coloured cells

const largest = (...arrays) => Math.max(...arrays.flatMap((a) => a.cells.map(size).filter(Number.isFinite)), 0);
const size = (cell) => Math.abs(Number(cell));

function heatmap(title, array, scale = largest(array)) {
  const few = array.rows <= 12 && array.cols <= 8 && array.block.every((n) => n === 1);
  const caption = element("figcaption", {}, element("b", {}, title), ` ${described(array)}`);
  const map = few ? table(array, scale, title) : grid(array, scale, title);
  return element("figure", { class: few ? "few" : "many" }, caption, map);
}

function described(array) {
  const norm = `norm ${short(array.norm)}`;
  const [down, across] = array.block;
  const blocks = down * across > 1 ? `; a cell is the largest of ${down} × ${across} entries` : "";
  return `${shape(array.shape)}, ${norm}${blocks}`;
}

function table(array, scale, title) {
  const rows = Array.from({ length: array.rows }, (_, i) => {
    const row = array.cells.slice(i * array.cols, (i + 1) * array.cols);
    return element("tr", {}, ...row.map((cell) => coloured("td", cell, scale, short(cell))));
  });
  return element("table", { class: "heat", "aria-label": title }, element("tbody", {}, ...rows));
}

function grid(array, scale, title) {
  const range = `from ${short(array.low)} to ${short(array.high)}`;
  const cells = array.cells.map((cell) => coloured("span", cell, scale, ""));
  const label = `${title}, ${described(array)}, ${range}`;
  const attributes = { class: "grid", role: "img", "aria-label": label, "--cols": array.cols };
  return element("div", {}, element("div", attributes, ...cells), facts(range));
}

function coloured(tag, cell, scale, text) {
  const value = Number(cell);
  const sign = Number.isFinite(value) ? (value < 0 ? "negative" : "") : "unknown";
  const share = scale > 0 && Number.isFinite(value) ? Math.abs(value) / scale : 0;
  return element(tag, { class: `cell ${sign}`, title: String(cell), "--size": share.toFixed(4) }, text);
}

// The panel

function introduction(k) {
  const { name, kind, op, scope, shape: sizes, dtype } = nodes[k];
  const origin = op === null ? kind : `result of ${op}`;
  const parts = [origin, ...scope, `shape ${shape(sizes)}`, dtype];
  return [element("h2", {}, name), facts(parts.join(" · "))];
}

function tellStep(step) {
  const told = { start: tellStart, forward: tellForward, backward: tellBackward }[step.phase](step);
  byId("step").replaceChildren(...told);
  byId("step").scrollTop = 0;
}

function tellStart() {
  return [
    part(
      element("h2", {}, "Start"),
      element("p", {}, "Step to the right. Each result is computed from its inputs, until the loss is there."),
      formula(nodes[loss].formula),
    ),
    part(
      element("p", {}, "Then the walk turns: it visits the nodes again, the last recorded first. When a node is visited, its gradient is complete. By the rule of its op, each of its inputs gets a term, which is added to that input's gradient."),
      element("p", {}, "A weight that is used in every time step gets a term from every time step."),
    ),
  ];
}

function tellForward(step) {
  const { name, formula: text, value, inputs } = nodes[step.node];
  const from = inputs.map((x) =>
    "node" in x
      ? heatmap(`${x.input}: ${nodes[x.node].name}`, nodes[x.node].value)
      : facts(`${x.input}: ${x.is}`),
  );
  return [
    part(...introduction(step.node), formula(text), heading("Its value"), heatmap(name, value)),
    part(heading("Computed from"), element("div", { class: "sum" }, ...from)),
  ];
}

function tellBackward(step) {
  const { name, kind, formula: text, op } = nodes[step.node];
  const { gradient, sends } = step.visit;
  const told = [
    part(
      ...introduction(step.node),
      ...(op === null ? [] : [formula(text)]),
      heading("The gradient that has come in"),
      heatmap(gradientOf(step.node), gradient),
      facts(origin(step.node)),
    ),
  ];
  if (sends.length) {
    told.push(several(`What ${op} passes on`, sends.map((sent) => tellSent(sent, step.node))));
  } else if (kind === "parameter") {
    const adds = formula(`${name}.grad += ${gradientOf(step.node)}`, "rule");
    told.push(part(heading("What becomes of it"), adds, ...comparison(step.node)));
  }
  return told;
}

function origin(k) {
  if (k === loss) return "The walk starts here: the derivative of L by itself is 1.";
  const from = terms[k].map((term) => nodes[term.from].name);
  return `${from.length === 1 ? "Its one term came" : `The sum of ${from.length} terms, which came`} from ${listed(from)}.`;
}

function comparison(k) {
  const { name, difference } = nodes[k];
  if (difference === null) return [];
  const equal = difference === 0 ? "equal to this" : `apart from this by at most ${short(difference)}`;
  return [facts(`${name}.grad, as backward() left it, is ${equal}.`)];
}

function tellSent(sent, from) {
  const all = terms[sent.to];
  const which = all.findIndex((term) => term.edge === sent.edge) + 1;
  const scale = largest(sent.array, sent.total);
  const maps = [heatmap("this term", sent.array, scale)];
  if (which > 1) maps.push(heatmap(`${gradientOf(sent.to)} so far`, sent.total, scale));
  const state = all.length === 1 ? "its only term" : `term ${which} of ${all.length}`;
  return element(
    "div",
    { class: "term here" },
    facts(`to ${nodes[sent.to].name}, the input ${sent.input} of ${nodes[from].op}: ${state}`),
    formula(sent.rule, "rule"),
    element("div", { class: "sum" }, ...maps),
  );
}

function tellNode(k) {
  const { name, formula: text, value, op } = nodes[k];
  const about = part(...introduction(k), ...(op === null ? [] : [formula(text)]), heading("Value"), heatmap(name, value));
  byId("node").replaceChildren(about, ...tellGradient(k));
}

function tellGradient(k) {
  if (visitedAt[k] === Infinity) return [part(heading("Gradient"), facts("No gradient flows to it."))];
  const { gradient } = steps[visitedAt[k]].visit;
  const scale = largest(gradient, ...terms[k].map((term) => term.array));
  const total = part(heading("Gradient"), heatmap(gradientOf(k), gradient, scale), ...comparison(k));
  if (k === loss) return [total];
  const arrived = terms[k].filter((term) => term.at <= position).length;
  const title = `Its ${count(terms[k].length, "term")}, ${arrived} of them here at this step`;
  return [total, several(title, terms[k].map((term) => tellTerm(term, scale)))];
}

function tellTerm(term, scale) {
  const here = term.at <= position;
  const go = element("button", { type: "button", onclick: () => goTo(term.at) }, `backward ${term.at - turn + 1}`);
  return element(
    "div",
    { class: here ? "term here" : "term" },
    element("p", { class: "facts" }, `${here ? "✓ came" : "comes"} from ${nodes[term.from].name} at `, go),
    formula(term.rule, "rule"),
    heatmap("term", term.array, scale),
  );
}

function show(which) {
  for (const name of ["step", "node"]) {
    byId(name).hidden = name !== which;
    byId(`show-${name}`).setAttribute("aria-pressed", String(name === which));
  }
}

function choose(k) {
  chosen = k;
  byId("chosen").value = String(k);
  tellNode(k);
  show("node");
}

// The graph

const drawn = nodes.map((_, k) => byId(`n${k}`));
const lines = edges.map((_, k) => byId(`e${k}`));

function mark(step) {
  const sends = step.phase === "backward" ? new Set(step.visit.sends.map((sent) => sent.edge)) : new Set();
  drawn.forEach((group, k) => {
    const complete = visitedAt[k] <= position;
    group.classList.toggle("later", computedAt[k] > position);
    group.classList.toggle("arriving", !complete && terms[k].some((term) => term.at <= position));
    group.classList.toggle("complete", complete);
    group.classList.toggle("active", k === step.node);
    if (k === step.node) group.setAttribute("aria-current", "step");
    else group.removeAttribute("aria-current");
  });
  lines.forEach((line, k) => {
    line.classList.toggle("carried", sentAlong.has(k) && sentAlong.get(k).at <= position);
    line.classList.toggle("active", sends.has(k) || (step.phase === "forward" && edges[k][1] === step.node));
  });
}

function prepareGraph() {
  drawing.setAttribute("role", "group");
  drawing.setAttribute("aria-label", `Graph of ${nodes.length} nodes; up and down go from one to the next, Enter shows it`);
  drawn.forEach((group, k) => {
    const { formula: text, shape: sizes, kind } = nodes[k];
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `${kind} ${text}, shape ${shape(sizes)}`);
    group.setAttribute("tabindex", k === loss ? "0" : "-1");
    group.querySelectorAll("text").forEach((line) => fit(line, group));
  });
  const sizes = [...sentAlong.values()].map((term) => Math.log10(Number(term.array.norm))).filter(Number.isFinite);
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  lines.forEach((line, k) => {
    line.setAttribute("aria-hidden", "true");
    line.addEventListener("pointerenter", (event) => showTip(k, event));
    line.addEventListener("pointerleave", hideTip);
    if (!sentAlong.has(k)) return;
    const log = Math.log10(Number(sentAlong.get(k).array.norm));
    const share = Number.isFinite(log) && high > low ? (log - low) / (high - low) : 0.5;
    line.style.setProperty("--width", `${log === -Infinity ? 1 : 2 + 4 * Math.min(share, 1)}px`);
  });
}

function fit(line, group) {
  const room = group.querySelector("path, polygon, ellipse").getBBox().width - 6;
  if (line.getComputedTextLength() > room) {
    line.setAttribute("textLength", room);
    line.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

function focusNode(k) {
  drawing.querySelector('.node[tabindex="0"]').setAttribute("tabindex", "-1");
  drawn[k].setAttribute("tabindex", "0");
  drawn[k].focus({ preventScroll: true });
  follow(k);
}

function showTip(k, event) {
  const [from, to, place] = edges[k];
  const { input } = nodes[to].inputs[place];
  const term = sentAlong.get(k);
  const told = [element("b", {}, `${nodes[from].name} → ${nodes[to].name}, as ${input} of ${nodes[to].op}`)];
  if (!term) told.push(facts("No gradient goes back here."));
  else {
    const when = term.at <= position ? "went back" : "will go back";
    told.push(formula(term.rule, "rule"), heatmap(`What ${when} at step ${term.at - turn + 1}:`, term.array));
  }
  const tip = byId("tip");
  tip.replaceChildren(...told);
  tip.hidden = false;
  const area = byId("picture").getBoundingClientRect();
  const left = Math.min(event.clientX - area.left + 14, area.width - tip.offsetWidth - 6);
  const below = event.clientY - area.top + 14;
  const top = below + tip.offsetHeight < area.height ? below : below - tip.offsetHeight - 28;
  tip.style.left = `${Math.max(6, left)}px`;
  tip.style.top = `${Math.max(6, top)}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

// Pan and zoom: the part of the drawing that is seen, in the drawing's own units

const all = drawing.viewBox.baseVal;
const whole = { x: all.x, y: all.y, width: all.width, height: all.height };
let view = { ...whole };

function look(next) {
  view = next;
  drawing.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

function toDrawing(x, y) {
  return new DOMPoint(x, y).matrixTransform(drawing.getScreenCTM().inverse());
}

function zoom(factor, x, y) {
  const box = drawing.getBoundingClientRect();
  const point = toDrawing(x ?? box.left + box.width / 2, y ?? box.top + box.height / 2);
  const width = Math.min(Math.max(view.width / factor, 60), whole.width * 2);
  const scale = width / view.width;
  look({
    x: point.x - (point.x - view.x) * scale,
    y: point.y - (point.y - view.y) * scale,
    width,
    height: view.height * scale,
  });
}

// Moves the view as little as it must to show a node, and the nodes around it if they all fit.
function follow(k, around = []) {
  const boxes = [k, ...around].map((each) => placeOf(drawn[each]));
  const seen = placeOf(drawing);
  const all = boxes.reduce(union);
  const box = all.right - all.left < seen.right - seen.left && all.bottom - all.top < seen.bottom - seen.top ? all : boxes[0];
  const across = shift(box.left, box.right, seen.left, seen.right);
  const down = shift(box.top, box.bottom, seen.top, seen.bottom);
  if (across || down) look({ ...view, x: view.x + across, y: view.y + down });
}

function placeOf(shape) {
  const { left, top, right, bottom } = shape.getBoundingClientRect();
  const [from, to] = [toDrawing(left, top), toDrawing(right, bottom)];
  const margin = shape === drawing ? 0 : 12;
  return { left: from.x - margin, top: from.y - margin, right: to.x + margin, bottom: to.y + margin };
}

const union = (a, b) => ({
  left: Math.min(a.left, b.left),
  top: Math.min(a.top, b.top),
  right: Math.max(a.right, b.right),
  bottom: Math.max(a.bottom, b.bottom),
});

// How far a view from low to high must move to have a part in it.
function shift(from, to, low, high) {
  if (from < low) return from - low;
  return Math.max(0, to - high);
}

function neighbours(step) {
  if (step.phase === "backward") return step.visit.sends.map((sent) => sent.to);
  return nodes[step.node].inputs.filter((x) => "node" in x).map((x) => x.node);
}

function arrange() {
  document.querySelector("main").classList.toggle("wide", whole.width > 2 * whole.height);
  const box = drawing.getBoundingClientRect();
  const scale = Math.min(box.width / whole.width, box.height / whole.height);
  if (scale >= 0.6) look({ ...whole });
  else look({ x: whole.x, y: whole.y + (whole.height - box.height / 0.8) / 2, width: box.width / 0.8, height: box.height / 0.8 });
  followStep(steps[position]);
}

function followStep(step) {
  if (step.phase !== "start") follow(step.node, neighbours(step));
}

let drag = null;
drawing.addEventListener("pointerdown", (event) => {
  drag = { at: toDrawing(event.clientX, event.clientY), moved: false };
});
window.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const now = toDrawing(event.clientX, event.clientY);
  const [across, down] = [drag.at.x - now.x, drag.at.y - now.y];
  if (Math.hypot(across, down) > 4) drag.moved = true;
  if (drag.moved) look({ ...view, x: view.x + across, y: view.y + down });
});
window.addEventListener("pointerup", () => setTimeout(() => (drag = null)));
drawing.addEventListener("click", (event) => {
  const group = event.target.closest(".node[id]");
  if (group && !(drag && drag.moved)) choose(drawn.indexOf(group));
});
drawing.addEventListener(
  "wheel",
  (event) => {
    if (matchMedia("(max-width: 60rem)").matches && !event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
  },
  { passive: false },
);

// Time

function prepareStrip() {
  const last = steps.length - 1;
  const labels = steps.map((step, k) => ({ k, phase: step.phase, label: labelOf(step) }));
  const runs = [];
  for (const { k, phase, label } of labels.slice(1)) {
    const run = runs.at(-1);
    if (run && run.phase === phase && run.label === label) run.to = k;
    else runs.push({ phase, label, from: k, to: k });
  }
  for (const { phase, label, from, to } of runs) {
    const ends = { "--from": Math.max(0, from - 0.5) / last, "--to": Math.min(last, to + 0.5) / last };
    const told = label || [...new Set([from, to].map((k) => nodes[steps[k].node].name))].join(" … ");
    const run = element("span", { class: phase, title: `${phase}: ${told}`, ...ends }, element("b", {}, told));
    run.dataset.from = from;
    run.dataset.to = to;
    run.addEventListener("click", () => goTo(from));
    byId("strip").append(run);
  }
}

function labelOf(step) {
  if (step.phase === "start") return "";
  const { step: t, scope, op } = nodes[step.node];
  if (op === null) return "leaves";
  return t === null ? scope.join(", ") : `t=${t}`;
}

function prepareFlow() {
  if (!flow.length) return;
  const times = [...new Set(flow.flatMap(([, cells]) => cells.map(([t]) => t)))].sort((a, b) => a - b);
  const logs = flow.flatMap(([, cells]) => cells.map((cell) => Math.log10(Number(cell[2])))).filter(Number.isFinite);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const share = (norm) => {
    const log = Math.log10(Number(norm));
    return Number.isFinite(log) ? (high > low ? 0.12 + (0.88 * (log - low)) / (high - low) : 1) : 0;
  };
  const rows = flow.map(([name, cells]) => {
    const at = new Map(cells.map((cell) => [cell[0], cell]));
    const made = times.map((t) => (at.has(t) ? flowCell(name, share, ...at.get(t)) : element("td", {})));
    return element("tr", {}, element("th", { scope: "row" }, name), ...made);
  });
  const head = times.map((t) => element("th", { scope: "col" }, `t=${t}`));
  byId("flow").append(
    element(
      "table",
      {},
      element("caption", {}, "How the gradient flows back through time: the norm of dL/dh_t"),
      element("thead", {}, element("tr", {}, element("th", {}, ""), ...head)),
      element("tbody", {}, ...rows),
    ),
  );
  byId("flow").hidden = false;
}

function flowCell(name, share, t, visit, norm) {
  const label = `${name}, t=${t}: norm ${short(norm)}; go to its step`;
  const attributes = { type: "button", "aria-label": label, title: String(norm), "--size": share(norm).toFixed(4) };
  const button = element("button", { ...attributes, onclick: () => goTo(turn + visit) }, short(norm));
  button.dataset.at = turn + visit;
  return element("td", {}, button);
}

// Going from step to step

function goTo(next) {
  position = Math.min(Math.max(next, 0), steps.length - 1);
  const step = steps[position];
  const words = sentence(step);
  byId("sentence").textContent = words;
  byId("slider").value = String(position);
  byId("slider").setAttribute("aria-valuetext", words);
  mark(step);
  tellStep(step);
  if (!byId("node").hidden) tellNode(chosen);
  hideTip();
  for (const run of byId("strip").children) {
    run.classList.toggle("now", run.dataset.from <= position && position <= run.dataset.to);
  }
  for (const button of byId("flow").querySelectorAll("button")) {
    if (Number(button.dataset.at) === position) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  }
  followStep(step);
  if (position === steps.length - 1) pause();
}

function pause() {
  clearInterval(playing);
  playing = null;
  byId("play").setAttribute("aria-pressed", "false");
  byId("play").textContent = "▶";
}

function play() {
  if (playing !== null) {
    pause();
    return;
  }
  byId("play").setAttribute("aria-pressed", "true");
  byId("play").textContent = "❚❚";
  playing = setInterval(() => goTo(position + 1), 1200);
  goTo(position === steps.length - 1 ? 0 : position + 1);
}

const keys = {
  ArrowRight: () => goTo(position + 1),
  ArrowLeft: () => goTo(position - 1),
  Home: () => goTo(0),
  End: () => goTo(steps.length - 1),
  " ": play,
  Escape: hideTip,
  "+": () => zoom(1.25),
  "-": () => zoom(0.8),
  0: () => look({ ...whole }),
};

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.altKey || event.metaKey || target.matches("select")) return;
  const group = target.closest(".node[id]");
  const key = event.key;
  if (group && ["ArrowUp", "ArrowDown", "Enter", " "].includes(key)) {
    const k = drawn.indexOf(group);
    if (key.startsWith("Arrow")) focusNode((k + (key === "ArrowDown" ? 1 : -1) + nodes.length) % nodes.length);
    else choose(k);
  } else if (!(key in keys) || (key === " " && target.matches("button"))) {
    return;
  } else {
    keys[key]();
  }
  event.preventDefault();
});

// The start

const clicks = {
  first: keys.Home,
  back: keys.ArrowLeft,
  play,
  next: keys.ArrowRight,
  turn: () => goTo(turn),
  closer: keys["+"],
  farther: keys["-"],
  whole: keys[0],
  "show-step": () => show("step"),
  "show-node": () => choose(chosen),
  theme: changeTheme,
};
for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", action);

function isDark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function changeTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
}

function nameTheme() {
  byId("theme").textContent = isDark() ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
byId("slider").max = String(steps.length - 1);
byId("slider").addEventListener("input", (event) => goTo(Number(event.target.value)));
byId("chosen").append(...nodes.map((node, k) => element("option", { value: k }, node.name)));
byId("chosen").value = String(loss);
byId("chosen").addEventListener("change", (event) => choose(Number(event.target.value)));
nameTheme();
prepareGraph();
prepareStrip();
prepareFlow();
arrange();
window.addEventListener("resize", arrange);
goTo(0);
