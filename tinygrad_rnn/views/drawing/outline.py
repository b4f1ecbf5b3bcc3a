"""A drawing as text for a terminal: a line for each box, under the labels of its scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from .labels import lines_of
from .sheet import Arrow, Scope, Sheet

WIDEST = 60  # characters of what a box says before the columns behind it move
KINDS = {"parameter": "parameter", "input": "input", "constant": "array"}


def outline(sheet: Sheet) -> str:
    """The sheet as text. A line: id, what the box says, its kind, and the boxes that it is made of.

    >>> from .sheet import Box
    >>> w, y = Box("n0", "parameter", ("w", "(2,)"), ()), Box("n1", "result", ("exp", "(2,)"), ())
    >>> print(outline(Sheet([w, y], [Arrow("e0", "n0", "n1", "parameter")])))
    n0  w    (2,)  parameter
    n1  exp  (2,)  from n0
    """
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for arrow in sheet.arrows:
        made, source = _direction(arrow)
        sources[made].append(source)
    names = [" ".join(lines_of(box.lines[0])) for box in sheet.boxes]
    ids = max((len(box.id) for box in sheet.boxes), default=0)
    width = min(WIDEST, max(map(len, names), default=0))
    lines: list[str] = []
    scope: Scope = ()
    for box, name in zip(sheet.boxes, names, strict=True):
        lines += _headings(scope, box.scope)
        scope = box.scope
        rest = [" ".join(lines_of(line)) for line in box.lines[1:]]
        rest += [KINDS[box.kind]] if box.kind in KINDS else []
        rest += ["output"] if box.is_output else []
        rest += [f"from {', '.join(sources[box.id])}"] if sources[box.id] else []
        indent = "  " * len(scope)
        lines.append(f"{indent}{box.id:{ids}}  {name:{width}}  {'  '.join(rest)}".rstrip())
    return "\n".join([*lines, *sheet.notes])


def _direction(arrow: Arrow) -> tuple[str, str]:
    """The box that an arrow's other end is made of, and that end with what the arrow says."""
    made, source = (arrow.tail, arrow.head) if arrow.kind == "back" else (arrow.head, arrow.tail)
    says = f" × {arrow.uses}" if arrow.uses > 1 else ""
    says += f" by {' '.join(lines_of(arrow.rule))}" if arrow.rule else ""
    return made, source + says


def _headings(last: Scope, scope: Sequence[str]) -> list[str]:
    """The labels of the scopes that begin here."""
    same = 0
    while same < min(len(last), len(scope)) and last[same] == scope[same]:
        same += 1
    return ["  " * k + " ".join(lines_of(scope[k])) for k in range(same, len(scope))]
