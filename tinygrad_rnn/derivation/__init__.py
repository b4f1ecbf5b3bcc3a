"""The derivation of a loss's gradients, in words, equations, source and entries."""

from .derivation import Derivation, derive

__all__ = ["Derivation", "derive"]
