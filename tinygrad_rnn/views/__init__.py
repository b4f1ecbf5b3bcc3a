"""Views of what was recorded: its derivation, drawings of it, a page to step through."""

from . import notebook as notebook
from .derivation import derive
from .draw import draw
from .explore import explore
from .picture import render

__all__ = ["derive", "draw", "explore", "render"]
