"""What is drawn, as data: boxes in frames, and arrows between boxes. No Tensor is in it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Scope = tuple[str, ...]
Kind = Literal["parameter", "input", "result", "named", "constant", "steps", "scope", "gradient"]

Way = Literal["parameter", "value", "back", "turn"]


class Box(NamedTuple):
    """One box. id: n3 for the fourth node on the tape. lines: what it says. scope: its frame."""

    id: str
    kind: Kind
    lines: tuple[str, ...]
    scope: Scope
    is_output: bool = False


class Arrow(NamedTuple):
    """One arrow, from a value to what uses it; or, if it leads back, to its gradient from there.

    uses: how many edges of the graph it stands for. norm: of the gradient that they carry.
    rule: what a way back computes. length: in ranks. layered: leads up, from layer to layer.
    """

    id: str
    tail: str
    head: str
    kind: Way
    uses: int = 1
    norm: float | None = None
    rule: str = ""
    length: int = 1
    in_time: bool = False
    layered: bool = False


class Sheet(NamedTuple):
    """All boxes and arrows. notes: what the legend says of gradients."""

    boxes: list[Box]
    arrows: list[Arrow]
    notes: tuple[str, ...] = ()
