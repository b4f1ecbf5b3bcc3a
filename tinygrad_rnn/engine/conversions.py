"""What Python and NumPy see of a Tensor: numbers, arrays, text, and functions of its like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.op import Array, Op
from .from_numpy import our_function


class Conversions:
    """Conversions of a Tensor; those that would lose a gradient in silence are refused."""

    __slots__ = ()
    op: Op | None
    name: str | None
    _array: Array
    _requires_grad: bool

    def numpy(self) -> Array:
        """A copy of the values as an array."""
        return self._array.copy()

    def item(self) -> float:
        """The only entry as a Python number. Raises: ValueError where there are more."""
        if self._array.size != 1:
            raise ValueError(f"item: shape is {self._array.shape}; only one entry makes a number")
        number: float = self._array.item()
        return number

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("len: a 0-d Tensor has no length")
        return len(self._array)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a Tensor's entries cannot be assigned, the graph may need them; build a new one with "
            "where, concatenate or stack, or write a leaf's values outside of the graph: t.data = …"
        )

    def __bool__(self) -> bool:
        return bool(self._array)

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def _number(self, kind: str) -> Any:
        """The only entry. Raises: TypeError where its gradient would be lost."""
        if self._requires_grad:
            raise TypeError(
                f"{kind}: a Tensor that requires a gradient does not become a number by itself, "
                "its gradient would be lost: use t.item(), or t.detach(), if that is meant"
            )
        return self.item()

    def __index__(self) -> int:
        return self._array.__index__()

    def __repr__(self) -> str:
        values = np.array2string(self._array, separator=", ", prefix=f"{type(self).__name__}(")
        dtype = (
            ""
            if self._array.dtype in (np.float64, np.int64, np.bool_)
            else f", dtype={self._array.dtype}"
        )
        name = f", name={self.name!r}" if self.name else ""
        grad = ", requires_grad=True" if self._requires_grad and self.op is None else ""
        op = f", op={self.op.name}" if self.op else ""
        return f"{type(self).__name__}({values}{dtype}{name}{grad}{op})"

    # NumPy's functions on Tensors are recorded

    def __array__(
        self, dtype: Any = None, copy: bool | None = None
    ) -> np.ndarray[Any, np.dtype[np.generic]]:
        if self._requires_grad:
            raise TypeError(
                "a Tensor that requires a gradient does not become an array by itself, its "
                "gradient would be lost: use t.numpy() or t.data if that is meant"
            )
        if copy is False:
            raise ValueError("a Tensor becomes an array as a copy only; t.data is the array itself")
        return np.array(self._array, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        function = our_function(ufunc if method == "__call__" else None, name)
        return function(*inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        return our_function(function, function.__name__)(*args, **kwargs)
