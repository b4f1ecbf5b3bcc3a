"""sums: sums and products of many operands, put in the order that leaves least to a time step.

a + b + c is any of (a + b) + c and a + (b + c). What does not wait for the step before goes
first, since it can be computed for all steps at once; a sum of many products is one product of
stacked operands, a sum of many equal terms one sum over their stack.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...ops import add, matmul, multiply, reshape, stack, sum, transpose
from ...ops.elementwise import positive
from ...ops.op import Op
from ...ops.parts import concatenate
from ..program import Equation, Program, Var

FEWEST_TERMS = 4  # terms that are worth to be added up together
LARGEST_TERM = (
    2**16
)  # bytes of an operand that is worth to be stacked: stacks should stay in the cache


def reassociated(program: Program) -> Program:
    """Sums and products of three and more: what is there early first, terms of a kind together."""
    makers = {equation.output: equation for equation in program.equations}
    parent = _parents(program, makers)
    if not parent:
        return program
    level = _levels(program)
    equations: list[Equation] = []
    for equation in program.equations:
        op, _, _, output, _ = equation
        if op is not add and op is not multiply:
            equations.append(equation)
        elif output not in parent:
            leaves = _leaves(equation, parent, makers)
            exact = output.dtype.kind != "f"  # sums of small integers would be of larger ones
            mixed = any(type(x) is Var and x.dtype != output.dtype for x in leaves)
            if len(leaves) < 3 or exact or mixed:
                equations += _as_it_was(equation, parent, makers)
            else:
                equations += _regrouped(equation, leaves, makers, level)
    return replace(program, equations=tuple(equations))


def _parents(program: Program, makers: dict[Var, Equation]) -> dict[Var, Var]:
    """For each sum within a larger sum, which nothing else reads, the larger one."""
    uses: dict[Var, int] = dict.fromkeys(program.outputs, 2)
    for equation in program.equations:
        for x in equation.inputs:
            if type(x) is Var:
                uses[x] = uses.get(x, 0) + 1
    parent = {}
    for op, inputs, _, output, _ in program.equations:
        if op is add or op is multiply:
            for x in inputs:
                within = type(x) is Var and x in makers and makers[x].op is op and uses[x] == 1
                if within and (x.shape, x.dtype) == (output.shape, output.dtype):
                    parent[x] = output
    return parent


def _levels(program: Program) -> dict[Any, int]:
    """How many equations must be computed one after another before each value is there."""
    level: dict[Any, int] = dict.fromkeys(program.known(), 0)
    for _, inputs, _, output, _ in program.equations:
        level[output] = 1 + max([level.get(x, 0) for x in inputs if type(x) is Var], default=0)
    return level


def _leaves(root: Equation, parent: dict[Var, Var], makers: dict[Var, Equation]) -> list[Any]:
    """The operands of a tree of sums, from left to right."""
    waiting, found = list(reversed(root.inputs)), []
    while waiting:
        x = waiting.pop()
        if type(x) is Var and x in parent:
            waiting.extend(reversed(makers[x].inputs))
        else:
            found.append(x)
    return found


def _as_it_was(
    root: Equation, parent: dict[Var, Var], makers: dict[Var, Equation]
) -> list[Equation]:
    """The equations of a tree of sums."""
    found = [root]
    for equation in found:  # it grows
        found += [makers[x] for x in equation.inputs if type(x) is Var and x in parent]
    return found[::-1]


def _regrouped(
    root: Equation, leaves: list[Any], makers: dict[Var, Equation], level: dict[Any, int]
) -> Iterator[Equation]:
    """The sum or product of the leaves anew."""
    numbers = [x for x in leaves if type(x) is not Var]
    if len(numbers) > 1:
        number = builtins.sum(numbers) if root.op is add else math.prod(numbers)
        leaves = [x for x in leaves if type(x) is Var] + [number]
    if root.op is add and len(leaves) >= FEWEST_TERMS:
        joined: list[Any] = []
        for kind, several in _by_kind(leaves, makers).items():
            if kind is None or len(several) < FEWEST_TERMS:
                joined += several
                continue
            total = Var(several[0].shape, several[0].dtype)
            level[total] = max(level[x] for x in several)
            yield from _fused_sum(kind[0], several, total, makers, root.scope)
            joined.append(total)
        leaves = joined
    leaves.sort(key=lambda x: level[x] if type(x) is Var else 0)
    yield from _chain(root, leaves)


def _chain(root: Equation, leaves: list[Any]) -> Iterator[Equation]:
    """The leaves taken one after another."""
    op, _, _, output, scope = root
    if len(leaves) == 1:
        yield Equation(positive, (leaves[0],), {}, output, scope)
        return
    first, *rest = leaves
    for k, x in enumerate(rest):
        shapes = [y.shape if type(y) is Var else () for y in (first, x)]
        shape = np.broadcast_shapes(*shapes) if shapes[0] != shapes[1] else shapes[0]
        last = k == len(rest) - 1
        result = output if last else Var(shape, output.dtype)
        yield Equation(op, (first, x), {}, result, scope)
        first = result


def _by_kind(leaves: Iterable[Any], makers: dict[Var, Equation]) -> dict[Any, list[Any]]:
    """The leaves that the same operation computes, in the same shapes; None: of no use together."""
    kinds: dict[Any, list[Any]] = {}
    for x in leaves:
        maker = makers.get(x) if type(x) is Var else None
        kinds.setdefault(None if maker is None else _kind(maker), []).append(x)
    return kinds


def _kind(maker: Equation) -> Any:
    op, inputs, _, output, _ = maker
    if (
        not output.shape
        or max((x.nbytes for x in inputs if type(x) is Var), default=0) > LARGEST_TERM
    ):
        return None
    if op is matmul:
        a, b = inputs
        two = len(a.shape) == len(b.shape) == 2
        return (op, a.shape[0], b.shape[1], a.dtype, b.dtype) if two else None
    return op, output.shape, output.dtype


def _fused_sum(
    op: Op, several: list[Var], total: Var, makers: dict[Var, Equation], scope: tuple[str, ...]
) -> Iterator[Equation]:
    """a_1 b_1 + a_2 b_2 + ... as [a_1 a_2 ...] [b_1; b_2; ...]; other sums as that of a stack."""
    if op is not matmul:
        stacked = Var((len(several), *total.shape), total.dtype)
        yield Equation(stack, tuple(several), {"axis": 0}, stacked, scope)
        yield Equation(sum, (stacked,), {"axis": 0, "keepdims": False}, total, scope)
        return
    columns, rows = [], []
    for x in several:
        a, b = makers[x].inputs
        transposed = Var(a.shape[::-1], a.dtype)
        yield Equation(transpose, (a,), {"axes": None}, transposed, scope)
        columns.append(transposed)
        rows.append(b)
    yield from (left := list(_stacked_rows(columns, scope)))
    yield from (right := list(_stacked_rows(rows, scope)))
    stacked = left[-1].output
    transposed = Var(stacked.shape[::-1], stacked.dtype)
    yield Equation(transpose, (stacked,), {"axes": None}, transposed, scope)
    yield Equation(matmul, (transposed, right[-1].output), {}, total, scope)


def _stacked_rows(several: list[Var], scope: tuple[str, ...]) -> Iterator[Equation]:
    """Matrices below one another."""
    first = several[0]
    rows = Var((builtins.sum(x.shape[0] for x in several), first.shape[1]), first.dtype)
    if any(x.shape != first.shape for x in several):
        yield Equation(concatenate, tuple(several), {"axis": 0}, rows, scope)
        return
    stacked = Var((len(several), *first.shape), first.dtype)
    yield Equation(stack, tuple(several), {"axis": 0}, stacked, scope)
    yield Equation(reshape, (stacked,), {"shape": rows.shape}, rows, scope)
