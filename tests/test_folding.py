"""Long sequences and closed scopes are one box, and no edge is lost or invented on the way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tape import tape
from tinygrad_rnn.views.drawing.draw import Drawing, draw

from .dot import labels, read


def weights(H: int = 3, I: int = 2) -> tuple[tg.Tensor, tg.Tensor]:
    """W_xh and W_hh of a small network."""
    rng = np.random.default_rng(0)
    return tuple(
        tg.Tensor(rng.normal(size=shape) / 3, requires_grad=True, name=name)
        for name, shape in (("W_xh", (H, I)), ("W_hh", (H, H)))
    )  # type: ignore[return-value]


def many_to_one(T: int) -> Any:
    """A loss of the last state."""
    W_xh, W_hh = weights()
    h = tg.Tensor(np.zeros((3, 1)), name="h_0")
    for t in range(1, T + 1):
        with tg.scope(f"t={t}"):
            h = tg.tanh(W_xh @ np.ones((2, 1)) + W_hh @ h)
    return tg.sum(h)


def many_to_many(T: int) -> Any:
    """A loss at each step, added up outside of the steps; inputs made before the first."""
    W_xh, W_hh = weights()
    xs = [tg.Tensor(np.ones((2, 1)), name=f"x_{t}") for t in range(1, T + 1)]
    h, loss = tg.Tensor(np.zeros((3, 1)), name="h_0"), 0
    for t, x in enumerate(xs, start=1):
        with tg.scope(f"t={t}"):
            h = tg.tanh(W_xh @ x + W_hh @ h)
        loss = loss + tg.sum(h * h)
    return loss


def layer(kind: Any, **settings: Any) -> Callable[[int], Any]:
    """A loss of all outputs of a layer of `nn`."""
    return lambda T: kind(2, 3, rng=0, **settings)(np.ones((T, 1, 2)))[0].sum()


GRAPHS = {
    "many to one": many_to_one,
    "many to many": many_to_many,
    "RNN": layer(tg.nn.RNN),
    "LSTM, 2 layers": layer(tg.nn.LSTM, num_layers=2),
    "GRU, 2 layers, unrolled": layer(tg.nn.GRU, num_layers=2, unroll=True),
    "RNN, both directions": layer(tg.nn.RNN, bidirectional=True),
}


def says(drawing: Drawing) -> dict[str, str]:
    """The first line of each box."""
    return {key: lines[0] for key, lines in labels(drawing).items()}


def test_a_hundred_steps_show_the_first_two_the_last_and_a_box_for_the_rest() -> None:
    """Steps 1, 2 and 100 have frames; one box says which steps it holds, and how much is in it."""
    drawing = draw(many_to_one(100))
    assert list(read(drawing).frames) == [(), ("t=1",), ("t=2",), ("t=100",)]
    assert labels(drawing)["f0"] == ["… 97 more steps", "t=3 to t=99", "388 operations"]
    assert read(drawing).frames[()].count("f0") == 1


@pytest.mark.parametrize(("T", "folded"), [(1, 0), (4, 0), (5, 2), (6, 3)])
def test_folding_begins_where_it_makes_the_drawing_smaller(T: int, folded: int) -> None:
    """Up to four steps are drawn; of five the third and fourth are folded, and so on."""
    found = labels(draw(many_to_one(T))).get("f0", ["… 0 more steps"])
    assert found[0] == f"… {folded} more steps"


def test_unfolded_every_step_is_there() -> None:
    """fold=False draws a frame for each of 20 steps, and a box for each node of the tape."""
    loss = many_to_one(20)
    found = read(draw(loss, fold=False))
    assert len(found.frames) == 1 + 20
    assert len([key for key in found.nodes if "_" not in key]) == len(tape(loss))


def test_edges_into_the_folded_steps_are_counted() -> None:
    """W_hh leads to steps 1, 2 and 100 by an arrow each, and by one of ×97 to the rest."""
    drawing = draw(many_to_one(100))
    found, names = read(drawing), says(drawing)
    told = [
        (names[head], line.get("label", "").replace(r"\n ", ""))
        for (tail, head), line in zip(found.edges, found.lines, strict=True)
        if names[tail] == "W_hh"
    ]
    assert told == [
        ("matmul(W_hh, h_0)", ""),
        ("matmul(W_hh, ·)", ""),
        ("… 97 more steps", "×97"),
        ("matmul(W_hh, ·)", ""),
    ]


@pytest.mark.parametrize("depth", [None, 0, 1])
@pytest.mark.parametrize("name", GRAPHS)
def test_boxes_keep_their_edges(name: str, depth: int | None) -> None:
    """Each node that still has a box of its own has as many edges in and out as it always had."""
    loss = GRAPHS[name](12)
    whole, folded = draw(loss, fold=False), draw(loss, depth=depth)
    counts = []
    for drawing in (whole, folded):
        edges: Counter[tuple[str, str]] = Counter()
        for arrow in drawing.sheet.arrows:
            edges["out", arrow.tail] += arrow.uses
            edges["in", arrow.head] += arrow.uses
        counts.append(edges)
    seen = {box.id for box in folded.sheet.boxes if box.id[0] == "n"}
    assert len(seen) < len(whole.sheet.boxes)
    assert {key: n for key, n in counts[0].items() if key[1] in seen} == {
        key: n for key, n in counts[1].items() if key[1] in seen
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_a_longer_sequence_is_no_larger_drawing(name: str) -> None:
    """Of 12 and of 30 steps there are as many boxes and arrows."""
    sizes = [
        (len(drawing.sheet.boxes), len(drawing.sheet.arrows))
        for drawing in (draw(GRAPHS[name](T)) for T in (12, 30))
    ]
    assert sizes[0] == sizes[1]


def test_inputs_and_losses_of_folded_steps_go_with_them() -> None:
    """Of 9 inputs and losses outside of the steps those of steps 1, 2 and 9 have boxes."""
    names = list(says(draw(many_to_many(9))).values())
    assert [name for name in names if name.startswith("x_")] == ["x_1", "x_2", "x_9"]
    assert names.count("sum") == 3


def test_outputs_are_never_folded() -> None:
    """A state in the middle that is asked for has a box of its own."""
    _, W_hh = weights()
    h, states = tg.Tensor(np.zeros((3, 1))), {}
    for t in range(1, 10):
        with tg.scope(f"t={t}"):
            h = states[t] = tg.tanh(W_hh @ h)
    drawing = draw(states[5], states[9], names={"h_5": states[5], "h_9": states[9]})
    outputs = [box.lines[0] for box in drawing.sheet.boxes if box.is_output]
    assert outputs == ["h_5 = tanh", "h_9 = tanh"]
    assert says(drawing)["f0"] == "… 6 more steps"


def test_steps_fold_inside_of_each_layer() -> None:
    """Two layers of 50 steps have a box each for what is folded, in the layer's frame."""
    frames = read(draw(layer(tg.nn.LSTM, num_layers=2)(50))).frames
    assert {scope for scope, keys in frames.items() if {"f0", "f1"} & set(keys)} == {
        ("layer 0",),
        ("layer 1",),
    }


def test_depth_says_how_many_frames_are_open() -> None:
    """0 makes a box of each layer, 1 one of each step in it, 2 opens all."""
    loss = layer(tg.nn.RNN, num_layers=2)(3)
    frames = [list(read(draw(loss, depth=depth)).frames) for depth in (0, 1, 2)]
    assert frames[0] == [()]
    assert frames[1] == [(), ("layer 0",), ("layer 1",)]
    assert frames[2] == list(read(draw(loss)).frames)
    assert [x for x in says(draw(loss, depth=0)).values() if "layer" in x] == ["layer 0", "layer 1"]
    assert labels(draw(loss, depth=1))["f0"] == ["t=1", "2 operations"]


def test_what_is_folded_carries_the_sum_of_its_gradients() -> None:
    """The norm on the arrow from W_hh to steps 3 to 99 is that of their contributions' sum."""
    loss = many_to_many(100)
    loss.backward()
    W_hh = next(node for node in tape(loss) if node.name == "W_hh")
    terms = tg.bptt.by_step(loss, W_hh)
    expected = np.linalg.norm(sum(terms[t] for t in range(3, 100)))
    norms = {(a.tail, a.head): a.norm for a in draw(loss).sheet.arrows}
    ids = {name: key for key, name in says(draw(loss)).items()}
    assert norms[ids["W_hh"], "f0"] == pytest.approx(expected, rel=1e-9)


def test_too_many_boxes_are_refused_with_what_to_do() -> None:
    """Above max_nodes the error names the ways out, each of which works."""
    loss = many_to_one(300)
    with pytest.raises(ValueError, match=r"draw: 1504 boxes are more than max_nodes=1000; fold"):
        draw(loss, fold=False)
    assert len(draw(loss, fold=False, max_nodes=1504).sheet.boxes) > 1000
    assert len(draw(loss, max_nodes=30).sheet.boxes) < 30
    assert len(draw(loss, depth=0, max_nodes=10).sheet.boxes) <= 10


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"show": "all"}, "show is 'all'; it must be 'shape' or 'stats' or 'values'"),
        ({"direction": "RL"}, "direction is 'RL'; it must be 'LR' or 'TB'"),
        ({"depth": -1}, "depth is -1; it must be a whole number"),
        ({"depth": 0.5}, "depth is 0.5; it must be a whole number"),
    ],
)
def test_options_that_there_are_not_are_named(options: Any, told: str) -> None:
    """A wrong option is an error that says what came and what there is."""
    with pytest.raises(ValueError, match=f"draw: {told}"):
        draw(many_to_one(1), **options)


def test_a_hundred_thousand_nodes_become_text_in_seconds() -> None:
    """Folded or not: a chain of 99,999 results, in 33,333 time steps, on one core."""
    x = w = tg.Tensor([0.5], requires_grad=True, name="w")
    for t in range(33_333):
        with tg.scope(f"t={t}"):
            x = tg.tanh(w + x * w)
    start = time.process_time()
    assert draw(x, fold=False, max_nodes=100_001).source.count("->") > 160_000
    assert time.process_time() - start < 15  # 3 s where nothing else runs
    assert says(draw(x))["f0"] == "… 33330 more steps"
