"""What the tape says about time: which step contributed what, and what is wrong by hand."""

from .charts import Curve, Heatmap, flow, triangle
from .grade import Report, Verdict, grade
from .influence import Jacobians, Partial, Truncated, immediate, influence, jacobians, truncation
from .uses import Contribution, by_step, contributions, states

__all__ = [
    "Contribution",
    "Curve",
    "Heatmap",
    "Jacobians",
    "Partial",
    "Report",
    "Truncated",
    "Verdict",
    "by_step",
    "contributions",
    "flow",
    "grade",
    "immediate",
    "influence",
    "jacobians",
    "states",
    "triangle",
    "truncation",
]
