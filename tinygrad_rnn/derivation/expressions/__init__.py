"""What ops and rules do, as expressions of names: recorded, made simpler, written as text."""

from .expression import Call, Expression, Symbol
from .latex import Latex
from .recorder import Recorder
from .spelling import Speller

__all__ = ["Call", "Expression", "Latex", "Recorder", "Speller", "Symbol"]
