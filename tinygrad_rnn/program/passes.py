"""Passes: each makes of a Program another one that computes the same with less work.

What they find, they find from the equations alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..ops import add, addmm, matmul, reshape, stack, transpose
from ..ops.parts import _getitem as getitem
from ..ops.parts import concatenate, unslice
from .program import Equation, Program, Var

Pass = Callable[[Program], Program]
FEWEST = 8  # equations that are worth to be made one: more than a step of a usual cell has


def dead(program: Program) -> Program:
    """Without equations whose outputs nobody reads."""
    live, kept = set(program.outputs), []
    for equation in reversed(program.equations):
        if equation.output in live:
            kept.append(equation)
            live.update(x for x in equation.inputs if isinstance(x, Var))
    return replace(program, equations=tuple(reversed(kept)))


def common(program: Program) -> Program:
    """Equal equations once."""
    seen: dict[Any, Var] = {}
    instead: dict[Var, Var] = {}
    kept = []
    for equation in _renamed(program.equations, instead):
        key = _key(equation)
        if key in seen:
            instead[equation.output] = seen[key]
        else:
            seen[key] = equation.output
            kept.append(equation)
    return _with_outputs(program, kept, instead)


def _key(equation: Equation) -> Any:
    """What two equations have in common that compute the same."""
    op, inputs, settings, _, _ = equation
    given = tuple([x if type(x) is Var else repr(x) for x in inputs])  # 0.0 is not -0.0
    items = tuple(settings.items())
    try:
        hash(items)
    except TypeError:  # slices, before Python 3.12
        return op, given, repr(items)
    return op, given, items


def _renamed(equations: Iterable[Equation], instead: dict[Var, Var]) -> Iterable[Equation]:
    """The equations, reading other Vars instead; `instead` may grow meanwhile."""
    for equation in equations:
        inputs = tuple(instead.get(x, x) if isinstance(x, Var) else x for x in equation.inputs)
        yield equation._replace(inputs=inputs)


def _with_outputs(program: Program, kept: list[Equation], instead: dict[Var, Var]) -> Program:
    outputs = tuple(instead.get(var, var) for var in program.outputs)
    return replace(program, equations=tuple(kept), outputs=outputs)


def opened(program: Program) -> Program:
    """c + a @ b as a product and a sum, each of which can be written into a buffer."""
    equations: list[Equation] = []
    for equation in program.equations:
        if equation.op is not addmm:
            equations.append(equation)
            continue
        c, a, b = equation.inputs
        product = Var(equation.output.shape, equation.output.dtype)
        equations.append(equation._replace(op=matmul, inputs=(a, b), output=product))
        equations.append(equation._replace(op=add, inputs=(product, c)))
    return replace(program, equations=tuple(equations))


def folded(program: Program) -> Program:
    """Without transposes of transposes, copies, and stacks of all parts of an array."""
    makers: dict[Var, Equation] = {}
    instead: dict[Var, Var] = {}
    kept = []
    for equation in _renamed(program.equations, instead):
        same = _same(equation, makers)
        if same is not None:
            instead[equation.output] = same
            continue
        equation = _simpler(equation)
        makers[equation.output] = equation
        kept.append(equation)
    return _with_outputs(program, kept, instead)


def _same(equation: Equation, makers: dict[Var, Equation]) -> Var | None:
    """An earlier value that this one is equal to."""
    op, inputs, settings, output, _ = equation
    first = inputs[0] if inputs and isinstance(inputs[0], Var) else None
    if first is None:
        return None
    maker = makers.get(first)
    if op is transpose and maker and maker.op is transpose:
        both_reversed = settings["axes"] is None and maker.settings["axes"] is None
        return maker.inputs[0] if both_reversed else None
    if op.name in ("positive", "cast", "reshape") and (first.shape, first.dtype) == (
        output.shape,
        output.dtype,
    ):
        return first
    if op is stack and settings["axis"] == 0:
        parts = [makers.get(x) for x in inputs]
        whole = parts[0].inputs[0] if parts[0] else None
        every = all(
            p and p.op is getitem and p.inputs[0] is whole and p.settings["index"] == k
            for k, p in enumerate(parts)
        )
        return whole if whole is not None and every and whole.shape == output.shape else None
    return None


def _simpler(equation: Equation) -> Equation:
    """A sequence that is put together from all its steps is a stack."""
    op, inputs, settings, output, _ = equation
    if op is unslice and len(inputs) == (output.shape or (0,))[0]:
        indices = settings["indices"]
        if set(map(type, indices)) == {int} and set(indices) == set(range(len(inputs))):
            steps = dict(zip(indices, inputs, strict=True))
            ordered = tuple(steps[t] for t in range(len(inputs)))
            return equation._replace(op=stack, inputs=ordered, settings={"axis": 0})
    return equation


def widened(program: Program) -> Program:
    """A function of several parts of an array, as the gates of a cell, is taken of all of it.

    Entry by entry, also of equal parts of several arrays, where the parts are half of the array or
    more: a few wide operations instead of many.
    """
    makers = {equation.output: equation for equation in program.equations}
    groups: dict[Any, list[Equation]] = {}
    for equation in program.equations:
        sources = _sources(equation, makers)
        if sources is not None:
            groups.setdefault((equation.op, sources), []).append(equation)
    wide: dict[Var, tuple[Any, ...]] = {}
    for (op, sources), members in groups.items():
        whole = next(x for x in sources if isinstance(x, Var))
        if len(members) > 1 and 2 * sum(_size(m.output) for m in members) >= _size(whole):
            wide |= dict.fromkeys((m.output for m in members), (op, sources))
    return replace(program, equations=tuple(_wide(program.equations, wide, makers)))


def _sources(equation: Equation, makers: dict[Var, Equation]) -> tuple[Any, ...] | None:
    """The arrays of which the inputs are the same part; numbers as they are."""
    op, inputs, settings, output, _ = equation
    parts = [makers.get(x) for x in inputs if isinstance(x, Var)]
    if settings or not op.elementwise or not parts:
        return None
    if any(p is None or p.op is not getitem or p.output.shape != output.shape for p in parts):
        return None
    first = parts[0]
    same = all(p and first and p.settings == first.settings for p in parts)
    shapes = {p.inputs[0].shape for p in parts if p}
    if not same or len(shapes) > 1 or len(*shapes) != len(output.shape):
        return None
    return tuple(makers[x].inputs[0] if isinstance(x, Var) else x for x in inputs)


def _size(var: Var) -> int:
    return math.prod(var.shape)


def _wide(
    equations: Iterable[Equation], wide: dict[Var, Any], makers: dict[Var, Equation]
) -> Iterable[Equation]:
    """Each group's function of the whole arrays, and its results as parts of that."""
    wholes: dict[Any, Var] = {}
    for equation in equations:
        key = wide.get(equation.output)
        if key is None:
            yield equation
            continue
        _, sources = key
        if key not in wholes:
            shape = next(x.shape for x in sources if isinstance(x, Var))
            wholes[key] = Var(shape, equation.output.dtype)
            yield equation._replace(inputs=sources, output=wholes[key])
        index = next(makers[x].settings for x in equation.inputs if isinstance(x, Var))
        yield equation._replace(op=getitem, inputs=(wholes[key],), settings=index)


def batched(program: Program) -> Program:
    """Equal operations on values that are all there already are one on their stack.

    Entry by entry, or products with the same right operand.
    """
    place = dict.fromkeys(program.known(), -1)
    place |= {equation.output: k for k, equation in enumerate(program.equations)}
    makers = {equation.output: equation for equation in program.equations}
    groups: dict[Any, list[int]] = {}
    for k, equation in enumerate(program.equations):
        signature = _signature(equation, makers)
        if signature is not None:
            groups.setdefault(signature, []).append(k)
    together: dict[int, list[int]] = {}
    for members in groups.values():
        ready = [max(_places(program.equations[k], place), default=-1) for k in members]
        for first, several in _at_once(members, ready):
            order = [(min(_places(program.equations[k], place)), k) for k in several]
            together[first] = [k for _, k in sorted(order)]
    return replace(program, equations=tuple(_merged(program.equations, together)))


def _places(equation: Equation, place: dict[Var, int]) -> list[int]:
    """Where the operands are computed."""
    return [place[x] for x in equation.inputs if isinstance(x, Var)]


def _at_once(members: list[int], ready: list[int]) -> Iterable[tuple[int, list[int]]]:
    """The groups that can be computed at the place of their first member.

    members: where equal equations stand, rising; ready: where the last operand of each is.
    """
    waiting = sorted(zip(ready, members, strict=True), reverse=True)
    open_now: set[int] = set()
    done: set[int] = set()
    for member in members:
        while waiting and waiting[-1][0] < member:
            open_now.add(waiting.pop()[1])
        if member in done:
            continue
        if len(open_now) >= FEWEST:
            yield member, sorted(open_now)
            done |= open_now
            open_now.clear()
        else:
            open_now.discard(member)


def _signature(equation: Equation, makers: dict[Var, Equation]) -> Any:
    """What equations share that can be one; None for one that cannot.

    Operands that are computed may differ, if the same operations computed them; others are shared.
    """
    op, inputs, settings, output, _ = equation
    if settings or not output.shape:
        return None
    if op is matmul:
        a, b = inputs
        two = isinstance(a, Var) and isinstance(b, Var) and len(a.shape) == len(b.shape) == 2
        return (op, a.shape, b) if two else None
    if not op.elementwise or not inputs:
        return None
    pattern = tuple(
        (makers[x].op, inputs.index(x)) if _varies(x, output, makers) else x for x in inputs
    )
    return (op, output.shape, output.dtype, pattern) if pattern != inputs else None


def _varies(x: Any, output: Var, makers: dict[Var, Equation]) -> bool:
    return isinstance(x, Var) and x in makers and x.shape == output.shape


def _merged(equations: tuple[Equation, ...], together: dict[int, list[int]]) -> Iterable[Equation]:
    gone = {k for members in together.values() for k in members}
    for k, equation in enumerate(equations):
        if k in together:
            yield from _as_one([equations[j] for j in together[k]])
        elif k not in gone:
            yield equation


def _as_one(members: list[Equation]) -> Iterable[Equation]:
    """Stack the operands, compute once, take the parts."""
    first, T = members[0], len(members)
    if first.op is matmul:
        yield from _one_product(members)
        return
    inputs = []
    for column in zip(*(m.inputs for m in members), strict=True):
        if len(set(column)) > 1:
            stacked = Var((T, *first.output.shape), column[0].dtype)
            yield Equation(stack, column, {"axis": 0}, stacked)
            inputs.append(stacked)
        else:
            inputs.append(column[0])
    whole = Var((T, *first.output.shape), first.output.dtype)
    yield first._replace(inputs=tuple(inputs), output=whole)
    for k, member in enumerate(members):
        yield Equation(getitem, (whole,), {"index": k}, member.output, member.scope)


def _one_product(members: list[Equation]) -> Iterable[Equation]:
    """[a_1; a_2; ...] b instead of a_1 b, a_2 b, ..."""
    first, T = members[0], len(members)
    (rows, k), (_, m) = first.inputs[0].shape, first.inputs[1].shape
    stacked = Var((T, rows, k), first.inputs[0].dtype)
    yield Equation(stack, tuple(member.inputs[0] for member in members), {"axis": 0}, stacked)
    flat = Var((T * rows, k), stacked.dtype)
    yield Equation(reshape, (stacked,), {"shape": flat.shape}, flat)
    product = Var((T * rows, m), first.output.dtype)
    yield first._replace(inputs=(flat, first.inputs[1]), output=product)
    whole = Var((T, rows, m), product.dtype)
    yield Equation(reshape, (product,), {"shape": whole.shape}, whole)
    for t, member in enumerate(members):
        yield Equation(getitem, (whole,), {"index": t}, member.output, member.scope)


def aligned(program: Program) -> Program:
    """Sums of products, a_1 b_1 + a_2 b_2 + ..., in the order in which the operands came about.

    They are [a_1 a_2 ...] [b_1; b_2; ...], and any order gives the sum; in this one they lie in
    stacks that there are already. The operands that are there first decide.
    """
    place = dict.fromkeys(program.known(), -1)
    place |= {equation.output: k for k, equation in enumerate(program.equations)}
    makers = {equation.output: equation for equation in program.equations}
    new: dict[Var, Equation] = {}
    for equation in program.equations:
        pair = _joined(equation, makers)
        if pair is None:
            continue
        earlier = min(pair, key=lambda join: max(place[x] for x in join.inputs)).inputs
        order = sorted(range(len(earlier)), key=lambda k: place[earlier[k]])
        for joined in pair:
            inputs = tuple(joined.inputs[k] for k in order)
            new[joined.output] = joined._replace(inputs=inputs)
    return replace(program, equations=tuple(new.get(e.output, e) for e in program.equations))


def _joined(equation: Equation, makers: dict[Var, Equation]) -> tuple[Equation, Equation] | None:
    """The two joins of a sum of products."""
    if equation.op is not matmul:
        return None
    left, right = (makers.get(x) for x in equation.inputs)
    if left and left.op is transpose:
        left = makers.get(left.inputs[0])
    elif right and right.op is transpose:
        right = makers.get(right.inputs[0])
    if not (left and right and left.op is right.op is concatenate):
        return None
    same = [x.shape[0] for x in left.inputs] == [x.shape[0] for x in right.inputs]
    return (left, right) if same else None


PASSES: tuple[Pass, ...] = (
    dead, common, opened, folded, common, widened, widened, widened, batched, folded, batched,
    folded, common, aligned, dead,
)  # fmt: skip


def improved(program: Program) -> Program:
    """The program after all passes."""
    for one in PASSES:
        program = one(program)
    return program.check()
