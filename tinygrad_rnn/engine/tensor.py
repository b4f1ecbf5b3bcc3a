"""Tensor: an array that remembers where it came from.

A Tensor is its own node of the graph: it points at its inputs and nothing points back, so a graph
is freed by reference counting alone. Its serial is the moment it was recorded or, for a leaf, last
written; a leaf newer than a node that used it means a gradient that would be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import ops
from ..ops.op import Array, Op
from ..ops.parts import _getitem as getitem
from ..ops.parts import gather
from .from_numpy import constant, index_part, is_basic, numeric, our_function
from .methods import Methods
from .mode import mode
from .tape import pullback

_next_serial = count(1).__next__
_NOTHING: dict[str, Any] = {}


def _method(op: Op) -> Callable[[Tensor], Tensor]:
    """The method of an op of one input and no settings."""
    return lambda x: _record(op, (x,), _NOTHING)


def _operators(op: Op) -> tuple[Callable[[Tensor, Any], Tensor], Callable[[Tensor, Any], Tensor]]:
    """The methods of a binary operator: for `x + y`, and for `y + x` with y no Tensor.

    The first is written out: programs of many small ops cost what recording costs.
    """
    forward = op.forward

    def operator(x: Tensor, y: Any) -> Tensor:
        needs: tuple[bool, ...]
        if isinstance(y, Tensor):
            b = y._array
            if x._requires_grad:
                needs = _BOTH if y._requires_grad else _FIRST
            else:
                needs = _SECOND if y._requires_grad else _NONE
        else:
            y = b = constant(op, y)
            needs = _FIRST if x._requires_grad else _NONE
        try:
            array = forward(x._array, b)
        except (TypeError, ValueError, IndexError) as error:
            raise op.explain(error, (x._array, b)) from error
        return _node(array, op, (x, y), (x._array, b), _NOTHING, needs)

    return operator, lambda x, y: _record(op, (y, x), _NOTHING)


class Tensor(Methods):
    """An array of numbers that records what is computed from it.

    data: array-like of float, int or bool; copied. dtype: NumPy dtype; float64 for Python floats.
    requires_grad: whether `backward` fills `.grad`; only for floats. name: for drawings, errors.
    Raises: TypeError for other dtypes, or integers that require a gradient.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    Tensor([2., 4.])

    The operations of one tensor are methods too: see methods.py.
    """

    __slots__ = (
        "__weakref__",
        "_array",
        "_grad",
        "_requires_grad",
        "_retains_grad",
        "inputs",
        "name",
        "needs",
        "op",
        "scope",
        "serial",
        "settings",
        "values",
    )
    op: Op | None
    inputs: tuple[Any, ...]
    values: tuple[Any, ...]  # the arrays of the inputs; an input that is no Tensor, as it is
    needs: tuple[bool, ...]
    settings: dict[str, Any]
    scope: tuple[str, ...]
    name: str | None
    _array: Array
    _grad: Tensor | None

    def __init__(
        self,
        data: Any,
        *,
        requires_grad: bool = False,
        dtype: npt.DTypeLike | None = None,
        name: str | None = None,
    ) -> None:
        self._start(_copied(data, dtype), name)
        self.requires_grad = requires_grad

    def _start(self, array: Array, name: str | None) -> None:
        """Fills the slots of a leaf that requires no gradient."""
        self._array = array
        self.op = None
        self.inputs = self.values = ()
        self.settings = _NOTHING
        self.needs = ()
        self.serial = _next_serial()
        self.scope = _mode().scope
        self.name = name
        self._grad = None
        self._retains_grad = False
        self._requires_grad = False

    # What it holds

    shape: property = property(attrgetter("_array.shape"), doc="The sizes of the axes.")
    ndim: property = property(attrgetter("_array.ndim"), doc="The number of axes.")
    size: property = property(attrgetter("_array.size"), doc="The number of entries.")
    dtype: property = property(attrgetter("_array.dtype"), doc="The entries' NumPy dtype.")

    @property
    def data(self) -> Array:
        """The array itself, outside of the graph. Write it by assignment: `t.data -= step`.

        The tape notices assignments, not writes into a part (`t.data[0] = 1`). A result's array
        is read-only.
        """
        if self.op is None:
            return self._array
        view = self._array.view()
        view.flags.writeable = False  # the graph needs it
        return view

    @data.setter
    def data(self, value: Any) -> None:
        if self.op is not None:
            raise RuntimeError(
                f"data: a result of {self.op.name} cannot be written, the graph needs it; "
                "write into a copy: t.detach()"
            )
        if value is not self._array:
            value = np.array(value, dtype=self.dtype)
            if value.shape != self.shape:
                raise ValueError(f"data: cannot put shape {value.shape} in place of {self.shape}")
            self._array = value
        self.serial = _next_serial()

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by hand rather than recorded."""
        return self.op is None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.op is not None:
            raise RuntimeError("requires_grad: only a leaf's can be set; use t.detach()")
        if value and self.dtype.kind != "f":
            raise TypeError(
                f"requires_grad: dtype is {self.dtype}, but only floats have gradients; "
                "give dtype=float"
            )
        self._requires_grad = bool(value)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` found, of the tensor's shape and dtype; or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"grad: must be a Tensor or None, not {type(value).__name__}")
        if value is not None and (value.shape, value.dtype) != (self.shape, self.dtype):
            raise ValueError(
                f"grad: shape {value.shape} and dtype {value.dtype} do not fit a tensor of "
                f"{self.shape} and {self.dtype}"
            )
        self._grad = value

    def numpy(self) -> Array:
        """A copy of the values as an array."""
        return self._array.copy()

    def item(self) -> Any:
        """The only entry as a Python number. Raises: ValueError where there are more."""
        if self.size != 1:
            raise ValueError(f"item: shape is {self.shape}; only one entry makes a number")
        return self._array.item()

    def detach(self) -> Tensor:
        """The same values as a new leaf, which no gradient leaves."""
        watch = _mode().watch
        known: Tensor | None = watch.detached(self) if watch else None
        return Tensor(self._array, name=self.name) if known is None else known

    # Gradients

    def backward(self, gradient: Any = None, *, create_graph: bool = False) -> None:
        """Adds the gradient of this tensor to `.grad` of each leaf it was computed from.

        gradient: dL/dself of its shape; may be left out for one entry (then it is 1).
        create_graph: gradients are recorded and can be differentiated again.
        Raises: RuntimeError without a gradient to start from, or where a leaf was written after
        it was recorded; then no `.grad` has changed.
        """
        start = seed(self, gradient, create_graph)
        gradients = pullback((self,), (start,), create_graph=create_graph)
        totals = [
            (node, as_tensor(g) if node._grad is None else node._grad + g)
            for node, g in gradients.items()
        ]
        for node, total in totals:
            node._grad = total

    def retain_grad(self) -> None:
        """Keeps `.grad` of this tensor too, though it is no leaf."""
        if not self._requires_grad:
            raise RuntimeError("retain_grad: this tensor needs no gradient")
        self._retains_grad = True

    # Parts and shapes

    def __getitem__(self, index: Any) -> Tensor:
        if type(index) is int or is_basic(index):
            return _record(getitem, (self,), {"index": index})
        parts = index if isinstance(index, tuple) else (index,)
        return _record(gather, (self, *map(index_part, parts)), _NOTHING)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a Tensor's entries cannot be assigned, the graph may need them; build a new one with "
            "where, concatenate or stack, or write a leaf's values outside of the graph: t.data = …"
        )

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a 0-d Tensor has no length")
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        return iter([_record(getitem, (self,), {"index": k}) for k in range(len(self))])

    def addmm(self, a: Any, b: Any) -> Tensor:
        """This tensor plus a @ b."""
        return _record(ops.addmm, (self, a, b), _NOTHING)

    def reshape(self, *shape: Any) -> Tensor:
        """The same entries in another shape; one size may be -1."""
        return _record(ops.reshape, (self,), {"shape": shape[0] if len(shape) == 1 else shape})

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, reversed where none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return _record(ops.transpose, (self,), {"axes": order})

    @property
    def T(self) -> Tensor:
        """The transpose: axes reversed."""
        return _record(ops.transpose, (self,), {"axes": None})

    exp = _method(ops.exp)  # the shortest way for what cells are made of
    log = _method(ops.log)
    relu = _method(ops.relu)
    sigmoid = _method(ops.sigmoid)
    sqrt = _method(ops.sqrt)
    tanh = _method(ops.tanh)

    # Operators

    __add__, __radd__ = _operators(ops.add)
    __sub__, __rsub__ = _operators(ops.subtract)
    __mul__, __rmul__ = _operators(ops.multiply)
    __truediv__, __rtruediv__ = _operators(ops.divide)
    __pow__, __rpow__ = _operators(ops.power)
    __matmul__, __rmatmul__ = _operators(ops.matmul)
    __lt__, _ = _operators(ops.less)
    __le__, _ = _operators(ops.less_equal)
    __gt__, _ = _operators(ops.greater)
    __ge__, _ = _operators(ops.greater_equal)
    __eq__, _ = _operators(ops.equal)  # type: ignore[assignment]
    __ne__, _ = _operators(ops.not_equal)  # type: ignore[assignment]
    __hash__ = object.__hash__

    __pos__ = _method(ops.positive)
    __neg__ = _method(ops.negative)
    __abs__ = _method(ops.abs)

    def __bool__(self) -> bool:
        return bool(self._array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self._array.__index__()

    def __repr__(self) -> str:
        values = np.array2string(self._array, separator=", ", prefix=f"{type(self).__name__}(")
        dtype = "" if self.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self.dtype}"
        name = f", name={self.name!r}" if self.name else ""
        grad = ", requires_grad=True" if self._requires_grad and self.is_leaf else ""
        op = f", op={self.op.name}" if self.op else ""
        return f"{type(self).__name__}({values}{dtype}{name}{grad}{op})"

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise RuntimeError(
                f"copy: a result of {self.op.name} is part of a graph; copy t.detach() instead"
            )
        return _rebuilt, (type(self), self._array, self._requires_grad, self.name)

    # NumPy's functions on Tensors are recorded

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
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


def _record(op: Op, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Tensor:
    """The op's result on the inputs' arrays and, where one requires a gradient, its place."""
    if len(inputs) == 1:
        (x,) = inputs
        values, needs = (x._array,), (_ONE if x._requires_grad else _NONE)
    else:
        inputs, values, needs = _several(op, inputs)
    try:
        array = op.forward(*values, **settings)
    except (TypeError, ValueError, IndexError) as error:
        raise op.explain(error, values) from error
    return _node(array, op, inputs, values, settings, needs)


def _several(op: Op, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of several inputs, some of which may be no Tensors: as kept, their arrays, their needs."""
    kept, values, needs = [], [], []
    for x in inputs:
        tensor = isinstance(x, Tensor)
        kept.append(x if tensor else constant(op, x))
        values.append(x._array if tensor else kept[-1])
        needs.append(tensor and x._requires_grad)
    return tuple(kept), tuple(values), tuple(needs) if True in needs else _NONE


def _node(
    array: Any,
    op: Op,
    inputs: tuple[Any, ...],
    values: tuple[Any, ...],
    settings: dict[str, Any],
    needs: tuple[bool, ...],
) -> Tensor:
    """The result of an op and, where an input needs a gradient, its place on the tape.

    needs: which inputs do; empty where none does.
    """
    now = _mode()
    if needs and now.recording and op.differentiable:
        z = _new(Tensor)
        z._array = array if type(array) is np.ndarray else np.asarray(array)
        z.op = op
        z.inputs = inputs
        z.values = values
        z.settings = settings
        z.needs = needs
        z.scope = now.scope
        z.serial = _next_serial()
        z.name = z._grad = None
        z._retains_grad = False
        z._requires_grad = True
    else:
        z = leaf(_guarded(array, values))
    if now.watch is not None:
        now.watch.result(z, op, inputs, values, settings)
    return z


def _guarded(array: Any, values: tuple[Any, ...]) -> Any:
    """The result of an op; read-only where it is a view of an input, which others may hold."""
    base = getattr(array, "base", None)
    if base is not None and any(base is x or base is getattr(x, "base", x) for x in values):
        array.flags.writeable = False
    return array


def leaf(array: Any) -> Tensor:
    """A Tensor that takes over the array, outside of any graph."""
    z = _new(Tensor)
    z._start(np.asarray(array), None)
    return z


# Which inputs need a gradient; shared, since a new tuple for each node is work for the collector.
_ONE, _NONE, _BOTH, _FIRST, _SECOND = (True,), (), (True, True), (True, False), (False, True)
_new: Callable[[type[Tensor]], Tensor] = object.__new__
_mode = mode.get
Tensor.__record__ = staticmethod(_record)  # type: ignore[attr-defined]


def _copied(data: Any, dtype: npt.DTypeLike | None) -> Array:
    """A plain array of its own, in the machine's byte order."""
    if isinstance(data, Tensor):
        if data._requires_grad:
            raise TypeError(
                "Tensor: the data requires a gradient, which would be lost; detach() it"
            )
        data = np.asarray(data)
    array = numeric(np.array(data, dtype=dtype), "Tensor")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def as_tensor(value: Any) -> Tensor:
    """A gradient as a Tensor: one that was recorded is one already."""
    return value if isinstance(value, Tensor) else leaf(value)


def _rebuilt(kind: type[Tensor], data: Array, requires_grad: bool, name: str | None) -> Tensor:
    return kind(data, requires_grad=requires_grad, name=name)


def seed(output: Tensor, gradient: Any, create_graph: bool) -> Any:
    """What the walk starts with: dL/doutput, 1 for an output of one entry."""
    if not output._requires_grad:
        raise RuntimeError("backward: this tensor depends on none that requires a gradient")
    if gradient is None:
        if output.size != 1:
            raise RuntimeError(
                f"backward: shape is {output.shape}, and only one entry has a gradient of its own; "
                "reduce it with sum() or mean(), or give the gradient to start from"
            )
        ones = np.ones(output.shape, output.dtype)
        return leaf(ones) if create_graph else ones
    value = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if value.shape != output.shape:
        raise ValueError(f"backward: the gradient has shape {value.shape}, not {output.shape}")
    value = value if value.dtype == output.dtype else value.astype(output.dtype)
    return value if create_graph else value._array
