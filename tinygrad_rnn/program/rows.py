"""rows: follows the rows of a batch through the equations of a Program, operation by operation.

Each value is either the same for every block of rows; or has the batch somewhere among its axes;
or is a part of a sum over the batch, and what is done with it is linear. Where the batch is, its
stride tells: how many entries lie behind each row of it. A reshape keeps that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..ops import (
    add,
    broadcast_to,
    divide,
    matmul,
    max,
    min,
    multiply,
    negative,
    positive,
    reshape,
    stack,
    subtract,
    sum,
    transpose,
)
from ..ops.op import Op
from ..ops.parts import concatenate, gather, getitem_, scatter, unslice
from ..ops.rows import less_one, picked, places, zeroed
from ..ops.shape import cast, checked_, truncate
from .program import Equation, Var

PARTIAL = -1  # a stride's place: the value is a part of a sum over the batch
EVERYWHERE = -2  # the same along each axis that it was repeated along; where the batch is is open


class Axis(NamedTuple):
    """Where the batch is: an axis of size outer * B * inner."""

    axis: int
    outer: int
    inner: int


class MixedRowsError(Exception):
    """Why a Program cannot be cut into blocks."""


def located(shape: tuple[int, ...], stride: int, B: int) -> Axis:
    """The axis that holds a batch of this stride. Raises: MixedRowsError where there is none."""
    behind = 1
    for axis in range(len(shape) - 1, -1, -1):
        n = shape[axis]
        if n > 1 and behind <= stride < behind * n:
            inner, rest = divmod(stride, behind)
            outer, more = divmod(n, inner * B) if inner else (0, 1)
            if not rest and not more and outer:
                return Axis(axis, outer, inner)
            break
        behind *= n
    if B == 1 and stride <= math.prod(shape):
        raise MixedRowsError("the batch has one row")
    raise MixedRowsError(f"the batch is cut through in the shape {shape}")


def _stride(shape: tuple[int, ...], at: Axis) -> int:
    return math.prod(shape[at.axis + 1 :]) * at.inner


class Rows:
    """Follows the batch from equation to equation."""

    def __init__(self, B: int, where: dict[Var, int]) -> None:
        self.B = B
        self.where = where
        self._open: dict[Var, Equation] = {}  # what computed those whose place is open

    def follow(self, equation: Equation) -> None:
        """Finds where the batch is in the result. Raises: MixedRowsError where it mixes rows."""
        op, inputs, _, output, _ = equation
        found = [self.where[x] for x in inputs if type(x) is Var and x in self.where]
        if not found:
            if op is broadcast_to and self.B in output.shape:
                self.where[output] = EVERYWHERE
            return
        if PARTIAL in found:
            stride = self._linear(equation)
        elif all(s == EVERYWHERE for s in found) and op is not matmul:
            if output.shape not in [x.shape for x in inputs if _is_var(x)]:
                raise self._no(equation, "where the batch is in a repeated value cannot be told")
            stride = EVERYWHERE
            self._open[output] = equation
        else:
            rule = _RULES.get(op) or (_pointwise if op.elementwise else None)
            if rule is None:
                raise self._no(equation, "it may mix the rows of a batch")
            try:
                stride = rule(self, equation)
            except MixedRowsError as why:
                raise self._no(equation, str(why)) from None
        self.where[output] = stride

    def _no(self, equation: Equation, why: str) -> MixedRowsError:
        scope = f" in {' '.join(equation.scope)}" if equation.scope else ""
        return MixedRowsError(f"{equation.op.name}{scope}: {why}")

    def _linear(self, equation: Equation) -> int:
        """Of parts of sums: sums of them, and products with what all blocks have in common."""
        op, inputs, _, _, _ = equation
        kinds = [self.where.get(x) if _is_var(x) else None for x in inputs]
        every = all(kind == PARTIAL for kind in kinds)
        scaled = op in (multiply, divide) and kinds[1:] == [None]
        scaled = scaled or (op is multiply and kinds[0] is None and kinds[1] == PARTIAL)
        zero = op is add and any(not _is_var(x) and x == 0 for x in inputs)  # as sum() starts with
        if (every and op in _SUMS) or scaled or zero:
            return PARTIAL
        raise self._no(equation, "it needs a sum over the whole batch; sums must come last")

    def at(self, x: Var) -> Axis | None:
        """Where the batch is in x, None where x has none."""
        stride = self.where.get(x)
        return None if stride is None else located(x.shape, stride, self.B)

    def meet(self, a: Var, b: Var) -> None:
        """Repeated factors have the batch where the other has it; else as rows of the left one."""
        for x, other, axis, there in ((a, b, len(a.shape) - 1, 0), (b, a, 0, len(a.shape) - 1)):
            if self.where.get(x) == EVERYWHERE:
                stride = self.where.get(other, EVERYWHERE)
                at = None if stride == EVERYWHERE else located(other.shape, stride, self.B)
                if at is not None and at.axis == there:
                    self.settle(x, x.shape, at._replace(axis=axis))
                elif x is a and len(a.shape) == 2 and a.shape[0] == self.B:
                    self.settle(a, a.shape, Axis(0, 1, 1))
                else:
                    del self.where[x]

    def settle(self, x: Any, shape: tuple[int, ...], at: Axis) -> None:
        """An operand of a result of this shape, with the batch there, has it there too."""
        if not _is_var(x):
            return
        axis = at.axis - (len(shape) - len(x.shape))
        there = axis >= 0 and x.shape[axis] == shape[at.axis]
        stride = self.where.get(x)
        if stride == EVERYWHERE:
            if there:
                self.where[x] = math.prod(x.shape[axis + 1 :]) * at.inner
            else:
                del self.where[x]
            if x in self._open:
                for y in self._open.pop(x).inputs:
                    self.settle(y, x.shape, at._replace(axis=axis))
        elif stride is None:
            if there:
                raise MixedRowsError("one operand has the batch, another is as long and has it not")
        elif located(x.shape, stride, self.B) != Axis(axis, at.outer, at.inner):
            raise MixedRowsError("the operands have the batch in different places")


def _is_var(x: Any) -> bool:
    return type(x) is Var


def _leading(rows: Rows, equation: Equation) -> tuple[Var, Axis]:
    """The first operand that has the batch at a place, and where."""
    for x in equation.inputs:
        if _is_var(x) and rows.where.get(x, EVERYWHERE) != EVERYWHERE:
            return x, located(x.shape, rows.where[x], rows.B)
    raise MixedRowsError("where the batch is cannot be told")


def _pointwise(rows: Rows, equation: Equation) -> int:
    x, at = _leading(rows, equation)
    shape = equation.output.shape
    at = at._replace(axis=at.axis + len(shape) - len(x.shape))
    if shape[at.axis] != at.outer * rows.B * at.inner:
        raise MixedRowsError("the batch is repeated")
    for y in equation.inputs:
        rows.settle(y, shape, at)
    return _stride(shape, at)


def _product(rows: Rows, equation: Equation) -> int:
    a, b = equation.inputs
    rows.meet(a, b)
    left, right = rows.at(a), rows.at(b)
    if left is not None and right is None and len(b.shape) <= 2:
        if left.axis == len(a.shape) - 1:
            raise MixedRowsError("a product adds up the rows of one operand alone")
        columns = b.shape[1] if len(b.shape) == 2 else 1
        return int(rows.where[a] // a.shape[-1] * columns)
    if left is None and right is not None and len(a.shape) == len(b.shape) == 2:
        if right.axis == 0:
            raise MixedRowsError("a product adds up the rows of one operand alone")
        return rows.where[b]
    if left and right and len(a.shape) == len(b.shape) == 2:
        inner = (left.axis, right.axis) == (1, 0)
        if inner and (left.outer, left.inner) == (right.outer, right.inner):
            return PARTIAL
    raise MixedRowsError("a product mixes the rows")


def _transposed(rows: Rows, equation: Equation) -> int:
    x, at = _leading(rows, equation)
    axes, ndim = equation.settings["axes"], len(x.shape)
    axes = range(ndim)[::-1] if axes is None else [k % ndim for k in axes]
    return _stride(equation.output.shape, at._replace(axis=list(axes).index(at.axis)))


def _reshaped(rows: Rows, equation: Equation) -> int:
    stride = rows.where[equation.inputs[0]]
    located(equation.output.shape, stride, rows.B)
    return stride


def _part(rows: Rows, equation: Equation) -> int:
    x, at = _leading(rows, equation)
    return _stride(
        equation.output.shape, at._replace(axis=_axis_of_part(x, at, equation.settings["index"]))
    )


def _axis_of_part(x: Var, at: Axis, index: Any) -> int:
    """Where an axis is in a part that takes all of it."""
    several = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [k for k in several if not isinstance(k, slice)]:
        gap = len(x.shape) - len([k for k in several if k is not None and k is not Ellipsis])
        place = several.index(Ellipsis)
        several[place : place + 1] = [slice(None)] * gap
    axis = result = 0
    for k in several:
        if k is None:
            result += 1
            continue
        if axis == at.axis:
            if k != slice(None):
                raise MixedRowsError("a part of the batch is taken")
            return result
        axis += 1
        result += isinstance(k, slice)
    return result + at.axis - axis


def _put(rows: Rows, equation: Equation) -> int:
    x, at = _leading(rows, equation)
    shape = equation.output.shape
    index = equation.settings["indices"][list(equation.inputs).index(x)]
    several = index if isinstance(index, tuple) else (index,)
    if any(k is None or k is Ellipsis for k in several):
        raise MixedRowsError("parts with new axes are put together")
    sliced = [k for k in range(len(shape)) if k >= len(several) or isinstance(several[k], slice)]
    at = at._replace(axis=sliced[at.axis])
    for y, place in zip(equation.inputs, equation.settings["indices"], strict=True):
        whole = place if isinstance(place, tuple) else (place,)
        if at.axis < len(whole) and whole[at.axis] != slice(None):
            raise MixedRowsError("parts of the batch are put together")
        rows.settle(y, y.shape, at._replace(axis=_axis_of_part_in(shape, at.axis, place)))
    return _stride(shape, at)


def _axis_of_part_in(shape: tuple[int, ...], axis: int, index: Any) -> int:
    several = index if isinstance(index, tuple) else (index,)
    return axis - len([k for k in several[:axis] if not isinstance(k, slice)])


def _stacked(rows: Rows, equation: Equation) -> int:
    x, at = _leading(rows, equation)
    for y in equation.inputs:
        rows.settle(y, x.shape, at)
    new = equation.settings["axis"] % len(equation.output.shape)
    return _stride(equation.output.shape, at._replace(axis=at.axis + (new <= at.axis)))


def _concatenated(rows: Rows, equation: Equation) -> int:
    x, at = _leading(rows, equation)
    if equation.settings["axis"] is None or equation.settings["axis"] % len(x.shape) == at.axis:
        raise MixedRowsError("rows are joined with others")
    for y in equation.inputs:
        rows.settle(y, y.shape, at)
    return _stride(equation.output.shape, at)


def _reduced(rows: Rows, equation: Equation) -> int:
    x, at = _leading(rows, equation)
    axis, keepdims, ndim = equation.settings["axis"], equation.settings["keepdims"], len(x.shape)
    several = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = {k % ndim for k in several}
    if at.axis in axes:
        if equation.op is sum:
            return PARTIAL
        raise MixedRowsError("an extreme of the whole batch is needed")
    before = 0 if keepdims else len([k for k in axes if k < at.axis])
    return _stride(equation.output.shape, at._replace(axis=at.axis - before))


def _by_row(rows: Rows, equation: Equation) -> int:
    """Of x, and of places or flags for each of its rows."""
    x, other = equation.inputs
    at = rows.at(x)
    width = x.size // other.size if other.size else 1
    if at is None or rows.where.get(other, 0) * width != rows.where[x]:
        raise MixedRowsError("the batch is in other places in the two operands")
    return rows.where[x if equation.output.shape == x.shape else other]


def _identity(rows: Rows, equation: Equation) -> int:
    return rows.where[equation.inputs[0]]


def _gathered(rows: Rows, equation: Equation) -> int:
    """Rows of a table by the ids of the batch."""
    table, *index = equation.inputs
    if rows.where.get(table) is not None or len(index) != 1:
        raise MixedRowsError("entries of the batch are picked")
    return int(rows.where[index[0]] * math.prod(table.shape[1:]))


def _scattered(rows: Rows, equation: Equation) -> int:
    """The gradient of that: each row of the batch is added to a table."""
    inputs, counts = equation.inputs, equation.settings["counts"]
    if any(count != 2 for count in counts) or any(x not in rows.where for x in inputs):
        raise MixedRowsError("entries of the batch are put together")
    return PARTIAL


_SUMS = {
    add,
    subtract,
    negative,
    positive,
    reshape,
    transpose,
    getitem_,
    stack,
    concatenate,
    sum,
    cast,
    unslice,
}
_RULES: dict[Op, Callable[[Rows, Equation], int]] = {
    checked_: _identity,
    broadcast_to: _pointwise,
    cast: _identity,
    concatenate: _concatenated,
    gather: _gathered,
    getitem_: _part,
    less_one: _by_row,
    matmul: _product,
    max: _reduced,
    min: _reduced,
    picked: _by_row,
    places: _identity,
    reshape: _reshaped,
    scatter: _scattered,
    stack: _stacked,
    sum: _reduced,
    transpose: _transposed,
    truncate: _identity,
    unslice: _put,
    zeroed: _by_row,
}
