"""The forward and the backward pass as statements, with loops where time steps are alike.

Each statement's value is an expression: forward the ops that were recorded, backward what their
rules do. A loop's backward pass is the loop in reverse; what a round hands to the one before it in
time is a quantity of its own, which hand derivations call dh_next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.totals import Node
from ..ops import reshape, transpose
from ..ops.op import Array
from ..ops.parts import getitem_
from .expressions.expression import Call, Each, Expression, Index, Quantity, Symbol
from .expressions.simpler import simpler
from .loops import Carried, Fixed, From, Loop, Occurrence, Scanned, Slot, array_of, progression

VIEWS = (getitem_, reshape, transpose)


@dataclass(eq=False)
class Assign:
    """target = value."""

    target: Symbol
    value: Expression


@dataclass(eq=False)
class Add:
    """target += value."""

    target: Symbol
    value: Expression


@dataclass(eq=False)
class Zero:
    """The quantity, in all rounds, starts at 0."""

    target: Symbol


@dataclass(eq=False)
class For:
    """The body for t = 0 to rounds - 1, or back."""

    rounds: int
    backward: bool
    body: list[Statement]


Statement = Assign | Add | Zero | For


@dataclass(eq=False)
class Steps:
    """The whole pass. forward, backward: statements. loss: its value. gradients: by leaf.

    inputs: the arrays of each input quantity, one for each round where it has several.
    parameters: the leaf of each. values: the quantity of each Tensor, of each array by its id, and
    of each result of a loop by (loop, number).
    """

    forward: list[Statement]
    backward: list[Statement]
    loss: Expression
    gradients: dict[Node, Expression]
    inputs: dict[Quantity, Any]
    parameters: dict[Quantity, Node]
    values: dict[Any, Quantity] = field(default_factory=dict)

    def loops(self) -> Iterator[For]:
        """The loops, forward and backward."""
        for block in (self.forward, self.backward):
            yield from (statement for statement in block if isinstance(statement, For))


# QuantityTable


class QuantityTable:
    """What stands for each value: its quantity, and in a loop its round."""

    def __init__(self, items: Sequence[Node | Loop]) -> None:
        self.of: dict[Any, Quantity] = {}
        self.places: dict[Node, Occurrence] = {}
        self.inputs: dict[Quantity, Any] = {}
        self.parameters: dict[Quantity, Node] = {}
        self._scanned: dict[tuple[Any, ...], Quantity] = {}
        self._keep_alive: list[Any] = []  # whose ids stand for them
        for item in items:
            if isinstance(item, Loop):
                self._add_loop(item)
            else:
                self.of[item] = Quantity("value", item.shape, item.dtype)

    def _add_loop(self, loop: Loop) -> None:
        count = len(loop.rounds)
        for k, node in enumerate(loop.rounds[0]):
            self.of[loop, k] = Quantity("value", node.shape, node.dtype, rounds=count)
        for r, row in enumerate(loop.rounds):
            self.places.update({node: Occurrence(loop, k, r) for k, node in enumerate(row)})

    def expression(self, x: Any) -> Expression:
        """What an input of an op prints as, seen from outside of all loops."""
        if isinstance(x, Tensor) and x in self.places:
            loop, k, r = self.places[x]
            return Symbol(self.of[loop, k], Index(0, r))
        if isinstance(x, Tensor):
            return self._leaf(x) if x.op is None else Symbol(self.of[x])
        return self._array(x) if isinstance(x, (np.ndarray, np.generic)) else x

    def of_slot(self, loop: Loop, slot: Slot) -> Expression:
        """The same in round t of a loop."""
        if isinstance(slot, Fixed):
            return self.expression(slot.x)
        if isinstance(slot, Scanned):
            return Symbol(self._scanned_quantity(slot), Index(1, 0))
        if isinstance(slot, From):
            return Symbol(self.of[slot.loop, slot.k], slot.at)
        return Symbol(self.of[loop, slot.k], Index(1, -1 if isinstance(slot, Carried) else 0))

    def settings(self, loop: Loop, k: int) -> dict[str, Any]:
        """An op's settings in round t of a loop."""
        return {name: self._setting(value) for name, value in loop.settings[k].items()}

    def _setting(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._setting, value))
        if isinstance(value, Scanned):
            return Symbol(self._scanned_quantity(value), Index(1, 0))
        return value

    def _leaf(self, x: Node) -> Expression:
        if not x.requires_grad:
            return self._array(x._array, x)
        if x not in self.of:
            self.of[x] = Quantity("parameter", x.shape, x.dtype)
            self.parameters[self.of[x]] = x
        return Symbol(self.of[x])

    def _array(self, array: Array | np.generic, key: Any = None) -> Expression:
        """An array that is data: a number where it is one, else an input."""
        if not array.shape and array.dtype.kind in "fiu":
            return array.item()
        key = id(array) if key is None else key
        if key not in self.of:
            self._keep_alive.append(array)
            self.of[key] = Quantity("input", array.shape, array.dtype)
            self.inputs[self.of[key]] = array
        return Symbol(self.of[key])

    def _scanned_quantity(self, row: Scanned) -> Quantity:
        key = tuple(x.item() if _is_integer_scalar(x) else id(x) for x in row.arrays)
        if key not in self._scanned:
            first = array_of(row.arrays[0])
            quantity = Quantity("input", first.shape, first.dtype, rounds=len(row.arrays))
            self._scanned[key] = quantity
            self.inputs[quantity] = [array_of(x) for x in row.arrays]
            self._keep_alive.append(row)
        return self._scanned[key]


def _is_integer_scalar(x: Any) -> bool:
    """Whether a row has it for what it is, and not as one of the user's arrays."""
    return not x.ndim and x.dtype.kind == "i"


# Forward


def forward(items: Sequence[Node | Loop], values: QuantityTable) -> list[Statement]:
    """The statements of the forward pass."""
    found: list[Statement] = []
    for item in items:
        if isinstance(item, Loop):
            found += _loop_forward(item, values)
        else:
            inputs = tuple(map(values.expression, item.inputs))
            inputs = _several(inputs) if item.op.variadic else inputs
            found.append(_result(Symbol(values.of[item]), item, inputs, item.settings))
    return found


def _loop_forward(loop: Loop, values: QuantityTable) -> Iterator[Statement]:
    for k, initial in carried(loop).items():
        yield Assign(Symbol(values.of[loop, k], Index(0, -1)), values.expression(initial))
    body: list[Statement] = []
    for k, node in enumerate(loop.rounds[0]):
        inputs = tuple(values.of_slot(loop, slot) for slot in loop.slots[k])
        target = Symbol(values.of[loop, k], Index(1, 0))
        body.append(_result(target, node, inputs, values.settings(loop, k)))
    yield For(len(loop.rounds), False, body)


def carried(loop: Loop) -> dict[int, Any]:
    """The number of each result that the next round reads, with what the first one reads."""
    slots = [slot for several in loop.slots for slot in several]
    return {slot.k: slot.initial for slot in slots if isinstance(slot, Carried)}


def _result(
    target: Symbol, node: Node, inputs: tuple[Expression, ...], settings: dict[str, Any]
) -> Assign:
    return Assign(target, simpler(Call(node.op, inputs, settings, node.shape, node.dtype)))


def _several(inputs: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """Many inputs of one form as what they are for each t."""
    if len(inputs) < 3:
        return inputs
    form = family(inputs)
    return inputs if form is None else (Each(form, len(inputs)),)


def family(expressions: Sequence[Expression]) -> Expression:
    """One expression in t that is the t-th of the expressions; None where there is none such."""
    first = expressions[0]
    if all(x is first for x in expressions):
        return first
    if any(type(x) is not type(first) for x in expressions):
        return None
    if isinstance(first, Symbol):
        return _symbol_in_t(expressions)
    if not isinstance(first, Call):
        return first if all(x == first for x in expressions) else None
    if any(x.op is not first.op or x.shape != first.shape for x in expressions):
        return None
    inputs = [family(column) for column in zip(*[x.inputs for x in expressions], strict=True)]
    settings = _settings_in_t(expressions)
    if settings is None or any(x is None for x in inputs):
        return None
    return Call(first.op, tuple(inputs), settings, first.shape, first.dtype)


def _symbol_in_t(expressions: Sequence[Symbol]) -> Symbol | None:
    first = expressions[0]
    if any(x.quantity is not first.quantity for x in expressions):
        return None
    if all(x.at == first.at for x in expressions):
        return first
    at = progression([x.at.plus for x in expressions if x.at is not None])
    fixed = all(x.at is not None and not x.at.times for x in expressions)
    return Symbol(first.quantity, at) if fixed and at is not None else None


def _settings_in_t(expressions: Sequence[Call]) -> dict[str, Any] | None:
    first = expressions[0].settings
    if first.keys() != {"index"}:
        return first if all(x.settings == first for x in expressions) else None
    values = [x.settings["index"] for x in expressions]
    if all(v == values[0] for v in values):
        return first
    at = progression(values) if all(type(v) is int for v in values) else None
    return None if at is None else {"index": at}
