"""What notebooks show of Tensors and Modules: a picture of the graph or of the parts, and text.

Tensors and Modules stand on lower floors and know nothing of drawings: the method that notebooks
look for is given to them at the top of the package, and loads this when it is called.
"""

from __future__ import annotations

from ..bptt.time import is_node
from ..engine.tensor import Tensor
from ..nn import Module
from .drawing.draw import Drawing, draw, drawing_of
from .drawing.picture import RENDERING_FAILS, svg_of
from .drawing.sheet import Box, Scope, Sheet

MOST_BOXES = 150  # of a picture that comes without being asked for
MOST_NODES = 20_000  # that are looked at for one
SECONDS = 10.0


def bundle_of(x: Tensor | Module) -> dict[str, str]:
    """The text of a Tensor or Module, and a picture as SVG where there is one to show.

    A result shows the graph that it came from, a Module its parameters, in a frame for each module
    inside; long sequences are folded. A leaf, a graph that is too large even so, and a machine
    without a renderer get text alone.

    >>> sorted(bundle_of(Tensor([1.0, 2.0])))
    ['text/plain']
    """
    bundle = {"text/plain": repr(x)}
    try:
        drawing = _drawing(x)
        return bundle if drawing is None else bundle | {"image/svg+xml": svg_of(drawing, SECONDS)}
    except RENDERING_FAILS:
        return bundle


def _drawing(x: Tensor | Module) -> Drawing | None:
    if isinstance(x, Module):
        sheet = parts_of(x)
        fits = 0 < len(sheet.boxes) <= MOST_BOXES
        return drawing_of(sheet, "shape", legend=False) if fits else None
    if x.op is None or _is_large(x):
        return None
    return draw(x, max_nodes=MOST_BOXES)


def parts_of(module: Module) -> Sheet:
    """A box for each parameter of a module, in frames of the modules inside.

    >>> from tinygrad_rnn import nn
    >>> [(box.lines, box.scope) for box in parts_of(nn.Sequential(nn.Linear(2, 1))).boxes]
    [(('weight', '(1, 2)'), ('Sequential', '0: Linear')),
     (('bias', '(1,)'), ('Sequential', '0: Linear'))]
    """
    boxes: list[Box] = []
    waiting: list[tuple[Module, Scope]] = [(module, (type(module).__name__,))]
    while waiting:
        part, scope = waiting.pop()
        boxes += [
            Box(f"n{len(boxes) + k}", "parameter", (name, str(parameter.shape)), scope)
            for k, (name, parameter) in enumerate(part.own_parameters())
        ]
        inner = [(x, (*scope, f"{name}: {type(x).__name__}")) for name, x in part.named_children()]
        waiting += reversed(inner)
    return Sheet(boxes, [])


def _is_large(x: Tensor) -> bool:
    """Whether a graph has more nodes than are looked at."""
    nodes, known = [x], {x}
    for node in nodes:  # it grows
        new = [y for y in dict.fromkeys(filter(is_node, node.inputs)) if y not in known]
        known.update(new)
        nodes += new
        if len(nodes) > MOST_NODES:
            return True
    return False
