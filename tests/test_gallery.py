"""The pictures of docs/gallery.md are those that are drawn now, by either renderer."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tinygrad_rnn.views.drawing import picture
from tinygrad_rnn.views.drawing.draw import Drawing

from .dot import elements, labels, read, words

DOCS = Path(__file__).parents[1] / "docs"
IMAGES = DOCS / "images"


def loaded() -> ModuleType:
    """docs/gallery.py as a module."""
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GALLERY = loaded()
each = pytest.mark.parametrize("make", GALLERY.PICTURES, ids=lambda make: make.__name__)


class Picture(NamedTuple):
    """What an SVG shows: the lines of each node by id, how often edges have ids, frames' labels."""

    nodes: dict[str, list[str]]
    edges: Counter[str]
    frames: list[list[str]]


def seen(path: Path) -> Picture:
    """What is in an SVG."""
    return Picture(
        {node.get("id", ""): words(node) for node in elements(path, "node")},
        Counter(edge.get("id", "") for edge in elements(path, "edge")),
        sorted(words(frame) for frame in elements(path, "cluster")),
    )


def drawn(drawing: Drawing) -> Picture:
    """What is in a drawing, but for its legend."""
    found = read(drawing)
    frames = [scope[-1:] for scope in found.frames if scope]
    return Picture(
        labels(drawing), Counter(line["id"] for line in found.lines), sorted(map(list, frames))
    )


def without_legend(shown: Picture) -> Picture:
    """The same without samples."""
    nodes = {key: lines for key, lines in shown.nodes.items() if not key.startswith("legend_")}
    return shown._replace(nodes=nodes)


@each
def test_pictures_are_current(make: Any) -> None:
    """The text in the repository is what is drawn now, and the picture beside it shows that."""
    drawing = make()
    path = IMAGES / f"gallery_{make.__name__}.svg"
    assert path.with_suffix(".gv").read_text(encoding="utf-8") == drawing.source
    assert without_legend(seen(path)) == drawn(drawing)


def test_every_picture_is_on_the_page() -> None:
    """The page shows each picture that is made, and no others."""
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    made = {f"images/gallery_{make.__name__}.svg" for make in GALLERY.PICTURES}
    shown = set(re.findall(r"!\[[^]]*\]\(([^)]*)\)", page))
    assert {name for name in shown if "gallery_" in name} == made
    assert {path.name for path in IMAGES.glob("gallery_*")} == {
        Path(name).with_suffix(ending).name for name in made for ending in (".svg", ".gv")
    }


RENDERERS = {"installed": shutil.which("dot"), "pure": picture._installed()}


@pytest.mark.skipif(None in RENDERERS.values(), reason="needs Graphviz itself, and graphviz-pure")
@each
def test_both_renderers_show_the_same(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes, edges, frames and labels are the same with Graphviz and with graphviz-pure."""
    shown = []
    for name, renderer in RENDERERS.items():
        monkeypatch.setattr(picture, "_find_dot", lambda found=renderer: found)
        shown.append(seen(picture.render(make(), tmp_path / f"{name}.svg")))
    assert shown[0] == shown[1]
    assert len(shown[0].nodes) > 5


def test_the_script_writes_pictures_and_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make gallery` leaves a picture and its text in the folder."""
    monkeypatch.setattr(GALLERY, "PICTURES", [GALLERY.two_steps])
    GALLERY.main(tmp_path)
    text, svg = tmp_path / "gallery_two_steps.gv", tmp_path / "gallery_two_steps.svg"
    assert text.read_text(encoding="utf-8").startswith("digraph {")
    assert without_legend(seen(svg)) == drawn(GALLERY.two_steps())
