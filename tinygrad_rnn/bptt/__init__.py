"""What the tape says about time: which step contributed what, and what is wrong by hand."""

from .charts import Curve, Heatmap, flow, triangle
from .influence import (
    Jacobians,
    Partial,
    Truncated,
    immediate,
    influence,
    jacobians,
    truncation,
)
from .uses import Contribution, by_step, contributions, states

__all__ = [
    "Contribution",
    "Curve",
    "Heatmap",
    "Jacobians",
    "Partial",
    "Truncated",
    "by_step",
    "contributions",
    "flow",
    "immediate",
    "influence",
    "jacobians",
    "states",
    "triangle",
    "truncation",
]
