"""gates: the sigmoids and tanhs of all parts of an array, as of a cell's gates, as one tanh.

σ(x) = (1 + tanh(x/2)) / 2, so one tanh of the array, with the columns of sigmoids halved before,
gives all: as a row of halves and ones, and one of halves and zeros, after it. Right to a rounding
of 1, that is: where the logarithm of a small σ is taken, or something divided by it, it stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...ops import (
    add,
    broadcast_to,
    divide,
    log,
    matmul,
    multiply,
    negative,
    positive,
    power,
    reciprocal,
    reshape,
    sigmoid,
    sqrt,
    square,
    stack,
    sum,
    tanh,
    transpose,
    where,
)
from ...ops.op import Array, Op
from ...ops.parts import concatenate, gather, getitem_
from ...ops.shape import cast
from ..program import Equation, Program, Var

STEEP = {log, power, reciprocal, sqrt}  # at 0, where a rounding of 1 is too much
LINEAR = {add, broadcast_to, cast, concatenate, gather, getitem_, matmul, multiply, negative}
LINEAR |= {positive, reshape, square, stack, sum, transpose, where}  # or as good as that, at 0


def gated(program: Program) -> Program:
    """With one tanh for each array whose parts are under sigmoids and tanhs, all of them."""
    parts: dict[Var, list[Equation]] = {}
    makers = {e.output: e for e in program.equations if e.op is getitem_}
    for equation in program.equations:
        part = makers.get(equation.inputs[0]) if equation.op in (sigmoid, tanh) else None
        if part is not None:
            parts.setdefault(part.inputs[0], []).append(equation)
    columns = {x: _columns(x, several, makers) for x, several in parts.items()}
    exact = _exact(program) if any(columns.values()) else set()
    gates = {
        e.output: x
        for x, c in columns.items()
        if c is not None and exact.isdisjoint([e.output for e in parts[x] if e.op is sigmoid])
        for e in parts[x]
    }
    if not gates:
        return program
    constants: dict[Any, Var] = {}
    arrays: dict[Var, Array] = {}
    equations: list[Equation] = []
    wholes: dict[Var, Var] = {}
    for equation in program.equations:
        x = gates.get(equation.output)
        if x is None:
            equations.append(equation)
            continue
        if x not in wholes:
            scale, shift = _scale_and_shift(x, columns[x], constants, arrays)
            equations += (new := list(_as_tanh(x, scale, shift, equation.scope)))
            wholes[x] = new[-1].output
        index = makers[equation.inputs[0]].settings
        equations.append(Equation(getitem_, (wholes[x],), index, equation.output, equation.scope))
    constant = (*program.constants, *arrays.items())
    return replace(program, equations=tuple(equations), constants=constant)


def _exact(program: Program) -> set[Var]:
    """What must be right to all digits also where it is small: it is divided by, for instance."""
    exact: set[Var] = set()
    for op, inputs, _, output, _ in reversed(program.equations):
        if op is divide and output not in exact:
            inputs = inputs[1:]
        elif op is not divide and op not in STEEP and not (op in LINEAR and output in exact):
            continue
        exact.update([x for x in inputs if type(x) is Var])
    return exact


def _columns(x: Var, several: list[Equation], makers: dict[Var, Equation]) -> Any:
    """For each column of x whether it is under a sigmoid; None unless there are both kinds.

    And unless all of it is under one of the two, and no entry under both.
    """
    if not x.shape or not x.size or x.dtype.kind != "f":
        return None
    under: dict[Op, Array] = {op: np.zeros(x.shape, bool) for op in (sigmoid, tanh)}
    for equation in several:
        under[equation.op][makers[equation.inputs[0]].settings["index"]] = True
    columns = under[sigmoid].reshape(-1, x.shape[-1])
    apart = (under[sigmoid] != under[tanh]).all() and under[sigmoid].any() and under[tanh].any()
    if not apart or (columns != columns[0]).any():
        return None
    return tuple(columns[0].tolist())


def _scale_and_shift(
    x: Var, columns: tuple[bool, ...], constants: dict[Any, Var], arrays: dict[Var, Array]
) -> tuple[Var, Var]:
    """The constants: a half for each column under a sigmoid and 1 for others; a half and 0."""
    found = []
    for other in (1.0, 0.0):
        key = (columns, x.dtype, other)
        if key not in constants:
            row = np.where(columns, 0.5, other).astype(x.dtype)
            constants[key] = Var(row.shape, row.dtype)
            arrays[constants[key]] = row
        found.append(constants[key])
    return found[0], found[1]


def _as_tanh(x: Var, scale: Var, shift: Var, scope: tuple[str, ...]) -> Iterator[Equation]:
    halved, curve, scaled, gates = (Var(x.shape, x.dtype) for _ in range(4))
    yield Equation(multiply, (x, scale), {}, halved, scope)
    yield Equation(tanh, (halved,), {}, curve, scope)
    yield Equation(multiply, (curve, scale), {}, scaled, scope)
    yield Equation(add, (scaled, shift), {}, gates, scope)
