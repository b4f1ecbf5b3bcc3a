"""layout: where each value of a Program lies, so that stacks need no copies.

A value that a stack is made of is computed right where the stack has it. Values that several
stacks want next to each other make one chain, and each stack is a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..op import Array
from ..ops import positive, reshape, stack, transpose
from ..ops.parts import _getitem as getitem
from ..ops.parts import concatenate, unslice
from .program import Equation, Program, Var

VIEWS = (getitem, reshape, transpose)


def is_join(equation: Equation) -> bool:
    """Whether it puts values of one shape behind one another along the first axis."""
    op, inputs, settings, output, _ = equation
    shapes = {x.shape for x in inputs if isinstance(x, Var)}
    return (
        op in (stack, concatenate)
        and settings["axis"] == 0
        and len(inputs) > 1
        and len(shapes) == 1
        and all(isinstance(x, Var) and x.dtype == output.dtype for x in inputs)
        and len(output.shape) > 0
    )


def copied(program: Program) -> Program:
    """With copies of the members of stacks that cannot be computed in place: inputs and views."""
    elsewhere = set(program.known())
    equations: list[Equation] = []
    copies: dict[Var, Var] = {}
    for equation in program.equations:
        if equation.op in VIEWS:
            elsewhere.add(equation.output)
        if is_join(equation):
            inputs = []
            for x in equation.inputs:
                if x in elsewhere and x not in copies:
                    copies[x] = Var(x.shape, x.dtype)
                    equations.append(Equation(positive, (x,), {}, copies[x]))
                inputs.append(copies.get(x, x))
            equation = equation._replace(inputs=tuple(inputs))
        equations.append(equation)
    return replace(program, equations=tuple(equations))


def chains(program: Program) -> list[list[Var]]:
    """Which values lie next to each other: as many neighbours of stacks as go together."""
    following: dict[Var, Var] = {}
    before: dict[Var, Var] = {}
    for equation in program.equations:
        if is_join(equation) and _agree(equation.inputs, following, before):
            for a, b in pairwise(equation.inputs):
                following[a], before[b] = b, a
    found = []
    for var in following:
        if var not in before:
            members = [var]
            while members[-1] in following:
                members.append(following[members[-1]])
            found.append(members)
    return found


def _agree(inputs: Sequence[Var], following: dict[Var, Var], before: dict[Var, Var]) -> bool:
    """Whether the values can lie in this order, given the neighbours that there are."""
    if len(set(inputs)) < len(inputs):
        return False
    pairs = list(pairwise(inputs))
    if any(following.get(a, b) is not b or before.get(b, a) is not a for a, b in pairs):
        return False
    return not _closes(inputs, following)


def _closes(inputs: Sequence[Var], following: dict[Var, Var]) -> bool:
    """Whether a ring would come about: the last value leads to the first."""
    var, members = inputs[-1], set(inputs[:-1])
    while var in following:
        var = following[var]
        if var in members:
            return True
    return False


def covers(equation: Equation) -> bool:
    """Whether it puts an array together from parts that fill it, each place once."""
    op, inputs, settings, output, _ = equation
    if op is not unslice or any(not isinstance(x, Var) for x in inputs):
        return False
    filled = np.zeros(output.shape, np.int8)
    for index in settings["indices"]:
        filled[index] += 1
    return bool((filled == 1).all())


def laid_out(program: Program) -> dict[Var, Array]:
    """An array for each value that is part of another; those of a chain are rows of one array."""
    arrays: dict[Var, Array] = {}
    places: dict[Var, tuple[Array, int]] = {}
    for chain in chains(program):
        whole = np.empty((len(chain), *chain[0].shape), chain[0].dtype)
        for k, var in enumerate(chain):
            arrays[var], places[var] = whole[k, ...], (whole, k)
    for equation in program.equations:
        output = equation.output
        if is_join(equation) and all(x in places for x in equation.inputs):
            whole, start = places[equation.inputs[0]]
            rows = [(places[x][0] is whole, places[x][1]) for x in equation.inputs]
            if rows == [(True, start + k) for k in range(len(rows))]:
                arrays[output] = whole[start : start + len(rows)].reshape(output.shape)
    _put_parts(program, arrays)
    return arrays


def _put_parts(program: Program, arrays: dict[Var, Array]) -> None:
    """Parts that fill an array are computed in their places there, if they have no other."""
    elsewhere = set(program.known())
    elsewhere |= {e.output for e in program.equations if e.op in VIEWS}
    for equation in reversed(program.equations):
        if covers(equation):
            output = equation.output
            whole = arrays.setdefault(output, np.empty(output.shape, output.dtype))
            for x, index in zip(equation.inputs, equation.settings["indices"], strict=True):
                if x not in elsewhere and x not in arrays and x.dtype == output.dtype:
                    arrays[x] = whole[index]
