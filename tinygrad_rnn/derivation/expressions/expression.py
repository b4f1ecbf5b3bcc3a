"""Expressions: what ops compute, as trees of Calls over Symbols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ops.op import Op

Expression = Any  # a Call, a Symbol, or a number or such as it is
Shape = tuple[int, ...]
INDICES = frozenset(("index", "indices"))  # settings that may have symbols and rounds in them


@dataclass(eq=False)
class Quantity:
    """What a name stands for: a value, a gradient, an input; in a loop one for each round.

    kind: "input", "parameter", "value", "gradient", "next" (what one round of a backward loop hands
    to the next) or "total" (a gradient while it is added up). of: what it is the gradient of.
    rounds: how many there are, 0 where it is in no loop. name: the wanted one, "" for none. shown:
    whether the user named it, so that it is not to be hidden in another expression.
    """

    kind: str
    shape: Shape
    dtype: np.dtype[Any]
    of: Any = None
    rounds: int = 0
    name: str = ""
    shown: bool = False


def named(name: str, x: Any) -> Quantity:
    """A value of x's shape and dtype by this name."""
    return Quantity("value", x.shape, x.dtype, name=name)


@dataclass(frozen=True)
class Index:
    """Which round: times · t + plus, where t counts the rounds of the loop around."""

    times: int
    plus: int


@dataclass(frozen=True)
class Symbol:
    """A quantity, in one round where it has several."""

    quantity: Quantity
    at: Index | None = None

    @property
    def shape(self) -> Shape:
        """That of its quantity."""
        return self.quantity.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of its quantity."""
        return self.quantity.dtype


@dataclass(frozen=True, eq=False)
class Call:
    """op(*inputs, **settings), with the shape and dtype of what comes out."""

    op: Op
    inputs: tuple[Expression, ...]
    settings: dict[str, Any]
    shape: Shape
    dtype: np.dtype[Any]


@dataclass(eq=False)
class Each:
    """Inputs of an op: an expression for t = 0 to rounds - 1."""

    expression: Expression
    rounds: int


# Looking into expressions


def parts(expression: Expression) -> list[Expression]:
    """The expression and all that is in it, each part once, before what is made of it."""
    found: dict[int, Expression] = {}
    waiting = [(expression, False)]
    while waiting:
        x, ready = waiting.pop()
        if ready:
            found.setdefault(id(x), x)
        elif id(x) not in found:
            waiting.append((x, True))
            waiting += [(y, False) for y in inner(x)]
    return list(found.values())


def inner(x: Expression) -> tuple[Expression, ...]:
    """What an expression is made of, the last first; numbers in an index may be symbols too."""
    if isinstance(x, Call):
        named = sorted(x.settings.keys() & INDICES)
        return (*(s for name in named for s in _in_index(x.settings[name])), *x.inputs[::-1])
    return (x.expression,) if isinstance(x, Each) else ()


def _in_index(index: Any) -> Iterator[Symbol]:
    if isinstance(index, tuple):
        for part in index:
            yield from _in_index(part)
    elif isinstance(index, Symbol):
        yield index


def symbols(expression: Expression) -> Iterator[Symbol]:
    """Each symbol in an expression, as often as the expressions in it have it."""
    for x in (expression, *(y for part in parts(expression) for y in inner(part))):
        if isinstance(x, Symbol):
            yield x


def alike(x: Expression, y: Expression) -> bool:
    """Whether two expressions are written alike."""
    pairs, seen = [(x, y)], set()
    while pairs:
        a, b = pairs.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        if not isinstance(a, Call) or not isinstance(b, Call):
            if a != b or type(a) is not type(b):
                return False
            continue
        if a.op is not b.op or len(a.inputs) != len(b.inputs) or a.settings != b.settings:
            return False
        pairs += zip(a.inputs, b.inputs, strict=True)
    return True
