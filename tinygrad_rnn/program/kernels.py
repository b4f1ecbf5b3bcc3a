"""kernels: the calls of NumPy that write the result of an operation into an array.

Each kernel gets the operands, the settings and the array to write into, and gives a list of
`KernelCall`s. NumPy's fast ways are chosen here, once, when a Program is bound to arrays:
bound methods instead of functions, 0-d arrays instead of numbers, products with ones for sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..ops import (
    broadcast_to,
    clip,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    matmul,
    max,
    maximum,
    min,
    minimum,
    not_equal,
    positive,
    relu,
    sigmoid,
    stack,
    sum,
    where,
)
from ..ops.op import Array, Op
from ..ops.parts import concatenate, unslice
from ..ops.rows import less_one, picked, places, zeroed
from ..ops.shape import cast, truncate


class KernelCall(NamedTuple):
    """A call of NumPy. result: which argument is the array that it fills with the whole result.

    None where it fills a part of it, or is told by keyword: then no other array can be put there.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    result: int | None = None


Kernel = Callable[[list[Any], dict[str, Any], Array], list[KernelCall]]
UFUNCS: dict[Op, Any] = {  # our ops of these names; one of a user's has a forward of its own
    getattr(ops, name): getattr(np, name)
    for names in (
        "abs add arccos arccosh arcsin arcsinh arctan arctanh cos cosh divide equal exp expm1",
        "greater greater_equal less less_equal log log1p logaddexp multiply negative not_equal",
        "power reciprocal sign sin sinh sqrt square subtract tan tanh",
    )
    for name in names.split()
}
COMPARISONS = {equal, greater, greater_equal, less, less_equal, not_equal}


def calls_of(op: Op, given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    """The calls that write the operation's result into `out`."""
    ufunc = UFUNCS.get(op)
    if ufunc is not None:
        if not all(type(x) is np.ndarray for x in given):
            given = [_operand(x, op, given, out) for x in given]
        return [KernelCall(ufunc, (*given, out), len(given))]
    kernel = KERNELS.get(op)
    if kernel is not None:
        return kernel(given, settings, out)
    return [_forward(op, given, settings, out)]


def writes_in_place(op: Op) -> bool:
    """Whether `out` may be the array of an operand of the result's shape."""
    return op in UFUNCS or op in IN_PLACE


def _forward(op: Op, given: list[Any], settings: dict[str, Any], out: Array) -> KernelCall:
    """The operation as it is, and a copy."""
    return KernelCall(_write_forward, (op.forward, given, settings, out), 3)


def _write_forward(
    forward: Callable[..., Any], given: list[Any], settings: dict[str, Any], out: Array
) -> None:
    out[...] = forward(*given, **settings)


def _operand(x: Any, op: Op, given: list[Any], out: Array) -> Any:
    """A Python number as an array, which is faster, where that changes no dtype."""
    if not isinstance(x, (int, float)):
        return x
    if op not in COMPARISONS:
        return np.array(x, out.dtype) if out.dtype.kind == "f" else x
    dtype = next(y.dtype for y in given if type(y) is np.ndarray)
    if dtype.kind == "f" or (dtype == np.int64 and isinstance(x, int) and abs(x) < 2**63):
        return np.array(x, dtype)
    return x


def _extreme(ufunc: Any) -> Kernel:
    return lambda given, settings, out: [
        KernelCall(ufunc.reduce, (given[0], settings["axis"], None, out, settings["keepdims"]), 3)
    ]


def _larger(ufunc: Any) -> Kernel:
    return lambda given, settings, out: [
        KernelCall(partial(ufunc, out=out), tuple(_as_array(x, out) for x in given))
    ]


def _as_array(x: Any, out: Array) -> Array:
    """An operand itself, whose values are not there yet; a number in the result's dtype."""
    return x if type(x) is np.ndarray else np.array(x, out.dtype)


def _copy(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    return [KernelCall(np.copyto, (out, given[0], "unsafe"), 0)]


def _product(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    """The method `dot` of all rows, the fastest, where it may write into `out`."""
    a, b = given
    if not out.flags.c_contiguous or not (a.dtype == b.dtype == out.dtype):
        return [_forward(matmul, given, settings, out)]
    if a.ndim > 2 and b.ndim == 2 and a.size and out.size:
        rows = a.reshape(-1, a.shape[-1])
        if not np.shares_memory(rows, a):
            return [KernelCall(np.matmul, (a, b, out), 2)]
        a, out = rows, out.reshape(-1, out.shape[-1])
    if a.ndim > 2 or b.ndim > 2:
        return [KernelCall(np.matmul, (a, b, out), 2)]
    if a.ndim == 2 and len(a) == 1:
        a, out = a[0], out.reshape(out.shape[1:])
    elif b.ndim == 2 and b.shape[1] == 1 and b.strides[0] == b.itemsize:
        b, out = b[:, 0], out.reshape(a.shape[:-1])
    return [KernelCall(a.dot, (b, out), 1)]


def _sum(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    """Of the first or the last axes as a product with ones, several times faster."""
    (x,), axis, keepdims = given, settings["axis"], settings["keepdims"]
    plain = [KernelCall(np.add.reduce, (x, axis, None, out, keepdims), 3)]
    if axis is None or x.dtype != out.dtype or x.dtype.kind != "f":
        return plain
    axes = {k % x.ndim for k in (axis if isinstance(axis, tuple) else (axis,))}
    contiguous = x.flags.c_contiguous and out.flags.c_contiguous and x.size > 0
    count = math.prod([x.shape[k] for k in axes])
    if contiguous and len(axes) < x.ndim and count > 1:
        if axes == set(range(len(axes))):
            rows = x.reshape(count, -1)
            return [KernelCall(np.ones(count, x.dtype).dot, (rows, out.reshape(-1)), 1)]
        if axes == set(range(x.ndim - len(axes), x.ndim)):
            ones = np.ones(count, x.dtype)
            return [KernelCall(x.reshape(-1, count).dot, (ones, out.reshape(-1)), 1)]
    return plain


def _where(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    condition, x, y = given
    if type(condition) is not np.ndarray:
        condition = bool(condition)
    elif condition.dtype != bool:
        flags = np.empty(condition.shape, bool)
        zero = np.array(0, condition.dtype)
        first = KernelCall(np.not_equal, (condition, zero, flags))
        return [first, *_where([flags, x, y], settings, out)]
    return [
        KernelCall(np.copyto, (out, y)),
        KernelCall(np.copyto, (out, x, "same_kind", condition)),
    ]


def _clip(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    return [KernelCall(np.clip, (*given, out), 3)]


def _relu(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    return [KernelCall(partial(np.maximum, out=out), (given[0], np.array(0, out.dtype)))]


def _sigmoid(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    """1 / (1 + exp(-x)), exact for large and small x."""
    one = np.array(1, out.dtype)
    powers = KernelCall(np.negative, (given[0], out)), KernelCall(np.exp, (out, out))
    return [*powers, KernelCall(np.add, (out, one, out)), KernelCall(np.divide, (one, out, out))]


def _stack(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    alike = all(type(x) is np.ndarray and x.dtype == out.dtype for x in given)
    if settings["axis"] != 0 or not alike:
        return [_forward(stack, given, settings, out)]
    return [KernelCall(partial(np.concatenate, axis=0, out=out), ([x[None] for x in given],))]


def _concatenate(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    return [KernelCall(partial(np.concatenate, out=out, **settings), (given,))]


def _unslice(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    parts = [part_of(out, index) for index in settings["indices"]]
    return [
        KernelCall(out.fill, (0,)),
        *[KernelCall(np.add, (part, x, part)) for part, x in zip(parts, given, strict=True)],
    ]


def part_of(array: Array, index: Any) -> Array:
    """The part array[index], a view also where it is one entry, which NumPy gives as a number."""
    several = index if isinstance(index, tuple) else (index,)
    inside = any(k is Ellipsis for k in several)
    part: Array = array[several if inside else (*several, ...)]
    return part


def _places(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    (targets,), size = given, settings["size"]
    rows = np.arange(targets.size, dtype=out.dtype).reshape(targets.shape) * size
    first = partial(np.maximum, out=out)  # which takes no third argument by place
    return [
        KernelCall(first, (targets, np.array(0, targets.dtype))),
        KernelCall(np.add, (out, rows, out)),
    ]


def _picked(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    x, where = given
    if not x.flags.c_contiguous:
        return [_forward(picked, given, settings, out)]
    return [KernelCall(x.reshape(-1).take, (where, None, out, "clip"), 2)]


def _less_one(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    x, where = given
    if not out.flags.c_contiguous:
        return [_forward(less_one, given, settings, out)]
    flat, some, one = out.reshape(-1), np.empty(where.shape, out.dtype), np.array(1, out.dtype)
    return [
        *_unless_there(x, out),
        KernelCall(flat.take, (where, None, some, "clip")),
        KernelCall(np.subtract, (some, one, some)),
        KernelCall(flat.__setitem__, (where, some)),
    ]


def _zeroed(given: list[Any], settings: dict[str, Any], out: Array) -> list[KernelCall]:
    x, rows = given
    return [*_unless_there(x, out), KernelCall(_zero_rows, (out, rows))]


def _zero_rows(out: Array, rows: Array) -> None:
    if np.count_nonzero(rows):  # most often there is none
        out[rows] = 0


def _unless_there(x: Array, out: Array) -> list[KernelCall]:
    """A copy of x, unless it is in that place already."""
    there = x.ctypes.data == out.ctypes.data and x.strides == out.strides
    return [] if there else [KernelCall(np.copyto, (out, x))]


KERNELS: dict[Op, Kernel] = {
    broadcast_to: _copy,
    cast: _copy,
    clip: _clip,
    concatenate: _concatenate,
    less_one: _less_one,
    matmul: _product,
    max: _extreme(np.maximum),
    maximum: _larger(np.maximum),
    min: _extreme(np.minimum),
    minimum: _larger(np.minimum),
    picked: _picked,
    places: _places,
    positive: _copy,
    relu: _relu,
    sigmoid: _sigmoid,
    stack: _stack,
    sum: _sum,
    truncate: _copy,
    unslice: _unslice,
    where: _where,
    zeroed: _zeroed,
}
IN_PLACE = {relu, sigmoid, less_one, zeroed}
