"""Data for small recurrent networks: four data sets that ship, windows, characters, mini-batches.

Everything here is NumPy in and NumPy out. Where the shipped files come from, and why they may be
shipped, is told in the README.md of this folder.
"""

from .datasets import (
    brent_crude_oil,
    brent_days,
    genesis,
    names,
    seattle_hours,
    seattle_temperatures,
)
from .minibatches import batches
from .vocabulary import CharVocabulary
from .windows import BpttWindow, bptt_windows, sliding_windows

__all__ = [
    "BpttWindow",
    "CharVocabulary",
    "batches",
    "bptt_windows",
    "brent_crude_oil",
    "brent_days",
    "genesis",
    "names",
    "seattle_hours",
    "seattle_temperatures",
    "sliding_windows",
]
