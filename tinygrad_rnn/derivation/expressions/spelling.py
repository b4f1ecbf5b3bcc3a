"""Expressions as Python: an op is written as its own forward function has it.

A forward function of one operator, as `return x * y`, is that operator; NumPy's functions go by
their names; other short ones stand for themselves; longer ones become functions of their own, with
those that they call. So no op is written down here but where NumPy has another notation.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine.from_numpy import numpy_name
from ...ops import (
    addmm,
    concatenate,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    matmul,
    multiply,
    not_equal,
    reshape,
    stack,
    transpose,
)
from ...ops.op import Op
from ...ops.parts import gather
from ...ops.shape import broadcast_to
from .expression import Call, Each, Expression, Index, Symbol, alike, symbols
from .forward import Filled, Functions, keep, repeats, single_return
from .syntax import call, literal, position, variable

Spell = Callable[[Symbol], ast.expr]
OPERATORS = (ast.BinOp, ast.UnaryOp, ast.Subscript)


class Speller:
    """Writes expressions down; keeps the functions that they need, in `functions`.

    spell: what a symbol is called. rounds: those of which there are T. plain: for people, without
    `np.`, with 1 for 1.0 and h² for h * h.
    """

    def __init__(self, spell: Spell, rounds: int = 0, *, plain: bool = False) -> None:
        self._spell, self._plain = spell, plain
        self.module = "" if plain else "np."
        self.rounds = rounds
        self.functions: Functions = {}

    def text(self, expression: Expression) -> str:
        """The expression as source text."""
        return ast.unparse(ast.fix_missing_locations(self.tree(expression)))

    def tree(self, x: Expression) -> ast.expr:
        """The expression as Python's syntax tree."""
        if isinstance(x, Symbol):
            return self._spell(x)
        if not isinstance(x, Call):
            return literal(int(x) if self._plain and _is_integral_float(x) else x)
        if self._plain and (x.op in _SIGNS or (x.op is multiply and alike(*x.inputs))):
            return self._as_read(x)
        if x.op in _SPECIAL:
            return _SPECIAL[x.op](self, x)
        form, name = single_return(x.op), numpy_name(x.op)
        if form is not None and isinstance(form, OPERATORS):
            return self._in_place(x, form)
        if name is not None:
            return call(f"{self.module}{name}", [self.tree(y) for y in x.inputs], _chosen(x))
        if form is not None and not repeats(form, x):
            return self._in_place(x, form)
        return self._function(x)

    def _as_read(self, x: Call) -> ast.expr:
        """A comparison by its sign, a square as h²."""
        a, b = map(self.tree, x.inputs)
        if x.op in _SIGNS:
            return ast.Compare(left=a, ops=[_SIGNS[x.op]()], comparators=[b])
        if isinstance(a, ast.Name):
            return variable(f"{a.id}²")
        return ast.BinOp(left=a, op=ast.Pow(), right=ast.Constant(value=2))

    def several(self, inputs: tuple[Expression, ...]) -> ast.expr:
        """A list of inputs, or what they are for each t."""
        if len(inputs) != 1 or not isinstance(inputs[0], Each):
            return ast.List(elts=list(map(self.tree, inputs)), ctx=ast.Load())
        form, rounds = inputs[0].expression, self.range_of(inputs[0].rounds)
        loop = ast.comprehension(target=variable("t"), iter=rounds, ifs=[], is_async=0)
        return ast.ListComp(elt=self.tree(form), generators=[loop])

    def range_of(self, rounds: int) -> ast.expr:
        """range(T), or another number of rounds."""
        count = variable("T") if rounds == self.rounds else ast.Constant(value=rounds)
        return call("range", [count], [])

    def _in_place(self, x: Call, form: ast.expr) -> ast.expr:
        """The op's own expression with the inputs and settings put in."""
        given = dict(zip(x.op.inputs, map(self.tree, x.inputs), strict=True))
        index = isinstance(form, ast.Subscript)
        given |= {key: self.literal(value, index) for key, value in x.settings.items()}
        filled: ast.expr = Filled(given).visit(copy.deepcopy(form))
        return filled

    def _function(self, x: Call) -> ast.expr:
        """A call of the op's forward function, which is kept."""
        name = keep(x.op.forward, self.functions)
        inputs = [self._array(y, x.dtype) for y in x.inputs]
        settings = [(key, self.literal(value)) for key, value in x.settings.items()]
        return call(name, inputs, settings)

    def literal(self, value: Any, index: bool = False) -> ast.expr:
        """A setting; numbers in an index may be symbols."""
        if isinstance(value, Symbol):
            return self._spell(value)
        if isinstance(value, Index):
            return self.round(value)
        if isinstance(value, tuple):
            return ast.Tuple(elts=[self.literal(x, index) for x in value], ctx=ast.Load())
        return literal(value, index)

    def round(self, at: Index) -> ast.expr:
        """The round that an index means; those near the end counted from T."""
        if self.rounds > 1 and at.times < 1 and at.plus == self.rounds - 1:
            return ast.parse("T - 1 - t" if at.times else "T - 1", mode="eval").body
        return position(at)

    def in_brackets(self, x: Expression) -> ast.expr:
        """A part of an index: an array, or a slice and such."""
        return self.tree(x) if isinstance(x, (Call, Symbol)) else literal(x, index=True)

    def _array(self, x: Expression, dtype: np.dtype[Any]) -> ast.expr:
        """An input as a function has it that asks for its shape: a number as an array."""
        computed = isinstance(x, Call) and not x.shape and not any(True for _ in symbols(x))
        if type(x) not in (int, float) and not computed:
            return self.tree(x)
        kind = [literal(dtype)] if type(x) is not int and dtype not in (np.float64, bool) else []
        return call("np.array", [self.tree(x), *kind], [])


def _is_integral_float(x: Any) -> bool:
    return type(x) is float and np.isfinite(x) and x == int(x)


def _chosen(x: Call) -> list[tuple[str, ast.expr]]:
    """The settings that are not as usual."""
    usual = {key: p.default for key, p in inspect.signature(x.op.forward).parameters.items()}
    chosen = {key: value for key, value in x.settings.items() if value is not usual[key]}
    return [(key, literal(value)) for key, value in chosen.items()]


# Notation that NumPy has besides functions


def _matmul(speller: Speller, x: Call) -> ast.expr:
    a, b = map(speller.tree, x.inputs)
    return ast.BinOp(left=a, op=ast.MatMult(), right=b)


def _addmm(speller: Speller, x: Call) -> ast.expr:
    c, a, b = map(speller.tree, x.inputs)
    product = ast.BinOp(left=a, op=ast.MatMult(), right=b)
    return ast.BinOp(left=c, op=ast.Add(), right=product)


def _transpose(speller: Speller, x: Call) -> ast.expr:
    inner = speller.tree(x.inputs[0])
    if x.settings["axes"] is None:
        return ast.Attribute(value=inner, attr="T", ctx=ast.Load())
    method = ast.Attribute(value=inner, attr="transpose", ctx=ast.Load())
    return ast.Call(func=method, args=[literal(k) for k in x.settings["axes"]], keywords=[])


def _reshape(speller: Speller, x: Call) -> ast.expr:
    inner = speller.tree(x.inputs[0])
    method = ast.Attribute(value=inner, attr="reshape", ctx=ast.Load())
    return ast.Call(func=method, args=[literal(tuple(x.shape))], keywords=[])


def _broadcast_to(speller: Speller, x: Call) -> ast.expr:
    inner, shape = x.inputs[0], literal(tuple(x.shape))
    if isinstance(inner, (int, float)):
        dtype = [] if x.dtype == np.float64 else [literal(x.dtype)]
        return call(f"{speller.module}full", [shape, literal(float(inner)), *dtype], [])
    return call(f"{speller.module}broadcast_to", [speller.tree(inner), shape], [])


def _gather(speller: Speller, x: Call) -> ast.expr:
    source, *index = x.inputs
    places = [speller.in_brackets(k) for k in index]
    place = places[0] if len(places) == 1 else ast.Tuple(elts=places, ctx=ast.Load())
    return ast.Subscript(value=speller.tree(source), slice=place, ctx=ast.Load())


def _joined(speller: Speller, x: Call) -> ast.expr:
    return call(f"{speller.module}{x.op.name}", [speller.several(x.inputs)], _chosen(x))


_SPECIAL: dict[Op, Callable[[Speller, Call], ast.expr]] = {
    addmm: _addmm,
    broadcast_to: _broadcast_to,
    concatenate: _joined,
    gather: _gather,
    matmul: _matmul,
    reshape: _reshape,
    stack: _joined,
    transpose: _transpose,
}


_SIGNS: dict[Op, type[ast.cmpop]] = {
    equal: ast.Eq,
    greater: ast.Gt,
    greater_equal: ast.GtE,
    less: ast.Lt,
    less_equal: ast.LtE,
    not_equal: ast.NotEq,
}
