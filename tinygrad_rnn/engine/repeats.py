"""Where the same things come again in a sequence, several in a row."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class Repeat(NamedTuple):
    """From `start` on: `rounds` times the same `size` things."""

    start: int
    size: int
    rounds: int

    @property
    def end(self) -> int:
        """The place behind the last of them."""
        return self.start + self.size * self.rounds


class Repeats:
    """Finds repeats among things, of which equal ones are the same; at most `most` in a round.

    >>> Repeats("xabababy", most=3).longest_at(1)
    Repeat(start=1, size=2, rounds=3)
    """

    def __init__(self, things: Sequence[Hashable], most: int) -> None:
        numbers: dict[Hashable, int] = {}
        kinds = np.array([numbers.setdefault(thing, len(numbers)) for thing in things])
        self._ahead = [equal_ahead(kinds, size) for size in range(1, min(most, len(kinds) - 1) + 1)]

    def at(self, start: int) -> Iterator[Repeat]:
        """For each size the repeat from this place on, of one round where nothing comes again."""
        for size, ahead in enumerate(self._ahead, start=1):
            if start < len(ahead):
                yield Repeat(start, size, int(ahead[start]) // size + 1)

    def longest_at(self, start: int) -> Repeat:
        """The one that covers most; of those that cover the same, the one of the smallest size."""
        return max(self.at(start), key=_coverage, default=Repeat(start, 1, 1))

    def best(self, start: int, end: int, fewest: int, starts: Sequence[bool]) -> Iterator[Repeat]:
        """Repeats between two places, for each size the one that covers most, the most first.

        fewest: rounds. starts: for each place whether a repeat may start there.
        """
        allowed = np.asarray(starts[start:end], bool)
        found = []
        largest = (end - start) // fewest
        for size, ahead in enumerate(self._ahead[:largest], start=1):
            places = np.arange(start, min(end, len(ahead)))
            if not len(places):
                continue
            rounds = np.minimum(ahead[places] // size + 1, (end - places) // size)
            rounds = np.where(allowed[: len(places)] & (rounds >= fewest), rounds, 0)
            k = int(np.argmax(rounds))
            if rounds[k]:
                found.append(Repeat(int(places[k]), size, int(rounds[k])))
        return iter(sorted(found, key=_coverage, reverse=True))


def _coverage(repeat: Repeat) -> tuple[int, int]:
    return repeat.size * repeat.rounds, -repeat.size


def equal_ahead(kinds: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """For each place how many from it on are equal to those `size` later.

    >>> equal_ahead(np.array([0, 1, 0, 1, 2]), 2).tolist()
    [2, 1, 0]
    """
    equal = kinds[:-size] == kinds[size:]
    places = np.arange(len(equal), dtype=np.int32)
    ends = np.where(equal, len(equal), places)
    return np.minimum.accumulate(ends[::-1])[::-1] - places
