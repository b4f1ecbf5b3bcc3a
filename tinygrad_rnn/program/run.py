"""run: a Program carried out on arrays, into buffers that are kept from call to call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..op import Array, Op
from ..ops import matmul, maximum, minimum, sigmoid, sum
from .layout import VIEWS, copied, covers, laid_out
from .program import Equation, Program, Var

Call = tuple[Callable[..., Any], tuple[Any, ...]]
UFUNCS: dict[str, Any] = {  # by the op's name, which is NumPy's
    name: getattr(np, name)
    for names in (
        "abs add arccos arccosh arcsin arcsinh arctan arctanh cos cosh divide equal exp expm1",
        "greater greater_equal less less_equal log log1p logaddexp multiply negative not_equal",
        "positive power reciprocal sign sin sinh sqrt square subtract tan tanh",
    )
    for name in names.split()
}
COMPARISONS = {"equal", "greater", "greater_equal", "less", "less_equal", "not_equal"}


class Runner:
    """A Program made ready to run: an array for each value, and a list of calls."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._copied: set[int] = set()  # the leaves whose arrays are others at each call
        self._bind()

    def _bind(self) -> None:
        """Arrays for all values, and the calls that fill them."""
        program = copied(self.program).check()
        self._bound = [tensor._array for _, tensor in program.leaves]
        self._inputs = [np.empty(var.shape, var.dtype) for var in program.inputs]
        arrays = dict(zip(program.inputs, self._inputs, strict=True))
        arrays |= dict(program.constants)
        self._leaves = []
        for k, (var, tensor) in enumerate(program.leaves):
            own = np.array(tensor._array) if k in self._copied else tensor._array
            arrays[var] = own
            if k in self._copied:
                self._leaves.append((own, tensor))
        self._calls = _calls(program, arrays)
        self._outputs = [arrays[var] for var in program.outputs]

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for these inputs; their arrays are written again by the next call."""
        changed = [
            k
            for k, (_, tensor) in enumerate(self.program.leaves)
            if tensor._array is not self._bound[k] and k not in self._copied
        ]
        if changed:
            self._copied.update(changed)
            self._bind()
        for array, given in zip(self._inputs, inputs, strict=True):
            np.copyto(array, given)
        for own, tensor in self._leaves:
            np.copyto(own, tensor._array)
        for function, arguments in self._calls:
            function(*arguments)
        return self._outputs


def _calls(program: Program, arrays: dict[Var, Array]) -> list[Call]:
    """What fills the arrays, in order; `arrays` gets one for each value."""
    arrays |= laid_out(program)
    calls: list[Call] = []
    for equation in program.equations:
        op, inputs, settings, output, _ = equation
        given = [arrays[x] if isinstance(x, Var) else x for x in inputs]
        if op in VIEWS:
            view = op.forward(*given, **settings)
            if np.shares_memory(view, given[0]) or not view.size:
                arrays[output] = view
                continue
        if output in arrays and _is_there(equation, arrays):
            continue
        if output not in arrays:
            arrays[output] = np.empty(output.shape, output.dtype)
        if covers(equation):
            calls += _filled(given, settings["indices"], arrays[output])
        else:
            calls += _into(op, given, settings, arrays[output])
    return calls


def _filled(given: list[Array], indices: Sequence[Any], out: Array) -> list[Call]:
    """Copies of the parts that were not computed in their places."""
    places = [out[index] for index in indices]
    return [
        (np.copyto, (place, x))
        for place, x in zip(places, given, strict=True)
        if not (np.shares_memory(place, x) and place.strides == x.strides)
    ]


def _is_there(equation: Equation, arrays: dict[Var, Array]) -> bool:
    """Whether a stack is made of the very memory that its members are computed in."""
    if equation.op.name not in ("stack", "concatenate"):
        return False
    return all(np.shares_memory(arrays[x], arrays[equation.output]) for x in equation.inputs)


def _into(op: Op, given: list[Any], settings: dict[str, Any], out: Array) -> list[Call]:
    """The calls that write a result into an array."""
    if op.name in UFUNCS:
        return [(UFUNCS[op.name], (*_flat([_number(x, op, out) for x in given], out),))]
    if op in (maximum, minimum):  # whose result may be given by name alone
        return [(partial(getattr(np, op.name), out=out), tuple(given))]
    if op is matmul:
        return [_product(given[0], given[1], out)]
    if op is sigmoid:
        half = np.array(0.5, out.dtype)
        halved, scaled = (np.multiply, (given[0], half, out)), (np.multiply, (out, half, out))
        return [halved, (np.tanh, (out, out)), scaled, (np.add, (out, half, out))]
    if op is sum:
        return [(np.add.reduce, (given[0], settings["axis"], None, out, settings["keepdims"]))]
    return [(_written, (op.forward, given, settings, out))]


def _product(a: Array, b: Array, out: Array) -> Call:
    """np.dot of all rows, the fastest, where it may write into `out`; else a product, copied."""
    rows = a.reshape(-1, a.shape[-1]) if a.ndim > 2 else a
    fits = out.flags.c_contiguous and a.dtype == b.dtype == out.dtype
    if a.ndim < 2 or b.ndim != 2 or not fits or not (rows is a or np.shares_memory(rows, a)):
        return _written, (matmul.forward, [a, b], {}, out)
    if len(rows) == 1 and a.ndim == 2:
        return np.dot, (a[0], b, out[0])
    return np.dot, (rows, b, out.reshape(-1, out.shape[-1]))


def _number(x: Any, op: Op, out: Array) -> Any:
    """A Python number as an array, which is faster, where that changes no dtype."""
    plain = isinstance(x, (int, float)) and out.dtype.kind == "f" and op.name not in COMPARISONS
    return np.array(x, out.dtype) if plain else x


def _flat(given: list[Any], out: Array) -> list[Any]:
    """Operands and result without a first axis of size 1, if all have it: the calls are faster."""
    every = [*given, out]
    if all(np.ndim(x) == 0 or (x.ndim == out.ndim == 2 and len(x) == 1) for x in every):
        return [x if np.ndim(x) == 0 else x[0] for x in every]
    return every


def _written(
    forward: Callable[..., Any], given: list[Any], settings: dict[str, Any], out: Array
) -> None:
    out[...] = forward(*given, **settings)
