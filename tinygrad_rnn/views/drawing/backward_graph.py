"""The backward graph: a gradient for each box that one reaches, and the rule of each edge.

It stands below the forward graph, in the same order of time; its arrows lead from right to left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...bptt.time import Edge
from ...derivation.report import norm
from ...engine.totals import Node
from .graph import Link, Recorded
from .rules import rule_texts
from .sheet import Arrow, Box, Sheet

RULES_NOTE = (
    "on the way back: g the gradient that comes in, z the result, other letters the op's inputs"
)


def with_backward(tape: Recorded, links: Sequence[Link], sheet: Sheet) -> Sheet:
    """The sheet in a frame, with the backward graph of its links in another.

    What the forward arrows say of gradients goes to those of the way back.
    """
    rules = _rules(tape)
    back = [
        _reversed(arrow, link, rules)
        for arrow, link in zip(sheet.arrows, links, strict=True)
        if any(edge in rules for edge in link.edges)
    ]
    turns = [
        Arrow(f"t{k}", tape.ids[node], f"d{tape.ids[node]}", "turn")
        for k, node in enumerate(tape.outputs)
        if node.requires_grad
    ]
    forward = [box._replace(scope=("forward", *box.scope)) for box in sheet.boxes]
    plain = [arrow._replace(norm=None) for arrow in sheet.arrows]
    gradients = _gradients(tape, sheet.boxes, [*back, *turns])
    arrows = [*plain, *back, *turns]
    return Sheet(forward + gradients, arrows, (*sheet.notes, RULES_NOTE))


def _rules(tape: Recorded) -> dict[Edge, str]:
    """The rule of each edge that a gradient flows through; empty inside of bundles."""
    reached = {node for node in tape.outputs if node.requires_grad}
    rules: dict[Edge, str] = {}
    for node in reversed(tape.nodes):
        if node in reached and node.op is not None:
            reached.update(x for x, needs in zip(node.inputs, node.needs, strict=False) if needs)
            if node in tape.folding.bundles:
                rules |= {(node, place): "" for place, needs in enumerate(node.needs) if needs}
            else:
                texts = rule_texts(node, tape.names)
                rules |= {(node, place): text for place, text in texts.items()}
    return rules


def _reversed(arrow: Arrow, link: Link, rules: dict[Edge, str]) -> Arrow:
    """The arrow of the way back, from the gradient of the head to that of the tail."""
    flowing = [edge for edge in link.edges if edge in rules]
    return arrow._replace(
        id=f"b{arrow.id}",
        tail=f"d{arrow.tail}",
        head=f"d{arrow.head}",
        kind="back",
        uses=len(flowing),
        rule=rules[flowing[0]] if len(flowing) == 1 else "",
    )


def _gradients(tape: Recorded, boxes: Sequence[Box], arrows: Sequence[Arrow]) -> list[Box]:
    """A box for each gradient at an arrow: whose it is, and of how many terms it is the sum."""
    nodes = {key: node for node, key in tape.ids.items() if node not in tape.folding.bundles}
    terms: Counter[str] = Counter()
    for arrow in arrows:
        terms[arrow.head] += arrow.kind == "turn"
        terms[arrow.tail] += arrow.uses if arrow.kind == "back" else 0
    found = []
    for box in boxes:
        key = f"d{box.id}"
        if key in terms:
            lines = _says(box, nodes.get(box.id), tape, terms[key])
            found.append(Box(key, "gradient", lines, ("backward", *box.scope)))
    return found


def _says(box: Box, node: Node | None, tape: Recorded, terms: int) -> tuple[str, ...]:
    """The lines of a gradient; node: None for those of a bundle."""
    if node is None:
        return ("gradients", *box.lines[:1])
    name = tape.names.get(node) or (f"({node.op.name})" if node.op else "(unnamed)")
    start = " = 1" if node in tape.outputs and node.size == 1 and terms == 1 else ""
    lines = [f"dL/d{name}{start}", str(node.shape)]
    if terms > 1:
        lines.append(f"sum of {terms} terms")
    if node.grad is not None:
        lines.append(f"norm {norm(node.grad._array):.3g}")
    return tuple(lines)
