"""The operations that are methods of a Tensor: `t.cumsum(0)` is `tg.cumsum(t, 0)`."""

from __future__ import annotations

from .. import ops

NAMES = (
    *("abs", "addmm", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "astype"),
    *("broadcast_to", "clip", "cos", "cosh", "cumsum", "diagonal", "dot", "expand_dims", "expm1"),
    *("flip", "inner", "log1p", "log_softmax", "logsumexp", "matmul", "max", "maximum", "mean"),
    *("min", "minimum", "moveaxis", "norm", "outer", "pad", "prod", "ravel", "reciprocal"),
    *("repeat", "roll", "sign", "sin", "sinh", "softmax", "softplus", "sort", "split", "square"),
    *("squeeze", "std", "sum", "swapaxes", "take", "take_along_axis", "tan", "tile", "trace"),
    *("tril", "triu", "unbind", "var"),
)


class Methods:
    """Each method is the function of its name, with the tensor as its first argument."""

    __slots__ = ()


for name in NAMES:
    setattr(Methods, name, getattr(ops, name))
