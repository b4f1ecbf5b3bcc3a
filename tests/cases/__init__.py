"""One row or more for each operation: how to draw its inputs, how to call it, and NumPy's answer.

`tests/test_ops.py` runs every row for value, gradient, second order, dtype, layout and aliasing. A
new operation is its definition and its rows here; without a row a test fails.
"""

from __future__ import annotations

from tinygrad_rnn import ops

from .elementwise import ELEMENTWISE, MORE_ELEMENTWISE
from .linalg import LINALG
from .loss import LOSS
from .reduce import REDUCE
from .rows import Case
from .shape import INDEXING, SHAPE, TRANSPOSED

MODULES = (
    ops.elementary,
    ops.elementwise,
    ops.likelihood,
    ops.linalg,
    ops.loss,
    ops.parts,
    ops.products,
    ops.reduce,
    ops.rows,
    ops.shape,
)
INTERNAL = {
    "add_along_axis",
    "argsort",
    "bernoulli_likelihood",
    "cast",
    "checked",
    "contract",
    "gather",
    "less_one",
    "likelihood_gradient",
    "negative_log_likelihood",
    "p_norm",
    "picked",
    "places",
    "scatter",
    "truncate",
    "unpicked",
    "unslice",
    "weighted_likelihood",
    "zeroed",
}
CASES: list[Case] = [
    *ELEMENTWISE,
    *MORE_ELEMENTWISE,
    *REDUCE,
    *LINALG,
    *SHAPE,
    *INDEXING,
    *TRANSPOSED,
    *LOSS,
]
