"""Pictures of graphs: runs Graphviz's `dot`, the system's or the one that pip installs."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import graphviz

FORMATS = {".svg": ["-Tsvg"], ".png": ["-Tpng", "-Gdpi=144", "-Gsize=80,40"]}  # at most inches
RENDERING_FAILS = (RuntimeError, ValueError)  # no renderer, or one that fails; too much to draw
MOST_EDGES = 3000  # a layout of many more can take all of a machine's memory


def render(
    graph: graphviz.Digraph | str, path: str | os.PathLike[str], *, timeout: float = 60.0
) -> Path:
    """Writes a picture of the graph; the end of the path, .svg or .png, says which kind.

    graph: as from `draw`, or its text in the DOT language. path: an existing file is replaced
    once the picture is complete. timeout: seconds that the layout may take.
    Result: the path. An SVG is sharp at any size and shows names in the viewer's fonts. A PNG is
    scaled down to fit 11520 by 5760 pixels; signs that the renderer has no glyphs for (with
    graphviz-pure: Chinese, Japanese, emoji) are empty boxes in it.
    Raises: ValueError for another kind of file, or more than 3000 edges. TypeError for what is no
    graph. FileNotFoundError where the folder is missing. RuntimeError where there is no `dot`, or
    where it fails, with its message; then nothing was written.

    >>> render("digraph { x -> y }", "graph.pdf")
    Traceback (most recent call last):
        ...
    ValueError: render: 'graph.pdf' must end in .svg or .png
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"render: {str(path)!r} must end in {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"render: there is no folder {str(path.parent)!r}")
    source = _source(graph)
    command = [_find_dot(), "-Kdot", *FORMATS[path.suffix.lower()]]
    _write(path, _run(command, source, timeout))
    return path


def svg_of(graph: graphviz.Digraph | str, timeout: float = 60.0) -> str:
    """The picture as SVG text; arguments and errors are those of `render`."""
    source = _source(graph)
    return _run([_find_dot(), "-Kdot", *FORMATS[".svg"]], source, timeout).decode()


def _source(graph: graphviz.Digraph | str) -> str:
    source = getattr(graph, "source", graph)
    if not isinstance(source, str):
        kind = type(graph).__name__
        raise TypeError(f"render: needs a graph, as in render(draw(loss), path), not a {kind}")
    edges = source.count("->")
    if edges > MOST_EDGES:
        raise ValueError(
            f"render: {edges} edges are more than the {MOST_EDGES} that a picture can hold; "
            "draw fewer time steps"
        )
    return source


def _find_dot() -> str:
    """The system's `dot`, else graphviz-pure."""
    found = shutil.which("dot") or shutil.which("graphviz-pure") or _installed()
    if found is None:
        raise RuntimeError(
            'render: no Graphviz found; pip install "tinygrad_rnn[render]", or install Graphviz '
            "with the system's packages"
        )
    return found


def _installed() -> str | None:
    """The command in graphviz-pure's wheel, whose folder need not be on PATH."""
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    commands = [str(file.locate()) for file in files if file.stem == "graphviz-pure"]
    return next(filter(shutil.which, commands), None)


def _run(command: list[str], source: str, timeout: float) -> bytes:
    """What the command writes when it reads the source."""
    name, text = Path(command[0]).name, source.encode(errors="replace")
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(
            f"render: {name} took longer than {timeout:g} s; draw less, or give it a longer timeout"
        ) from None
    except OSError as error:
        raise RuntimeError(f"render: {name} cannot be run: {error}") from error
    if done.returncode or not done.stdout:
        message = done.stderr.decode(errors="replace").strip()[-1000:] or "no message"
        raise RuntimeError(f"render: {name} failed with status {done.returncode}: {message}")
    return done.stdout


def _write(path: Path, content: bytes) -> None:
    """All of the content or nothing: a file beside the path takes its place once it is whole."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
