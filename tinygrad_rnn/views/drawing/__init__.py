"""Drawings of what was recorded: graphs as text for Graphviz, and as pictures."""

from .draw import draw
from .picture import render

__all__ = ["draw", "render"]
