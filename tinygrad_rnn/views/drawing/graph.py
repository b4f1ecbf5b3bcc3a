"""From what was recorded to what is drawn: which boxes there are, and which arrows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ...bptt.time import Edge, is_node, step_of
from ...engine.totals import Node
from .flow import Norms, link_norms
from .folding import Bundle, Folding
from .labels import LONGEST_NAME, DisplayNames, Show, abbreviate, describe, is_array, numbers
from .sheet import Arrow, Box, Kind, Scope, Way

_LAYER = re.compile(r"layer \d+.*")

NOT_COMPUTED = "gradients: not computed; call backward() before drawing"
NOT_KNOWN = "gradients through edges: only of one output of one entry, not written since"
WIDTH_NOTE = "the thicker an edge, the larger the norm of the gradient that flows back through it"
NUMBER_NOTE = "the number on an edge is that norm"


class Link(NamedTuple):
    """All edges that one arrow stands for."""

    id: str
    tail: str
    head: str
    edges: list[Edge]


class Recorded(NamedTuple):
    """A tape with what is needed to draw it. ids: of the box that each node is in."""

    nodes: Sequence[Node]
    outputs: Collection[Node]
    names: DisplayNames
    folding: Folding
    ids: Mapping[Node, str]


def recorded(
    nodes: Sequence[Node], outputs: Collection[Node], names: DisplayNames, folding: Folding
) -> Recorded:
    """The ids of boxes: n3 for the fourth node, f0 for the first bundle."""
    bundles = {bundle: f"f{k}" for k, bundle in enumerate(dict.fromkeys(folding.bundles.values()))}
    ids = {
        node: bundles[folding.bundles[node]] if node in folding.bundles else f"n{k}"
        for k, node in enumerate(nodes)
    }
    return Recorded(nodes, outputs, names, folding, ids)


# Boxes


def count_boxes(tape: Recorded) -> int:
    """How many boxes there are."""
    own = (node for node in tape.nodes if node not in tape.folding.bundles)
    arrays = sum(is_array(x) for node in own for x in node.inputs)
    return len(set(tape.ids.values())) + arrays


def boxes_of(tape: Recorded, show: Show) -> list[Box]:
    """A box for each node, array and bundle, in recorded order."""
    boxes: dict[str, Box] = {}
    inside = Counter(tape.folding.bundles[node] for node in tape.folding.bundles if node.op)
    for node, key in tape.ids.items():
        bundle = tape.folding.bundles.get(node)
        if bundle is None:
            for place, x in enumerate(node.inputs):
                if is_array(x):
                    boxes[f"{key}_{place}"] = _constant(f"{key}_{place}", x, node.scope, show)
            boxes[key] = _box(key, node, tape, show)
        elif key not in boxes:
            boxes[key] = _bundled(key, bundle, tape.folding, inside[bundle])
    return list(boxes.values())


def _constant(key: str, x: Any, scope: Scope, show: Show) -> Box:
    array = np.asarray(x)
    return Box(key, "constant", (str(array.shape), *numbers(array, show)), scope)


def _box(key: str, node: Node, tape: Recorded, show: Show) -> Box:
    kind: Kind
    if node.op is None:
        kind = "parameter" if node.requires_grad else "input"
    else:
        kind = "named" if node in tape.names else "result"
    lines = describe(node, tape.names, show)
    return Box(key, kind, lines, node.scope, node in tape.outputs)


def _bundled(key: str, bundle: Bundle, folding: Folding, operations: int) -> Box:
    """The box of a bundle, which says what is in it."""
    inside = f"{operations} operation{'s' if operations != 1 else ''}"
    if bundle.label is None:
        steps = folding.steps[bundle]
        lines = (f"… {len(steps)} more steps", f"t={steps[0]} to t={steps[-1]}", inside)
        return Box(key, "steps", lines, bundle.scope)
    return Box(key, "scope", (abbreviate(bundle.label, LONGEST_NAME), inside), bundle.scope)


# Arrows


def links_of(tape: Recorded) -> list[Link]:
    """What is linked: edges to or from a bundle, where several lead the same way, are one link."""
    links: list[Link] = []
    shared: dict[tuple[str, str], Link] = {}
    bundles = tape.folding.bundles
    for key, node, place, tail in _edges(tape):
        head = tape.ids[node]
        if tail == head:
            continue
        x = node.inputs[place]
        bundled = node in bundles or (is_node(x) and x in bundles)
        if bundled and (tail, head) in shared:
            shared[tail, head].edges.append((node, place))
            continue
        links.append(Link(key, tail, head, [(node, place)]))
        if bundled:
            shared[tail, head] = links[-1]
    return links


def _edges(tape: Recorded) -> Iterator[tuple[str, Node, int, str]]:
    """Each edge by its id, node and place, and the box that it leaves; in the order of inputs.

    Edges between Tensors are e0, e1, ...; that of the array n3_1 is en3_1.
    """
    number = count()
    for node, key in tape.ids.items():
        for place, x in enumerate(node.inputs):
            if is_node(x):
                yield f"e{next(number)}", node, place, tape.ids[x]
            elif is_array(x):
                box = key if node in tape.folding.bundles else f"{key}_{place}"
                yield f"e{box}", node, place, box


def arrows_of(tape: Recorded, links: Sequence[Link], norms: Norms) -> list[Arrow]:
    """The arrows, with what flows back through them and how long they are."""
    columns = _columns(tape)
    return [_arrow(link, columns, norms.get(link.id)) for link in links]


def _arrow(link: Link, columns: Columns, norm: float | None) -> Arrow:
    node, place = link.edges[0]
    x, uses = node.inputs[place], len(link.edges)
    if not is_node(x):
        return Arrow(link.id, link.tail, link.head, "value", uses)
    kind: Way = "parameter" if x.op is None and x.requires_grad else "value"
    length, in_time = _length(x, node, columns)
    layered = _leads_up(x.scope, node.scope)
    return Arrow(link.id, link.tail, link.head, kind, uses, norm, "", length, in_time, layered)


class Columns(NamedTuple):
    """Where nodes stand from left to right inside their frame, which is that of a time step.

    frames: of each scope. ranks: for each result that has a box of its own the number of nodes
    on the longest way to it inside its frame. ends: the last rank of each frame.
    """

    frames: Mapping[Scope, Scope]
    ranks: Mapping[Node, int]
    ends: Mapping[Scope, int]


def _columns(tape: Recorded) -> Columns:
    frames = {scope: _frame(scope) for scope in dict.fromkeys(node.scope for node in tape.nodes)}
    ranks: dict[Node, int] = {}
    ends: dict[Scope, int] = {}
    for node in tape.nodes:
        if node.op is not None and node not in tape.folding.bundles:
            frame, rank = frames[node.scope], 0
            for x in filter(is_node, node.inputs):
                if frames[x.scope] == frame and not _leads_up(x.scope, node.scope):
                    rank = max(rank, ranks.get(x, 0))
            ranks[node] = rank + 1
            ends[frame] = max(rank + 1, ends.get(frame, 0))
    return Columns(frames, ranks, ends)


def _frame(scope: Scope) -> Scope:
    """The scope as far as its outermost time step, if it has one."""
    steps = (k for k, label in enumerate(scope) if step_of((label,)) is not None)
    return scope[: next(steps, len(scope)) + 1]


def _length(x: Node, node: Node, columns: Columns) -> tuple[int, bool]:
    """The length by which each frame begins right of the one before, and whether it spans two."""
    frames, ranks, ends = columns
    here, there = frames[node.scope], frames[x.scope]
    if x.op is None or not here or not there:
        return 1, False
    if here == there:
        return max(1, ranks.get(node, 1) - ranks.get(x, 0)), False
    behind = ends[there] - ranks[x] if x in ranks else 0
    return behind + ranks.get(node, 1) + 1, True


def _leads_up(tail: Scope, head: Scope) -> bool:
    """Whether an edge leads from one layer to another, by the first label that differs."""
    if tail == head:
        return False
    for before, after in zip(tail, head, strict=False):
        if before != after:
            return bool(_LAYER.fullmatch(before) and _LAYER.fullmatch(after))
    return False


# Gradients


def norms_of(tape: Recorded, links: Sequence[Link], show: Show) -> tuple[Norms, tuple[str, ...]]:
    """What flows back through each link once `backward` has run; what the legend says of it."""
    if not any(node.requires_grad for node in tape.outputs):
        return {}, ()
    if all(node.grad is None for node in tape.nodes):
        return {}, (NOT_COMPUTED,)
    (output, *others) = tape.outputs
    if others or output.size != 1 or not output.requires_grad:
        return {}, (NOT_KNOWN,)
    try:
        norms = link_norms(output, {link.id: link.edges for link in links})
    except RuntimeError:  # a tensor was written since
        return {}, (NOT_KNOWN,)
    return norms, (WIDTH_NOTE,) if show == "shape" else (WIDTH_NOTE, NUMBER_NOTE)
