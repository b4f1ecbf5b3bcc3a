"""help() and inspect.signature() show of an operation its own text and arguments."""

from __future__ import annotations

import inspect
import pydoc

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.methods import Methods
from tinygrad_rnn.ops.op import Op

METHODS = [name for name in vars(Methods) if not name.startswith("_")]


def test_a_signature_is_how_an_operation_is_called() -> None:
    """Settings may be given by place; several arrays come as one sequence."""
    assert list(inspect.signature(tg.sum).parameters) == ["x", "axis", "keepdims"]
    assert list(inspect.signature(tg.stack).parameters) == ["xs", "axis"]
    assert inspect.signature(tg.tanh).bind(np.ones(2)).args
    assert tg.sum(*inspect.signature(tg.sum).bind(np.ones((2, 3)), 0, True).args).shape == (1, 3)
    assert tg.stack(*inspect.signature(tg.stack).bind([1.0, 2.0], 0).args).shape == (2,)


@pytest.mark.parametrize("name", list(tg.ops.__all__))
def test_what_a_signature_has_is_taken_by_its_name(name: str) -> None:
    """Inputs first, then settings; each has the default that is used."""
    function = getattr(tg, name)
    parameters = inspect.signature(function).parameters.values()
    if isinstance(function, Op):
        assert [p.name for p in parameters] == [*function.inputs, *function.settings]
        assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_shows_the_function_less_its_first_argument(name: str) -> None:
    """The signature, the name and the text are the function's, on the class and on a Tensor."""
    x, function = tg.Tensor([1.0]), getattr(tg, name)
    method = getattr(x, name)
    _, *rest = inspect.signature(function).parameters.values()
    assert list(inspect.signature(method).parameters.values()) == rest
    assert (method.__name__, method.__doc__) == (name, function.__doc__)
    assert method.__self__ is x
    shown = pydoc.render_doc(method, renderer=pydoc.plaintext)
    assert f"{name}(" in shown
    assert function.__doc__.splitlines()[0] in shown


def test_the_help_of_a_tensor_has_the_text_of_its_methods() -> None:
    """Each method's first sentence is in it."""
    shown = pydoc.render_doc(tg.Tensor, renderer=pydoc.plaintext)
    assert [n for n in METHODS if getattr(tg, n).__doc__.splitlines()[0] not in shown] == []
