"""The source of forward functions: what they return, or themselves with the functions they call."""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from ...ops.op import Op
from .expression import Call
from .syntax import literal, variable


class Filled(ast.NodeTransformer):
    """Puts expressions in the place of names."""

    def __init__(self, given: dict[str, ast.expr]) -> None:
        self._given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The expression that the name stands for."""
        return self._given.get(node.id, node)


@cache
def single_return(op: Op) -> ast.expr | None:
    """What the op's forward function returns, if that is all it does and it calls only NumPy."""
    body = definition(op.forward).body
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        return None
    names = {node.id for node in ast.walk(body[0]) if isinstance(node, ast.Name)}
    return body[0].value if names <= {*op.inputs, *op.settings, "np"} else None


def repeats(form: ast.expr, x: Call) -> bool:
    """Whether an input that is more than a symbol would be written, and computed, twice."""
    names = [node.id for node in ast.walk(form) if isinstance(node, ast.Name)]
    pairs = zip(x.op.inputs, x.inputs, strict=True)
    return any(isinstance(y, Call) and names.count(name) > 1 for name, y in pairs)


@cache
def definition(function: Callable[..., Any]) -> ast.FunctionDef:
    """The function as a syntax tree, without decorators, annotations and docstring.

    Raises: ValueError where its source is not to be had.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except OSError as error:
        name = getattr(function, "__name__", "function")
        raise ValueError(
            f"derive: the source of {name} is not to be had, so it cannot be written down; define "
            "it in a file"
        ) from error
    tree = ast.parse(source).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise ValueError(f"derive: {function!r} is no function with a name")
    tree.decorator_list, tree.returns = [], None
    _Bare().visit(tree)
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:]
    return tree


class _Bare(ast.NodeTransformer):
    """Takes annotations off."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """The parameter alone."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        """An assignment without its annotation."""
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)


Functions = dict[Callable[..., Any], ast.FunctionDef]  # what is written down of each


def keep(function: Callable[..., Any], functions: Functions) -> str:
    """The name under which the function, and what it calls, is in `functions` from now on."""
    if function not in functions:
        tree = copy.deepcopy(definition(function))
        tree.name = _free(function.__name__.strip("_"), {kept.name for kept in functions.values()})
        functions[function] = tree
        _Global(function, functions).visit(tree)
    return functions[function].name


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number where another function has it."""
    several = (name, *(f"{name}_{k}" for k in range(2, len(taken) + 2)))
    return next(n for n in several if n not in taken)


class _Global(ast.NodeTransformer):
    """Names that come from around a function: other functions are kept too, values written out."""

    def __init__(self, function: Callable[..., Any], functions: Functions) -> None:
        self._function = function
        self._around = getattr(function, "__globals__", {})
        self._functions = functions
        names = [x for x in ast.walk(definition(function)) if isinstance(x, (ast.Name, ast.arg))]
        self._inside = {_bound(x) for x in names}

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`softmax.forward` is the function softmax."""
        if node.attr == "forward" and isinstance(node.value, ast.Name):
            op = self._around.get(node.value.id)
            if isinstance(op, Op):
                return variable(keep(op.forward, self._functions))
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A function of the package by its name here; a number or a string as it is."""
        if node.id in self._inside or node.id == "np":
            return node
        if node.id not in self._around:
            if hasattr(builtins, node.id):
                return node
            raise ValueError(
                f"derive: {self._function.__name__} uses {node.id}, which is not found"
            )
        value = self._around[node.id]
        if value is np:
            return variable("np")
        if isinstance(value, Op):
            return variable(keep(value.forward, self._functions))
        if isinstance(value, FunctionType):
            return variable(keep(inspect.unwrap(value), self._functions))
        if isinstance(value, (int, float, str, tuple, type(None))):
            return literal(value)
        raise ValueError(
            f"derive: {self._function.__name__} uses {node.id}, which is neither NumPy's nor a "
            "function written in Python, so it cannot be written down"
        )


def _bound(x: ast.Name | ast.arg) -> str:
    """The name that is bound here, "" where one is only read."""
    if isinstance(x, ast.arg):
        return x.arg
    return x.id if isinstance(x.ctx, ast.Store) else ""
