"""layout: where each value of a Program lies, so that stacks and parts need no copies.

A value that a stack is made of is computed right where the stack has it. Values that several
stacks want next to each other make one row of places, and each stack is a part of it. A part of an
array that is put together from parts is computed in its place there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..ops import matmul, positive, reshape, stack, transpose
from ..ops.parts import getitem_, unslice
from ..ops.shape import checked_
from .program import Equation, Program, Var

MANY_ROWS, MANY_PRODUCTS = 2, 8  # from which on a copy of a transposed matrix pays
ALIASES = {getitem_, reshape, transpose, checked_}


class Contiguous:
    """Values of one shape that lie next to each other."""

    __slots__ = ("members",)

    def __init__(self, members: list[Var]) -> None:
        self.members = members

    @property
    def nbytes(self) -> int:
        """The bytes of all."""
        return len(self.members) * self.members[0].nbytes


class Layout:
    """rows: for a Var its row and its place there. inside: the whole that it is a part of, where.

    joins: for a stack that costs nothing, the first of its members.
    """

    def __init__(self, program: Program) -> None:
        self.rows: dict[Var, tuple[Contiguous, int]] = {}
        self.inside: dict[Var, tuple[Var, Any]] = {}
        self.joins: dict[Var, Var] = {}
        for row in _contiguous(program):
            for k, var in enumerate(row.members):
                self.rows[var] = (row, k)
        for equation in program.equations:
            if is_join(equation) and self._in_a_row(equation.inputs):
                self.joins[equation.output] = equation.inputs[0]
        self._put_parts(program)

    def _in_a_row(self, inputs: Sequence[Var]) -> bool:
        if any(x not in self.rows for x in inputs):
            return False
        first, start = self.rows[inputs[0]]
        return all(self.rows[x] == (first, start + k) for k, x in enumerate(inputs))

    def _put_parts(self, program: Program) -> None:
        """Parts that fill an array are computed in their places there, if they have no other."""
        elsewhere = set(program.known()) | set(self.joins)
        elsewhere |= {e.output for e in program.equations if e.op in ALIASES}
        for equation in reversed(program.equations):
            if covers(equation):
                whole, indices = equation.output, equation.settings["indices"]
                for x, index in zip(equation.inputs, indices, strict=True):
                    homeless = x not in elsewhere and x not in self.rows and x not in self.inside
                    if homeless and x.dtype == whole.dtype:
                        self.inside[x] = (whole, index)


def is_join(equation: Equation) -> bool:
    """Whether it stacks several values of one shape and dtype along a new first axis."""
    op, inputs, settings, output, _ = equation
    return (
        op is stack
        and settings["axis"] == 0
        and len(inputs) > 1
        and all(type(x) is Var and x.dtype == output.dtype for x in inputs)
        and len(set(inputs)) == len(inputs)
    )


def with_members_copied(program: Program) -> Program:
    """With copies of the few members of stacks that cannot be computed in place: inputs, views."""
    elsewhere = set(program.known())
    equations: list[Equation] = []
    copies: dict[Var, Var] = {}
    for equation in program.equations:
        if equation.op in ALIASES:
            elsewhere.add(equation.output)
        if is_join(equation):
            outside = [x for x in equation.inputs if x in elsewhere]
            if outside and 4 * len(outside) <= len(equation.inputs):
                for x in outside:
                    if x not in copies:
                        copies[x] = Var(x.shape, x.dtype)
                        equations.append(Equation(positive, (x,), {}, copies[x]))
                inputs = tuple([copies.get(x, x) for x in equation.inputs])
                equation = equation._replace(inputs=inputs)
        equations.append(equation)
    return replace(program, equations=tuple(equations))


def with_transposes_copied(program: Program) -> Program:
    """With copies of transposed matrices that many products of several rows have to the right.

    A product reads such a matrix faster where its rows lie in a row.
    """
    readers: dict[Var, int] = {}
    for op, inputs, _, _, _ in program.equations:
        if op is matmul and len(inputs[0].shape) == 2 and inputs[0].shape[0] >= MANY_ROWS:
            readers[inputs[1]] = readers.get(inputs[1], 0) + 1
    copies: dict[Var, Var] = {}
    equations: list[Equation] = []
    for equation in program.equations:
        op, inputs, settings, output, scope = equation
        if op is matmul and inputs[1] in copies and inputs[0].shape[0] >= MANY_ROWS:
            equation = Equation(op, (inputs[0], copies[inputs[1]]), settings, output, scope)
        equations.append(equation)
        if op is transpose and len(output.shape) == 2 and readers.get(output, 0) >= MANY_PRODUCTS:
            copies[output] = Var(output.shape, output.dtype)
            equations.append(Equation(positive, (output,), {}, copies[output]))
    return replace(program, equations=tuple(equations))


def _contiguous(program: Program) -> list[Contiguous]:
    """Which values lie next to each other: as many neighbours of stacks as go together."""
    elsewhere = set(program.known())
    elsewhere |= {e.output for e in program.equations if e.op in ALIASES or is_join(e)}
    following: dict[Var, Var] = {}
    before: dict[Var, Var] = {}
    for equation in program.equations:
        inputs = equation.inputs
        if not is_join(equation) or not elsewhere.isdisjoint(inputs):
            continue
        if _agree(inputs, following, before):
            for a, b in pairwise(inputs):
                following[a], before[b] = b, a
    found = []
    for var in following:
        if var not in before:
            members = [var]
            while members[-1] in following:
                members.append(following[members[-1]])
            found.append(Contiguous(members))
    return found


def _agree(inputs: Sequence[Var], following: dict[Var, Var], before: dict[Var, Var]) -> bool:
    """Whether the values can lie in this order, given the neighbours that there are."""
    for a, b in pairwise(inputs):
        if following.get(a, b) is not b or before.get(b, a) is not a:
            return False
    last, members = inputs[-1], set(inputs[:-1])
    while last in following:  # would a ring come about, where the last leads to the first?
        last = following[last]
        if last in members:
            return False
    return True


def covers(equation: Equation) -> bool:
    """Whether it puts an array together from parts that fill it, each place once."""
    op, inputs, settings, output, _ = equation
    if op is not unslice or len(inputs) < 2 or any(type(x) is not Var for x in inputs):
        return False
    if sum(x.size for x in inputs) != output.size:
        return False
    return _fills(output.shape, settings["indices"])


def _fills(shape: tuple[int, ...], indices: Sequence[Any]) -> bool:
    filled = np.zeros(shape, np.int8)
    for index in indices:
        filled[index] += 1
    return bool((filled == 1).all())
