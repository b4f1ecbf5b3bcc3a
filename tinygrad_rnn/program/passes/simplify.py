"""simplify: equal equations once, views of views as one, what nobody reads not at all.

Each rule of `RULES` looks at one equation, and at those that made its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...ops import divide, multiply, reshape, stack, sum, transpose
from ...ops.elementwise import positive
from ...ops.op import Array, Op
from ...ops.parts import concatenate, getitem_, unslice
from ...ops.shape import broadcast_to, cast, checked_
from ..keys import hashable as hashable
from ..keys import settings_key
from ..program import Equation, Program, Var

Simpler = Any  # a Var of the same value, a simpler Equation, or None
LARGEST_FOLDED = 2**16  # entries of a constant that is worth computing ahead


def simplified(program: Program) -> Program:
    """Without repetitions, detours, and what no output needs."""
    known = _Known(program)
    for equation in program.equations:
        known.add(equation)
    constants = tuple((var, array) for var, array in known.constants.items())
    outputs = tuple(known.instead.get(var, var) for var in program.outputs)
    result = replace(
        program, equations=tuple(known.equations), constants=constants, outputs=outputs
    )
    return without_dead_code(result)


def without_dead_code(program: Program) -> Program:
    """Without equations whose outputs nobody reads."""
    needed, kept = set(program.outputs), []
    for equation in reversed(program.equations):
        if equation.output in needed:
            kept.append(equation)
            needed.update([x for x in equation.inputs if type(x) is Var])
    return replace(program, equations=tuple(reversed(kept)))


class _Known:
    """What has been computed up to an equation.

    instead: for a Var another one of the same value. makers: the equation that computes a Var.
    """

    __slots__ = ("constants", "equations", "instead", "makers", "seen")

    def __init__(self, program: Program) -> None:
        self.constants: dict[Var, Array] = dict(program.constants)
        self.equations: list[Equation] = []
        self.instead: dict[Var, Var] = {}
        self.makers: dict[Var, Equation] = {}
        self.seen: dict[Any, Var] = {}

    def add(self, equation: Equation) -> Var:
        """Takes the equation in, or what is simpler; the Var that has its value."""
        op, inputs, settings, output, scope = equation
        if self.instead:
            inputs = tuple([self.instead.get(x, x) if type(x) is Var else x for x in inputs])
            equation = Equation(op, inputs, settings, output, scope)
        rule = RULES.get(op)
        if rule is not None:
            simpler = rule(equation, self)
            while isinstance(simpler, Equation):
                equation = simpler
                rule = RULES.get(equation.op)
                simpler = None if rule is None else rule(equation, self)
            if simpler is not None and _is_like(simpler, output):
                self.instead[output] = simpler
                found: Var = simpler
                return found
        same = self._common_subexpression(equation) or self._folded(equation)
        if same is not None:
            self.instead[output] = same
            return same
        self.makers[output] = equation
        self.equations.append(equation)
        return output

    def made(self, op: Op, inputs: tuple[Any, ...], settings: dict[str, Any], like: Var) -> Var:
        """A new value of `like`'s dtype; its shape is the op's."""
        hollow = [np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in inputs]
        result = op.forward(*hollow, **settings)
        return self.add(Equation(op, inputs, settings, Var(result.shape, like.dtype)))

    def maker(self, x: Any, op: Op) -> Equation | None:
        """The equation that computes x, if it is one of this op."""
        found = self.makers.get(x) if type(x) is Var else None
        return found if found is not None and found.op is op else None

    def _common_subexpression(self, equation: Equation) -> Var | None:
        """What an equation like this one computed before; now it is this one."""
        op, inputs, settings, output, _ = equation
        given = tuple([x if type(x) is Var else hashable(x) for x in inputs])
        key = (op, given, settings_key(settings)) if settings else (op, given)
        found = self.seen.setdefault(key, output)
        return None if found is output else found

    def _folded(self, equation: Equation) -> Var | None:
        """The equation's value where all inputs are constants."""
        op, inputs, settings, output, _ = equation
        if op is checked_:
            return None
        for x in inputs:
            if type(x) is Var and x not in self.constants:
                return None
        if output.size > LARGEST_FOLDED:
            return None
        arrays = [self.constants[x] if type(x) is Var else x for x in inputs]
        with np.errstate(all="ignore"):
            self.constants[output] = np.array(op.forward(*arrays, **settings), output.dtype)
        return output


def _is_like(x: Any, output: Var) -> bool:
    """Whether x can stand for the output: a number cannot, nor another shape or dtype."""
    return type(x) is Var and (x.shape, x.dtype) == (output.shape, output.dtype)


def _identity(equation: Equation, _: _Known) -> Simpler:
    """The input, where shape and dtype stay."""
    x = equation.inputs[0]
    return x if _is_like(x, equation.output) else None


def _reshape(equation: Equation, known: _Known) -> Simpler:
    """A reshape of a reshape is one; one that drops axes of size 1 of a sum is part of the sum."""
    (x,), output = equation.inputs, equation.output
    inner = known.maker(x, reshape)
    if inner is not None:
        return equation._replace(inputs=inner.inputs, settings={"shape": output.shape})
    broadcast = known.maker(x, broadcast_to)
    if broadcast is not None and not broadcast.inputs[0].shape:
        settings = {"shape": output.shape}
        return Equation(broadcast_to, broadcast.inputs, settings, output, equation.scope)
    total = known.maker(x, sum)
    if total is not None and output.shape == tuple([n for n in x.shape if n != 1]):
        whole = total.inputs[0]
        summed = normalized_axes(total.settings["axis"], whole)
        axes = tuple([k for k, n in enumerate(whole.shape) if k in summed or n == 1])
        return Equation(sum, (whole,), {"axis": axes, "keepdims": False}, output, equation.scope)
    return _identity(equation, known)


def _transpose(equation: Equation, known: _Known) -> Simpler:
    """A transpose of a transpose is one, or none."""
    (x,), axes = equation.inputs, _axes(equation)
    inner = known.maker(x, transpose)
    if inner is not None:
        before = _axes(inner)
        axes = tuple(before[k] for k in axes)
        if axes == tuple(range(len(axes))):
            return inner.inputs[0]
        return equation._replace(inputs=inner.inputs, settings={"axes": axes})
    return x if axes == tuple(range(len(axes))) else None


def _axes(equation: Equation) -> tuple[int, ...]:
    axes, ndim = equation.settings["axes"], len(equation.output.shape)
    return tuple(range(ndim))[::-1] if axes is None else tuple([k % ndim for k in axes])


def _getitem(equation: Equation, known: _Known) -> Simpler:
    """A step of a stack is what was put there; a part that is all of an array is a reshape."""
    (x,), output, index = equation.inputs, equation.output, equation.settings["index"]
    if x.size == output.size and not _reverses(index):
        return equation._replace(op=reshape, settings={"shape": output.shape})
    stacked = known.maker(x, stack)
    if stacked is not None and type(index) is int and stacked.settings["axis"] == 0:
        return stacked.inputs[index]
    return None


def _reverses(index: Any) -> bool:
    """Whether an index puts entries into another order."""
    several = index if isinstance(index, tuple) else (index,)
    return any(isinstance(k, slice) and k.step is not None and k.step < 0 for k in several)


def _stack(equation: Equation, known: _Known) -> Simpler:
    """Steps in a row are a part of what they are steps of; equal views are a view of a stack."""
    inputs, output = equation.inputs, equation.output
    first = known.makers.get(inputs[0]) if type(inputs[0]) is Var else None
    if first is None or equation.settings["axis"] != 0 or first.op not in _OF_STACK:
        return None
    makers = [m for x in inputs if (m := known.maker(x, first.op)) is not None]
    if len(makers) < len(inputs):
        return None
    part = _part_of_steps(makers, equation)
    if part is not None:
        return part
    sources = tuple([m.inputs[0] for m in makers])
    settings = first.settings
    alike = len({(x.shape, x.dtype) for x in sources}) == 1 and len(set(sources)) > 1
    if not alike or any(settings_key(m.settings) != settings_key(settings) for m in makers):
        return None
    joined = Var((len(inputs), *sources[0].shape), output.dtype)
    joined = known.add(Equation(stack, sources, {"axis": 0}, joined, equation.scope))
    view = _OF_STACK[first.op](settings, output)
    return equation._replace(op=first.op, inputs=(joined,), settings=view)


def _part_of_steps(makers: list[Equation], equation: Equation) -> Simpler:
    """What the steps start to end of an array are, if these are steps in a row."""
    op, (whole,), settings, _, _ = makers[0]
    start = settings.get("index")
    if op is not getitem_ or type(start) is not int or start < 0:
        return None
    for k, maker in enumerate(makers):
        if maker.inputs[0] is not whole or maker.settings["index"] != start + k:
            return None
    if len(makers) == whole.shape[0]:
        return whole
    settings = {"index": slice(start, start + len(makers))}
    return equation._replace(op=getitem_, inputs=(whole,), settings=settings)


def _index_of_stack(settings: dict[str, Any], output: Var) -> dict[str, Any]:
    index = settings["index"]
    return {"index": (slice(None), *(index if isinstance(index, tuple) else (index,)))}


def _axes_of_stack(settings: dict[str, Any], output: Var) -> dict[str, Any]:
    axes, ndim = settings["axes"], len(output.shape) - 1
    axes = range(ndim)[::-1] if axes is None else [k % ndim for k in axes]
    return {"axes": (0, *(k + 1 for k in axes))}


# For a view's op: its settings where it is a view of a stack of what it was a view of.
_OF_STACK: dict[Op, Callable[[dict[str, Any], Var], dict[str, Any]]] = {
    getitem_: _index_of_stack,
    reshape: lambda settings, output: {"shape": output.shape},
    transpose: _axes_of_stack,
}


def _concatenate(equation: Equation, known: _Known) -> Simpler:
    """Arrays of one shape joined along their first axis are a stack, reshaped."""
    inputs, output = equation.inputs, equation.output
    if len(inputs) == 1:
        return _identity(equation, known)
    first = inputs[0]
    if equation.settings["axis"] != 0 or not all(
        type(x) is Var and x.shape == first.shape and x.dtype == output.dtype for x in inputs
    ):
        return None
    shape = (len(inputs), *first.shape)
    joined = known.add(Equation(stack, inputs, {"axis": 0}, Var(shape, output.dtype)))
    return Equation(reshape, (joined,), {"shape": output.shape}, output, equation.scope)


def _unslice(equation: Equation, known: _Known) -> Simpler:
    """A sequence that is put together from all its steps is a stack."""
    _, inputs, settings, output, _ = equation
    indices = settings["indices"]
    T = output.shape[0] if output.shape else 0
    if len(inputs) == 1 and inputs[0].size == output.size and not _reverses(indices[0]):
        return equation._replace(op=reshape, settings={"shape": output.shape})
    if any(x.dtype != output.dtype for x in inputs):
        return None
    if len(inputs) == T and {type(k) for k in indices} == {int} and set(indices) == set(range(T)):
        steps = dict(zip(indices, inputs, strict=True))
        ordered = tuple([steps[t] for t in range(T)])
        return equation._replace(op=stack, inputs=ordered, settings={"axis": 0})
    return None


def _sum(equation: Equation, known: _Known) -> Simpler:
    """A sum over axes of size 1 is a reshape; one of a sum is one over all their axes."""
    (x,), output, axis = equation.inputs, equation.output, equation.settings["axis"]
    if x.size == output.size and x.dtype == output.dtype:
        return equation._replace(op=reshape, settings={"shape": output.shape})
    inner = known.maker(x, sum)
    if inner is None or inner.settings["keepdims"] or equation.settings["keepdims"]:
        return None
    source = inner.inputs[0]
    before = normalized_axes(inner.settings["axis"], source)
    left = [k for k in range(len(source.shape)) if k not in before]
    axes = tuple(sorted((*before, *(left[k] for k in normalized_axes(axis, x)))))
    return equation._replace(inputs=(source,), settings={"axis": axes, "keepdims": False})


def normalized_axes(axis: Any, x: Var) -> list[int]:
    """The axes of a reduction, counted from the front."""
    ndim = len(x.shape)
    if axis is None:
        return list(range(ndim))
    return [k % ndim for k in (axis if isinstance(axis, tuple) else (axis,))]


def _scaled(equation: Equation, known: _Known) -> Simpler:
    """A product with ones, or a quotient by them, is the other operand."""
    inputs, output = equation.inputs, equation.output
    places = (0, 1) if equation.op is multiply else (1,)
    for k in places:
        other = inputs[1 - k]
        if _is_like(other, output) and _is_one(inputs[k], known):
            return other
    return _without_broadcast(equation, known)


def _is_one(x: Any, known: _Known) -> bool:
    if type(x) is not Var:
        return isinstance(x, (int, float)) and x == 1
    array = known.constants.get(x)
    return array is not None and array.size > 0 and bool((array == 1).all())


def _without_broadcast(equation: Equation, known: _Known) -> Simpler:
    """An operand that is repeated to the shape that the other has anyway is not repeated."""
    _op, inputs, _, output, _ = equation
    for k, x in enumerate(inputs):
        broadcast = known.maker(x, broadcast_to)
        others = [y.shape for j, y in enumerate(inputs) if j != k and type(y) is Var]
        if broadcast is not None and type(broadcast.inputs[0]) is Var and output.shape in others:
            new = tuple(broadcast.inputs[0] if j == k else y for j, y in enumerate(inputs))
            return equation._replace(inputs=new)
    return None


RULES: dict[Op, Callable[[Equation, _Known], Simpler]] = {
    broadcast_to: _identity,
    cast: _identity,
    concatenate: _concatenate,
    divide: _scaled,
    getitem_: _getitem,
    multiply: _scaled,
    positive: _identity,
    reshape: _reshape,
    stack: _stack,
    sum: _sum,
    transpose: _transpose,
    unslice: _unslice,
}
