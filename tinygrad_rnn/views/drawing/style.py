"""How each kind of box and arrow looks, in Graphviz's attributes.

Kinds differ in outline and in grey as well as in colour:

    parameter   leaf that requires a gradient    sharp box, thick line, orange
    input       any other leaf                   ellipse, light blue
    result      of an op                         round box, white; green with a name
    output      result that was asked for        round box, double line
    constant    array that is no Tensor          small box, dashed line, grey
    steps       time steps that are folded       box with depth, yellow
    scope       a scope that is closed           box with a tab, grey
    gradient    of one of these, walking back    octagon, pink

Python numbers stand inside the node that uses them.
"""

from __future__ import annotations

import math

from .sheet import Arrow, Box, Kind

Style = dict[str, str]

# Fills are tints of the palette by Okabe and Ito, which colour-blind people can tell apart.
GRAPH = {"bgcolor": "white", "nodesep": "0.25", "ranksep": "0.35", "nslimit": "2"}
FONT = {"fontname": "Helvetica", "fontsize": "11"}
NODE = FONT | {
    "shape": "box",
    "style": "rounded,filled",
    "fillcolor": "white",
    "margin": "0.1,0.06",
}
EDGE = {"color": "#444444", "arrowsize": "0.7", "fontname": "Helvetica", "fontsize": "9"}
FRAME = {"style": "rounded,filled", "fillcolor": "#F5F5F5", "color": "#999999"}
FRAME |= {"fontname": "Helvetica", "fontsize": "13", "labeljust": "r"}
LEGEND = FRAME | {"style": "rounded", "fontsize": "10", "labeljust": "l"}
POINT = {"style": "invis", "label": "", "width": "0", "height": "0", "margin": "0"}
OUTPUT = {"peripheries": "2"}
KINDS: dict[Kind, Style] = {
    "parameter": {"style": "filled", "fillcolor": "#F2B84B", "penwidth": "2"},
    "input": {"shape": "ellipse", "style": "filled", "fillcolor": "#CDE7F7", "margin": "0.02"},
    "result": {},
    "named": {"fillcolor": "#CFE9DF"},
    "constant": {
        "style": "dashed,filled",
        "fillcolor": "#E4E4E4",
        "fontsize": "9",
        "height": "0.25",
    },
    "steps": {"shape": "box3d", "style": "filled", "fillcolor": "#F7F3C6"},
    "scope": {"shape": "folder", "style": "filled", "fillcolor": "#E4E4E4"},
    "gradient": {"shape": "octagon", "style": "filled", "fillcolor": "#F0DCE7", "margin": "0.02"},
}
MEANINGS: dict[Kind, str] = {
    "parameter": "parameter",
    "input": "input",
    "result": "result of an op",
    "named": "result with a name",
    "constant": "array",
    "steps": "folded time steps",
    "scope": "closed scope",
    "gradient": "gradient",
}
ARROWS: dict[str, Style] = {
    "parameter": {"color": "#B36B00", "penwidth": "1.5"},
    "value": {},
    "back": {"color": "#8C3A68", "dir": "back"},
    "turn": {"color": "#8C3A68", "style": "dashed", "constraint": "false"},
}
THICKEST, THINNEST = 4.0, 0.5  # points; one point less for each factor of 10 below the largest


def box_style(box: Box) -> Style:
    """The attributes of a box, but for what it says."""
    return KINDS[box.kind] | (OUTPUT if box.is_output else {})


def arrow_style(arrow: Arrow, largest: float) -> Style:
    """The attributes of an arrow, but for what it says. largest: norm of all that are drawn."""
    style = dict(ARROWS[arrow.kind])
    if arrow.norm is not None:
        style["penwidth"] = f"{thickness(arrow.norm, largest):.1f}"
    if arrow.length != 1:
        style["minlen"] = str(arrow.length)
    if arrow.in_time:
        style["weight"] = "5"
    if arrow.layered:
        style |= {"constraint": "false"}
    return style


def thickness(norm: float, largest: float) -> float:
    """Points: 4 for the largest norm, 3 for a tenth of it, at least a half.

    >>> thickness(10.0, 10.0), thickness(1.0, 10.0), thickness(0.0, 10.0)
    (4.0, 3.0, 0.5)
    """
    if not (math.isfinite(norm) and math.isfinite(largest)):
        return THICKEST
    if norm <= 0 or largest <= 0:
        return THINNEST
    return max(THINNEST, THICKEST + math.log10(norm) - math.log10(largest))
