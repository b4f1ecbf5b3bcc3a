"""The norms on edges are those of the contributions that the tape adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.views.drawing.draw import Drawing, draw
from tinygrad_rnn.views.drawing.graph import NOT_COMPUTED, NOT_KNOWN

from .dot import labels, read

rng = np.random.default_rng(0)


def leaf(*shape: int, name: str = "w") -> tg.Tensor:
    """A parameter with random entries."""
    return tg.Tensor(np.random.default_rng(len(shape)).normal(size=shape), requires_grad=True,
                     name=name)  # fmt: skip


def norms(drawing: Drawing) -> list[float]:
    """The norms on the arrows that leave w, in order."""
    (key,) = [box.id for box in drawing.sheet.boxes if box.lines[0] == "w"]
    return [arrow.norm or 0.0 for arrow in drawing.sheet.arrows if arrow.tail == key]


USES = {
    "product": lambda w: tg.sum(w * np.arange(6.0).reshape(2, 3)) + tg.sum(tg.tanh(w) ** 2),
    "twice in one": lambda w: tg.sum(w * w),
    "broadcast": lambda w: tg.sum(w + np.ones((4, 2, 3))),
    "parts": lambda w: tg.sum(w[0] * 3.0) + tg.sum(w[:, 1:]),
    "repeated entries": lambda w: tg.sum(w[[0, 0, 1]] ** 2),
    "joined": lambda w: tg.sum(tg.concatenate([w, w * 2.0]) ** 3),
    "stacked products": lambda w: tg.sum(np.ones((1, 2)) @ w),
    "not reached": lambda w: tg.sum(w) + tg.sum(tg.greater(w, 0.0)),
}


@pytest.mark.parametrize("name", USES)
def test_the_norm_on_an_edge_is_that_of_its_contribution(name: str) -> None:
    """Each arrow that leaves a weight carries the norm of what that use adds to its gradient."""
    w = leaf(2, 3)
    loss: Any = USES[name](w)
    loss.backward()
    expected = [np.linalg.norm(part.array) for part in tg.bptt.contributions(loss, w)]
    found = [norm for norm in norms(draw(loss)) if norm]
    assert sorted(found) == pytest.approx(sorted(expected), rel=1e-12)


def test_the_numbers_stand_on_the_edges_where_numbers_are_shown() -> None:
    """show="stats" writes each norm; with the shape alone only the thickness tells."""
    w = tg.Tensor([3.0, 4.0], requires_grad=True, name="w")
    loss = tg.sum(w * w)
    loss.backward()
    (stats, shape) = (read(draw(loss, show=show)).lines for show in ("stats", "shape"))
    assert [line["label"] for line in stats] == [r"5\n ", r"5\n ", r"1.41\n "]
    assert [line["penwidth"] for line in shape] == ["4.0", "4.0", "3.5"]
    assert all("label" not in line for line in shape)


def test_a_factor_of_ten_is_a_point_of_thickness() -> None:
    """Edges with gradients of norms 1000, 1 and 0 are 4, 1 and half a point thick."""
    w = [tg.Tensor(1.0, requires_grad=True, name=f"w{k}") for k in range(3)]
    loss: Any = w[0] * 1000.0 + w[1] + w[2] * 0.0
    loss.backward()
    lines = dict(zip(read(draw(loss)).edges, read(draw(loss)).lines, strict=True))
    widths = {
        tail: line["penwidth"] for (tail, _), line in lines.items() if tail in ("n0", "n1", "n2")
    }
    assert widths == {"n0": "4.0", "n1": "1.0", "n2": "0.5"}


def test_before_backward_the_drawing_says_that_there_are_no_gradients() -> None:
    """The legend says it, each parameter too where numbers are shown, and no edge has a norm."""
    w = leaf(2)
    loss = tg.sum(w)
    drawing = draw(loss, show="stats")
    assert drawing.sheet.notes == (NOT_COMPUTED,)
    assert "gradients: not computed; call backward" in drawing.source
    assert labels(drawing)["n0"][-1] == "gradient not computed"
    assert all(arrow.norm is None for arrow in drawing.sheet.arrows)
    loss.backward()
    assert "not computed" not in draw(loss, show="stats").source


@pytest.mark.parametrize("why", ["written since", "several outputs", "several entries"])
def test_where_contributions_cannot_be_known_the_legend_says_so(why: str) -> None:
    """After an update, with two outputs, or with one of two entries no edge has a norm."""
    w = leaf(2)
    y: Any = tg.exp(w)
    loss = tg.sum(y)
    loss.backward()
    if why == "written since":
        w.data = w.data * 0.5
    outputs = {"several outputs": (loss, y), "several entries": (y,)}.get(why, (loss,))
    drawing = draw(*outputs)
    assert drawing.sheet.notes == (NOT_KNOWN,)
    assert all(arrow.norm is None for arrow in drawing.sheet.arrows)


def test_drawing_gradients_leaves_them_as_they_are() -> None:
    """The walk that finds the norms fills and changes no .grad."""
    w = leaf(3)
    h: Any = tg.tanh(w)
    loss = tg.sum(h * h)
    loss.backward()
    assert w.grad is not None
    before = w.grad.data.copy()
    draw(loss, backward=True, show="values")
    np.testing.assert_array_equal(w.grad.data, before)
    assert h.grad is None


@pytest.mark.parametrize(
    ("array", "show", "lines"),
    [
        ([1.0, 2.0, 6.0], "stats", ["mean 3, std 2.16", "from 1 to 6"]),
        ([1.0, 2.5], "values", ["[1.  2.5]"]),
        (np.eye(2), "values", ["[[1. 0.]", " [0. 1.]]"]),
        (np.arange(17.0), "values", ["mean 8, std 4.9", "from 0 to 16"]),
        (2.5, "stats", ["2.5"]),
        ([1e-9, 1.0], "values", ["[1.e-09 1.e+00]"]),
        ([1e300, -1e300], "stats", ["mean 0, std inf", "from -1e+300 to 1e+300"]),
        ([], "stats", []),
        ([np.inf, np.nan, 1.0], "stats", ["mean nan, std nan", "from nan to nan"]),
    ],
)
def test_values_are_shown_where_they_are_few(array: Any, show: Any, lines: list[str]) -> None:
    """Up to 16 entries one by one, else four numbers of them; one entry alone."""
    x = tg.Tensor(array, dtype=float, name="x")
    assert labels(draw(x, show=show))["n0"] == ["x", str(x.shape), *lines]


def test_integers_and_bools_have_statistics_too() -> None:
    """A mask counts as zeros and ones."""
    for dtype in (int, bool):
        x = tg.Tensor([0, 1, 1, 1] * 5, dtype=dtype)
        assert labels(draw(x, show="stats"))["n0"][1:] == ["mean 0.75, std 0.433", "from 0 to 1"]
        assert labels(draw(tg.Tensor(1, dtype=dtype), show="stats"))["n0"][1:] == ["1"]
