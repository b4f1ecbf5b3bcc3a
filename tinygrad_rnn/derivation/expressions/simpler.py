"""Simpler expressions of the same value, and expressions with parts put in the place of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...ops import add, divide, matmul, multiply, negative, power, reshape, sum, transpose
from ...ops.elementwise import positive
from ...ops.op import Op
from ...ops.parts import getitem_, unslice
from ...ops.shape import broadcast_to, cast
from .expression import INDICES, Call, Each, Expression, Index, Shape, Symbol, alike, parts


def simpler(call: Call) -> Expression:
    """The call, or what is shorter and has the same value."""
    rule = _RULES.get(call.op)
    found = None if rule is None else rule(call)
    return call if found is None else found


def is_one(x: Expression) -> bool:
    """Whether it is 1 in every entry."""
    if isinstance(x, Call) and x.op is broadcast_to:
        x = x.inputs[0]
    return isinstance(x, (int, float)) and not isinstance(x, bool) and x == 1


def transposed(x: Expression) -> Expression:
    """The transpose of an expression of two axes."""
    return simpler(Call(transpose, (x,), {"axes": None}, x.shape[::-1], x.dtype))


def _identity(call: Call) -> Expression:
    """The input where nothing changes, as in the sum of one entry."""
    (x,) = call.inputs
    if isinstance(x, (int, float)):
        return None if call.shape else x
    return x if (x.shape, x.dtype) == (call.shape, call.dtype) else None


def _times(call: Call) -> Expression:
    """1 · x = x; what is the same in every entry needs not be repeated."""
    x, y = call.inputs
    for one, other in ((x, y), (y, x)):
        if is_one(one) and getattr(other, "shape", ()) == call.shape:
            return other
    for k, (same, other) in enumerate(((x, y), (y, x))):
        if _is_broadcast(same) and getattr(other, "shape", None) == call.shape:
            inner = same.inputs[0]
            return replace(call, inputs=(other, inner) if k else (inner, other))
    return None


def _is_broadcast(x: Expression) -> bool:
    """Whether it is one number, repeated."""
    return isinstance(x, Call) and x.op is broadcast_to and not getattr(x.inputs[0], "shape", ())


def _plus(call: Call) -> Expression:
    """0 + x = x."""
    zero, x = call.inputs
    is_zero = isinstance(zero, (int, float)) and not isinstance(zero, bool) and zero == 0
    return x if is_zero and getattr(x, "shape", None) == call.shape else None


def _over(call: Call) -> Expression:
    """x / 1 = x."""
    x, one = call.inputs
    return x if is_one(one) and getattr(x, "shape", None) == call.shape else None


def _power(call: Call) -> Expression:
    """x to the power 1 = x."""
    x, one = call.inputs
    return x if is_one(one) and getattr(x, "shape", None) == call.shape else None


def _minus(call: Call) -> Expression:
    """-(-x) = x; of a number the number less than 0."""
    (x,) = call.inputs
    if isinstance(x, (int, float)):
        return -x
    return x.inputs[0] if isinstance(x, Call) and x.op is negative else None


def _transpose(call: Call) -> Expression:
    """(xᵀ)ᵀ = x; (a b)ᵀ = bᵀ aᵀ where one of them is a transpose already."""
    (x,), axes = call.inputs, call.settings["axes"]
    if len(call.shape) < 2:
        return x
    if not isinstance(x, Call) or axes is not None:
        return None
    if x.op is transpose and x.settings["axes"] is None:
        return x.inputs[0]
    if x.op is matmul and len(x.shape) == 2 and any(map(_is_transpose, x.inputs)):
        a, b = x.inputs
        return replace(x, inputs=(transposed(b), transposed(a)), shape=call.shape)
    return None


def _is_transpose(x: Expression) -> bool:
    return isinstance(x, Call) and x.op is transpose


def _reshape(call: Call) -> Expression:
    """Nothing where the shape stays; a sum that keeps its axes; the axes of one entry."""
    (x,) = call.inputs
    if not getattr(x, "shape", ()) and call.shape:
        return simpler(replace(call, op=broadcast_to, settings={"shape": call.shape}))
    if isinstance(x, (int, float)) or x.shape == call.shape:
        return x
    if isinstance(x, Call) and x.op is reshape:
        return simpler(replace(call, inputs=x.inputs))
    if _is_broadcast(x):
        return simpler(replace(x, settings={"shape": call.shape}, shape=call.shape))
    if isinstance(x, Call) and x.op is sum and call.shape == _keepdims_shape(x):
        return replace(x, settings={**x.settings, "keepdims": True}, shape=call.shape)
    return None


def _keepdims_shape(total: Call) -> Shape | None:
    """The shape of a sum with its axes kept."""
    shape, axis = total.inputs[0].shape, total.settings["axis"]
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    counted = {k % len(shape) for k in axes}
    return tuple(1 if k in counted else n for k, n in enumerate(shape))


def _part(call: Call) -> Expression:
    """A part of what is the same everywhere is that, smaller."""
    (x,) = call.inputs
    if _is_broadcast(x):
        return simpler(replace(x, settings={"shape": call.shape}, shape=call.shape))
    if isinstance(x, (int, float)):
        return simpler(replace(call, op=broadcast_to, settings={"shape": call.shape}))
    if _covers_all(x, call.shape, call.settings["index"]):
        return simpler(replace(call, op=reshape, settings={"shape": call.shape}))
    return None


def _unslice(call: Call) -> Expression:
    """What fills the whole is that, in another shape."""
    shape, index = getattr(call.inputs[0], "shape", ()), call.settings["indices"][0]
    if len(call.inputs) == 1 and _covers_all(call, shape, index):
        return simpler(replace(call, op=reshape, settings={"shape": call.shape}))
    return None


def _covers_all(x: Expression, shape: Shape, index: Any) -> bool:
    """Whether a part of this shape is all of x, in its order."""
    several = index if isinstance(index, tuple) else (index,)
    reversed_order = any(isinstance(k, slice) and (k.step or 1) < 0 for k in several)
    counts = any(isinstance(k, (Index, Symbol)) for k in several)
    return math.prod(x.shape) == math.prod(shape) > 0 and not reversed_order and not counts


def _broadcast(call: Call) -> Expression:
    """A number that is repeated once is the number; what is repeated twice is repeated once."""
    (x,) = call.inputs
    if isinstance(x, (int, float)):
        return x if not call.shape else None
    if x.shape == call.shape:
        return x
    if isinstance(x, Call) and x.op is broadcast_to:
        return simpler(replace(call, inputs=x.inputs))
    return None


_RULES: dict[Op, Callable[[Call], Expression]] = {
    add: _plus,
    broadcast_to: _broadcast,
    cast: _identity,
    divide: _over,
    getitem_: _part,
    multiply: _times,
    negative: _minus,
    positive: _identity,
    power: _power,
    reshape: _reshape,
    sum: _identity,
    transpose: _transpose,
    unslice: _unslice,
}


# Parts in the place of others


def rewritten(
    expression: Expression,
    of: Callable[[Expression], Expression],
    known: Mapping[int, Expression] | None = None,
) -> Expression:
    """The expression with `of` applied to each part, inner parts first.

    of: gives another expression, or the very one that it got. known: by the ids of parts what they
    become. Parts that are shared stay shared.
    """
    done = dict(known or {})
    for x in parts(expression):
        if id(x) in done:
            continue
        new = x
        if isinstance(x, Each):
            form = done[id(x.expression)]
            new = x if form is x.expression else Each(form, x.rounds)
        elif isinstance(x, Call):
            inputs = tuple(done[id(y)] for y in x.inputs)
            changed = any(a is not b for a, b in zip(inputs, x.inputs, strict=True))
            new = simpler(replace(x, inputs=inputs)) if changed else x
        done[id(x)] = of(new)
    return done[id(expression)]


def moved(expression: Expression, at: Index | None) -> Expression:
    """The expression in t with another round in the place of t."""
    if at is None or at == Index(1, 0):
        return expression

    def of(x: Expression) -> Expression:
        if isinstance(x, Symbol) and x.at is not None:
            return Symbol(x.quantity, after(x.at, at))
        if isinstance(x, Call) and x.settings.keys() & INDICES:
            changed = {k: moved_index(x.settings[k], at) for k in x.settings.keys() & INDICES}
            return replace(x, settings=x.settings | changed)
        return x

    return rewritten(expression, of)


def after(index: Index, at: Index) -> Index:
    """The round that index means where t is `at`."""
    return Index(index.times * at.times, index.times * at.plus + index.plus)


def moved_index(value: Any, at: Index) -> Any:
    """An index with the rounds in it where t is `at`."""
    if isinstance(value, tuple):
        return tuple(moved_index(x, at) for x in value)
    if isinstance(value, Symbol) and value.at is not None:
        return Symbol(value.quantity, after(value.at, at))
    if not isinstance(value, Index):
        return value
    found = after(value, at)
    return found if found.times else found.plus


def total(terms: Sequence[Expression]) -> Expression:
    """The sum of the terms, the first one first; of two that are the same, twice that one."""
    first, *rest = terms
    for term in rest:
        shape = np.broadcast_shapes(getattr(first, "shape", ()), getattr(term, "shape", ()))
        dtype = getattr(first, "dtype", getattr(term, "dtype", np.dtype(float)))
        op, inputs = (multiply, (2.0, term)) if alike(first, term) else (add, (first, term))
        first = Call(op, inputs, {}, shape, dtype)
    return first
