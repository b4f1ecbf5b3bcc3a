"""The backward graph: rules as their own code computes them, and where gradients add up."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tape import tape
from tinygrad_rnn.views import render
from tinygrad_rnn.views.drawing import draw
from tinygrad_rnn.views.drawing.rules import rule_text, rule_texts

from .dot import elements, labels, read, shown


def leaf(*shape: int) -> Any:
    """A parameter with positive entries."""
    entries = np.random.default_rng(len(shape)).uniform(0.2, 0.8, size=shape)
    return tg.Tensor(entries, requires_grad=True)


x, y, column = leaf(2, 3), leaf(2, 3), leaf(2, 1)
W = leaf(3, 3)

RULES = {
    "add": (lambda: x + y, ["g", "g"]),
    "subtract": (lambda: x - y, ["g", "-g"]),
    "multiply": (lambda: x * y, ["g * y", "g * x"]),
    "divide": (lambda: x / y, ["g / y", "-(g * z) / y"]),
    "a broadcast input": (lambda: x + column, ["g", "sum(g, axis=(1,), keepdims=True)"]),
    "a number": (lambda: 3.0 * x, {1: "g * 3"}),
    "a number of NumPy's": (lambda: x * np.float64(0.25), ["g * 0.25"]),
    "an array": (lambda: x * np.ones((2, 3)), ["g * y"]),
    "tanh": (lambda: tg.tanh(x), ["g * (1 - z²)"]),
    "sigmoid": (lambda: tg.sigmoid(x), ["g * (z * (1 - z))"]),
    "exp": (lambda: tg.exp(x), ["g * z"]),
    "log": (lambda: tg.log(x), ["g / x"]),
    "matmul": (lambda: x @ W, ["g @ b.T", "a.T @ g"]),
    "addmm": (
        lambda: tg.addmm(column, x, W),
        ["sum(g, axis=(1,), keepdims=True)", "g @ b.T", "a.T @ g"],
    ),
    "transpose": (lambda: x.T, ["g.T"]),
    "sum": (lambda: tg.sum(x), ["broadcast_to(g, (2, 3))"]),
    "getitem": (lambda: x[0], ["unslice(g, shape=(2, 3), indices=(0,))"]),
    "stack": (lambda: tg.stack([x, y]), ["g[0]", "g[1]"]),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_are_printed_as_they_compute(name: str) -> None:
    """What stands on an edge is what the rule of the op did, in its own letters."""
    made, expected = RULES[name]
    texts = rule_texts(made())
    assert texts == (expected if isinstance(expected, dict) else dict(enumerate(expected)))


GIVES_ARRAYS = ["subtract", "multiply", "divide", "tanh", "sigmoid", "exp", "log", "matmul", "sum"]


@pytest.mark.parametrize("name", GIVES_ARRAYS)
def test_a_rule_that_is_evaluated_is_the_gradient(name: str) -> None:
    """The text, run as Python on arrays, gives what the tape's walk gives."""
    result: Any = RULES[name][0]()
    g = np.random.default_rng(1).normal(size=result.shape)
    wanted = tg.grad(result, result.inputs, g)
    letters = dict(zip(result.op.inputs, (t.data for t in result.inputs), strict=True))
    scope = {"g": g, "z": result.data, "broadcast_to": np.broadcast_to} | letters
    for place, gradient in enumerate(wanted):
        text = rule_text(result, place).replace("²", "**2")
        np.testing.assert_allclose(eval(text, scope), gradient.data, rtol=1e-12)


def test_a_rule_uses_the_names_that_are_given() -> None:
    """Inputs and result go by what they are called; what has no name by the op's own letters."""
    z = x @ W
    assert rule_text(z, 0, {W: "W_hh"}) == "g @ W_hh.T"
    h: Any = tg.tanh(z)
    assert rule_text(h, 0, {h: "h_1"}) == "g * (1 - h_1²)"


def test_rules_are_printed_without_a_trace() -> None:
    """Printing records nothing, and computes with no warning where the rule divides by zero."""
    zero = tg.Tensor([0.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        z: Any = tg.log(zero)
    serial = tg.Tensor(0.0).serial
    assert rule_text(z, 0) == "g / x"
    assert len(tape(z)) == 2
    assert (zero.grad, z.serial) == (None, serial - 1)


def test_brackets_are_where_they_must_be() -> None:
    """A rule written with an op of one's own is printed so that it means the same."""
    by_x = lambda g, z, x, y: (g - (x - y)) * (x * (y + 1)) / (x / y) - -(g**2)

    @tg.op(elementwise=True, x=by_x)
    def mixed(x: Any, y: Any) -> Any:
        return x + y

    text = rule_text(mixed(x, y), 0)
    g = np.full((2, 3), 0.3)
    scope = {"g": g, "x": x.data, "y": y.data}
    np.testing.assert_allclose(eval(text, scope), by_x(g, None, x.data, y.data), rtol=1e-12)


# The graph


def two_steps() -> dict[str, Any]:
    """Two steps of a recurrence, by name."""
    W_hh, h_0 = leaf(2, 2), tg.Tensor(np.ones((2, 1)))
    with tg.scope("t=1"):
        h_1 = tg.tanh(W_hh @ h_0)
    with tg.scope("t=2"):
        h_2 = tg.tanh(W_hh @ h_1)
    loss = tg.sum(h_2)
    return {"W_hh": W_hh, "h_0": h_0, "h_1": h_1, "h_2": h_2, "loss": loss}


def test_the_gradients_of_both_uses_meet_in_one_box() -> None:
    """dL/dW_hh is the sum of two terms, whose arrows come from both steps with their rules."""
    values = two_steps()
    drawing = draw(values["loss"], names=values, backward=True)
    says = labels(drawing)
    (box,) = [key for key, lines in says.items() if lines[0] == "dL/dW_hh"]
    assert says[box] == ["dL/dW_hh", "(2, 2)", "sum of 2 terms"]
    found = read(drawing)
    rules = {
        says[head][0]: shown(line["label"])[0]
        for (tail, head), line in zip(found.edges, found.lines, strict=True)
        if tail == box
    }
    terms = [line for edge, line in zip(found.edges, found.lines, strict=True) if edge[0] == box]
    assert [shown(line["label"])[0] for line in terms] == ["g @ h_0.T", "g @ h_1.T"]
    assert rules == {"dL/d(matmul)": "g @ h_1.T"}
    assert all(line["dir"] == "back" for line in terms)


def test_each_edge_with_a_gradient_has_its_way_back() -> None:
    """There are as many arrows back as edges to what needs a gradient, each with a rule."""
    values = two_steps()
    arrows = draw(values["loss"], names=values, backward=True).sheet.arrows
    edges = [needs for node in tape(values["loss"]) for needs in node.needs]
    back = [arrow for arrow in arrows if arrow.kind == "back"]
    assert len(back) == sum(edges) == 6
    assert all(arrow.rule for arrow in back)
    assert {arrow.id for arrow in back} <= {f"b{arrow.id}" for arrow in arrows}


def test_no_gradient_is_drawn_where_none_flows() -> None:
    """h_0 needs none, and has no box on the way back; the loss starts it with 1."""
    values = two_steps()
    says = labels(draw(values["loss"], names=values, backward=True))
    gradients = {lines[0] for key, lines in says.items() if key[0] == "d"}
    assert gradients == {"dL/dW_hh", "dL/d(matmul)", "dL/dh_1", "dL/dh_2", "dL/dloss = 1"}


def test_an_output_that_others_use_counts_its_own_start() -> None:
    """Of the outputs y and exp(y) the gradient of y is the sum of its start and of a term."""
    z = tg.sum(x)
    says = labels(draw(z, tg.exp(z), backward=True))
    assert says["dn1"] == ["dL/d(sum)", "()", "sum of 2 terms"]
    assert says["dn2"] == ["dL/d(exp) = 1", "()"]


def test_norms_go_to_the_way_back() -> None:
    """After backward the arrows back are thick and thin, those of the forward graph plain."""
    values = two_steps()
    values["loss"].backward()
    drawing = draw(values["loss"], names=values, backward=True)
    norms = {(arrow.kind, arrow.norm is None) for arrow in drawing.sheet.arrows}
    assert norms == {("parameter", True), ("value", True), ("back", False), ("turn", True)}
    norm = np.linalg.norm(values["W_hh"].grad.data)
    assert f"norm {norm:.3g}" in drawing.source


def test_folded_steps_fold_on_the_way_back_too() -> None:
    """Of 50 steps the way back has a box for 47, into which as many edges lead."""
    loss = tg.nn.RNN(2, 3, rng=0)(np.ones((50, 1, 2)))[0].sum()
    drawing = draw(loss, backward=True)
    assert labels(drawing)["df0"] == ["gradients", "… 47 more steps"]
    uses = {arrow.uses for arrow in drawing.sheet.arrows if arrow.tail == "df0"}
    assert uses == {1, 47}


def spans(path: Path) -> dict[str, tuple[float, float, float, float]]:
    """The least and largest x and y of each frame, by its label."""
    found = {}
    for frame in elements(path, "cluster"):
        name = next(x.text or "" for x in frame.iter() if x.tag.endswith("}text"))
        outline = next(x for x in frame.iter() if x.tag.endswith(("}path", "}polygon")))
        text = outline.get("d") or outline.get("points") or ""
        points = [(float(a), float(b)) for a, b in re.findall(r"(-?[\d.]+),(-?[\d.]+)", text)]
        xs, ys = zip(*points, strict=True)
        found[name] = min(xs), max(xs), min(ys), max(ys)
    return found


def test_backward_stands_below_forward_in_the_same_order_of_time(tmp_path: Path) -> None:
    """The frame of the way back begins below that of the forward graph."""
    values = two_steps()
    drawing = draw(values["loss"], names=values, backward=True)
    found = spans(render(drawing, tmp_path / "back.svg"))
    assert found["backward"][2] >= found["forward"][3]


@pytest.mark.parametrize("cell", [tg.nn.RNNCell, tg.nn.LSTMCell, tg.nn.GRUCell])
def test_layers_stand_above_each_other(cell: Any, tmp_path: Path) -> None:
    """Of three layers of cells each frame is above the one before, and all begin at the left."""
    cells = [cell(3, 3, rng=k) for k in range(3)]
    states: list[Any] = [None] * 3
    for t in (1, 2):
        h: Any = np.ones((1, 3))
        for k in range(3):
            with tg.scope(f"layer {k}"), tg.scope(f"t={t}"):
                states[k] = cells[k](h, states[k])
            h = states[k][0] if isinstance(states[k], tuple) else states[k]
    found = spans(render(draw(tg.sum(h)), tmp_path / "layers.svg"))
    frames = [found[f"layer {k}"] for k in range(3)]
    assert all(above[3] <= below[2] for below, above in pairwise(frames))
    assert all(above[0] < below[1] for below, above in pairwise(frames))
