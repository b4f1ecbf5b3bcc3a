"""batch: equal operations on values that do not wait for each other are one, on their stack.

Which equations are equal is told by their operations and by those that made their operands. Of
equal ones those together that as many equal ones come before: none of them can need another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...ops import broadcast_to, matmul, max, min, reshape, stack, sum, transpose
from ...ops.parts import getitem_
from ...ops.rows import less_one, picked, places, zeroed
from ...ops.shape import cast, checked_, truncate
from ..keys import hashable, settings_key
from ..program import Equation, Program, Var
from .schedule import Group, in_groups

FEWEST_MEMBERS = 8  # equations that are worth to be made one: more than a step of a usual cell has
LARGEST_STACKED = (
    2**13
)  # bytes of a value that is worth to be stacked: stacks should stay in the cache
LARGEST_FACTOR = 2**16  # the same for products, which gain more
POINTWISE = {checked_, cast, truncate, zeroed}  # besides those that are marked elementwise
UNBATCHED = {getitem_, reshape, stack, transpose}
REDUCTIONS = {sum, max, min}
BY_PLACE = {picked, less_one}
BY_ROW = {*BY_PLACE, zeroed}  # of two operands, each of which has the rows of all members


def batched(program: Program) -> Program:
    """With one operation on stacked operands for each group of equal ones."""
    makers = {equation.output: equation for equation in program.equations}
    keys = _keys(program, makers)
    groups = _groups(program, keys)
    if not groups:
        return program
    return replace(program, equations=tuple(_scheduled(program, groups, makers)))


# Which equations are equal


def _keys(program: Program, makers: dict[Var, Equation]) -> list[Any]:
    """For each equation what equal ones share; None for one that stays alone."""
    static = _static(program)
    kind: dict[Any, Any] = {var: var for var in program.known()}
    for op, inputs, settings, output, _ in program.equations:
        kind[output] = (op, _part(settings["index"], inputs[0])) if op is getitem_ else op
    deeper: dict[Any, Any] = {var: var for var in program.known()}
    numbers: dict[Any, int] = {}
    for _, inputs, _, output, _ in program.equations:
        key = (kind[output], *[kind[x] for x in inputs if type(x) is Var])
        number = numbers.get(key)
        deeper[output] = numbers.setdefault(key, len(numbers)) if number is None else number
    found: list[Any] = []
    for equation in program.equations:
        op, inputs, _, output, _ = equation
        if op in UNBATCHED or output in static:
            found.append(None)
            continue
        shared = _key(equation, static, makers)
        if shared is None:
            found.append(None)
            continue
        operands = [(deeper[x], x.dtype) if type(x) is Var else hashable(x) for x in inputs]
        found.append((op, shared, output.dtype, *operands))
    return found


def _part(index: Any, whole: Var) -> Any:
    """What parts of different steps have in common."""
    return (0, whole.shape) if type(index) is int else hashable(index)


def _static(program: Program) -> set[Var]:
    """The weights, and what is computed of them alone."""
    static = {var for var, _ in program.leaves} | {var for var, _ in program.constants}
    for _, inputs, _, output, _ in program.equations:
        if all(type(x) is not Var or x in static for x in inputs):
            static.add(output)
    return static


def _key(equation: Equation, static: set[Var], makers: dict[Var, Equation]) -> Any:
    """What equal equations share besides the operations around; None for one that stays alone."""
    op, inputs, settings, output, _ = equation
    if op.elementwise and not settings:
        return output.shape if output.nbytes <= LARGEST_STACKED else None
    if op is matmul:
        a, b = inputs
        if _largest(a, b, output, but=static) > LARGEST_FACTOR:
            return None
        if b in static and len(b.shape) == 2 and len(a.shape) < 3:
            return a.shape, b
        return (a, b.shape) if a in static and len(a.shape) == 2 and len(b.shape) < 3 else None
    if output.nbytes > LARGEST_STACKED or op is broadcast_to:
        return None
    if op in BY_PLACE:
        maker = makers.get(inputs[1])
        if maker is None or maker.op is not places:
            return None
        targets = maker.inputs[0]
        return inputs[0].shape, targets.shape, targets.dtype, settings_key(maker.settings)
    if op in REDUCTIONS:
        return inputs[0].shape, settings_key(settings)
    if op.elementwise or op in POINTWISE:
        return output.shape, settings_key(settings)
    return None


def _largest(*several: Any, but: set[Var]) -> int:
    """The size of the largest of these values."""
    largest = 0
    for x in several:
        if x.nbytes > largest and x not in but:
            largest = x.nbytes
    return largest


def _groups(program: Program, keys: list[Any]) -> dict[int, Group]:
    """For each equation that is one of many, its group."""
    classes: dict[Any, list[int]] = {}
    for k, key in enumerate(keys):
        if key is not None:
            classes.setdefault(key, []).append(k)
    several = [members for members in classes.values() if len(members) >= FEWEST_MEMBERS]
    found: dict[int, Group] = {}
    if not several:
        return found
    for members, depths in zip(several, _depths(program, several), strict=True):
        by_depth: dict[int, list[int]] = {}
        for k, depth in zip(members, depths, strict=True):
            by_depth.setdefault(depth, []).append(k)
        for together in by_depth.values():
            if len(together) >= FEWEST_MEMBERS and _stackable(
                [program.equations[k] for k in together]
            ):
                group = Group(together)
                found |= dict.fromkeys(together, group)
    return found


def _depths(program: Program, classes: list[list[int]]) -> list[list[int]]:
    """For each member of each class how many of its class it waits for, one after another."""
    column = {k: c for c, members in enumerate(classes) for k in members}
    none = np.zeros(len(classes), np.int32)
    row_of: dict[Any, Any] = dict.fromkeys(program.known(), none)
    found: list[list[int]] = [[] for _ in classes]
    for k, (_, inputs, _, output, _) in enumerate(program.equations):
        row = none
        for x in inputs:
            if type(x) is Var:
                other = row_of[x]
                if row is none:
                    row = other
                elif other is not row and other is not none:
                    row = np.maximum(row, other)
        c = column.get(k)
        if c is not None:
            row = row.copy()
            row[c] += 1
            found[c].append(int(row[c]))
        row_of[output] = row
    return found


def _stackable(members: list[Equation]) -> bool:
    """Whether some operand is not the same for all, and each such one has the result's axes."""
    op, _, _, output, _ = members[0]
    apart = False
    for column in zip(*(m.inputs for m in members), strict=True):
        first = column[0]
        if _shared(column):
            continue
        apart = True
        if op is matmul or op in BY_ROW or op in REDUCTIONS:
            continue
        for x in column:
            if type(x) is not Var or x.shape != first.shape or len(x.shape) != len(output.shape):
                return False
    return apart


def _shared(column: Sequence[Any]) -> bool:
    """Whether all members have one operand; numbers of equal members are equal."""
    return all(x is column[0] or type(x) is not Var for x in column)


# In which order


def _scheduled(
    program: Program, groups: dict[int, Group], makers: dict[Var, Equation]
) -> Iterator[Equation]:
    """The equations in an order in which each group can be computed at once."""
    equations = program.equations
    order: dict[Var, int] = {}  # when each value was computed; within a group, its row
    for together in in_groups(equations, groups):
        if len(together) >= FEWEST_MEMBERS:
            together = sorted(together, key=lambda k: _first_operand(equations[k], order, k))
            yield from _as_one([equations[k] for k in together], makers)
        else:
            yield from [equations[k] for k in together]
        for k in together:
            order[equations[k].output] = len(order)


def _first_operand(equation: Equation, order: dict[Var, int], k: int) -> tuple[int, int]:
    """When its first operand was computed."""
    computed = [order[x] for x in equation.inputs if type(x) is Var and x in order]
    return (sorted(computed)[0] if computed else -1), k


# How they are made one


def _as_one(members: list[Equation], makers: dict[Var, Equation]) -> Iterator[Equation]:
    """Stack the operands, compute once, take the parts."""
    first, T = members[0], len(members)
    op, inputs, settings, output, _ = first
    whole = Var((T, *output.shape), output.dtype)
    if op is matmul:
        yield from _one_product(members, whole)
    elif op in BY_PLACE:
        yield from _by_place(members, whole, makers)
    else:
        operands = []
        for column in zip(*(m.inputs for m in members), strict=True):
            yield from (joined := _stacked(column, share=op is not zeroed)).equations
            operands.append(joined.value)
        if op in REDUCTIONS:
            settings = {**settings, "axis": _behind(settings["axis"], inputs[0])}
        yield Equation(op, tuple(operands), settings, whole)
    for k, member in enumerate(members):
        yield Equation(getitem_, (whole,), {"index": k}, member.output, member.scope)


class _Stack(NamedTuple):
    """Several values as one, and the equations that make it."""

    value: Any
    equations: list[Equation]


def _stacked(column: Iterable[Any], share: bool = True) -> _Stack:
    """The operand of all members: one that they share, if they may, or a stack."""
    several = tuple(column)
    first = several[0]
    if share and _shared(several):
        return _Stack(first, [])
    value = Var((len(several), *first.shape), first.dtype)
    return _Stack(value, [Equation(stack, several, {"axis": 0}, value)])


def _behind(axis: Any, x: Var) -> Any:
    """The axes of a reduction behind a new first one."""
    ndim = len(x.shape)
    several = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(k % ndim + 1 for k in several)


def _one_product(members: list[Equation], whole: Var) -> Iterator[Equation]:
    """[a_1; a_2; ...] b instead of a_1 b, a_2 b, ...; a [b_1, b_2, ...] for one a."""
    (a, b), output = members[0].inputs, members[0].output
    if any(m.inputs[1] is not b for m in members):
        stacked = _stacked([m.inputs[1] for m in members])
        yield from stacked.equations
        if len(b.shape) == 2:
            yield Equation(matmul, (a, stacked.value), {}, whole)
            return
        transposed = Var(a.shape[::-1], a.dtype)
        yield Equation(transpose, (a,), {"axes": None}, transposed)
        yield Equation(matmul, (stacked.value, transposed), {}, whole)
        return
    stacked = _stacked([m.inputs[0] for m in members])
    yield from stacked.equations
    if len(a.shape) == 1:
        yield Equation(matmul, (stacked.value, b), {}, whole)
        return
    rows = len(members) * a.shape[0]
    flat, product = Var((rows, a.shape[1]), a.dtype), Var((rows, b.shape[1]), output.dtype)
    yield Equation(reshape, (stacked.value,), {"shape": flat.shape}, flat)
    yield Equation(matmul, (flat, b), {}, product)
    yield Equation(reshape, (product,), {"shape": whole.shape}, whole)


def _by_place(
    members: list[Equation], whole: Var, makers: dict[Var, Equation]
) -> Iterator[Equation]:
    """Of the stack, at the places of the stacked targets."""
    targets = [makers[m.inputs[1]] for m in members]
    values = _stacked([m.inputs[0] for m in members], share=False)
    classes = _stacked([maker.inputs[0] for maker in targets], share=False)
    yield from values.equations
    yield from classes.equations
    where = Var(classes.value.shape, members[0].inputs[1].dtype)
    yield Equation(places, (classes.value,), targets[0].settings, where)
    yield Equation(members[0].op, (values.value, where), {}, whole)
