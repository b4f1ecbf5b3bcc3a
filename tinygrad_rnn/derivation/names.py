"""Names of quantities: the user's, the parameters' own, else letters that hand derivations use."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..bptt.time import step_of
from ..engine.tensor import Tensor
from ..engine.totals import Node
from ..nn import Module
from ..ops import addmm, matmul
from ..ops.op import Array
from .expressions.expression import Call, Expression, Index, Quantity, Symbol, parts
from .inline import blocks
from .loops import Carried, Local, Loop
from .steps import VIEWS, Add, Assign, Steps, carried

RESERVED = {"T", "inputs", "np", "parameters", "range", "reversed", "slice", "t"}
LONGEST_NAME = 40  # characters
_NUMBER = re.compile(r"_?\d+$")
FUNCTION = "loss_and_gradients"
LETTERS = ("u", "v", "q", "r", "s", "p", "a", "e", "f")  # z is an activation's input
# By the name of an op's input what is given to it.
_OF_INPUT = {"logits": "y", "targets": "targets", "index": "index", "condition": "mask"}


class Given:
    """The names that Tensors and arrays have before any is made up.

    names: {name: Tensor, array, or a list of them}, such as `locals()`.
    """

    def __init__(self, names: Mapping[str, Any] | None) -> None:
        self._tensors: dict[Tensor, str] = {}
        self._parts: dict[Tensor, str] = {}  # of modules; a name of its own comes first
        self._arrays: dict[int, str] = {}
        self._numbers: dict[tuple[int, ...], str] = {}
        for name, value in (names or {}).items():
            if isinstance(value, Module):
                for path, parameter in value.named_parameters():
                    self._parts.setdefault(parameter, f"{name}.{path}")
            elif isinstance(name, str) and name:
                for x in value if isinstance(value, (list, tuple)) else [value]:
                    self._add(name, x)

    def _add(self, name: str, x: Any) -> None:
        if isinstance(x, Tensor):
            self._tensors.setdefault(x, name)
            self._arrays.setdefault(id(x._array), name)
        elif isinstance(x, np.ndarray):
            self._arrays.setdefault(id(x), name)
            if x.ndim == 1 and x.dtype.kind in "iu":
                self._numbers.setdefault(tuple(x.tolist()), name)

    def of_node(self, node: Node) -> str:
        """A Tensor's name, "" for none."""
        name = self._tensors.get(node) or self._parts.get(node) or node.name or ""
        return str(name)[:LONGEST_NAME]

    def of_array(self, array: Array) -> str:
        """The name of an array, or of the one that it is a part of; "" for none."""
        name = self._arrays.get(id(array)) or self._arrays.get(id(array.base), "")
        return name[:LONGEST_NAME]

    def of_row(self, arrays: list[Array]) -> str:
        """The name of what is another array in each round; numbers go by what they are."""
        if not arrays[0].ndim and arrays[0].dtype.kind in "iu":
            return self._numbers.get(tuple(x.item() for x in arrays), "")
        return _common(map(self.of_array, arrays))


def give_names(steps: Steps, given: Given) -> None:
    """The user's names to parameters, inputs and results.

    In a loop the name of one round's result is that of all; of h1, h2, ... it is h.
    """
    for quantity, array in steps.inputs.items():
        one = not isinstance(array, list)
        quantity.name = given.of_array(array) if one else given.of_row(array)
    for key, quantity in steps.values.items():
        if isinstance(key, Tensor):
            quantity.name = given.of_node(key) or quantity.name
        elif isinstance(key, tuple):
            loop, k = key
            quantity.name = _common(given.of_node(row[k]) for row in loop.rounds)
    for quantity in steps.values.values():
        quantity.shown = bool(quantity.name)


class StepName(NamedTuple):
    """What a Tensor or an array is called, and whether it is shown."""

    name: str
    shown: bool


StepNames = dict[Any, StepName]  # by Tensor, or by an array's id


def step_names(steps: Steps, given: Given, names: Names) -> StepNames:
    """What each Tensor and each array is called where time steps are written one by one."""
    found: StepNames = {}
    used: set[str] = set()
    for key, quantity in steps.values.items():
        name = names.of(quantity)
        if not isinstance(key, tuple):
            if quantity.name and quantity.name not in used:
                name = quantity.name
            used.add(name)
            found[key] = StepName(name, quantity.shown)
    for key, quantity in steps.values.items():
        if not isinstance(key, tuple):
            continue
        loop, k = key
        for r, row in enumerate(loop.rounds):
            own = given.of_node(row[k])
            own = own if own != quantity.name else ""
            label = step_of(row[k].scope) or r + 1
            name = own or f"{names.of(quantity)}_{label}"
            while name in used:  # u_2 is the second step of u, and also a second u
                name += "'"
            used.add(name)
            found[row[k]] = StepName(name, quantity.shown)
    for quantity, arrays in steps.inputs.items():
        for r, array in enumerate(arrays) if isinstance(arrays, list) else ():
            found[id(array)] = StepName(given.of_array(array) or "", True)
            if found[id(array)].name in ("", quantity.name):
                found[id(array)] = StepName(f"{names.of(quantity)}_{r + 1}", True)
    return found


def take_names(steps: Steps, chosen: StepNames) -> None:
    """To what stands for one Tensor or one array the name that it is called by."""
    for key, quantity in steps.values.items():
        if key in chosen:
            quantity.name, quantity.shown = chosen[key]


def _common(names: Iterator[str]) -> str:
    """The name that there is; what several have in common but for their numbers."""
    found = list(dict.fromkeys(filter(None, names)))
    bases = {_NUMBER.sub("", name) or name for name in found}
    if len(found) == 1:
        return found[0]
    return bases.pop() if len(bases) == 1 else ""


class Names:
    """Gives a name to each quantity that prints, each name once."""

    def __init__(self, steps: Steps, loss: Node) -> None:
        self._reserved = {*RESERVED, *keyword.kwlist, *_functions(steps)}
        self._used = {*self._reserved, FUNCTION}
        self._names: dict[Quantity, str] = {}
        self._untried: dict[tuple[str, ...], Iterator[str]] = {}
        self._roles = _roles(steps, loss)
        known = dict.fromkeys([*steps.parameters, *steps.inputs, *steps.values.values()])
        named = [quantity for quantity in known if quantity.name]
        counts = Counter(quantity.name for quantity in named)
        for quantity in sorted(named, key=lambda quantity: counts[quantity.name] > 1):
            self.of(quantity)
        self._keys = {**self._keys_of(steps.parameters), **self._keys_of(steps.inputs)}

    def of(self, quantity: Quantity) -> str:
        """The quantity's name, an identifier."""
        if quantity not in self._names:
            self._names[quantity] = self._free(quantity)
        return self._names[quantity]

    def shows(self, quantity: Quantity) -> bool:
        """Whether it has a name that is worth an equation of its own."""
        if quantity.kind == "gradient" and self.of(quantity.of).partition("_")[0] == "z":
            return True  # the common factor dz_t
        return quantity.shown or self._roles.get(quantity) in _OF_INPUT.values()

    def fits(self, function: str) -> bool:
        """Whether the function of the source may be called so."""
        return function.isidentifier() and function not in self._reserved

    def key(self, quantity: Quantity) -> str:
        """The name under which a parameter or an input is handed over."""
        return self._keys[quantity]

    def _keys_of(self, quantities: Collection[Quantity]) -> dict[Quantity, str]:
        """The user's names; with numbers where several have one, which no other has."""
        counts = Counter(q.name for q in quantities)
        keys = {q: q.name for q in quantities if q.name and counts[q.name] == 1}
        used = set(keys.values())
        for q in quantities:
            if q not in keys:
                keys[q] = next(n for n in _numbered((q.name or self.of(q),)) if n not in used)
                used.add(keys[q])
        return keys

    def _free(self, quantity: Quantity) -> str:
        firsts = self._wanted(quantity)
        for name in self._untried.setdefault(firsts, _numbered(firsts)):
            name = re.sub(r"\W", "_", name) or "v"
            name = f"v{name}" if name[0].isdigit() else name
            if name not in self._used:
                break
        self._used.add(name)
        return name

    def _wanted(self, quantity: Quantity) -> tuple[str, ...]:
        """Names for it, the best one first."""
        if quantity.name:
            return (quantity.name,)
        if quantity.of is not None:
            end = "_next" if quantity.kind == "next" else ""
            return (f"d{self.of(quantity.of)}{end}",)
        if quantity in self._roles:
            return (self._roles[quantity],)
        return {"parameter": ("W",), "input": ("x",)}.get(quantity.kind, LETTERS)


def _numbered(firsts: tuple[str, ...]) -> Iterator[str]:
    """The names, and then again with numbers."""
    yield from firsts
    yield from (f"{first}_{k}" for k in count(2) for first in firsts)


def _functions(steps: Steps) -> Iterator[str]:
    """The names of functions that the source may have above it: those of ops."""
    for block in blocks(steps):
        for statement in block:
            if isinstance(statement, (Assign, Add)):
                yield from (x.op.name for x in parts(statement.value) if isinstance(x, Call))


def _roles(steps: Steps, loss: Node) -> dict[Quantity, str]:
    """What quantities are by their uses: a state h or c and its start, the loss, an op's input."""
    found: dict[Quantity, str] = {}
    for loop in dict.fromkeys(key[0] for key in steps.values if isinstance(key, tuple)):
        for k, initial in carried(loop).items():
            quantity = steps.values[loop, k]
            found[quantity] = _state(loop, k) if quantity.shape else "loss"
            start = steps.values.get(initial if isinstance(initial, Tensor) else id(initial))
            if start is not None:
                found.setdefault(start, f"{found[quantity]}_0")
            before = _before_activation(loop, k)
            if before is not None:
                found.setdefault(steps.values[loop, before], "z")
    if loss in steps.values:
        found.setdefault(steps.values[loss], "loss")
    values = _values(steps)
    for x in values.values():
        for name, y in zip(x.op.inputs, x.inputs, strict=False) if isinstance(x, Call) else ():
            if name in _OF_INPUT and isinstance(y, Symbol):
                found.setdefault(_viewed(y, values), _OF_INPUT[name])
    return found


def _viewed(symbol: Symbol, values: dict[Quantity, Expression]) -> Quantity:
    """The quantity, or the one that it is a view of."""
    value = values.get(symbol.quantity)
    while isinstance(value, Call) and value.op in VIEWS and isinstance(value.inputs[0], Symbol):
        symbol = value.inputs[0]
        value = values.get(symbol.quantity)
    return symbol.quantity


def _before_activation(loop: Loop, k: int) -> int | None:
    """The result that a state is the activation of, as z in h = tanh(z)."""
    slots = loop.slots[k]
    alone = len(slots) == 1 and loop.rounds[0][k].op.elementwise
    return slots[0].k if alone and isinstance(slots[0], Local) else None


def _values(steps: Steps) -> dict[Quantity, Expression]:
    """What each quantity is set to, in loops in round t."""
    assigned = [s for block in blocks(steps) for s in block if isinstance(s, Assign)]
    return {s.target.quantity: s.value for s in assigned if s.target.at in (None, Index(1, 0))}


def _state(loop: Loop, k: int) -> str:
    """h for a state that meets a weight, c for one that does not."""
    for row, slots in zip(loop.rounds[0], loop.slots, strict=True):
        if row.op in (matmul, addmm) and any(isinstance(s, Carried) and s.k == k for s in slots):
            return "h"
    return "c"
