"""The drawing of a graph as a part of a page: its nodes and edges are found by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from ...derivation import Derivation
from ...engine.tensor import Tensor
from ..drawing.draw import draw
from ..drawing.picture import svg_of
from .contents import kind_of

Element = ElementTree.Element
GEOMETRY = {  # attributes that say where things are; how they look is the page's own matter
    "cx", "cy", "d", "points", "rx", "ry", "text-anchor", "transform", "viewBox", "x", "y",
}  # fmt: skip


def figure(loss: Tensor, derivation: Derivation) -> str:
    """The SVG of the graph, with elements of the ids n0, n1, … and e0, e1, … in it.

    Each node has its kind as a class; each edge has a second path, a wide one to point at.
    """
    nodes = derivation.nodes
    names = {derivation.name(node): node for node in nodes}  # as the page calls them
    whole = draw(loss, names=names, fold=False, legend=False, max_nodes=10 * len(nodes))
    root = ElementTree.fromstring(svg_of(whole))
    for element in list(root.iter()):
        key = element.get("id", "")
        _strip(element)
        if element.tag == "g":
            element[:] = [part for part in element if not part.tag.endswith("title")]
            _identify(element, key, nodes)
    root.attrib |= {"id": "drawing"}
    return ElementTree.tostring(root, encoding="unicode")


def _strip(element: Element) -> None:
    """Leaves the kind of element, where it is, and what it says."""
    kind = {"class": element.attrib["class"]} if element.tag.endswith("}g") else {}
    element.attrib = {k: x for k, x in element.attrib.items() if k in GEOMETRY} | kind
    element.tag = element.tag.rpartition("}")[2]
    element.tail = None
    if element.tag not in ("text", "title"):
        element.text = None


def _identify(element: Element, key: str, nodes: Sequence[Tensor]) -> None:
    """Gives a node or an edge between nodes the id that `draw` gave it."""
    kind, number = element.get("class"), key[1:]
    if kind == "node" and number.isdigit():
        element.attrib |= {"id": key, "class": f"node {kind_of(nodes[int(number)])}"}
    elif kind == "edge" and number.isdigit():
        element.set("id", key)
        (path,) = [part for part in element if part.tag.endswith("path")]
        element.insert(0, Element("path", {"d": path.get("d", ""), "class": "near"}))
