// The panel: what happens in a step, and one node, with arrays as tables and grids.

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
const several = (title, told) =>
  element("div", { class: "part terms" }, heading(title), element("div", {}, ...told));
const heading = (text) => element("h3", {}, text);
const formula = (text, kind = "") => element("code", { class: `formula ${kind}` }, text);
const facts = (text) => element("p", { class: "facts" }, text);

// Arrays as tables of numbers or, where there are many, as grids of coloured cells

const largest = (...arrays) =>
  Math.max(...arrays.flatMap((a) => a.cells.map(size).filter(Number.isFinite)), 0);
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
  return element(
    tag,
    { class: `cell ${sign}`, title: String(cell), "--size": share.toFixed(4) },
    text,
  );
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

const STORY = [
  "Then the walk turns: it visits the nodes again, the last recorded first.",
  "When a node is visited, its gradient is complete. By the rule of its op, each of its inputs gets",
  "a term, which is added to that input's gradient.",
  "A weight that is used in every time step gets a term from every time step.",
];

function tellStart() {
  const first =
    "Step to the right. Each result is computed from its inputs, until the loss is there.";
  return [
    part(element("h2", {}, "Start"), element("p", {}, first), formula(nodes[loss].formula)),
    part(element("p", {}, STORY.join(" "))),
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
    told.push(
      several(
        `What ${op} passes on`,
        sends.map((sent) => tellSent(sent, step.node)),
      ),
    );
  } else if (kind === "parameter") {
    const adds = formula(`${name}.grad += ${gradientOf(step.node)}`, "rule");
    told.push(part(heading("What becomes of it"), adds, ...comparison(step.node)));
  }
  return told;
}

function origin(k) {
  if (k === loss) return "The walk starts here: the derivative of L by itself is 1.";
  const from = terms[k].map((term) => nodes[term.from].name);
  const sum = from.length === 1 ? "Its one term" : `The sum of ${from.length} terms, which`;
  return `${sum} came from ${listed(from)}.`;
}

function comparison(k) {
  const { name, difference } = nodes[k];
  if (difference === null) return [];
  const equal =
    difference === 0 ? "equal to this" : `apart from this by at most ${short(difference)}`;
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
  const about = part(
    ...introduction(k),
    ...(op === null ? [] : [formula(text)]),
    heading("Value"),
    heatmap(name, value),
  );
  byId("node").replaceChildren(about, ...tellGradient(k));
}

function tellGradient(k) {
  if (visitedAt[k] === Infinity)
    return [part(heading("Gradient"), facts("No gradient flows to it."))];
  const { gradient } = steps[visitedAt[k]].visit;
  const scale = largest(gradient, ...terms[k].map((term) => term.array));
  const total = part(
    heading("Gradient"),
    heatmap(gradientOf(k), gradient, scale),
    ...comparison(k),
  );
  if (k === loss) return [total];
  const arrived = terms[k].filter((term) => term.at <= position).length;
  const title = `Its ${count(terms[k].length, "term")}, ${arrived} of them here at this step`;
  return [
    total,
    several(
      title,
      terms[k].map((term) => tellTerm(term, scale)),
    ),
  ];
}

function tellTerm(term, scale) {
  const here = term.at <= position;
  const go = element(
    "button",
    { type: "button", onclick: () => goTo(term.at) },
    `backward ${term.at - turn + 1}`,
  );
  return element(
    "div",
    { class: here ? "term here" : "term" },
    element(
      "p",
      { class: "facts" },
      `${here ? "✓ came" : "comes"} from ${nodes[term.from].name} at `,
      go,
    ),
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
