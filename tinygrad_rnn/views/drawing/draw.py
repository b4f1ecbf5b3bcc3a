"""The recorded graph as a drawing: `draw`, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import graphviz

from ...engine.tape import tape
from ...engine.tensor import Tensor
from .backward_graph import with_backward
from .dot import body_of
from .folding import fold_nodes
from .graph import Recorded, arrows_of, boxes_of, count_boxes, links_of, norms_of, recorded
from .labels import Show, display_names
from .outline import outline
from .picture import RENDERING_FAILS, svg_of
from .sheet import Sheet
from .style import EDGE, GRAPH, NODE

Direction = Literal["LR", "TB"]


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """What `draw` gives: DOT text, `.source`, and as data what is in it, `.sheet`.

    It shows itself in notebooks. Graphviz's own methods, as `render` and `pipe`, need an installed
    Graphviz; `tg.render` does not.
    """

    sheet = Sheet([], [])

    def copy(self) -> Drawing:
        """A drawing to be changed by Graphviz's methods while this one stays."""
        new: Drawing = super().copy()
        new.sheet = self.sheet
        return new

    def text(self) -> str:
        """The drawing for a terminal: a line for each box, with what it is made of.

        >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
        >>> print(draw(w * 2).text())
        n0  w               (2,)  parameter
        n1  multiply(w, 2)  (2,)  output  from n0
        gradients: not computed; call backward() before drawing
        """
        return outline(self.sheet)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        """What a notebook shows: a picture where there is a renderer, and text."""
        bundle = {"text/plain": self.text()}
        try:
            return bundle | {"image/svg+xml": svg_of(self, timeout=20)}
        except RENDERING_FAILS:
            return bundle


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
    r"""The graph that the outputs were computed from; time runs from left to right.

    outputs: Tensors. names: {name: Tensor or Module}, such as `locals()`; a Module names its
    parameters, as in `model.rnn.weight_hh_l0`; other values are ignored, and a Tensor that is not
    named there goes by its own `.name`.
    backward: whether the backward graph stands below, each edge with its local rule, in which g is
    the gradient of the result.
    show: beneath each name the "shape"; "stats" (mean, deviation, least, greatest) too; or "values"
    where they are at most 16. After `backward` edges are the thicker the more of the gradient they
    carry, if there is one output of one entry; with "stats" or "values" the norm stands on them.
    group: whether there is a frame around each scope; frames of layers stand above each other.
    fold: whether time steps (scopes "t=1", "t=2", ...) between the first two and the last are one
    box, with what only they use. depth: how many frames inside each other are open; what is
    deeper is one box; None for all. direction: "LR", or "TB" for time from top to bottom.
    max_nodes: the most boxes. legend: whether the kinds of boxes are explained.
    Result: DOT text, `.source`, the same whenever graph, names and gradients are. Boxes are n0,
    n1, ... in recorded order, folded ones f0, f1, ...; they and the edges e0, e1, ... keep these
    ids in an SVG. Results that need no gradient were not recorded: they are drawn as inputs.
    Nothing is changed, and no Tensor is kept alive; after `backward` the tape is walked once more.
    `render` makes a file of it.
    Raises: TypeError without outputs, or where one is no Tensor. ValueError for more boxes than
    max_nodes, or an option that there is not.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> for line in draw(2 * w, names={"w": w}, legend=False).body:
    ...     print(line.strip())
    n0 [fillcolor="#F2B84B" id=n0 label="w\n(2,)" penwidth=2 style=filled]
    n1 [id=n1 label="multiply(2, w)\n(2,)" peripheries=2]
    n0 -> n1 [color="#B36B00" id=e0 penwidth=1.5]
    """
    _check_outputs(outputs)
    _check_options(show, direction, depth)
    nodes, unfolded = tape(*outputs), dict.fromkeys(outputs)
    folding = fold_nodes(nodes, unfolded, fold, depth)
    known = recorded(nodes, unfolded, display_names(nodes, names or {}), folding)
    _check_size(count_boxes(known), max_nodes)
    return drawing_of(_sheet(known, show, backward, group), show, direction, legend)


def drawing_of(
    sheet: Sheet, show: Show, direction: Direction = "LR", legend: bool = True
) -> Drawing:
    """The sheet in the DOT language; the options are those of `draw`."""
    drawing = Drawing(
        graph_attr=GRAPH | {"rankdir": direction},
        node_attr=NODE,
        edge_attr=EDGE,
        body=body_of(sheet, show, legend, direction == "LR"),
    )
    drawing.sheet = sheet
    return drawing


def _sheet(tape: Recorded, show: Show, backward: bool, group: bool) -> Sheet:
    """All that is drawn."""
    links = links_of(tape)
    norms, notes = norms_of(tape, links, show)
    sheet = Sheet(boxes_of(tape, show), arrows_of(tape, links, norms), notes)
    if not group:
        sheet = sheet._replace(boxes=[box._replace(scope=()) for box in sheet.boxes])
    return with_backward(tape, links, sheet) if backward else sheet


def _check_outputs(outputs: tuple[Any, ...]) -> None:
    kinds = [type(output).__name__ for output in outputs if not isinstance(output, Tensor)]
    if kinds or not outputs:
        raise TypeError(f"draw: needs Tensors, as in draw(loss), not {', '.join(kinds) or 'none'}")


def _check_options(show: str, direction: str, depth: Any) -> None:
    options = {"show": (show, get_args(Show)), "direction": (direction, get_args(Direction))}
    for name, (value, possible) in options.items():
        if value not in possible:
            choice = " or ".join(map(repr, possible))
            raise ValueError(f"draw: {name} is {value!r}; it must be {choice}")
    if depth is not None and not (isinstance(depth, int) and depth >= 0):
        raise ValueError(f"draw: depth is {depth!r}; it must be a whole number from 0 on, or None")


def _check_size(boxes: int, most: int) -> None:
    if boxes > most:
        raise ValueError(
            f"draw: {boxes} boxes are more than max_nodes={most}; fold=True makes one box of many "
            'time steps (scopes "t=1", "t=2", ...), depth=0 one of each scope; or give a larger '
            "max_nodes"
        )
