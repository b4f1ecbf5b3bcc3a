"""code: a list of calls as one Python function, with loops where the same calls come again.

For each time step a loop has one tuple of arrays instead of two for each call: for long sequences
these take more time to fetch from memory than the calls that they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.repeats import Repeat, Repeats
from .kernels import KernelCall

FEWEST_CALLS = 1000  # calls from which on repetitions become loops
LONGEST_BODY = 64  # calls in the body of a loop
FEWEST_ROUNDS = 8  # rounds of a loop


def function_of(calls: Sequence[KernelCall]) -> Callable[[], None]:
    """A function that makes the calls, one after another."""
    names: dict[str, Any] = {}
    lines = ["def run():"]
    at = 0
    for loop in [*_loops(calls), Repeat(len(calls), 0, 0)]:
        if at < loop.start:
            pairs = [(call.function, call.arguments) for call in calls[at : loop.start]]
            several = _name(pairs, names)
            lines.append(f" for function, arguments in {several}: function(*arguments)")
        if loop.rounds:
            lines += _loop_lines(calls, loop, names)
        at = loop.end
    exec("\n".join([*lines, " return"]), names)
    run: Callable[[], None] = names["run"]
    return run


def _name(value: Any, names: dict[str, Any]) -> str:
    name = f"x{id(value)}"
    names[name] = value  # which keeps it alive, so that its id stays its own
    return name


def _loops(calls: Sequence[KernelCall]) -> list[Repeat]:
    """Where the same functions are called in the same order, the longest first from each place."""
    if len(calls) < FEWEST_CALLS:
        return []
    repeats, found, at = Repeats(list(map(_kind, calls)), LONGEST_BODY), [], 0
    while at < len(calls):
        best = repeats.longest_at(at)
        if best.rounds >= FEWEST_ROUNDS:
            found.append(best)
        at = best.end if best.rounds >= FEWEST_ROUNDS else at + 1
    return found


def _kind(call: KernelCall) -> Any:
    """The function, for a method of an array its name; and how many arguments."""
    function, arguments, _ = call
    owner = getattr(function, "__self__", None)
    return function.__name__ if isinstance(owner, np.ndarray) else function, len(arguments)


def _loop_lines(calls: Sequence[KernelCall], loop: Repeat, names: dict[str, Any]) -> list[str]:
    start, size, rounds = loop
    columns: dict[tuple[int, ...], str] = {}
    values: list[list[Any]] = []
    body = []
    for k in range(start, start + size):
        column = [calls[k + size * n] for n in range(rounds)]
        slots = list(zip(*[(call.function, *call.arguments) for call in column], strict=True))
        spelled = []
        for slot in slots:
            if all(x is slot[0] for x in slot):
                spelled.append(_name(slot[0], names))
                continue
            key = tuple(map(id, slot))
            if key not in columns:
                columns[key] = f"v{len(columns)}"
                values.append(list(slot))
            spelled.append(columns[key])
        body.append(f"  {spelled[0]}({', '.join(spelled[1:])})")
    if not columns:
        return [f" for _ in range({rounds}):", *body]
    rows = list(zip(*values, strict=True))
    targets = "".join(f"{name}, " for name in columns.values())
    return [f" for {targets}in {_name(rows, names)}:", *body]
