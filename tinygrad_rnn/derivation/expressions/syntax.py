"""Pieces of Python's syntax trees: names, calls, numbers, rounds of a loop."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import numpy as np

from .expression import Index


def call(name: str, inputs: list[ast.expr], settings: Iterable[tuple[str, ast.expr]]) -> ast.Call:
    """name(*inputs, **settings)."""
    keywords = [ast.keyword(arg=key, value=value) for key, value in settings]
    return ast.Call(func=variable(name), args=inputs, keywords=keywords)


def variable(name: str) -> ast.Name:
    """A name; a dotted one as it is."""
    return ast.Name(id=name, ctx=ast.Load())


def literal(value: Any, index: bool = False) -> ast.expr:
    """A number or a setting. index: whether it stands in square brackets, as in x[1:]."""
    if isinstance(value, Index):
        return position(value)
    if isinstance(value, (tuple, list)):
        return ast.Tuple(elts=[literal(x, index) for x in value], ctx=ast.Load())
    if isinstance(value, slice):
        ends = [None if x is None else literal(x) for x in (value.start, value.stop, value.step)]
        if index:
            return ast.Slice(*ends)
        return call("slice", [literal(None) if x is None else x for x in ends], [])
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return variable(f"np.{np.dtype(value).name}")
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not np.isfinite(value):
        return variable({"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}[str(value)])
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0:
        return ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=-value))
    if callable(value):
        return variable(getattr(value, "__name__", "function"))
    return ast.Constant(value=value)


def position(index: Index) -> ast.expr:
    """The round that an index means, as `t - 1`."""
    text = {1: "t", -1: "-t", 0: ""}[index.times]
    if index.times and index.plus:
        text = f"{index.plus} - t" if index.times < 0 else f"t {index.plus:+d}".replace("+", "+ ")
        text = text.replace("-", "- ") if index.times > 0 and index.plus < 0 else text
    return ast.parse(text or str(index.plus), mode="eval").body
