"""schedule: an order of equations in which those of a group can be computed at once.

An equation that stands alone is computed as early as it stood; a group when the last operand of
its last member is there. Where groups wait for each other, a part of one goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from ..program import Equation, Var


class Group:
    """Equations to be made one: where they stand, and those of them that are ready."""

    __slots__ = ("members", "ready")

    def __init__(self, members: list[int]) -> None:
        self.members = members
        self.ready: list[int] = []


def in_groups(equations: Sequence[Equation], groups: dict[int, Group]) -> Iterator[list[int]]:
    """The places of the equations, each after those that it reads: one, or a group's.

    groups: for the place of each member its group; those that had to be parted are taken out.
    """
    schedule = _Schedule(equations, groups)
    while schedule.ready or schedule.partly:
        together = schedule.next()
        yield together
        schedule.computed(together)


class _Schedule:
    """What can be computed next. ready: (where it stands, a place); partly: groups in waiting."""

    __slots__ = ("_groups", "_missing", "_readers", "partly", "ready")

    def __init__(self, equations: Sequence[Equation], groups: dict[int, Group]) -> None:
        self._groups = groups
        self._readers: list[list[int]] = [[] for _ in equations]
        self._missing: list[int] = []
        self.ready: list[tuple[int, int]] = []
        self.partly: dict[int, Group] = {}
        place = {equation.output: k for k, equation in enumerate(equations)}
        for k, equation in enumerate(equations):
            above = {place[x] for x in equation.inputs if type(x) is Var and x in place}
            self._missing.append(len(above))
            for j in above:
                self._readers[j].append(k)
        for k, count in enumerate(self._missing):
            if not count:
                self._arrived(k)

    def next(self) -> list[int]:
        """The equation or the group that stood first of those that can be computed."""
        if not self.ready:
            return self._split()
        _, k = heappop(self.ready)
        group = self._groups.get(k)
        return [k] if group is None else group.ready

    def computed(self, together: list[int]) -> None:
        """Those that only waited for these can be computed too."""
        for k in together:
            for reader in self._readers[k]:
                self._missing[reader] -= 1
                if not self._missing[reader]:
                    self._arrived(reader)

    def _arrived(self, k: int) -> None:
        """The last operand of an equation is there."""
        group = self._groups.get(k)
        if group is None:
            heappush(self.ready, (k, k))
            return
        group.ready.append(k)
        if len(group.ready) == len(group.members):
            self.partly.pop(id(group), None)
            heappush(self.ready, (group.members[0], k))
        else:
            self.partly[id(group)] = group

    def _split(self) -> list[int]:
        """Every group waits for another: what is ready of one goes first, the rest later."""
        group = next(iter(self.partly.values()))
        first, group.ready = group.ready, []
        left = set(group.members) - set(first)
        group.members = [k for k in group.members if k in left]
        del self.partly[id(group)]
        for k in first:
            del self._groups[k]
        return first
