"""Passes: each makes of a Program another one that computes the same with less work.

What they find, they find from the equations alone.
"""

from __future__ import annotations

from collections.abc import Callable

from ..program import Program
from .align import aligned
from .batch import batched
from .gates import gated
from .simplify import simplified
from .sums import reassociated
from .widen import widened

Pass = Callable[[Program], Program]

PASSES: tuple[Pass, ...] = (
    simplified,
    gated,
    widened,
    reassociated,
    aligned,
    simplified,
    batched,
    simplified,
)


def improved(program: Program) -> Program:
    """The program after all passes."""
    for one in PASSES:
        program = one(program)
    return program.check()
