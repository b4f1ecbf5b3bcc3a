"""A page to look at: the graph, and the passes through it step by step."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ...bptt.pullback import checked_loss
from ...derivation import derive
from ...engine.tape import tape
from ...engine.tensor import Tensor
from ..drawing.labels import LONGEST_NAME, abbreviate
from ..drawing.picture import _write
from .contents import contents
from .figure import figure

MOST_NODES = 1000  # a larger graph is a picture that nobody can read
STYLES = ("page.css", "graph.css", "panel.css", "time.css", "narrow.css")  # in this order
SCRIPTS = ("steps.js", "panel.js", "graph.js", "time.js")
HARMLESS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}  # inside of a script element


def explore(
    loss: Tensor, path: str | os.PathLike[str], names: Mapping[str, Any] | None = None
) -> Path:
    """Writes a page that steps through the forward and the backward pass of a loss.

    loss: a Tensor of one entry. path: of an HTML file; an existing one is replaced once the page
    is complete. names: {name: Tensor}, as for `draw`.
    Result: the path. The page is one file that opens in any browser and loads nothing else: the
    graph; each node's formula and value; on the way back each node's gradient, and by which rule
    what is added to which gradient. Arrays of more than 400 entries are summarised.
    No `.grad` changes.
    Raises: TypeError for what is no Tensor. ValueError for a loss of several entries, a path that
    does not end in .html, or more than 1000 nodes. RuntimeError where the loss depends on nothing
    that requires a gradient, or where there is no Graphviz. FileNotFoundError where the folder is
    missing. Then nothing was written.

    >>> explore(Tensor(1.0, requires_grad=True), "page.pdf")
    Traceback (most recent call last):
        ...
    ValueError: explore: 'page.pdf' must end in .html
    """
    checked_loss("explore", loss)
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"explore: {str(path)!r} must end in .html")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"explore: there is no folder {str(path.parent)!r}; make it first")
    _check_size(loss)
    derivation = derive(loss, names=names)
    drawing = figure(loss, derivation)
    page = _page(contents(derivation), drawing, abbreviate(derivation.name(loss), LONGEST_NAME))
    _write(path, page.encode(errors="replace"))
    return path


def _check_size(loss: Tensor) -> None:
    count = len(tape(loss))
    if count > MOST_NODES:
        raise ValueError(
            f"explore: the loss was computed from {count} nodes, and a page holds {MOST_NODES}; "
            "explore fewer time steps, or a smaller layer with whole operations"
        )


def _page(data: dict[str, Any], drawing: str, title: str) -> str:
    """The page's text. Nothing in it but the script and the style that ship can run or load."""
    style, script = ("\n".join(map(_part, names)) for names in (STYLES, SCRIPTS))
    replaced = {
        "TITLE": html.escape(title),
        "STYLE_HASH": _hash(style),
        "SCRIPT_HASH": _hash(script),
        "STYLE": style,
        "DRAWING": drawing,
        "DATA": json.dumps(data, separators=(",", ":"), allow_nan=False).translate(HARMLESS),
        "SCRIPT": script,
    }
    pieces = _part("page.html").split("%%")  # every second one is a name
    pieces[1::2] = [replaced[name] for name in pieces[1::2]]
    return "".join(pieces)


def _part(name: str) -> str:
    """A file of the page."""
    return (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a page names the one script or style that may be in it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
