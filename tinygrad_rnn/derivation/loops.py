"""Steps over time, found again in what was recorded: the same ops, several rounds in a row.

Rounds are alike where their ops are, and where each input comes from the same place as in the
other rounds: from outside, from the same round, from the round before, from another loop round
by round, or from a row of arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ..bptt.time import step_of
from ..engine.repeats import Repeat, Repeats
from ..engine.tensor import Tensor
from ..engine.totals import Node
from ..ops.op import Array
from ..program.passes.simplify import hashable
from .expressions.expression import Index

LONGEST_ROUND = 400  # ops in a round
TRIES = 8  # sizes that are looked at for each loop
PEELED = 2  # rounds at the start that may be unlike the others


@dataclass(frozen=True)
class Fixed:
    """An input that is the same in each round. x: a Tensor, an array, a number."""

    x: Any


@dataclass(frozen=True)
class Local:
    """An input that the same round made, as its k-th result."""

    k: int


@dataclass(frozen=True)
class Carried:
    """An input that the round before made, as its k-th result; at first it is `initial`."""

    k: int
    initial: Any


@dataclass(frozen=True)
class From:
    """An input that another loop made, as its k-th result, in the round `at`."""

    loop: Loop
    k: int
    at: Index


@dataclass(frozen=True, eq=False)
class Scanned:
    """Inputs that are one array for each round. arrays: Tensors without gradients, or arrays."""

    arrays: list[Any]


Slot = Fixed | Local | Carried | From | Scanned


@dataclass(eq=False)
class Loop:
    """Rounds of the same ops.

    rounds: for each round its nodes. slots: for each op of a round where its inputs come from.
    settings: for each op its settings; in an index, for a number that is another one in each round,
    an Index where it counts them, else what is Scanned.
    """

    rounds: list[list[Node]]
    slots: list[list[Slot]]
    settings: list[dict[str, Any]]

    @property
    def size(self) -> int:
        """The number of ops in a round."""
        return len(self.rounds[0])


class Occurrence(NamedTuple):
    """Where a node is in a loop: the op's number in a round, and the round."""

    loop: Loop
    k: int
    r: int


def rerolled(nodes: Sequence[Node], fewest: int) -> list[Node | Loop]:
    """The nodes in order, with loops (rolled up again) in the place of those that are in one.

    nodes: results of ops, in recorded order. fewest: rounds of a loop.
    """
    ranges = _ranges(nodes, fewest)
    peeled: Counter[int] = Counter()  # rounds that were taken off, by the place of the end
    while True:
        places: dict[Node, Occurrence] = {}
        loops: dict[int, Loop] = {}
        failed = None
        for repeat in sorted(ranges):
            loop = Loop(_split(nodes, repeat), [], [])
            places.update(_places(loop))
            found = _classified(loop, places)
            if found is None:
                failed = repeat
                break
            loop.slots, loop.settings = found
            loops[repeat.start] = loop
        if failed is None:
            return list(_items(nodes, ranges, loops))
        ranges.remove(failed)
        peeled[failed.end] += 1
        if failed.rounds > fewest and peeled[failed.end] <= PEELED:
            ranges.append(_without_first(failed))


def _split(nodes: Sequence[Node], repeat: Repeat) -> list[list[Node]]:
    start, size, rounds = repeat
    return [list(nodes[start + size * r : start + size * (r + 1)]) for r in range(rounds)]


def _places(loop: Loop) -> dict[Node, Occurrence]:
    """Where each node of a loop is in it."""
    return {
        node: Occurrence(loop, k, r)
        for r, row in enumerate(loop.rounds)
        for k, node in enumerate(row)
    }


def _items(
    nodes: Sequence[Node], ranges: list[Repeat], loops: dict[int, Loop]
) -> Iterator[Node | Loop]:
    ends = {repeat.start: repeat.end for repeat in ranges}
    at = 0
    while at < len(nodes):
        yield loops.get(at, nodes[at])
        at = ends.get(at, at + 1)


# Where loops may be


def _ranges(nodes: Sequence[Node], fewest: int) -> list[Repeat]:
    """Repeats that do not overlap, those that cover most before all others."""
    repeats = Repeats(_kinds(nodes), LONGEST_ROUND)
    starts, found, waiting = _starts(nodes), [], [(0, len(nodes))]
    while waiting:
        start, end = waiting.pop()
        if end - start < fewest:
            continue
        tries = islice(repeats.best(start, end, fewest, starts), TRIES)
        best = next(filter(None, (_alone(nodes, repeat, fewest) for repeat in tries)), None)
        if best is not None:
            found.append(best)
            waiting += [(start, best.start), (best.end, end)]
    return found


def _alone(nodes: Sequence[Node], repeat: Repeat, fewest: int) -> Repeat | None:
    """The repeat, or one without its first rounds, if its rounds are alike, seen for itself."""
    for _ in range(PEELED + 1):
        if repeat.rounds < fewest:
            break
        loop = Loop(_split(nodes, repeat), [], [])
        if _classified(loop, _places(loop), strict=False) is not None:
            return repeat
        repeat = _without_first(repeat)
    return None


def _without_first(repeat: Repeat) -> Repeat:
    return Repeat(repeat.start + repeat.size, repeat.size, repeat.rounds - 1)


def _starts(nodes: Sequence[Node]) -> list[bool]:
    """Whether a loop may start at a node: in a time step's scope only at its first node."""
    before: list[Any] = [None, *(node.scope for node in nodes)]
    return [
        step_of(node.scope) is None or node.scope != scope
        for node, scope in zip(nodes, before, strict=False)
    ]


def _kinds(nodes: Sequence[Node]) -> list[Any]:
    """What must be equal in all rounds, but for where inputs come from."""
    kinds, before = [], None
    for node in nodes:
        begins = node.scope != before
        before = node.scope
        settings = tuple(_kind(key, x) for key, x in node.settings.items())
        shape = (node.shape, node.dtype, len(node.inputs))
        kinds.append((node.op, shape, settings, begins and step_of(node.scope) is not None))
    return kinds


def _kind(name: str, value: Any) -> Any:
    if name != "index":
        return hashable(value)
    several = value if isinstance(value, tuple) else (value,)
    return tuple(int if _is_integer_index(k) else hashable(k) for k in several)


def _is_integer_index(k: Any) -> bool:
    """Whether a part of an index is a whole number."""
    return isinstance(k, (int, np.integer)) and not isinstance(k, bool)


# Where the inputs come from


def _classified(
    loop: Loop, places: dict[Node, Occurrence], strict: bool = True
) -> tuple[list[list[Slot]], list[dict[str, Any]]] | None:
    """The slots and settings of a loop; None where a round is unlike the others.

    strict: places has all other loops; else what they make is taken for alike.
    """
    slots, settings = [], []
    for k in range(loop.size):
        ops = [row[k] for row in loop.rounds]
        columns = list(zip(*[node.inputs for node in ops], strict=True))
        found = [_slot(loop, column, places, strict) for column in columns]
        chosen = _settings(ops)
        if chosen is None or any(slot is None for slot in found):
            return None
        slots.append([slot for slot in found if slot is not None])
        settings.append(chosen)
    return (slots, settings) if _one_initial_each(slots) else None


def _one_initial_each(slots: list[list[Slot]]) -> bool:
    """Whether each carried value starts as one thing, whoever reads it."""
    initial: dict[int, Any] = {}
    carried = [slot for several in slots for slot in several if isinstance(slot, Carried)]
    return all(initial.setdefault(s.k, s.initial) is s.initial for s in carried)


def _slot(
    loop: Loop, column: Sequence[Any], places: dict[Node, Occurrence], strict: bool
) -> Slot | None:
    first, last = column[0], column[-1]
    if all(x is first for x in column):
        return Fixed(first)
    if not any(hasattr(x, "shape") for x in column):
        return Fixed(first) if len({hashable(x) for x in column}) == 1 else None
    place = places.get(last) if isinstance(last, Tensor) else None
    if place is not None and place.loop is loop:
        return _inner(loop, column, places, place.k, len(column) - 1 - place.r)
    if place is not None:
        return _from(column, places)
    if all(_is_data(x) for x in column):
        alike = len({(x.shape, x.dtype) for x in column}) == 1
        return Scanned(list(column)) if alike else None
    return None if strict or not isinstance(last, Tensor) or last.op is None else Fixed(first)


def _is_data(x: Any) -> bool:
    """Whether it is an array, or a Tensor that is nothing else."""
    if isinstance(x, Tensor):
        return x.op is None and not x.requires_grad
    return isinstance(x, np.ndarray)


def _inner(
    loop: Loop, column: Sequence[Any], places: dict[Node, Occurrence], k: int, lag: int
) -> Slot | None:
    """From the same round or the one before."""
    if lag > 1:
        return None
    for r in range(lag, len(column)):
        if column[r] is not loop.rounds[r - lag][k]:
            return None
    if not lag:
        return Local(k)
    initial, value = column[0], column[-1]
    place = places.get(initial) if isinstance(initial, Tensor) else None
    inside = place is not None and place.loop is loop
    fits = getattr(initial, "shape", value.shape) == value.shape
    return Carried(k, initial) if fits and not inside else None


def _from(column: Sequence[Any], places: dict[Node, Occurrence]) -> Slot | None:
    """From another loop, round by round."""
    found = [places.get(x) if isinstance(x, Tensor) else None for x in column]
    first = found[0]
    if first is None or any(p is None or (p.loop, p.k) != (first.loop, first.k) for p in found):
        return None
    at = progression([p.r for p in found if p is not None])
    return None if at is None else From(first.loop, first.k, at)


def progression(values: Sequence[int]) -> Index | None:
    """The values as times · t + plus for t = 0, 1, ...; None where they are not of that form.

    >>> progression([4, 3, 2]), progression([1, 3, 5])
    (Index(times=-1, plus=4), None)
    """
    times = values[1] - values[0] if len(values) > 1 else 0
    fits = abs(times) < 2 and all(v == values[0] + times * t for t, v in enumerate(values))
    return Index(times, values[0]) if fits else None


def _settings(ops: Sequence[Node]) -> dict[str, Any] | None:
    """The settings of all rounds in one, with an Index where a number counts rounds."""
    several = [node.settings for node in ops]
    if "index" not in several[0]:
        return dict(several[0])
    index = same_or_progression([settings["index"] for settings in several])
    return None if index is None else {**several[0], "index": index[0]}


def same_or_progression(values: Sequence[Any]) -> list[Any] | None:
    """[what they all are, an Index, or Scanned numbers that differ]; None if nothing is."""
    first = values[0]
    if _is_integer_index(first):
        at = progression([int(v) for v in values])
        if at is None:
            return [Scanned([np.asarray(v) for v in values])]
        return [at if at.times else first]
    if isinstance(first, tuple):
        several = [same_or_progression(column) for column in zip(*values, strict=True)]
        if any(part is None for part in several):
            return None
        return [tuple(part[0] for part in several if part is not None)]
    return [first] if all(hashable(v) == hashable(first) for v in values) else None


def array_of(x: Any) -> Array:
    """The array of a Tensor or itself."""
    found: Array = x._array if isinstance(x, Tensor) else np.asarray(x)
    return found
