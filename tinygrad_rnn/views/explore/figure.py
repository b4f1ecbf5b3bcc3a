"""The drawing of a graph as a part of a page: its nodes and edges are found by their ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from ...tensor import Tensor
from ..derivation import Derivation
from ..draw import draw
from ..picture import render
from .contents import kind_of, numbered_edges

Element = ElementTree.Element
KEPT = {  # attributes that say where things are; how they look is the page's own matter
    "cx", "cy", "d", "points", "rx", "ry", "text-anchor", "transform", "viewBox", "x", "y",
}  # fmt: skip


def figure(loss: Tensor, derivation: Derivation) -> str:
    """The SVG of the graph, with elements of the ids n0, n1, … and e0, e1, … in it.

    Each node has its kind as a class; each edge has a second path, a wide one to point at.
    """
    nodes = derivation.nodes
    names = {derivation.name(node): node for node in nodes}  # as the page calls them
    with TemporaryDirectory() as folder:
        whole = draw(loss, names=names, fold=False, legend=False, max_nodes=10 * len(nodes))
        picture = render(whole, Path(folder, "graph.svg"))
        root = ElementTree.fromstring(picture.read_bytes())
    waiting: defaultdict[str, list[int]] = defaultdict(list)
    numbers = {node: k for k, node in enumerate(nodes)}
    for (node, place), k in numbered_edges(nodes).items():
        waiting[f"n{numbers[node.inputs[place]]}->n{numbers[node]}"].append(k)
    for element in root.iter():
        _strip(element)
    for element in list(root.iter("g")):
        title = element.find("title")
        if title is not None:
            element.remove(title)
            _identify(element, title.text or "", nodes, waiting)
    root.attrib |= {"id": "drawing"}
    return ElementTree.tostring(root, encoding="unicode")


def _strip(element: Element) -> None:
    """Leaves the kind of element, where it is, and what it says."""
    kind = {"class": element.attrib["class"]} if element.tag.endswith("}g") else {}
    element.attrib = {k: x for k, x in element.attrib.items() if k in KEPT} | kind
    element.tag = element.tag.rpartition("}")[2]
    element.tail = None
    if element.tag not in ("text", "title"):
        element.text = None


def _identify(
    element: Element, title: str, nodes: Sequence[Tensor], waiting: Mapping[str, list[int]]
) -> None:
    """Gives a node or an edge its id, by what Graphviz calls it."""
    kind = element.get("class")
    if kind == "node" and title.removeprefix("n").isdigit():
        element.attrib |= {"id": title, "class": f"node {kind_of(nodes[int(title[1:])])}"}
    elif kind == "edge" and waiting.get(title):
        element.set("id", f"e{waiting[title].pop(0)}")
        (path,) = element.findall("path")
        element.insert(0, Element("path", {"d": path.get("d", ""), "class": "near"}))
