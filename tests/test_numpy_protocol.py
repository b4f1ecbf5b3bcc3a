"""NumPy's functions and operators on Tensors are recorded; what can't be is refused by name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops
from tinygrad_rnn.engine import from_numpy

from .cases import CASES
from .numeric import assert_near, parts

X = np.array([[0.5, 1.5, 2.5], [3.5, 4.5, 0.25]])
ARRAY = np.array([1.0, 2.0, 3.0])


def leaf(values: Any = X) -> tg.Tensor:
    """A tensor that requires a gradient."""
    return tg.Tensor(values, requires_grad=True)


CALLS: dict[str, list[Callable[[Any], Any]]] = {
    "abs": [lambda t: np.abs(t), lambda t: np.absolute(t)],
    "add": [lambda t: np.add(t, ARRAY), lambda t: np.add(ARRAY, t), lambda t: np.add(1, t)],
    "broadcast_to": [lambda t: np.broadcast_to(t, (2, 2, 3))],
    "clip": [lambda t: np.clip(t, 1, 3), lambda t: np.clip(t, a_min=None, a_max=2.0)],
    "concatenate": [
        lambda t: np.concatenate([t, t]),
        lambda t: np.concatenate((ARRAY[None], t), axis=0),
        lambda t: np.concatenate([t, X], 1),
    ],
    "divide": [lambda t: np.divide(ARRAY, t), lambda t: np.true_divide(t, ARRAY)],
    "equal": [lambda t: np.equal(t, ARRAY)],
    "exp": [lambda t: np.exp(t)],
    "greater": [lambda t: np.greater(ARRAY, t)],
    "greater_equal": [lambda t: np.greater_equal(t, 1)],
    "less": [lambda t: np.less(ARRAY, t)],
    "less_equal": [lambda t: np.less_equal(t, ARRAY)],
    "log": [lambda t: np.log(t)],
    "dot": [lambda t: np.dot(t, ARRAY), lambda t: np.dot(ARRAY[:2], t)],
    "matmul": [lambda t: np.matmul(t, ARRAY), lambda t: np.matmul(ARRAY[:2], t)],
    "max": [
        lambda t: np.max(t),
        lambda t: np.max(t, axis=0),
        lambda t: np.max(t, 1, keepdims=True),
    ],
    "maximum": [lambda t: np.maximum(t, ARRAY), lambda t: np.maximum(ARRAY, t)],
    "mean": [lambda t: np.mean(t), lambda t: np.mean(t, axis=(0, 1)), lambda t: np.mean(t, -1)],
    "minimum": [lambda t: np.minimum(ARRAY, t)],
    "multiply": [lambda t: np.multiply(ARRAY, t), lambda t: np.multiply(t, 2.0)],
    "negative": [lambda t: np.negative(t)],
    "positive": [lambda t: np.positive(t)],
    "not_equal": [lambda t: np.not_equal(t, ARRAY)],
    "outer": [lambda t: np.outer(t, ARRAY), lambda t: np.outer(ARRAY, t)],
    "power": [lambda t: np.power(t, 2), lambda t: np.power(2.0, t)],
    "reshape": [lambda t: np.reshape(t, (3, 2)), lambda t: np.reshape(t, -1)],
    "sign": [lambda t: np.sign(t)],
    "split": [lambda t: np.split(t, 3, axis=1), lambda t: np.split(t, [1], 0)],
    "sqrt": [lambda t: np.sqrt(t)],
    "stack": [lambda t: np.stack([t, X], axis=1), lambda t: np.stack([X, t])],
    "subtract": [lambda t: np.subtract(ARRAY, t), lambda t: np.subtract(t, ARRAY)],
    "sum": [
        lambda t: np.sum(t),
        lambda t: np.sum(t, axis=0),
        lambda t: np.sum(t, 1, keepdims=True),
    ],
    "take": [lambda t: np.take(t, [1, 1, 0], axis=1), lambda t: np.take(t, [5, 0])],
    "tanh": [lambda t: np.tanh(t)],
    "transpose": [lambda t: np.transpose(t), lambda t: np.transpose(t, (1, 0))],
    "where": [lambda t: np.where(X > 1, t, 0.0), lambda t: np.where(X > 1, ARRAY, t)],
}
COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}


def numpys(name: str) -> Any:
    """NumPy's function of a name, None where it has none."""
    return getattr(np, name, None) or getattr(np.linalg, name, None)


SHARED = sorted({name for name in ops.__all__ if numpys(name)} - {"astype"})  # np.astype: since 2.1


@pytest.mark.parametrize("name", SHARED)
def test_numpys_function_gives_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table's NumPy code, run on tensors, calls our function, for value and gradient alike."""
    called = []
    monkeypatch.setitem(
        from_numpy._NUMPY,
        numpys(name),
        lambda *args, **kwargs: called.append(name) or getattr(ops, name)(*args, **kwargs),
    )
    for case in CASES:
        if case.function != name:
            continue
        arrays = case.inputs()
        inputs = [leaf(x) if k in case.by else x for k, x in enumerate(arrays)]
        inputs = inputs if case.by else [tg.Tensor(x) for x in arrays]
        through, ours = parts(case.reference(*inputs)), parts(case.call(*inputs))
        for y, right in zip(through, ours, strict=True):
            assert type(y) is tg.Tensor or not case.by
            assert y.dtype == right.dtype
            assert_near(getattr(y, "data", y), getattr(right, "data", right), 1e-14)
        if case.by:
            by = [inputs[k] for k in case.by]
            gs = [np.ones(y.shape) for y in ours]
            for g, right in zip(tg.grad(through, by, gs), tg.grad(ours, by, gs), strict=True):
                assert_near(g.data, right.data, 1e-14)
    assert called


@pytest.mark.parametrize(
    ("name", "call"),
    [(name, call) for name, calls in CALLS.items() for call in calls],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_numpys_functions_are_recorded(name: str, call: Callable[[Any], Any]) -> None:
    """np.name(tensor) has NumPy's values and gives the gradient of tg.name."""
    x = leaf()
    outputs, expected = parts(call(x)), parts(call(X))
    for y, right in zip(outputs, expected, strict=True):
        assert type(y) is tg.Tensor
        assert y.dtype == right.dtype
        assert_near(y.data, right, 1e-15)
        assert y.requires_grad == (name not in COMPARISONS)
    if name not in COMPARISONS:
        assert np.any(tg.grad(outputs, x, [np.ones(y.shape) for y in outputs])[0].data) or (
            name == "sign"
        )


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip
LEFT = [
    np.ones((3, 2)),
    np.arange(6).reshape(3, 2),
    np.ones((3, 2), np.float32),
    np.broadcast_to(2.0, (3, 2)),
]


@pytest.mark.parametrize("left", LEFT, ids=["float64", "int", "float32", "repeated"])
@pytest.mark.parametrize("f", OPERATORS, ids=lambda f: f.__name__)
def test_arrays_on_the_left_of_an_operator_are_recorded(f: Any, left: np.ndarray) -> None:
    """One tensor comes out, not an array of objects; the array is as it was."""
    values = np.array([[1.5, 2.5, 3.5], [0.5, 1.0, 2.0]]) if f is operator.matmul else X.T
    x, before = leaf(values), left.copy()
    y, expected = f(left, x), f(left, values)
    assert type(y) is tg.Tensor
    assert y.dtype == expected.dtype
    assert_near(y.data, expected, 1e-15)
    np.testing.assert_array_equal(left, before)
    if y.dtype != np.bool_:
        y.sum().backward()
        assert x.grad.shape == x.shape


@pytest.mark.parametrize("number", [np.float64(3), np.float32(3), np.int64(3), np.array(3.0)])
def test_numpys_scalars_on_the_left_are_recorded(number: Any) -> None:
    """np.float64(3) * t is a tensor of t's shape."""
    x = leaf()
    y = number * x
    assert type(y) is tg.Tensor
    assert y.dtype == (number * X).dtype
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.full(X.shape, 3.0))


def test_an_array_does_not_swallow_a_tensor_in_place() -> None:
    """`array += tensor` would lose the gradient: it is refused and the array stays as it is."""
    array = np.ones((2, 3))
    with pytest.raises(TypeError, match=r"add: .*'out'"):
        array += leaf()
    with pytest.raises(TypeError, match="gradient would be lost"):
        array[:] = leaf()
    assert np.all(array == 1)


# What is not recorded is refused


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: np.cbrt(t), "np.cbrt"),
        (lambda t: np.hypot(t, t), "np.hypot"),
        (lambda t: np.add.reduce(t), "np.add.reduce"),
        (lambda t: np.multiply.outer(ARRAY, t), "np.multiply.outer"),
        (lambda t: np.add.at(X.copy(), 0, t), "np.add.at"),
        (lambda t: np.median(t), "np.median"),
        (lambda t: np.linalg.inv(t), "inv"),
        (lambda t: np.fft.fft(t), "fft"),
        (lambda t: np.interp(t, ARRAY, ARRAY), "np.interp"),
        (lambda t: np.array_equal(t, t), "np.array_equal"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_unknown_functions_are_named(call: Callable[[Any], Any], name: str) -> None:
    """A TypeError names the function, one that is known, and the way out; with or without grad."""
    for x in (leaf(), tg.Tensor(X)):
        before = x.numpy()
        with pytest.raises(TypeError, match=rf"{name} does not know Tensors; .*np\..*t\.numpy\(\)"):
            call(x)
        np.testing.assert_array_equal(x.data, before)


@pytest.mark.parametrize(
    ("call", "setting"),
    [
        (lambda t: np.exp(t, out=np.zeros(X.shape)), "out"),
        (lambda t: np.exp(X, out=t), "out"),
        (lambda t: np.add(t, t, where=X > 1), "where"),
        (lambda t: np.sum(t, dtype=float), "dtype"),
        (lambda t: np.sum(t, initial=1.0), "initial"),
        (lambda t: np.max(t, where=X > 1, initial=0.0), "where"),
        (lambda t: np.exp(t, dtype=np.float32), "dtype"),
        (lambda t: np.concatenate([t, t], dtype=np.float32), "dtype"),
        (lambda t: np.take(t, [0], mode="wrap"), "mode"),
        (lambda t: np.reshape(t, (3, 2), order="F"), "order"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_unknown_settings_are_named(call: Callable[[Any], Any], setting: str) -> None:
    """What NumPy's function can and ours cannot is refused, never ignored."""
    x = leaf()
    with pytest.raises(TypeError, match=setting):
        call(x)
    np.testing.assert_array_equal(x.data, X)


# Nothing detaches by itself


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        lambda t: np.array([t, t]),
        lambda t: np.asarray(t, dtype=np.float32),
        lambda t: np.mean([t, t]),
        lambda t: np.zeros(X.shape) + np.asarray([t[0], t[1]]),
        lambda t: np.isfinite([t, t]),
        lambda t: np.copyto(np.zeros(X.shape), t),
    ],
)
def test_gradients_are_not_lost_in_silence(convert: Any) -> None:
    """A tensor that requires a gradient becomes an array on request alone."""
    for t in (leaf(), leaf() * 2):
        with pytest.raises(TypeError, match=r"t\.numpy\(\)"):
            convert(t)


def test_constants_become_arrays() -> None:
    """A tensor without gradients converts, as a copy in the dtype asked for."""
    t = tg.Tensor(X)
    for array in (np.asarray(t), np.array(t), np.asarray(t, dtype=np.float32)):
        assert type(array) is np.ndarray
        assert not np.shares_memory(array, t.data)
        assert_near(array, X, 1e-7)
    assert np.asarray(t, dtype=np.float32).dtype == np.float32
    assert np.array([t[0], t[1]]).shape == (2, 3)


def test_shape_ndim_and_size_are_plain_numbers() -> None:
    """np.shape, np.ndim and np.size ask and compute nothing."""
    t = leaf()
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((2, 3), 2, 6)


def test_lists_with_tensors_in_them_are_recorded() -> None:
    """Joining arrays and tensors keeps the tensors' gradients, whatever stands first."""
    a, b = leaf(ARRAY), leaf(2 * ARRAY)
    y = np.concatenate([ARRAY, a, np.stack([b, ARRAY]).reshape(-1)])
    (y * np.arange(12.0)).sum().backward()
    np.testing.assert_array_equal(a.grad.data, [3, 4, 5])
    np.testing.assert_array_equal(b.grad.data, [6, 7, 8])


def test_tensors_among_the_other_arguments_are_recorded() -> None:
    """The second or third argument of a NumPy function counts as much as the first."""
    low, x = leaf(1.0), leaf(X)
    y = np.clip(X, low, 3.0).sum() + np.where(X > 1, X, x).sum()
    y.backward()
    assert low.grad.item() == (X < 1).sum()
    np.testing.assert_array_equal(x.grad.data, X <= 1)
