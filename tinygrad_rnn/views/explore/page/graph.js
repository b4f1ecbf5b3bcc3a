// The graph: marks, labels that show on pointing, the view.

const drawn = nodes.map((_, k) => byId(`n${k}`));
const lines = edges.map((_, k) => byId(`e${k}`));

function mark(step) {
  const sends =
    step.phase === "backward" ? new Set(step.visit.sends.map((sent) => sent.edge)) : new Set();
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
    line.classList.toggle(
      "active",
      sends.has(k) || (step.phase === "forward" && edges[k][1] === step.node),
    );
  });
}

function prepareGraph() {
  drawing.setAttribute("role", "group");
  drawing.setAttribute(
    "aria-label",
    `Graph of ${nodes.length} nodes; up and down go from one to the next, Enter shows it`,
  );
  drawn.forEach((group, k) => {
    const { formula: text, shape: sizes, kind } = nodes[k];
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `${kind} ${text}, shape ${shape(sizes)}`);
    group.setAttribute("tabindex", k === loss ? "0" : "-1");
    group.querySelectorAll("text").forEach((line) => fit(line, group));
  });
  const sizes = [...sentAlong.values()]
    .map((term) => Math.log10(Number(term.array.norm)))
    .filter(Number.isFinite);
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
  const told = [
    element("b", {}, `${nodes[from].name} → ${nodes[to].name}, as ${input} of ${nodes[to].op}`),
  ];
  if (!term) told.push(facts("No gradient goes back here."));
  else {
    const when = term.at <= position ? "went back" : "will go back";
    told.push(
      formula(term.rule, "rule"),
      heatmap(`What ${when} at step ${term.at - turn + 1}:`, term.array),
    );
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
const MARGIN = 16;
const whole = {
  x: all.x - MARGIN,
  y: all.y - MARGIN,
  width: all.width + 2 * MARGIN,
  height: all.height + 2 * MARGIN,
};
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
  const box =
    all.right - all.left < seen.right - seen.left && all.bottom - all.top < seen.bottom - seen.top
      ? all
      : boxes[0];
  const across = shift(box.left, box.right, seen.left, seen.right);
  const down = shift(box.top, box.bottom, seen.top, seen.bottom);
  if (across || down) look({ ...view, x: view.x + across, y: view.y + down });
}

function placeOf(shape) {
  const { left, top, right, bottom } = shape.getBoundingClientRect();
  const [from, to] = [toDrawing(left, top), toDrawing(right, bottom)];
  const margin = shape === drawing ? 0 : 12;
  return {
    left: from.x - margin,
    top: from.y - margin,
    right: to.x + margin,
    bottom: to.y + margin,
  };
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
  else
    look({
      x: whole.x,
      y: whole.y + (whole.height - box.height / 0.8) / 2,
      width: box.width / 0.8,
      height: box.height / 0.8,
    });
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
