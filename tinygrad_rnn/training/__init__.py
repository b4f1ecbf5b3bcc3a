"""Training: the loop, what it remembers, and the files that it writes."""

from .checkpoint import CheckpointError, load, save
from .fit import fit
from .history import History

__all__ = ["CheckpointError", "History", "fit", "load", "save"]
