"""Tensors, modules and drawings show themselves: as pictures where they can, always as text."""

from __future__ import annotations

import re
import subprocess
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.views import notebook
from tinygrad_rnn.views.drawing import draw, picture


def result(steps: int = 3) -> Any:
    """A loss of so many time steps."""
    h = w = tg.Tensor([0.5, 1.0], requires_grad=True, name="w")
    for t in range(1, steps + 1):
        with tg.scope(f"t={t}"):
            h = tg.tanh(h * w)
    return tg.sum(h)


def words(svg: str) -> list[str]:
    """The texts in an SVG, in order."""
    root = ElementTree.fromstring(svg.encode())
    return [element.text or "" for element in root.iter() if element.tag.endswith("}text")]


def test_a_result_shows_the_graph_that_it_came_from() -> None:
    """The bundle has the picture, with names and frames in it, and the text of the tensor."""
    loss = result()
    bundle = loss._repr_mimebundle_(include=None, exclude=None)
    assert bundle.keys() == {"text/plain", "image/svg+xml"}
    assert bundle["text/plain"] == repr(loss)
    assert {"w", "t=1", "t=2", "t=3", "sum"} <= set(words(bundle["image/svg+xml"]))


def test_long_sequences_are_shown_folded() -> None:
    """A hundred steps are a picture of three and a box."""
    assert "… 97 more steps" in words(result(100)._repr_mimebundle_()["image/svg+xml"])


@pytest.mark.parametrize("kind", [tg.Tensor, tg.nn.Parameter])
def test_a_leaf_shows_its_text(kind: Any) -> None:
    """There is no graph to show."""
    assert kind([1.0])._repr_mimebundle_() == {"text/plain": repr(kind([1.0]))}


def test_a_graph_that_is_too_large_shows_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """More boxes than a picture may have, and more nodes than are looked at, give text alone."""
    h: Any = tg.Tensor([0.5], requires_grad=True)
    for _ in range(200):
        h = tg.tanh(h)
    assert h._repr_mimebundle_().keys() == {"text/plain"}
    monkeypatch.setattr(notebook, "MOST_NODES", 100)
    monkeypatch.setattr(notebook, "draw", lambda *_, **__: pytest.fail("it was drawn"))
    assert h._repr_mimebundle_().keys() == {"text/plain"}


@pytest.mark.parametrize("problem", ["missing", "slow", "broken"])
@pytest.mark.parametrize("shown", [result(), tg.nn.Linear(2, 1), draw(result())],
                         ids=["tensor", "module", "drawing"])  # fmt: skip
def test_without_a_renderer_that_works_there_is_text(
    problem: str, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the renderer is missing, slow or broken the text comes, and no error."""

    def missing() -> str:
        raise RuntimeError("no Graphviz found")

    def slow(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("dot", 10)

    if problem == "missing":
        monkeypatch.setattr(picture, "_find_dot", missing)
    elif problem == "slow":
        monkeypatch.setattr(subprocess, "run", slow)
    else:
        monkeypatch.setattr(picture, "_find_dot", lambda: "/nowhere/dot")
    assert list(shown._repr_mimebundle_()) == ["text/plain"]


def test_a_module_shows_its_parameters_in_frames() -> None:
    """Each parameter has a box with its shape, each module inside a frame with its kind."""
    model = tg.nn.Sequential(tg.nn.RNN(2, 3), tg.nn.Linear(3, 1))
    bundle: Any = model._repr_mimebundle_()  # type: ignore[attr-defined]
    assert bundle["text/plain"] == repr(model)
    shown = words(bundle["image/svg+xml"])
    assert {"Sequential", "0: RNN", "1: Linear", "weight_hh_l0", "(3, 3)"} <= set(shown)
    assert len(re.findall('class="node"', bundle["image/svg+xml"])) == 6


def test_a_module_without_parameters_shows_text() -> None:
    """A Dropout has nothing to draw."""
    assert tg.nn.Dropout(0.5)._repr_mimebundle_() == {  # type: ignore[attr-defined]
        "text/plain": "Dropout, 0 parameters"
    }


def test_a_module_prints_as_a_tree_with_shapes_and_counts() -> None:
    """A count for each module, shared parameters once; a shape for each parameter."""
    inner = tg.nn.Linear(3, 3, bias=False)
    model = tg.nn.Sequential(tg.nn.Linear(2, 3), inner, inner)
    assert str(model).splitlines() == [
        "Sequential, 18 parameters",
        "  0: Linear, 9 parameters",
        "    weight (3, 2)",
        "    bias (3,)",
        "  1: Linear, 9 parameters",
        "    weight (3, 3)",
        "  2: Linear, 9 parameters",
        "    weight (3, 3)",
    ]


def test_showing_changes_nothing() -> None:
    """No gradient, no serial and no value is another afterwards."""
    loss = result()
    before = (loss.serial, loss.grad, loss.data.copy())
    loss._repr_mimebundle_()
    assert (loss.serial, loss.grad) == before[:2]
    np.testing.assert_array_equal(loss.data, before[2])


# The text of a drawing


def test_a_drawing_is_text_too() -> None:
    """A line for each box, under the labels of its scope, with the boxes that it is made of."""
    text = draw(result(2), names={}).text()
    assert text.splitlines() == [
        "n0  w               (2,)  parameter",
        "t=1",
        "  n1  multiply(w, w)  (2,)  from n0, n0",
        "  n2  tanh            (2,)  from n1",
        "t=2",
        "  n3  multiply(·, w)  (2,)  from n2, n0",
        "  n4  tanh            (2,)  from n3",
        "n5  sum             ()  output  from n4",
        "gradients: not computed; call backward() before drawing",
    ]


def test_the_text_of_a_folded_backward_graph_has_counts_and_rules() -> None:
    """What many edges carry is ×; a way back names its rule."""
    lines = draw(result(9), backward=True).text().splitlines()
    assert any(line.strip().startswith("f0") and "… 6 more steps" in line for line in lines)
    assert any(line.endswith("from n4, n0 × 6") for line in lines)
    assert any("dL/d(tanh)" in line and "by broadcast_to(g, (2,))" in line for line in lines)


def test_names_cannot_break_the_lines_of_the_text() -> None:
    """Line breaks and control characters of names stay inside of their line."""
    w = tg.Tensor([1.0], requires_grad=True, name="a\nb\x1b[31m\r")
    with tg.scope("x\ny"):
        h = w * 2
    assert len(draw(h, names={}).text().splitlines()) == 4
    assert "\x1b" not in draw(h).text()
