"""widen: a function of several parts of an array, as of the gates of a cell, is taken of all of it.

Entry by entry, also of equal parts of several arrays, where the parts are half of the array or
more: a few wide operations instead of many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ...ops.parts import getitem_
from ..keys import hashable
from ..program import Equation, Program, Var


def widened(program: Program) -> Program:
    """With wide operations, as many times as one leads to another."""
    while (wider := _once(program)) is not program:
        program = wider
    return program


def _once(program: Program) -> Program:
    makers = {e.output: e for e in program.equations if e.op is getitem_}
    groups: dict[Any, list[Equation]] = {}
    for equation in program.equations if makers else ():
        sources = _sources(equation, makers)
        if sources is not None:
            of = tuple([x if type(x) is Var else hashable(x) for x in sources])
            groups.setdefault((equation.op, of), []).append(equation)
    wide: dict[Var, Any] = {}
    for key, members in groups.items():
        whole = next(x for x in key[1] if type(x) is Var)
        if len(members) > 1 and 2 * sum(m.output.size for m in members) >= whole.size:
            wide |= dict.fromkeys((m.output for m in members), key)
    if not wide:
        return program
    return replace(program, equations=tuple(_wide(program.equations, wide, makers)))


def _sources(equation: Equation, makers: dict[Var, Equation]) -> tuple[Any, ...] | None:
    """The arrays of which the inputs are the same part; numbers as they are."""
    op, inputs, settings, output, _ = equation
    if settings or not op.elementwise:
        return None
    found: list[Any] = []
    first = None
    for x in inputs:
        if type(x) is not Var:
            found.append(x)
            continue
        part = makers.get(x)
        if part is None or x.shape != output.shape:
            return None
        first = first or part
        whole = part.inputs[0]
        if part.settings != first.settings or whole.shape != first.inputs[0].shape:
            return None
        found.append(whole)
    proper = first is not None and len(first.inputs[0].shape) == len(output.shape)
    return tuple(found) if proper else None


def _wide(
    equations: Iterable[Equation], wide: dict[Var, Any], makers: dict[Var, Equation]
) -> Iterator[Equation]:
    """Each group's function of the whole arrays, and its results as parts of that."""
    wholes: dict[Any, Var] = {}
    for equation in equations:
        key = wide.get(equation.output)
        if key is None:
            yield equation
            continue
        if key not in wholes:
            sources = _sources(equation, makers) or ()
            shape = next(x.shape for x in sources if type(x) is Var)
            wholes[key] = Var(shape, equation.output.dtype)
            yield Equation(equation.op, sources, {}, wholes[key], equation.scope)
        index = next(makers[x].settings for x in equation.inputs if type(x) is Var)
        yield Equation(getitem_, (wholes[key],), index, equation.output, equation.scope)
