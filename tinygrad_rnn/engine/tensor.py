"""Tensor: an array that remembers where it came from.

A Tensor is its own node of the graph: it points at its inputs and nothing points back, so a graph
is freed by reference counting alone. Its serial is the moment it was recorded or, for a leaf, last
written; a leaf newer than a node that used it means a gradient that would be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import ops
from ..ops.op import Array, Numbers, Op
from ..ops.parts import gather, getitem_
from .conversions import Conversions
from .from_numpy import constant, guarded, index_part, is_basic, numeric
from .methods import Methods
from .mode import mode
from .tape import pullback

_next_serial = count(1).__next__
_mode = mode.get
_new: Callable[[type[Tensor]], Tensor] = object.__new__
_NOTHING: dict[str, Any] = {}
# Which inputs need a gradient; shared, since a new tuple for each node is work for the collector.
_ONE, _NONE, _BOTH, _FIRST, _SECOND = (True,), (), (True, True), (True, False), (False, True)


def _property(name: str, doc: str) -> Any:
    """A property of the array."""
    return property(attrgetter(f"_array.{name}"), doc=doc)


def _method(op: Op) -> Callable[[Tensor], Tensor]:
    """The method of an op of one input and no settings."""
    return wraps(op, updated=())(lambda x: _record(op, (x,), _NOTHING))


def _operator(op: Op) -> Operator:
    """The method of a binary operator: `_record`, written out for two inputs.

    Programs of many small ops cost what recording costs.
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
        return _filled(_new(Tensor), array, op, (x, y), (x._array, b), _NOTHING, needs)

    return operator


def _reflected(op: Op) -> Operator:
    """The method for `y + x` with y no Tensor."""
    return lambda x, y: _record(op, (y, x), _NOTHING)


def _in_place(sign: str, op: Op) -> Operator:
    """The method for `x += y`: a new Tensor. Raises: TypeError for a leaf that learns."""

    def assigned(x: Tensor, y: Any) -> Tensor:
        if x.op is None and x._requires_grad:
            raise TypeError(
                f"{sign} on a leaf that requires a gradient would put a result in its place, and "
                f"the leaf would stay as it is: write its values, p.data {sign} ...; for a new "
                f"Tensor write p = p {sign[:-1]} ..."
            )
        return _record(op, (x, y), _NOTHING)

    return assigned


Operator = Callable[["Tensor", "Tensor | Numbers"], "Tensor"]


class Tensor(Methods, Conversions):
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
        *("__weakref__", "_array", "_grad", "_requires_grad", "_retains_grad", "inputs", "name"),
        *("needs", "op", "scope", "serial", "settings", "values"),
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
        _filled(self, _copied(data, dtype), None, (), (), _NOTHING, ())
        self.name = name
        self.requires_grad = requires_grad

    # What it holds

    # Properties, which are declared as what they give.
    shape: tuple[int, ...] = _property("shape", "The sizes of the axes.")
    ndim: int = _property("ndim", "The number of axes.")
    size: int = _property("size", "The number of entries.")
    dtype: np.dtype[Any] = _property("dtype", "The entries' NumPy dtype.")

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
            return _record(getitem_, (self,), {"index": index})
        parts = index if isinstance(index, tuple) else (index,)
        return _record(gather, (self, *map(index_part, parts)), _NOTHING)

    def __iter__(self) -> Iterator[Tensor]:
        return iter([_record(getitem_, (self,), {"index": k}) for k in range(len(self))])

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

    exp, log, sqrt = _method(ops.exp), _method(ops.log), _method(ops.sqrt)
    relu, sigmoid, tanh = _method(ops.relu), _method(ops.sigmoid), _method(ops.tanh)

    # Operators

    __add__, __radd__, __iadd__ = _operator(ops.add), _reflected(ops.add), _in_place("+=", ops.add)
    __sub__, __rsub__ = _operator(ops.subtract), _reflected(ops.subtract)
    __mul__, __rmul__ = _operator(ops.multiply), _reflected(ops.multiply)
    __truediv__, __rtruediv__ = _operator(ops.divide), _reflected(ops.divide)
    __pow__, __rpow__ = _operator(ops.power), _reflected(ops.power)
    __matmul__, __rmatmul__ = _operator(ops.matmul), _reflected(ops.matmul)
    __isub__, __imul__ = _in_place("-=", ops.subtract), _in_place("*=", ops.multiply)
    __itruediv__, __ipow__ = _in_place("/=", ops.divide), _in_place("**=", ops.power)
    __imatmul__ = _in_place("@=", ops.matmul)
    __lt__, __le__ = _operator(ops.less), _operator(ops.less_equal)
    __gt__, __ge__ = _operator(ops.greater), _operator(ops.greater_equal)
    __eq__: Operator = _operator(ops.equal)  # type: ignore[assignment]
    __ne__: Operator = _operator(ops.not_equal)  # type: ignore[assignment]
    __hash__ = object.__hash__
    __pos__, __neg__, __abs__ = _method(ops.positive), _method(ops.negative), _method(ops.abs)

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise RuntimeError(
                f"copy: a result of {self.op.name} is part of a graph; copy t.detach() instead"
            )
        return _rebuilt, (type(self), self._array, self._requires_grad, self.name)


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
    return _filled(_new(Tensor), array, op, inputs, values, settings, needs)


def _several(op: Op, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of several inputs, some of which may be no Tensors: as kept, their arrays, their needs."""
    kept, values, needs = [], [], []
    for x in inputs:
        tensor = isinstance(x, Tensor)
        kept.append(x if tensor else constant(op, x))
        values.append(x._array if tensor else kept[-1])
        needs.append(tensor and x._requires_grad)
    return tuple(kept), tuple(values), tuple(needs) if True in needs else _NONE


def _filled(
    z: Tensor,
    array: Any,
    op: Op | None,
    inputs: tuple[Any, ...],
    values: tuple[Any, ...],
    settings: dict[str, Any],
    needs: tuple[bool, ...],
) -> Tensor:
    """A Tensor as the result of an op and, where an input needs a gradient, with its place.

    op: None for a leaf. needs: which inputs need one; empty where none does.
    """
    now = _mode()
    if needs and now.recording and op is not None and op.differentiable:
        z._array = array if type(array) is np.ndarray else np.asarray(array)
        z.op = op
        z.inputs = inputs
        z.values = values
        z.settings = settings
        z.needs = needs
        z._requires_grad = True
    else:
        z._array = np.asarray(guarded(array, values))
        z.op, z.inputs, z.values, z.settings, z.needs = None, (), (), _NOTHING, ()
        z._requires_grad = False
    z.scope = now.scope
    z.serial = _next_serial()
    z.name = z._grad = None
    z._retains_grad = False
    if now.watch is not None and op is not None:
        now.watch.result(z, op, inputs, values, settings)
    return z


def leaf(array: Any) -> Tensor:
    """A Tensor that takes over the array, outside of any graph."""
    return _filled(_new(Tensor), array, None, (), (), _NOTHING, ())


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
