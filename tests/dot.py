"""Drawings read back: from the text in the DOT language, and from SVG."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import graphviz

STRING = r'"(?:[^"\\]|\\.)*"'
ATTRIBUTE = rf"(\w+)=({STRING}|[\w.#]+)"
LIST = rf" \[({ATTRIBUTE}(?: {ATTRIBUTE})*)\]"
NODE = re.compile(rf"\t+(d?[nf]\d+(?:_\d+)?){LIST}")
EDGE = re.compile(rf"\t(d?[nf]\d+(?:_\d+)?) -> (d?[nf]\d+)(?:{LIST})?")
LEGEND = re.compile(r"\tsubgraph cluster_legend \{\n(?:\t\t.*\n)*\t\}\n")
UNSEEN = re.compile(r"\t(?:\{rank=same .*\}|band_\d+ .*\[.*style=invis.*\])")
FRAME = re.compile(r"\t+subgraph cluster_\d+ {")
DEFAULTS = re.compile(rf"\t+(graph|node|edge){LIST}")


class Read(NamedTuple):
    """A DOT text, read back: every line must be a statement of one of the forms that are known."""

    nodes: dict[str, dict[str, str]]
    edges: list[tuple[str, str]]
    frames: dict[tuple[str, ...], list[str]]
    lines: list[dict[str, str]]


def attributes(text: str | None) -> dict[str, str]:
    """The attributes of a statement, without the quotes around their values."""
    found = re.findall(ATTRIBUTE, text or "")
    return {key: value[1:-1] if value[0] == '"' else value for key, value in found}


def shown(label: str) -> list[str]:
    """The lines that a renderer shows for a label."""
    lines = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label).split("\n")
    return [html.unescape(line) for line in lines]


def read(graph: graphviz.Digraph) -> Read:
    """Nodes with their attributes, edges in order, the nodes of each frame, edges' attributes.

    Without the legend, and without what places bands and cannot be seen.
    """
    found = Read({}, [], {(): []}, [])
    open_frames: list[str] = []
    first, *lines, last, _ = LEGEND.sub("", graph.source).split("\n")
    assert (first, last) == ("digraph {", "}")
    for line in lines:
        if node := NODE.fullmatch(line):
            found.nodes[node[1]] = attributes(node[2])
            found.frames[tuple(open_frames)].append(node[1])
        elif edge := EDGE.fullmatch(line):
            found.edges.append((edge[1], edge[2]))
            found.lines.append(attributes(edge[3]))
        elif defaults := DEFAULTS.fullmatch(line):
            if open_frames and not open_frames[-1]:
                open_frames[-1] = "\n".join(shown(attributes(defaults[2])["label"])[:-1])
                found.frames[tuple(open_frames)] = []
        elif FRAME.fullmatch(line):
            open_frames.append("")
        elif not UNSEEN.fullmatch(line):
            assert line.strip() == "}", line
            open_frames.pop()
    assert not open_frames
    return found


def labels(graph: graphviz.Digraph) -> dict[str, list[str]]:
    """The lines that each node shows."""
    return {key: shown(node["label"]) for key, node in read(graph).nodes.items()}


def elements(path: Path, kind: str) -> list[ElementTree.Element]:
    """The SVG's groups of one kind: node, edge or cluster."""
    root = ElementTree.fromstring(path.read_bytes())
    found = [element for element in root.iter() if element.get("class") == kind]
    return [element for element in found if element.get("id") != "legend"]


def words(element: ElementTree.Element) -> list[str]:
    """The lines of text in a group of an SVG; it has spaces that do not break for some."""
    lines = [x.text or "" for x in element.iter() if x.tag.endswith("}text")]
    return [line.replace("\xa0", " ") for line in lines if line.strip()]


def texts(path: Path) -> list[list[str]]:
    """The lines of every node, in the order of their ids."""
    nodes = {node[0].text or "": words(node) for node in elements(path, "node")}
    nodes = {key: says for key, says in nodes.items() if not key.startswith("legend_")}
    return [nodes[key] for key in sorted(nodes, key=lambda key: int(key[1:].split("_")[0]))]
