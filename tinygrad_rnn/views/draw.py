"""The recorded graph as a drawing: `draw`, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import graphviz

from ..tape import tape
from ..tensor import Tensor
from .dot import body_of
from .folding import fold_nodes
from .backward import with_backward
from .graph import Recorded, arrows_of, boxes_of, links_of, norms_of, recorded
from .labels import Show, called
from .sheet import Sheet
from .style import EDGE, GRAPH, NODE

Direction = Literal["LR", "TB"]


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """A graph in the DOT language, `.source`, with what is drawn as data, `.sheet`."""

    sheet = Sheet([], [])


def draw(
    *outputs: Tensor,
    names: Mapping[str, Any] | None = None,
    backward: bool = False,
    show: Show = "shape",
    group: bool = True,
    fold: bool = True,
    depth: int | None = None,
    direction: Direction = "LR",
    max_nodes: int = 1000,
    legend: bool = True,
) -> Drawing:
    nodes = tape(*outputs)
    kept = dict.fromkeys(outputs)
    folding = fold_nodes(nodes, kept, fold, depth)
    known = recorded(nodes, kept, called(nodes, names or {}), folding)
    sheet = _sheet(known, show, backward)
    graph = Drawing(
        graph_attr=GRAPH | {"rankdir": direction},
        node_attr=NODE,
        edge_attr=EDGE,
        body=body_of(sheet, show, legend, direction == "LR"),
    )
    graph.sheet = sheet
    return graph


def _sheet(tape: Recorded, show: Show, backward: bool) -> Sheet:
    links = links_of(tape)
    norms, note = norms_of(tape, links)
    sheet = Sheet(boxes_of(tape, show), arrows_of(tape, links, norms), note)
    return with_backward(tape, links, sheet) if backward else sheet
