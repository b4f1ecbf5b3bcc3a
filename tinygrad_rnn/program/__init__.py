"""Programs: a step function traced once, forward and backward, and replayed."""

from .compiled import Compiled, compile
from .program import Equation, Program, Var
from .run import Runner
from .trace import trace

__all__ = ["Compiled", "Equation", "Program", "Runner", "Var", "compile", "trace"]
