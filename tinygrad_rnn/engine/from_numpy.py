"""What comes from NumPy: operands, indices, and the functions that Tensors answer to."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..ops.op import Array, Op


def constant(op: Op, x: Any) -> Any:
    """An input that is no Tensor, as NumPy takes it."""
    if isinstance(x, _PLAIN):
        return x
    return numeric(np.asarray(x), op.name)


_PLAIN = (float, int, slice, type(None), type(Ellipsis))
_BASIC = frozenset(_PLAIN[1:])


def numeric(array: Array, where: str) -> Array:
    """The array itself. Raises: TypeError unless it holds floats, ints or bools."""
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{where}: dtype is {array.dtype}; it must be a float, an int or bool")
    return array


def guarded(array: Any, values: tuple[Any, ...]) -> Any:
    """The result of an op; read-only where it is a view of an input, which others may hold."""
    base = getattr(array, "base", None)
    if base is not None and any(base is x or base is getattr(x, "base", x) for x in values):
        array.flags.writeable = False
    return array


def is_basic(index: Any) -> bool:
    """Whether an index is an int, a slice, None or Ellipsis, or such a tuple: a view."""
    parts = index if isinstance(index, tuple) else (index,)
    return _BASIC.issuperset(map(type, parts)) or all(map(_is_basic_part, parts))


def _is_basic_part(part: Any) -> bool:
    return isinstance(part, (int, np.integer, *_BASIC)) and not isinstance(part, bool)


def index_part(index: Any) -> Any:
    """A part of an index; an array in it as one of its own, since it is needed again backwards.

    Values that are traced stay what they are: at the next run they are others.
    """
    if getattr(index, "traced", False):
        return index
    index = getattr(index, "_array", index)
    if isinstance(index, _PLAIN) and not isinstance(index, bool):
        return index
    array = np.array(index)
    return array if array.size else array.astype(bool if array.dtype == bool else int)


def our_function(function: Any, name: str) -> Callable[..., Any]:
    """Our function of the same name."""
    if function in _NUMPY:
        return _NUMPY[function]
    near = difflib.get_close_matches(name, [f.__name__ for f in _NUMPY], 1, 0)
    raise TypeError(
        f"np.{name} does not know Tensors; the nearest that does is np.{near[0]}; "
        "for arrays without gradients use t.numpy()"
    )


def numpy_name(op: Op) -> str | None:
    """What NumPy calls an op, None where it has none such.

    >>> numpy_name(ops.tanh), numpy_name(ops.relu)
    ('tanh', None)
    """
    name = op.name
    return name if getattr(ops, name, None) is op and hasattr(np, name) else None


_NUMPY: dict[Any, Callable[..., Any]] = {
    getattr(module, name): getattr(ops, name)
    for name in ops.__all__
    for module in (np, np.linalg)
    if hasattr(module, name)
} | {
    np.amax: ops.max,
    np.amin: ops.min,
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size,
}
