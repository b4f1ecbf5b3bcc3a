"""The recorded graph in the DOT language, one node per Tensor.

A node's first line says what it is, as in `h = tanh` or `add(·, b)` where · has no name; the
second line is its shape, the third the norm of its gradient. Kinds differ in outline and in grey
as well as in colour:

    parameter   leaf that requires a gradient    sharp box, thick line, orange
    input       any other leaf                   ellipse, light blue
    result      of an op                         round box, white; green with a name
    output      result that was asked for        round box, double line
    constant    array that is no Tensor          small box, dashed line, grey

Python numbers stand inside the node that uses them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import graphviz
import numpy as np

from ..op import Array, Op
from ..tape import tape
from ..tensor import Tensor

# Fills are tints of the palette by Okabe and Ito, which colour-blind people can tell apart.
GRAPH = {"rankdir": "LR", "bgcolor": "white", "nodesep": "0.25", "ranksep": "0.35", "nslimit": "2"}
FONT = {"fontname": "Helvetica", "fontsize": "11"}
RESULT = {"shape": "box", "style": "rounded,filled", "fillcolor": "white", "margin": "0.1,0.06"}
NAMED = {"fillcolor": "#CFE9DF"}
OUTPUT = {"peripheries": "2"}
INPUT = {"shape": "ellipse", "style": "filled", "fillcolor": "#CDE7F7", "margin": "0.02"}
PARAMETER = {"style": "filled", "fillcolor": "#F2B84B", "penwidth": "2"}
CONSTANT = {"style": "dashed,filled", "fillcolor": "#E4E4E4", "fontsize": "9", "height": "0.25"}
SCOPE = {"style": "rounded,filled", "fillcolor": "#F5F5F5", "color": "#999999", "labeljust": "l"}
SCOPE_FONT = FONT | {"fontsize": "13"}
EDGE = {"color": "#444444", "arrowsize": "0.7"}
PARAMETER_EDGE = {"color": "#B36B00", "penwidth": "1.5"}

LONGEST_NAME = 40  # characters
LONGEST_CALL = 60
UNPRINTABLE = re.compile("[^\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

PLAIN = (int, str, np.generic, np.ndarray, np.dtype, type(None))

Scope = tuple[str, ...]


def draw(*outputs: Tensor, names: Mapping[str, Any] | None = None) -> graphviz.Digraph:
    r"""The graph that the outputs were computed from; time runs from left to right.

    outputs: Tensors. names: {name: Tensor}, such as `locals()`; other values in it are ignored,
    and a Tensor that is not in it goes by its own `.name`.
    Result: nodes n0, n1, … in recorded order, a frame around each scope, edges in the order of
    each op's inputs. The text, `.source`, is the same whenever graph, names and gradients are.
    Results that need no gradient were not recorded: they are drawn as inputs. Nothing is
    computed but norms, nothing is changed, and no Tensor is kept alive. `render` makes a file of
    it; where Graphviz itself is installed, so do the graph's own methods `render` and `pipe`.
    Raises: TypeError without outputs, or where one is no Tensor.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> for line in draw(2 * w, names={"w": w}).body:
    ...     print(line.strip())
    n0 [label="w\n(2,)" fillcolor="#F2B84B" penwidth=2 style=filled]
    n1 [label="multiply(2, w)\n(2,)" peripheries=2]
    n0 -> n1 [color="#B36B00" penwidth=1.5]
    """
    kinds = [type(output).__name__ for output in outputs if not isinstance(output, Tensor)]
    if kinds or not outputs:
        raise TypeError(f"draw: needs Tensors, as in draw(loss), not {', '.join(kinds) or 'none'}")
    nodes = tape(*outputs)
    graph = graphviz.Digraph(graph_attr=GRAPH, node_attr=FONT | RESULT, edge_attr=EDGE)
    _draw_nodes(graph, nodes, set(outputs), _called(nodes, names or {}))
    _draw_edges(graph, nodes)
    return graph


def _called(nodes: Sequence[Tensor], names: Mapping[str, Any]) -> dict[Tensor, str]:
    """What each node is called, if at all; two names of one Tensor make `a = b`."""
    given: dict[Tensor, list[str]] = {}
    for name, value in names.items():
        if isinstance(value, Tensor) and name:
            given.setdefault(value, []).append(_cut(name, LONGEST_NAME))
    called = {node: _cut(node.name, LONGEST_NAME) for node in nodes if node.name}
    return called | {node: " = ".join(several) for node, several in given.items()}


# Nodes


def _draw_nodes(
    graph: graphviz.Digraph,
    nodes: Sequence[Tensor],
    outputs: set[Tensor],
    called: Mapping[Tensor, str],
) -> None:
    """Every node in the frame of its scope, each frame in that of the scope around it."""
    frames: dict[Scope, graphviz.Digraph] = {(): graph}
    for k, node in enumerate(nodes):
        frame = _frame(frames, node.scope)
        for place, x in enumerate(node.inputs):
            if _is_array(x):
                frame.node(f"n{k}_{place}", _label(str(np.shape(x))), **CONSTANT)
        style = _style(node, node in called, node in outputs)
        frame.node(f"n{k}", _describe(node, called), **style)
    for scope in sorted(frames, key=len, reverse=True):  # innermost first: they are complete
        if scope:
            frames[scope[:-1]].subgraph(frames[scope])


def _frame(frames: dict[Scope, graphviz.Digraph], scope: Scope) -> graphviz.Digraph:
    """The frame of a scope; it and those around it are made where they are missing."""
    if scope not in frames:
        for depth in range(1, len(scope) + 1):
            label = {"label": _label(_cut(scope[depth - 1], LONGEST_NAME))}
            frame = graphviz.Digraph(
                f"cluster_{len(frames)}", graph_attr=SCOPE_FONT | SCOPE | label
            )
            frames.setdefault(scope[:depth], frame)
    return frames[scope]


def _style(node: Tensor, is_named: bool, is_output: bool) -> dict[str, str]:
    if node.op is None:
        kind = PARAMETER if node.requires_grad else INPUT
    else:
        kind = NAMED if is_named else {}
    return kind | OUTPUT if is_output else kind


def _describe(node: Tensor, called: Mapping[Tensor, str]) -> str:
    """The label of a node: what it is, its shape, the norm of its gradient."""
    name = [called[node]] if node in called else []
    call = [] if node.op is None else [_cut(_call(node.op, node, called), LONGEST_CALL)]
    lines = [" = ".join(name + call), str(node.shape)]
    if node.grad is not None:
        lines.append(f"‖grad‖ = {_norm(node.grad.data):.3g}")
    return _label(*filter(None, lines))


def _call(op: Op, node: Tensor, called: Mapping[Tensor, str]) -> str:
    """The op, with its inputs and settings where they say more than the edges do."""
    inputs = [_input(x, called) for x in node.inputs]
    chosen = {key: x for key, x in node.settings.items() if x is not None and x is not False}
    settings = [f"{key}={_in_place(x)}" for key, x in chosen.items()]
    if not settings and (len(inputs) == 1 or set(inputs) == {"·"}):
        return op.name
    return f"{op.name}({', '.join(inputs + settings)})"


def _input(x: Any, called: Mapping[Tensor, str]) -> str:
    if isinstance(x, Tensor):
        return called.get(x, "·")
    return "·" if _is_array(x) else _in_place(x)


def _is_array(x: Any) -> bool:
    """Whether an input is an array or a list that is no Tensor."""
    return not isinstance(x, (Tensor, int, float, slice)) and np.shape(x) != ()


def _in_place(x: Any) -> str:
    """A number, an index or a setting, as it stands inside a call.

    >>> [_in_place(x) for x in (2, 0.1 + 0.2, (0, slice(1, None)), np.dtype(float))]
    ['2', '0.3', '(0, 1:)', 'float64']
    """
    if isinstance(x, float):
        return f"{x:.6g}"
    if isinstance(x, (tuple, list)):
        return f"({', '.join(map(_in_place, x))})"
    if isinstance(x, slice):
        ends = (x.start, x.stop) if x.step is None else (x.start, x.stop, x.step)
        return ":".join("" if end is None else str(end) for end in ends)
    if x is Ellipsis or isinstance(x, type):
        return "..." if x is Ellipsis else x.__name__
    return str(x) if isinstance(x, PLAIN) else type(x).__name__


def _norm(gradient: Array) -> float:
    """The Euclidean norm, which does not overflow before it has to.

    >>> f"{_norm(np.array([3e200, 4e200])):.3g}"
    '5e+200'
    """
    largest = float(np.max(np.abs(gradient), initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(gradient.astype(float) / largest))


# Edges


def _draw_edges(graph: graphviz.Digraph, nodes: Sequence[Tensor]) -> None:
    """Every edge, in the order of each op's inputs."""
    ids = {node: f"n{k}" for k, node in enumerate(nodes)}
    ranks = _ranks(nodes)
    for node in nodes:
        for place, x in enumerate(node.inputs):
            if isinstance(x, Tensor):
                graph.edge(ids[x], ids[node], **_edge(x, node, ranks))
            elif _is_array(x):
                graph.edge(f"{ids[node]}_{place}", ids[node])


def _ranks(nodes: Sequence[Tensor]) -> dict[Tensor, int]:
    """For each result the number of nodes before it on the longest way inside its scope."""
    ranks: dict[Tensor, int] = {}
    for node in nodes:
        if node.op is not None:
            inside = [x for x in node.inputs if isinstance(x, Tensor) and x.scope == node.scope]
            ranks[node] = 1 + max([ranks.get(x, 0) for x in inside], default=0)
    return ranks


def _edge(x: Tensor, node: Tensor, ranks: Mapping[Tensor, int]) -> dict[str, str]:
    """The look of an edge, and the length by which each scope begins right of the one before."""
    if x.op is None:
        return PARAMETER_EDGE if x.requires_grad else {}
    if not x.scope or not node.scope:
        return {}
    inside = x.scope == node.scope
    length = ranks[node] - ranks[x] if inside else ranks[node] + 1
    return ({} if length == 1 else {"minlen": str(length)}) | ({} if inside else {"weight": "5"})


# Labels


def _label(*lines: str) -> str:
    r"""The lines as text that stands for itself, whatever is in it.

    >>> print(_label('a "b"', "c\\n"))
    a "b"\nc\\n
    """
    single = [UNPRINTABLE.sub("\ufffd", part) for line in lines for part in line.splitlines()]
    escaped = [graphviz.escape(line.replace("&", "&amp;")) for line in single]
    label: str = graphviz.nohtml(r"\n".join(escaped))
    return label


def _cut(value: object, longest: int) -> str:
    text = str(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
