"""Views of what was recorded: drawings of it, a page to step through."""

from .drawing import draw, render
from .explore import explore

__all__ = ["draw", "explore", "render"]
