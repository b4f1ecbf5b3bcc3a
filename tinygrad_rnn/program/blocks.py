"""blocks: a Program for some of the rows of a batch, if its equations show that rows are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..ops import broadcast_to, reshape
from ..ops.op import Array, Op
from ..ops.parts import scatter, unslice
from .passes.simplify import without_dead_code
from .program import Equation, Program, Var
from .rows import EVERYWHERE, PARTIAL, MixedRowsError, Rows, located

SHAPED: set[Op] = {broadcast_to, reshape, scatter, unslice}  # their setting `shape` is the result's


class Batch(NamedTuple):
    """What is known of a batch of `size` rows in a Program.

    where: for each value that depends on the batch its stride, or PARTIAL. ahead: sums over the
    batch of data alone, as how many targets count; they are computed first, of the whole batch.
    """

    size: int
    where: dict[Var, int]
    ahead: tuple[Var, ...]


def batch_in(program: Program, axes: Sequence[int | None], B: int) -> Batch:
    """The batch in all values of a program.

    axes: for each input of the program its batch axis, None for one that has none.
    Raises: MixedRowsError where an equation mixes rows.
    """
    where: dict[Var, int] = {}
    for x, axis in zip(program.inputs, axes, strict=True):
        if axis is not None:
            where[x] = math.prod(x.shape[axis % len(x.shape) + 1 :])
    for var, array in program.constants:
        if _is_constant(array, B):
            where[var] = EVERYWHERE
    rows, ahead = Rows(B, where), []
    learning = {var for var, _ in program.leaves}
    for equation in program.equations:
        if not learning.isdisjoint([x for x in equation.inputs if type(x) is Var]):
            learning.add(equation.output)
        rows.follow(equation)
        if where.get(equation.output) == PARTIAL and equation.output not in learning:
            ahead.append(equation.output)
            del where[equation.output]
    for var in program.outputs[len(program.outputs) - len(program.gradients) :]:
        if where.get(var) not in (PARTIAL, None):  # None: it is the same in every block
            raise MixedRowsError("a gradient is no sum over the batch")
    return Batch(B, where, tuple(ahead))


def block_program(program: Program, batch: Batch, size: int) -> Program:
    """The Program for so many rows of the batch; what is computed ahead are further inputs."""
    where, B = batch.where, batch.size
    new: dict[Any, Any] = {}

    def shaped(var: Var) -> tuple[int, ...]:
        stride = where.get(var)
        if stride is None or stride < 0:
            return var.shape
        axis, outer, inner = located(var.shape, stride, B)
        return (*var.shape[:axis], outer * size * inner, *var.shape[axis + 1 :])

    def fresh(var: Var) -> Var:
        smaller = new[var] = Var(shaped(var), var.dtype, var.name)
        return smaller

    inputs = tuple([fresh(x) for x in (*program.inputs, *batch.ahead)])
    constants = []
    for var, array in program.constants:
        smaller = array[tuple([slice(n) for n in shaped(var)])]
        constants.append((fresh(var), np.array(smaller, order="C")))
    equations = []
    for op, given, settings, output, scope in program.equations:
        if output in batch.ahead:
            continue
        shape = shaped(output)
        if op in SHAPED:
            settings = {**settings, "shape": shape}
        given = tuple([new.get(x, x) if type(x) is Var else x for x in given])
        equations.append(Equation(op, given, settings, fresh(output), scope))
    outputs = tuple([new.get(var, var) for var in program.outputs])
    return replace(
        program,
        equations=tuple(equations),
        inputs=inputs,
        constants=tuple(constants),
        outputs=outputs,
    )


def precomputed_program(program: Program, batch: Batch) -> Program:
    """The Program of what is computed ahead, of the whole batch."""
    return without_dead_code(replace(program, outputs=batch.ahead, gradients=()))


def _is_constant(array: Array, B: int) -> bool:
    """Whether all entries are equal, and there may be a batch in it."""
    return B in array.shape and array.size > 1 and bool((array == array.flat[0]).all())
