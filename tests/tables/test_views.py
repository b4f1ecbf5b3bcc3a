"""Everything that shows a graph only looks at it: the rows of `VIEWS`."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

from .found import assert_complete, assert_options_tried
from .views import CALLEES, VIEWS, View, leaf, scene, shown

TABLE = "VIEWS of tests/tables/views.py"
every_view = pytest.mark.parametrize("view", VIEWS, ids=str)


def test_every_view_has_a_row() -> None:
    """Each function that draws or derives, and each method that tells something."""
    rows = [view.name for view in VIEWS]
    assert_complete(TABLE, shown(), rows, "how to call it on a scene, and its text's form")


@pytest.mark.parametrize("name", CALLEES)
def test_every_option_is_tried(name: str) -> None:
    """A row has another value than the default for it."""
    rows = [view.settings for view in VIEWS if view.name == name]
    assert_options_tried(TABLE, name, CALLEES[name], rows)


def tape(loss: tg.Tensor) -> list[tg.Tensor]:
    """Every Tensor that a loss was computed from, and itself."""
    found = [loss]
    for node in found:  # it grows
        inputs = dict.fromkeys(x for x in node.inputs if isinstance(x, tg.Tensor))
        found += [x for x in inputs if not any(x is y for y in found)]
    return found


def state_of(x: Any) -> list[Any]:
    """All of a node that a view could change."""
    grad = None if x.grad is None else x.grad.data.tobytes()
    recorded = [x.op, x.serial, x.name, x.scope, x.settings, list(map(id, x.inputs))]
    values = [x.data.ctypes.data, x.data.tobytes(), id(x.grad), grad]
    return [*recorded, *values, x.requires_grad, x._retains_grad]


@pytest.mark.parametrize("walked_back", [False, True], ids=["", "after backward"])
@every_view
def test_a_view_changes_nothing(view: View, walked_back: bool) -> None:
    """Neither nodes nor values nor gradients nor whether and where results are recorded."""
    s = scene()
    if walked_back:
        s.states[0].retain_grad()
        s.loss.backward()
    nodes, names = tape(s.loss), dict(s.names)
    before, module = list(map(state_of, nodes)), s.module.state_dict()

    text = view.show(s)

    assert text
    assert all(a is b for a, b in zip(tape(s.loss), nodes, strict=True))
    assert list(map(state_of, nodes)) == before
    assert list(s.names) == list(names)
    assert all(s.names[name] is x for name, x in names.items())
    for name, value in s.module.state_dict().items():
        np.testing.assert_array_equal(value, module[name])
    after = tg.Tensor(1.0, requires_grad=True) * 2
    assert after.requires_grad
    assert after.scope == ()


@every_view
def test_the_same_graph_gives_the_same_text(view: View) -> None:
    """Twice, and of an equal graph of other Tensors; no number of an object is in it."""
    s, other = scene(), scene()
    text = view.show(s)
    assert view.show(s) == text == view.show(other)
    for x in (*tape(s.loss), s.module, s.loss.op):
        assert str(id(x)) not in text
        assert f"{id(x):x}" not in text.lower()


@every_view
def test_a_view_keeps_nothing_alive(view: View) -> None:
    """Once the caller lets go of the loss, the whole recorded graph is gone, the text is not."""
    s = scene()
    alive = [weakref.ref(x) for x in tape(s.loss)]
    text = view.show(s)
    del s
    if any(ref() is not None for ref in alive):
        gc.collect()
    assert [ref() for ref in alive] == [None] * len(alive)
    assert text


@every_view
def test_a_name_is_only_a_name(view: View) -> None:
    """Whatever leaf, result, scope and module are called, the form is that of plain names."""
    plain = view.form(view.show(scene()))
    for name in view.names:
        assert view.form(view.show(scene(name))) == plain, name


@every_view
def test_a_leaf_alone_is_shown_or_refused(view: View) -> None:
    """In words that a reader understands; it stays as it is."""
    s = leaf()
    if view.alone:
        view.show(s)
    else:
        with pytest.raises((ValueError, RuntimeError)):
            view.show(s)
    assert (s.loss.item(), s.loss.grad, s.loss.name) == (2.0, None, "w")


@every_view
def test_float32_is_shown_too(view: View) -> None:
    """And stays float32."""
    s = scene(dtype=np.float32)
    assert view.show(s)
    assert {x.dtype for x in tape(s.loss)} == {np.dtype(np.float32)}


def test_several_outputs_are_one_drawing() -> None:
    """Of the views only `draw` takes several: each box is there once, and both are marked."""
    s = scene()
    one, both = tg.draw(s.loss).sheet, tg.draw(s.loss, s.states[0]).sheet
    assert [box.id for box in both.boxes] == [box.id for box in one.boxes]
    assert [sum(box.is_output for box in sheet.boxes) for sheet in (one, both)] == [1, 2]


def test_a_number_of_an_object_is_noticed() -> None:
    """The check of equal texts finds what depends on where things lie in memory."""
    with pytest.raises(AssertionError):
        test_the_same_graph_gives_the_same_text(View("seen", lambda s: f"<{id(s.loss)}>"))
