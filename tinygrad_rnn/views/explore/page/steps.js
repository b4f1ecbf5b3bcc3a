"use strict";

// What happens at which step, and how it is told in a sentence.

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
  return unique.length < 2
    ? unique.join("")
    : `${unique.slice(0, -1).join(", ")} and ${unique.at(-1)}`;
}

function short(number, digits = 3) {
  const value = Number(number);
  if (!Number.isFinite(value)) return String(number);
  const tiny = value !== 0 && Math.abs(value) < 1e-3;
  const rounded = tiny
    ? value.toExponential(digits - 1)
    : String(Number(value.toPrecision(digits)));
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
  const sum = arrived === 1 ? "of one term" : `the sum of ${arrived} terms`;
  const whole = `${start} is complete, ${sum}.`;
  return kind === "parameter"
    ? `${whole} backward() adds it to ${name}.grad.`
    : `${whole} ${passedOn(step)}`;
}

function passedOn(step) {
  const to = listed(step.visit.sends.map((sent) => nodes[sent.to].name));
  return to ? `${nodes[step.node].op} passes it on to ${to}.` : "";
}
