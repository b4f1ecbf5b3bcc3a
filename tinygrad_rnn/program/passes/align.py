"""align: sums whose terms may come in any order take them as they lie in memory.

A sum of products, [a_1 a_2 ...] [b_1; b_2; ...], and the sum of a stack are the same in any order;
in that of stacks that there are already their operands need not be copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ops import matmul, reshape, stack, sum, transpose
from ...ops.parts import getitem_
from ..program import Equation, Program, Var
from .simplify import normalized_axes

Path = list[Equation]  # a stack, and the views of it, each of the one before


def aligned(program: Program) -> Program:
    """With the stacks under sums in the order of other stacks, of which they have the members."""
    makers = {equation.output: equation for equation in program.equations}
    found = {e.output: paths for e in program.equations if (paths := _summed_stacks(e, makers))}
    if not found:
        return program
    place = _places(program, _loose(program, found))
    order = {equation.output: k for k, equation in enumerate(program.equations)}
    equations: list[Equation] = []
    for equation in program.equations:
        paths = found.get(equation.output)
        if paths is None:
            equations.append(equation)
            continue
        permutation = _permutation([path[0] for path in paths], place, order)
        inputs = []
        for path in paths:
            equations += (again := list(_again(path, permutation)))
            inputs.append(again[-1].output)
        equations.append(equation._replace(inputs=tuple(inputs)))
    return replace(program, equations=tuple(equations))


def _summed_stacks(equation: Equation, makers: dict[Var, Equation]) -> list[Path] | None:
    """The stack, or the two of a product, whose members are added up; None where there is none."""
    op, inputs, settings, output, _ = equation
    if op is sum and normalized_axes(settings["axis"], inputs[0]) in ([0], [0, 1]):
        path = _path(inputs[0], makers)
        whole = (
            path
            and not any(e.op is transpose for e in path)
            and _rows_per_member(path, output.size)
        )
        return [path] if path and whole else None
    if op is not matmul or any(type(x) is not Var or len(x.shape) != 2 for x in inputs):
        return None
    left, right = (_path(x, makers) for x in inputs)
    if not left or not right or left[-1].op is not transpose:
        return None
    transposes = [sum_of.count(transpose) for sum_of in ([e.op for e in p] for p in (left, right))]
    rows = _rows_per_member(left, output.shape[0]), _rows_per_member(right, output.shape[1])
    same = rows[0] and rows[0] == rows[1] and len(left[0].inputs) == len(right[0].inputs)
    return [left, right] if transposes == [1, 0] and same else None


def _rows_per_member(path: Path, width: int) -> int:
    """How many rows of this width each member of the stack has in its view; 0: they are cut."""
    size = path[0].inputs[0].size
    return 0 if not width or size % width else size // width


def _path(x: Var, makers: dict[Var, Equation]) -> Path | None:
    """The way from a stack of matrices to x by reshapes and transposes alone."""
    path: Path = []
    equation = makers.get(x)
    while equation is not None and equation.op in (transpose, reshape):
        path.insert(0, equation)
        equation = makers.get(equation.inputs[0])
    if equation is None or equation.op is not stack or len(equation.output.shape) != 3:
        return None
    return [equation, *path] if equation.settings["axis"] == 0 else None


def _loose(program: Program, found: dict[Var, list[Path]]) -> set[Var]:
    """The stacks that only sums read, in whose order nothing depends on it."""
    views = {e.output for paths in found.values() for path in paths for e in path}
    fixed = set(program.outputs)
    for equation in program.equations:
        if equation.output not in found and equation.output not in views:
            fixed.update([x for x in equation.inputs if type(x) is Var])
    return {
        path[0].output
        for paths in found.values()
        for path in paths
        if fixed.isdisjoint([e.output for e in path])
    }


def _places(program: Program, loose: set[Var]) -> dict[Var, tuple[int, int]]:
    """For the members of a stack that is in order: which stack, and where in it."""
    place: dict[Var, tuple[int, int]] = {}
    for k, (op, inputs, settings, output, _) in enumerate(program.equations):
        if op is stack and output not in loose and settings["axis"] == 0:
            for j, x in enumerate(inputs):
                place.setdefault(x, (k, j))
        elif op is getitem_ and type(settings["index"]) is int:
            place.setdefault(output, (-id(inputs[0]), settings["index"]))
    return place


def _permutation(
    several: list[Equation], place: dict[Var, tuple[int, int]], order: dict[Var, int]
) -> list[int]:
    """The order of the stack whose members are in another one; else that of their computation."""
    indices = range(len(several[0].inputs))
    for stacked in several:
        found = [place.get(x, (0, -1)) for x in stacked.inputs]
        if len({p[0] for p in found}) == 1 and found[0][1] >= 0:
            return sorted(indices, key=lambda k: found[k])
    earliest = min(several, key=lambda s: max(order.get(x, -1) for x in s.inputs))
    return sorted(indices, key=lambda k: order.get(earliest.inputs[k], -1))


def _again(path: Path, permutation: list[int]) -> Iterator[Equation]:
    """The stack in another order, and its views."""
    first, *views = path
    x = Var(first.output.shape, first.output.dtype)
    yield first._replace(inputs=tuple([first.inputs[k] for k in permutation]), output=x)
    for view in views:
        y = Var(view.output.shape, view.output.dtype)
        yield view._replace(inputs=(x,), output=y)
        x = y
