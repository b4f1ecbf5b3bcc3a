"""A Tensor is an array that remembers where it came from: what it holds, and what it refuses."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

from .numeric import assert_near


def leaf(values: Any = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), **settings: Any) -> tg.Tensor:
    """A tensor that requires a gradient."""
    return tg.Tensor(values, requires_grad=True, **settings)


# Making one


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float64),
        ([1.0, 2.0], np.float64),
        ([1, 2], np.int64),
        (True, np.bool_),
        (np.ones(2, np.float32), np.float32),
        (np.ones(2, np.float16), np.float16),
        (np.arange(3, dtype=np.uint8), np.uint8),
        ([], np.float64),
    ],
    ids=repr,
)
def test_dtypes_are_numpys(data: Any, dtype: Any) -> None:
    """A tensor has the dtype that np.array gives the data."""
    t = tg.Tensor(data)
    assert t.dtype == np.array(data).dtype
    assert t.dtype == dtype or dtype is np.int64
    assert not t.requires_grad


def test_a_dtype_may_be_given() -> None:
    """Integers become floats on request, and may then require a gradient."""
    t = leaf([1, 2], dtype=float, name="w")
    assert (t.dtype, t.name, t.requires_grad, t.is_leaf) == (np.float64, "w", True, True)
    assert t.op is None
    assert t.grad is None
    assert tg.Tensor([1.0], dtype=np.float32).dtype == np.float32


def test_shape_ndim_and_size_are_the_arrays() -> None:
    """Also of 0-d and empty tensors."""
    for data in (np.zeros((2, 3)), np.zeros(()), np.zeros((0, 3))):
        t = tg.Tensor(data)
        assert (t.shape, t.ndim, t.size) == (data.shape, data.ndim, data.size)


def test_data_is_copied() -> None:
    """Writing into the array afterwards changes nothing, whether array, view or tensor."""
    array = np.ones((2, 3))
    whole, part, again = tg.Tensor(array), tg.Tensor(array.T[1:]), tg.Tensor(tg.Tensor(array))
    array[:] = 0
    assert whole.data.all()
    assert part.data.all()
    assert not np.shares_memory(again.data, whole.data)


class Foreign:
    """Memory that is not NumPy's."""

    def __init__(self, array: np.ndarray) -> None:
        self.__array_interface__ = array.__array_interface__
        self.array = array


@pytest.mark.parametrize(
    "data",
    [
        np.frombuffer(np.arange(3.0).tobytes()),
        np.asarray(Foreign(np.arange(3.0))),
        np.arange(3.0).astype(">f8"),
        np.arange(6.0)[::2] / 2,
        np.arange(3.0)[::-1][::-1],
        np.broadcast_to(np.arange(3.0), (3, 3))[1],
    ],
    ids=["bytes", "foreign", "big-endian", "strided", "reversed", "repeated"],
)
def test_arrays_of_any_origin_are_taken(data: np.ndarray) -> None:
    """Read-only, foreign, big-endian memory: the tensor has the values in its own order."""
    t = leaf(data)
    (t * t).sum().backward()
    np.testing.assert_array_equal(t.data, [0, 1, 2])
    np.testing.assert_array_equal(t.grad.data, [0, 2, 4])
    assert t.dtype.isnative
    assert t.data.flags.writeable


@pytest.mark.parametrize(
    "data",
    [1j, "text", None, [None, 1.0], object(), np.array(["a"]), np.array(["2020"], "M8[D]")],
    ids=["complex", "text", "None", "None in a list", "object", "texts", "dates"],
)
def test_what_is_no_number_is_refused(data: Any) -> None:
    """Complex numbers, texts, dates and objects are no data."""
    with pytest.raises(TypeError, match="must be a float, an int or bool"):
        tg.Tensor(data)


def test_tensors_in_a_list_do_not_lose_their_gradients() -> None:
    """A list of tensors that require gradients is refused: stack them."""
    for shape in [(), (2,)]:
        x = leaf(np.ones(shape))
        with pytest.raises(TypeError, match="gradient"):
            tg.Tensor([x, x])


@pytest.mark.parametrize("data", [[1, 2], [True, False]], ids=["int", "bool"])
def test_only_floats_require_gradients(data: Any) -> None:
    """Integers and bools are fine as data, and never have a gradient."""
    with pytest.raises(TypeError, match="only floats have gradients; give dtype=float"):
        leaf(data)
    t = tg.Tensor(data)
    with pytest.raises(TypeError, match="only floats have gradients"):
        t.requires_grad = True
    assert not t.requires_grad
    assert not tg.Tensor([1.5], requires_grad=True).astype(int).requires_grad


def test_integers_take_part_without_gradients() -> None:
    """An integer tensor is a constant in a product."""
    n, x = tg.Tensor([1, 2]), leaf([3.0, 4.0])
    (n * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 2])
    assert n.grad is None


# What it holds


def test_requires_grad_is_set_on_leaves_alone() -> None:
    """A result's place in the graph is fixed: detach it."""
    x = leaf()
    y = x * 2
    with pytest.raises(RuntimeError, match=r"only a leaf's can be set; use t.detach\(\)"):
        y.requires_grad = False
    assert y.requires_grad
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_data_of_a_leaf_can_be_assigned() -> None:
    """Values are copied in the tensor's dtype; shapes must agree; other tensors are untouched."""
    t = tg.Tensor([1.0, 2.0], dtype=np.float32)
    other = t.detach()
    new = np.array([3.0, 4.0])
    t.data = new
    new[:] = 0
    np.testing.assert_array_equal(t.data, [3, 4])
    np.testing.assert_array_equal(other.data, [1, 2])
    assert t.dtype == np.float32
    for wrong in ([1.0], 5.0, np.zeros((2, 1))):
        with pytest.raises(ValueError, match=r"data: cannot put shape .* in place of \(2,\)"):
            t.data = wrong
    np.testing.assert_array_equal(t.data, [3, 4])


def test_data_of_a_result_cannot_be_written() -> None:
    """The graph needs it: neither assignment nor `-=` changes it."""
    x = leaf([1.0, 2.0])
    y = x * 2
    with pytest.raises((RuntimeError, ValueError)):
        y.data = [5.0, 5.0]
    with pytest.raises((RuntimeError, ValueError)):
        y.data -= 1
    np.testing.assert_array_equal(y.data, [2, 4])


def test_grad_must_fit() -> None:
    """A tensor of the same shape and dtype, or None."""
    t = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"grad: shape \(3,\) .* do not fit"):
        t.grad = tg.Tensor(np.zeros(3))
    with pytest.raises(ValueError, match="float32"):
        t.grad = tg.Tensor(np.zeros(2, np.float32))
    with pytest.raises(TypeError, match="grad: must be a Tensor or None, not ndarray"):
        t.grad = np.zeros(2)
    assert t.grad is None
    t.grad = tg.Tensor([5.0, 6.0])
    t.sum().backward()
    np.testing.assert_array_equal(t.grad.data, [6, 7])


def test_detach_and_numpy_share_nothing() -> None:
    """Both are copies outside of the graph."""
    y = leaf([1.0, 2.0], name="x") * 2
    d, a = y.detach(), y.numpy()
    assert d.is_leaf
    assert not d.requires_grad
    assert type(a) is np.ndarray
    assert not np.shares_memory(d.data, y.data)
    assert not np.shares_memory(a, y.data)
    np.testing.assert_array_equal(d.data, a)


def test_item_float_int_and_bool_take_one_entry() -> None:
    """A tensor of one entry is a number; of more it is not."""
    one, more = leaf([[2.5]]).detach(), leaf([1.0, 2.0]).detach()
    assert (one.item(), float(one), int(one), bool(one)) == (2.5, 2.5, 2, True)
    assert complex(one) == 2.5
    assert type(one.item()) is float
    assert leaf(2.5).item() == 2.5
    assert not tg.Tensor(0.0)
    for convert in (operator.methodcaller("item"), float, int):
        with pytest.raises(ValueError, match=r"item: shape is \(2,\)"):
            convert(more)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(more)


LOSING: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "int": int,
    "complex": complex,
    "np.float64": np.float64,
    "np.float32": np.float32,
    "math.exp": math.exp,
    "np.asarray": np.asarray,
    "np.array": np.array,
    "np.fromiter": lambda t: np.fromiter([t], float),
    "an entry of an array": lambda t: np.zeros(2).__setitem__(0, t),
    "several entries": lambda t: np.zeros(2).__setitem__(slice(None), t),
    "a list of numbers": lambda t: np.array([t, t], float),
    "math.floor": math.floor,
}


@pytest.mark.parametrize("convert", LOSING.values(), ids=LOSING.keys())
def test_no_gradient_is_lost_in_a_number(convert: Callable[[Any], Any]) -> None:
    """A 0-d Tensor that requires a gradient becomes no number or array in silence; others do."""
    w = leaf(0.5)
    for t in (w, w * 2):
        with pytest.raises((TypeError, ValueError)) as caught:  # NumPy wraps some in its own
            convert(t)
        assert "gradient would be lost" in str(caught.value.__cause__ or caught.value)
    convert(w.detach())


def test_integers_of_one_entry_are_indices() -> None:
    """Where Python wants an index, a 0-d integer tensor is one; a float is not."""
    assert [10, 20, 30][tg.Tensor(1)] == 20
    with pytest.raises(TypeError):
        [10, 20, 30][tg.Tensor(1.0)]


def test_length_and_iteration_run_over_the_first_axis() -> None:
    """Each part is recorded; a 0-d tensor has none."""
    x = leaf()
    rows = list(x)
    assert len(x) == len(rows) == 2
    (rows[1] * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[0, 0, 0], [2, 2, 2]])
    with pytest.raises(TypeError, match="0-d"):
        len(leaf(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(leaf(1.0))


def test_tensors_are_hashed_by_identity_and_compared_by_entry() -> None:
    """Equal values make no equal keys; == gives bools."""
    a, b = tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 3.0])
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1
    assert (a == b).dtype == np.bool_
    np.testing.assert_array_equal((a == b).data, [True, False])
    np.testing.assert_array_equal((a != b).data, [False, True])


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (tg.Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
        (tg.Tensor(1), "Tensor(1)"),
        (tg.Tensor([1.0], dtype=np.float32), "Tensor([1.], dtype=float32)"),
        (leaf([1.0], name="W"), "Tensor([1.], name='W', requires_grad=True)"),
        (tg.exp(leaf([0.0])), "Tensor([1.], op=exp)"),
    ],
    ids=["plain", "int", "float32", "leaf", "result"],
)
def test_repr_shows_values_and_place(t: tg.Tensor, text: str) -> None:
    """Values, and what is not the default."""
    assert repr(t) == text


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_leaves_can_be_copied(clone: Any) -> None:
    """Values, name and requires_grad travel; the copy shares no memory."""
    t = leaf(name="W")
    found = clone(t)
    assert (found.name, found.requires_grad, found.is_leaf) == ("W", True, True)
    np.testing.assert_array_equal(found.data, t.data)
    assert not np.shares_memory(found.data, t.data)
    (found * 2).sum().backward()
    assert t.grad is None


def test_results_cannot_be_copied() -> None:
    """Part of a graph is not copied, however long the graph: detach first."""
    y = leaf([1.0])
    for _ in range(5_000):
        y = y + 1
    for clone in (copy.deepcopy, copy.copy, pickle.dumps):
        with pytest.raises(RuntimeError, match=r"copy: a result of add .* t.detach\(\) instead"):
            clone(y)


# Operators

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt,
    operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("other", [2, 2.0, [1.0, 2.0, 3.0], np.full(3, 2), np.float64(2), True])
@pytest.mark.parametrize("f", OPERATORS, ids=lambda f: f.__name__)
def test_operators_are_numpys_on_either_side(f: Any, other: Any) -> None:
    """Between a tensor and a number, a list or an array, the tensor left or right."""
    x = leaf()
    for y, expected in [(f(x, other), f(x.data, other)), (f(other, x), f(other, x.data))]:
        assert type(y) is tg.Tensor
        assert y.dtype == expected.dtype
        assert_near(y.data, expected, 1e-15)
        assert y.requires_grad == (expected.dtype == np.float64)


@pytest.mark.parametrize("number", [2, 2.0, True], ids=repr)
@pytest.mark.parametrize("f", OPERATORS[:5], ids=lambda f: f.__name__)
def test_python_numbers_do_not_change_float32(f: Any, number: Any) -> None:
    """A Python number takes the tensor's dtype."""
    x = leaf(dtype=np.float32)
    for y in (f(x, number), f(number, x)):
        assert y.dtype == np.float32
        y.sum().backward()
        assert x.grad.dtype == np.float32


def test_products_of_matrices_work_on_either_side() -> None:
    """`@` with arrays and lists left or right."""
    x = leaf()
    left, right = np.ones((1, 2)), np.ones((3, 1))
    for y in (left @ x @ right, left.tolist() @ x @ right.tolist()):
        x.grad = None
        y.sum().backward()
        assert y.item() == 21
        np.testing.assert_array_equal(x.grad.data, np.ones((2, 3)))


def test_signs_are_operators() -> None:
    """-x and abs(x)."""
    x = leaf([-1.0, 2.0])
    (3 * abs(x) - x + -x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [-5, 1])


def test_augmented_assignment_makes_a_new_tensor() -> None:
    """`y += 1` leaves what y was before, and what was computed from it."""
    x = leaf([1.0, 2.0])
    y = first = x * 1
    square = y * y
    y += 1
    y *= 2
    assert y is not first
    (square + y).sum().backward()
    np.testing.assert_array_equal(x.data, [1, 2])
    np.testing.assert_array_equal(x.grad.data, [4, 6])
    count = tg.Tensor(1.0)
    count += leaf(2.0)  # a leaf that learns nothing may be where a sum begins
    assert count.requires_grad


ASSIGNMENTS = ("+=", "-=", "*=", "/=", "**=", "@=")


@pytest.mark.parametrize("sign", ASSIGNMENTS)
@pytest.mark.parametrize("recording", [True, False], ids=["recorded", "in no_grad"])
def test_no_parameter_is_replaced_by_a_result(sign: str, recording: bool) -> None:
    """`p -= lr * g` would train a Tensor that nobody else has: it is refused, and says how."""
    p = leaf([1.0, 2.0])
    with nullcontext() if recording else tg.no_grad(), pytest.raises(TypeError) as caught:
        exec(f"p {sign} other", {"p": p, "other": np.array([0.5, 0.5])})
    assert f"p.data {sign}" in str(caught.value)
    np.testing.assert_array_equal(p.data, [1, 2])
    p.data -= 0.5
    np.testing.assert_array_equal(p.data, [0.5, 1.5])


@pytest.mark.parametrize("sign", ASSIGNMENTS)
def test_results_may_be_assigned_to_again(sign: str) -> None:
    """For what is no leaf `h += x` is `h = h + x`, gradients included."""
    w, x = leaf([1.0, 2.0]), np.array([0.5, 0.25])
    found = []
    for line in (f"h {sign} x", f"h = h {sign[:-1]} x"):
        names = {"h": w * 3, "x": x}
        exec(line, names)
        (gradient,) = tg.grad(tg.sum(names["h"]), w)
        found.append((names["h"].data, gradient.data))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_the_built_in_sum_adds_tensors() -> None:
    """sum([a, b]) starts from the number 0."""
    x = leaf([1.0, 2.0])
    sum([x, x * x]).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 5])


# Methods

ARGUMENTS: dict[str, Any] = {  # of methods that need some
    "addmm": (np.ones((2, 4)), np.ones((4, 3))),
    "astype": (np.float32,),
    "broadcast_to": ((2, 2, 3),),
    "clip": (2.0, 4.0),
    "dot": (np.ones(3),),
    "expand_dims": (1,),
    "inner": (np.ones(3),),
    "matmul": (np.ones(3),),
    "maximum": (2.5,),
    "minimum": (2.5,),
    "moveaxis": (0, 1),
    "outer": (np.ones(3),),
    "pad": (1,),
    "repeat": (2, 1),
    "reshape": ((3, 2),),
    "roll": (1,),
    "split": (3, 1),
    "swapaxes": (0, 1),
    "take": ([0, 0], 1),
    "take_along_axis": (np.array([[0], [2]]), 1),
    "tile": (2,),
    "transpose": ((1, 0),),
}
METHODS = [name for name in tg.ops.__all__ if hasattr(tg.Tensor, name)]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")  # arctanh(1), …
def test_methods_are_the_functions(name: str) -> None:
    """t.name(...) is tg.name(t, ...), recorded under the same op."""
    x, arguments = leaf(), ARGUMENTS.get(name, ())
    method, function = getattr(x, name)(*arguments), getattr(tg, name)(x, *arguments)
    if not isinstance(method, list):
        method, function = [method], [function]
    for a, b in zip(method, function, strict=True):
        assert (a.op, a.requires_grad) == (b.op, True)
        np.testing.assert_array_equal(a.data, b.data)


def test_what_is_a_method_of_arrays_is_one_of_tensors() -> None:
    """Each function that np.ndarray has as a method, Tensor has too."""
    assert {name for name in tg.ops.__all__ if hasattr(np.ndarray, name)} <= set(METHODS)


def test_settings_may_be_given_by_name_or_by_place() -> None:
    """As NumPy's: sum(0, True) is sum(axis=0, keepdims=True)."""
    x = leaf()
    assert x.sum(0, True).shape == x.sum(axis=0, keepdims=True).shape == (1, 3)
    assert tg.sum(x, 1).shape == (2,)
    assert tg.concatenate([x, x], 1).shape == (2, 6)
    assert x.broadcast_to(shape=(1, 2, 3)).shape == (1, 2, 3)


def test_shapes_may_be_given_one_by_one() -> None:
    """reshape(3, 2) is reshape((3, 2)); transpose(1, 0) is transpose((1, 0)), and .T."""
    x = leaf()
    for y in (x.reshape(3, 2), x.reshape((3, 2)), x.reshape(-1, 2), x.reshape([3, 2])):
        np.testing.assert_array_equal(y.data, x.data.reshape(3, 2))
    assert x.reshape(-1).shape == (6,)
    for y in (x.transpose(), x.transpose(1, 0), x.transpose((1, 0)), x.transpose(None), x.T):
        np.testing.assert_array_equal(y.data, x.data.T)


# Parts


def test_tensors_are_indices() -> None:
    """Integer and bool tensors, alone or in a tuple."""
    x = leaf()
    y = x[tg.Tensor([1, 1, 0])], x[x > 2], x[:, tg.Tensor([0, 2])], x[tg.Tensor(1)]
    assert [part.shape for part in y] == [(3, 3), (4,), (2, 2), (3,)]
    tg.concatenate([part.reshape(-1) for part in y]).sum().backward()
    expected = np.array([[1, 1, 1], [2, 2, 2]]) + (x.data > 2) + [1, 0, 1] + [[0] * 3, [1] * 3]
    np.testing.assert_array_equal(x.grad.data, expected)


def test_an_index_that_changes_later_does_not_change_the_past() -> None:
    """The array that a part was taken with may be written afterwards."""
    x, index = leaf([1.0, 2.0]), np.array([0, 0])
    y = x[index].sum()
    index[:] = 1
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2, 0])


@pytest.mark.parametrize(
    "index",
    [5, -3, (0, 7), (0, 0, 0), [0, 9], 1.5, [1.5], tg.Tensor([1.0]), np.ones(3, bool)],
    ids=repr,
)
def test_wrong_indices_are_index_errors(index: Any) -> None:
    """Out of range, too many, of no integer kind, of a mask that does not fit."""
    with pytest.raises(IndexError):
        leaf()[index]


def test_texts_are_no_indices() -> None:
    """An index of another kind is a TypeError that names the dtype."""
    with pytest.raises(TypeError, match="<U1"):
        leaf()["a"]


def test_entries_cannot_be_assigned() -> None:
    """The error says what to use instead, and nothing has changed."""
    for x in (leaf(), tg.Tensor([[1.0]])):
        before = x.numpy()
        with pytest.raises(TypeError, match=r"cannot be assigned.*where, concatenate or stack"):
            x[0] = 5.0
        np.testing.assert_array_equal(x.data, before)


def test_views_of_one_array_are_safe() -> None:
    """Parts and reshaped tensors share memory with their origin; gradients do not."""
    x = leaf()
    parts = [x[0], x.reshape(-1), x.T, x[:, ::-1], x.broadcast_to((2, 2, 3))]
    total = tg.concatenate([part.reshape(-1) for part in parts]).sum()
    total.backward()
    np.testing.assert_array_equal(x.grad.data, [[6, 6, 6], [5, 5, 5]])
    assert x.grad.data.flags.writeable


def test_float16_and_long_double_keep_their_dtype() -> None:
    """Gradients have the dtype of their tensor, whichever float it is."""
    for dtype in (np.float16, np.longdouble):
        x = leaf(dtype=dtype)
        (tg.tanh(x * x) * 2).mean().backward()
        assert x.grad.dtype == dtype


def test_astype_gives_the_gradient_back_in_its_own_dtype() -> None:
    """A float64 leaf behind a float32 computation has a float64 gradient."""
    x = leaf()
    y = x.astype(np.float32)
    assert y.dtype == np.float32
    (y * y).sum().backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad.data, 2 * x.data)
