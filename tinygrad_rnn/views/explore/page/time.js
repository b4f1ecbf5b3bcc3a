// Time: its axis, the map of how gradients flow, going from step to step.

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
    const ends = {
      "--from": Math.max(0, from - 0.5) / last,
      "--to": Math.min(last, to + 0.5) / last,
    };
    const told =
      label || [...new Set([from, to].map((k) => nodes[steps[k].node].name))].join(" … ");
    const run = element(
      "span",
      { class: phase, title: `${phase}: ${told}`, ...ends },
      element("b", { class: "long" }, told),
    );
    if (label.startsWith("t=")) run.append(element("b", { class: "brief" }, label.slice(2)));
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
  const times = [...new Set(flow.flatMap(([, cells]) => cells.map(([t]) => t)))].sort(
    (a, b) => a - b,
  );
  const logs = flow
    .flatMap(([, cells]) => cells.map((cell) => Math.log10(Number(cell[2]))))
    .filter(Number.isFinite);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const share = (norm) => {
    const log = Math.log10(Number(norm));
    return Number.isFinite(log) ? (high > low ? 0.12 + (0.88 * (log - low)) / (high - low) : 1) : 0;
  };
  const rows = flow.map(([name, cells]) => {
    const at = new Map(cells.map((cell) => [cell[0], cell]));
    const made = times.map((t) =>
      at.has(t) ? flowCell(name, share, ...at.get(t)) : element("td", {}),
    );
    return element("tr", {}, element("th", { scope: "row" }, name), ...made);
  });
  const every = times.length > MANY ? Math.ceil(times.length / 10) : 1;
  const head = times.map((t, k) => element("th", { scope: "col" }, k % every ? "" : `t=${t}`));
  byId("flow").append(
    element(
      "table",
      { class: times.length > MANY ? "many" : "few" },
      element("caption", {}, "How the gradient flows back through time: the norm of dL/dh_t"),
      element("thead", {}, element("tr", {}, element("th", {}, ""), ...head)),
      element("tbody", {}, ...rows),
    ),
  );
  byId("flow").hidden = false;
}

const MANY = 12; // more columns than have room for numbers

function flowCell(name, share, t, visit, norm) {
  const label = `${name}, t=${t}: norm ${short(norm)}; go to its step`;
  const attributes = {
    type: "button",
    "aria-label": label,
    title: String(norm),
    "--size": share(norm).toFixed(4),
  };
  const button = element(
    "button",
    { ...attributes, onclick: () => goTo(turn + visit) },
    element("span", {}, short(norm, 2)),
  );
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
    if (Number(button.dataset.at) === position) {
      button.setAttribute("aria-current", "step");
      button.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else button.removeAttribute("aria-current");
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
    if (key.startsWith("Arrow"))
      focusNode((k + (key === "ArrowDown" ? 1 : -1) + nodes.length) % nodes.length);
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
