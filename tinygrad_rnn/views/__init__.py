"""Views of what was recorded: the graph as DOT text, pictures of it, a page to step through."""

from .draw import draw
from .explore import explore
from .picture import render

__all__ = ["draw", "explore", "render"]
