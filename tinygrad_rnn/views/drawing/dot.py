"""A sheet in the DOT language. Whatever a label says, it stands in quotes and for itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from .labels import LONGEST_NAME, Show, abbreviate, lines_of
from .sheet import Arrow, Box, Scope, Sheet
from .style import FRAME, KINDS, LEGEND, MEANINGS, OUTPUT, POINT, Style, arrow_style, box_style

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|-?(\.[0-9]+|[0-9]+(\.[0-9]*)?)")
# Boxes that a band is held by: enough to hold it, few enough to cost no room.
HOLDS, HOLDS_LAYERS = 4, 6
HALVES = (("forward",), ("backward",))
_LAYER = re.compile(r"layer (\d+)")


def body_of(sheet: Sheet, show: Show, legend: bool, across: bool) -> list[str]:
    """The statements of a graph: legend, boxes in their frames, arrows.

    across: whether time runs from left to right, so that layers stand above each other.
    """
    norms = [arrow.norm for arrow in sheet.arrows if arrow.norm is not None]
    largest = max(norms, default=0.0)
    lines = _legend(sheet) if legend else []
    lines += _boxes(sheet.boxes)
    lines += [_arrow(arrow, largest, show, across) for arrow in sheet.arrows]
    return lines + _bands(sheet, across)


def _boxes(boxes: Iterable[Box]) -> list[str]:
    """Every box in its frame, each frame in the one around it."""
    inside: dict[Scope, list[str]] = {(): []}
    ids: dict[Scope, int] = {}
    for box in boxes:
        for depth in range(1, len(box.scope) + 1):
            if box.scope[:depth] not in inside:
                inside[box.scope[:depth]] = []
                ids[box.scope[:depth]] = len(ids) + 1
        text = {"label": label_of(*box.lines), "id": box.id}
        inside[box.scope].append(statement(box.id, box_style(box) | text, len(box.scope) + 1))
    frames: defaultdict[Scope, list[str]] = defaultdict(list)
    for scope in sorted(ids, key=len, reverse=True):  # innermost first: they are complete
        content = frames.pop(scope, []) + inside[scope]
        frames[scope[:-1]] += _frame(scope, ids[scope], content)
    return frames[()] + inside[()]


def _frame(scope: Scope, number: int, content: Sequence[str]) -> list[str]:
    indent = "\t" * len(scope)
    # the last line keeps arrows off the first
    label = label_of(abbreviate(scope[-1], LONGEST_NAME), " ")
    text = {"label": label, "id": f"c{number}"}
    style = FRAME | ({"labeljust": "l"} if scope in HALVES else {})  # the turn is at the right
    head = statement("graph", style | text, len(scope) + 1)
    return [f"{indent}subgraph cluster_{number} {{\n", head, *content, f"{indent}}}\n"]


def _bands(sheet: Sheet, across: bool) -> list[str]:
    """What makes layers stand above each other, and the backward graph below the forward one.

    Points that cannot be seen, in that order, lead to what comes first in each band.
    """
    scopes = {
        box.id: (*box.scope, box.lines[0]) if box.kind == "scope" else box.scope
        for box in sheet.boxes
    }
    heads = {arrow.head for arrow in sheet.arrows if not arrow.layered and arrow.kind != "turn"}
    first: dict[str, tuple[int, int]] = {}
    for arrow in sheet.arrows:
        if arrow.tail not in heads and arrow.kind != "turn":
            first[arrow.tail] = max(_band(scopes[arrow.head]), first.get(arrow.tail, (0, 0)))
    bands = sorted(set(first.values()), reverse=across)
    if len(bands) < 2:
        return []
    points = {band: f"band_{k}" for k, band in enumerate(bands)}
    row = " -> ".join(points.values())
    lines = [f"\t{{rank=same {row} [style=invis]}}\n"]
    lines += [statement(point, POINT, 1) for point in points.values()]
    most = HOLDS_LAYERS if len({layer for _, layer in bands}) > 1 else HOLDS
    for band, point in points.items():
        leads_to = [box for box in first if first[box] == band][:most]
        lines += [statement(f"{point} -> {box}", {"style": "invis"}, 1) for box in leads_to]
    return lines


def _band(scope: Scope) -> tuple[int, int]:
    """Where a scope stands from bottom to top.

    >>> _band(("forward", "layer 1", "t=3")), _band(("backward",))
    ((1, 1), (0, 0))
    """
    layers = (_LAYER.match(label) for label in scope)
    layer = next((int(found[1]) for found in layers if found), 0)
    return int(scope[:1] == ("forward",)), layer


def _arrow(arrow: Arrow, largest: float, show: Show, across: bool) -> str:
    says = [arrow.rule] if arrow.rule else []
    if arrow.uses > 1:
        says.append(f"×{arrow.uses}")
    if arrow.norm is not None and show != "shape":
        says.append(f"{arrow.norm:.3g}")
    style = arrow_style(arrow, largest) | {"id": arrow.id}
    if says:
        beside = [*says, " "] if across else [f"  {line}" for line in says]  # not on the arrow
        style["label"] = label_of(*beside)
    return statement(f"{arrow.tail} -> {arrow.head}", style, 1)


def _legend(sheet: Sheet) -> list[str]:
    """A row of samples of the kinds that there are."""
    kinds = dict.fromkeys(box.kind for box in sheet.boxes)
    samples: dict[str, tuple[str, Style]] = {
        kind: (meaning, KINDS[kind]) for kind, meaning in MEANINGS.items() if kind in kinds
    }
    if any(box.is_output for box in sheet.boxes):
        samples["output"] = "output", OUTPUT
    title = {"label": label_of("legend", *sheet.notes).replace(r"\n", r"\l") + r"\l"}
    title["id"] = "legend"
    lines = ["\tsubgraph cluster_legend {\n", statement("graph", LEGEND | title, 2)]
    for kind, (meaning, style) in samples.items():
        label = {"label": label_of(meaning), "id": f"legend_{kind}"}
        lines.append(statement(f"legend_{kind}", style | label, 2))
    if len(samples) > 1:
        chain = " -> ".join(f"legend_{kind}" for kind in samples)
        lines.append(statement(chain, {"style": "invis"}, 2))
    return [*lines, "\t}\n"]


def statement(subject: str, attributes: Style, depth: int) -> str:
    r"""A line of DOT: a node, an edge or defaults, with its attributes in alphabetical order.

    >>> statement("n0", {"label": "w", "id": "n0", "penwidth": "1.5"}, 0)
    'n0 [id=n0 label="w" penwidth=1.5]\n'
    """
    listed = " ".join(f"{key}={_value(key, attributes[key])}" for key in sorted(attributes))
    indent = "\t" * depth
    return f"{indent}{subject} [{listed}]\n"


def _value(key: str, value: str) -> str:
    """A value of an attribute, in quotes where it is a label, or no plain word or number."""
    return value if key != "label" and _PLAIN.fullmatch(value) else f'"{value}"'


def label_of(*lines: str) -> str:
    r"""The lines as text that stands for itself inside of quotes, whatever is in it.

    >>> print(label_of('a "b"', "c\\n"))
    a \"b\"\nc\\n
    """
    single = [part for line in lines for part in lines_of(line)]
    escaped = [
        line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in single
    ]
    return r"\n".join(escaped)
