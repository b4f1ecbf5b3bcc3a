"""In anomaly mode the first NaN or infinity is named: its op, inputs, scope and line of code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

inf, nan = np.inf, np.nan


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """NumPy's own warnings are not what is tested."""
    with np.errstate(all="ignore"):
        yield


def leaf(values: Any, name: str | None = None) -> tg.Tensor:
    """A tensor that requires a gradient."""
    return tg.Tensor(values, requires_grad=True, name=name)


FORWARD: dict[str, tuple[Callable[[tg.Tensor], tg.Tensor], Any, str]] = {
    "log of 0": (tg.log, [1.0, 0.0], "log: the result has -inf at index (1,)"),
    "log of -1": (tg.log, [[1.0, -1.0]], "log: the result has nan at index (0, 1)"),
    "overflow": (tg.exp, [1000.0], "exp: the result has inf at index (0,)"),
    "0/0": (lambda x: x / x, [0.0], "divide: the result has nan at index (0,)"),
    "inf - inf": (lambda x: x - x, [inf], "subtract: the result has nan at index (0,)"),
    "a sum": (lambda x: x.sum(), [1e308, 1e308], "sum: the result has inf at index ()"),
    "a product": (lambda x: x @ x, [1e200], "matmul: the result has inf at index ()"),
    "NaN that came in": (lambda x: x * 2, [nan], "multiply: the result has nan at index (0,)"),
}
BACKWARD: dict[str, tuple[Callable[[tg.Tensor], tg.Tensor], Any, str]] = {
    "sqrt at 0": (tg.sqrt, [0.0, 4.0], "sqrt: its gradient by x has inf at index (0,)"),
    "a root in a where": (
        lambda x: tg.where(x.data > 0, tg.sqrt(x), 0.0),
        [4.0, 0.0],
        "sqrt: its gradient by x has nan at index (1,)",
    ),
    "power": (lambda x: x**0.5, [0.0], "power: its gradient by x has inf at index (0,)"),
    "overflow": (lambda x: (x * 1e200) * 1e200, [0.0], "multiply: its gradient by x has inf"),
    "a product that waits": (
        lambda W: ((np.full((1, 3), 1e200) @ W) * 1e200).sum(),
        np.zeros((3, 3)),
        "matmul: its gradient by b has inf at index (0, 0)",
    ),
    "several inputs": (
        lambda x: tg.sqrt(tg.concatenate([x, x])),
        [0.0],
        "sqrt: its gradient by x has inf",
    ),
}


@pytest.mark.parametrize(("f", "values", "message"), FORWARD.values(), ids=list(FORWARD))
def test_the_first_bad_result_is_named(f: Any, values: Any, message: str) -> None:
    """With op and place, whether it is recorded or not."""
    for x in (leaf(values), tg.Tensor(values)):
        with pytest.raises(FloatingPointError) as error, tg.anomaly_mode():
            f(x)
        assert str(error.value).startswith(message)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(("f", "values", "message"), BACKWARD.values(), ids=list(BACKWARD))
def test_the_first_bad_gradient_is_named(
    f: Any, values: Any, message: str, create_graph: bool
) -> None:
    """With op, input and place; no `.grad` has changed."""
    x = leaf(values)
    with pytest.raises(FloatingPointError) as error, tg.anomaly_mode():
        f(x).sum().backward(create_graph=create_graph)
    assert message in str(error.value)
    assert x.grad is None


def test_the_message_has_inputs_scope_and_line() -> None:
    """Names, shapes and dtypes of the inputs, the scopes, and the code that was run."""
    x, y = leaf(np.ones((2, 3)), name="x"), tg.Tensor(np.zeros(3, np.float32), name="y")
    raised = pytest.raises(FloatingPointError)
    with raised as error, tg.anomaly_mode(), tg.scope("layer 0"), tg.scope("t=1"):
        x / y  # the line
    text = str(error.value)
    assert "given x 'x': (2, 3) float64, y 'y': (3,) float32;" in text
    assert "recorded in scope layer 0 / t=1 at " in text
    assert text.endswith("x / y  # the line")
    assert "test_anomaly.py:" in text


def test_a_layer_is_named_by_the_line_that_calls_it() -> None:
    """What the package itself runs is passed over; the scope says which step it was."""
    rnn = tg.nn.RNN(2, 3, rng=0)
    x = np.ones((4, 1, 2))
    x[2] = nan
    with pytest.raises(FloatingPointError) as error, tg.anomaly_mode():
        rnn(x)  # the call
    assert str(error.value).endswith("rnn(x)  # the call")
    rnn.unroll = True
    with pytest.raises(FloatingPointError, match="scope t=3") as error, tg.anomaly_mode():
        rnn(x)


def test_inputs_that_were_bad_already_are_told() -> None:
    """So that the search goes on where it must."""
    told = pytest.raises(FloatingPointError, match=r"x: \(2,\) float64 with NaN in it")
    with told, tg.anomaly_mode():
        tg.tanh(leaf([nan, 1.0]))


def test_an_infinity_that_was_put_in_passes() -> None:
    """A mask of -inf before softmax, and what follows from it."""
    x, mask = leaf([1.0, 2.0, 3.0]), np.array([True, False, True])
    with tg.anomaly_mode():
        p = tg.softmax(tg.where(mask, x, -inf))
        (p * p).sum().backward()
    assert p.data[1] == 0
    assert np.isfinite(x.grad.data).all()


def test_a_gradient_of_code_outside_is_named_without_its_line() -> None:
    """Backward in the mode, forward before it."""
    y = tg.sqrt(leaf([0.0]))
    named = pytest.raises(
        FloatingPointError, match=r"at a place not watched: outside of anomaly_mode\(\)"
    )
    with named, tg.anomaly_mode():
        y.backward()


def test_outside_nothing_is_watched() -> None:
    """Neither before, nor after, nor after an error inside, nor in another thread."""
    found = []

    def elsewhere() -> None:
        with np.errstate(all="ignore"):
            found.append(tg.log(leaf([0.0])).item())

    with tg.anomaly_mode():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    with pytest.raises(FloatingPointError), tg.anomaly_mode():
        tg.log(leaf([0.0]))
    assert [tg.log(leaf([0.0])).item(), *found] == [-inf, -inf]


@pytest.mark.parametrize("inner", [tg.no_grad, tg.anomaly_mode, lambda: tg.scope("inner")])
def test_it_goes_on_inside_of_other_modes(inner: Any) -> None:
    """Within no_grad, a scope and another anomaly mode, and after them."""
    with tg.anomaly_mode():
        with inner(), pytest.raises(FloatingPointError):
            tg.log(leaf([0.0]))
        with pytest.raises(FloatingPointError):
            tg.log(leaf([0.0]))


def test_values_and_gradients_are_the_same_inside() -> None:
    """Of a network that is well; products are not made to wait there."""
    rng = np.random.default_rng(0)
    rnn, x = tg.nn.RNN(3, 4, rng=rng), rng.normal(size=(6, 2, 3))

    def gradients() -> list[np.ndarray]:
        for p in rnn.parameters():
            p.grad = None
        (rnn(x)[0] ** 2).sum().backward()
        return [p.grad.data for p in rnn.parameters()]

    outside = gradients()
    with tg.anomaly_mode():
        inside = gradients()
    for a, b in zip(inside, outside, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_ints_and_bools_are_passed_over() -> None:
    """They have neither NaN nor infinity."""
    with tg.anomaly_mode():
        assert (tg.Tensor([1, 2]) + 1).data.tolist() == [2, 3]
        assert (tg.Tensor([1.0, 2.0]) > 1).data.tolist() == [False, True]
