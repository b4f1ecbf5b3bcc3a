"""Views of what was recorded: the graph as DOT text, and pictures of it."""

from . import notebook as notebook
from .derivation import derive
from .draw import draw
from .picture import render

__all__ = ["derive", "draw", "render"]
