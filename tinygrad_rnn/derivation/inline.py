"""Shorter statements of the same pass: what is used once, and plain views, stand where they are
used; what nothing uses goes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from ..ops.shape import broadcast_to
from .expressions.expression import (
    Call,
    Each,
    Expression,
    Index,
    Quantity,
    Symbol,
    inner,
    parts,
    symbols,
)
from .expressions.simpler import moved, rewritten
from .steps import VIEWS, Add, Assign, For, Statement, Steps, Zero

LARGEST_INLINED = 30  # parts of an expression that is put into another


@dataclass(eq=False)
class _Use:
    """Where a symbol is read: the block, the place of the statement in it."""

    block: list[Statement]
    place: int
    symbol: Symbol


class _Facts:
    """Who defines, changes and reads each quantity."""

    def __init__(self, steps: Steps) -> None:
        self.definitions: dict[Quantity, list[tuple[list[Statement], int]]] = defaultdict(list)
        self.changes: dict[Quantity, int] = defaultdict(int)
        self.uses: dict[Quantity, list[_Use]] = defaultdict(list)
        end: list[Statement] = []
        for block in blocks(steps):
            for place, statement in enumerate(block):
                self._add(block, place, statement)
        for expression in (steps.loss, *steps.gradients.values()):
            self._read(end, 0, expression)

    def _add(self, block: list[Statement], place: int, statement: Statement) -> None:
        if isinstance(statement, For):
            return
        quantity = statement.target.quantity
        if isinstance(statement, Assign):
            self.definitions[quantity].append((block, place))
        else:
            self.changes[quantity] += 1
        if not isinstance(statement, Zero):
            self._read(block, place, statement.value)

    def _read(self, block: list[Statement], place: int, expression: Expression) -> None:
        for symbol in symbols(expression):
            self.uses[symbol.quantity].append(_Use(block, place, symbol))

    def mutable(self, quantity: Quantity) -> bool:
        """Whether it has other values at other times."""
        return bool(self.changes[quantity]) or len(self.definitions[quantity]) > 1


def blocks(steps: Steps) -> Iterator[list[Statement]]:
    """The lists of statements: forward, backward, and the bodies of loops."""
    for block in (steps.forward, steps.backward):
        yield block
        yield from (statement.body for statement in block if isinstance(statement, For))


def shortened(steps: Steps, named: Callable[[Quantity], bool]) -> Steps:
    """The steps, in place, until nothing more can be shortened.

    named: whether a quantity has a name of its own, and is to be seen.
    """
    for block in blocks(steps):
        block[:] = [part for statement in block for part in _without_sharing(statement)]
    while True:
        facts = _Facts(steps)
        if not (_drop_unused(steps, facts) or _inline(steps, facts, named)):
            return steps


def _without_sharing(statement: Statement) -> Iterator[Statement]:
    """The statement, with what occurs twice in it computed before, under a name."""
    if not isinstance(statement, (Assign, Add)):
        yield statement
        return
    found = parts(statement.value)
    counts = Counter(id(y) for x in found for y in inner(x))
    shared = [x for x in found if isinstance(x, Call) and counts[id(x)] > 1 and not _is_plain(x)]
    at, rounds = statement.target.at, statement.target.quantity.rounds
    named: dict[int, Symbol] = {}
    for x in shared:
        quantity = Quantity("value", x.shape, x.dtype, rounds=rounds if at is not None else 0)
        yield Assign(Symbol(quantity, at), rewritten(x, _itself, named))
        named[id(x)] = Symbol(quantity, at)
    statement.value = rewritten(statement.value, _itself, named)
    yield statement


def _itself(x: Expression) -> Expression:
    return x


def _drop_unused(steps: Steps, facts: _Facts) -> bool:
    """Takes out what nothing reads; whether there was any."""
    dropped = False
    for block in blocks(steps):
        kept = [statement for statement in block if not _is_unused(statement, facts)]
        dropped = dropped or len(kept) < len(block)
        block[:] = kept
    return dropped


def _is_unused(statement: Statement, facts: _Facts) -> bool:
    if isinstance(statement, For):
        return not statement.body
    return not facts.uses[statement.target.quantity]


def _inline(steps: Steps, facts: _Facts, named: Callable[[Quantity], bool]) -> bool:
    """Puts what defines quantities in their place; whether any was."""
    given: dict[Quantity, Assign] = {}
    for quantity, definitions in facts.definitions.items():
        if len(definitions) == 1 and not facts.changes[quantity]:
            (block, place), uses = definitions[0], facts.uses[quantity]
            statement = cast(Assign, block[place])
            if _is_shorter(statement, uses, named, block) and _is_safe(
                statement, block, place, uses, facts
            ):
                given[quantity] = statement
    given = {q: s for q, s in given.items() if _stands_alone(s, given)}
    if not given:
        return False
    for block in blocks(steps):
        block[:] = [_with(s, given) for s in block if not _defines(s, given)]
    steps.loss = replaced(steps.loss, given)
    steps.gradients = {x: replaced(e, given) for x, e in steps.gradients.items()}
    return True


def _stands_alone(statement: Assign, given: dict[Quantity, Assign]) -> bool:
    """Whether nothing in its value is to be replaced in this round too."""
    return not any(symbol.quantity in given for symbol in symbols(statement.value))


def _defines(statement: Statement, given: dict[Quantity, Assign]) -> bool:
    return isinstance(statement, Assign) and statement.target.quantity in given


def _with(statement: Statement, given: dict[Quantity, Assign]) -> Statement:
    if isinstance(statement, (Assign, Add)):
        statement.value = replaced(statement.value, given)
    return statement


def replaced(expression: Expression, given: dict[Quantity, Assign]) -> Expression:
    """The expression with definitions in the place of quantities."""

    def of(x: Expression) -> Expression:
        if not isinstance(x, Symbol) or x.quantity not in given:
            return x
        return moved(given[x.quantity].value, x.at)

    return rewritten(expression, of)


def _is_shorter(
    statement: Assign, uses: list[_Use], named: Callable[[Quantity], bool], block: list[Statement]
) -> bool:
    """Whether the value is better read where it is used: plain, or used once there."""
    of = statement.target.quantity.of
    if of is not None and of.kind == "parameter":
        return False
    if _is_plain(statement.value):
        return not (named(statement.target.quantity) and isinstance(statement.value, Call))
    if (
        named(statement.target.quantity)
        or len(uses) != 1
        or len(parts(statement.value)) > LARGEST_INLINED
    ):
        return False
    use = uses[0]
    return use.block is block and use.symbol.at in (None, Index(1, 0))


def _is_plain(value: Expression) -> bool:
    """A symbol, a number, or a view of one; a number that is repeated."""
    if isinstance(value, Call) and value.op is broadcast_to and not any(symbols(value)):
        return True
    while isinstance(value, Call) and value.op in VIEWS and len(value.inputs) == 1:
        value = value.inputs[0]
    return not isinstance(value, (Call, Each))


def _is_safe(
    statement: Assign, block: list[Statement], place: int, uses: list[_Use], facts: _Facts
) -> bool:
    """Whether nothing that the value reads has changed where it would be read."""
    read = {symbol.quantity for symbol in symbols(statement.value)}
    changing = {quantity for quantity in read if _changes(quantity, facts)}
    if not changing:
        return True
    return all(
        use.block is block and not _written_between(block, place, use.place, changing)
        for use in uses
    )


def _changes(quantity: Quantity, facts: _Facts) -> bool:
    return quantity.kind in ("next", "total") and facts.mutable(quantity)


def _written_between(
    block: list[Statement], start: int, end: int, quantities: set[Quantity]
) -> bool:
    for statement in block[start + 1 : end]:
        several = statement.body if isinstance(statement, For) else [statement]
        if any(not isinstance(s, For) and s.target.quantity in quantities for s in several):
            return True
    return False
