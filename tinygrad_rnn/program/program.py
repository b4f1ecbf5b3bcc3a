"""Program: a straight line of equations, each the result of one op under a name of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..engine.tensor import Tensor
from ..ops.op import Array, Op


class Var:
    """A value of a Program: its shape and dtype; two are the same only if they are one object."""

    __slots__ = ("dtype", "name", "shape", "size")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "") -> None:
        self.shape = shape
        self.dtype = dtype
        self.name = name
        self.size = math.prod(shape)

    @property
    def nbytes(self) -> int:
        """The bytes of its array."""
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"{self.name or 'v'}{list(self.shape)}"


class Equation(NamedTuple):
    """output = op(*inputs, **settings). inputs: Vars; numbers, None and such as they are."""

    op: Op
    inputs: tuple[Any, ...]
    settings: dict[str, Any]
    output: Var
    scope: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """What a function of arrays computes, in order.

    inputs: its arguments. leaves: the Tensors that it reads besides, afresh at each run.
    constants: arrays that are the same at each run. outputs: its results; the last of them,
    as many as `gradients` has Tensors, are gradients of the first result.
    """

    equations: tuple[Equation, ...]
    inputs: tuple[Var, ...]
    leaves: tuple[tuple[Var, Tensor], ...]
    constants: tuple[tuple[Var, Array], ...]
    outputs: tuple[Var, ...]
    gradients: tuple[Tensor, ...] = ()

    def known(self) -> Iterator[Var]:
        """The values that are there before the first equation."""
        yield from self.inputs
        yield from (var for var, _ in self.leaves)
        yield from (var for var, _ in self.constants)

    def check(self) -> Program:
        """The program itself. Raises: ValueError where it is not well formed.

        Each Var is assigned once and before its first use, and each leaf, constant and gradient
        has the shape and dtype of its array.
        """
        defined = set(self.known())
        for k, (op, inputs, _, output, _) in enumerate(self.equations):
            unknown = [x for x in inputs if isinstance(x, Var) and x not in defined]
            if unknown:
                raise ValueError(
                    f"equation {k}, {op.name}: {unknown[0]} is used before it is there"
                )
            if output in defined:
                raise ValueError(f"equation {k}, {op.name}: {output} is assigned a second time")
            defined.add(output)
        pairs = [(v, t.data) for v, t in self.leaves] + [(v, a) for v, a in self.constants]
        pairs += zip(
            self.outputs[len(self.outputs) - len(self.gradients) :],
            [t.data for t in self.gradients],
            strict=True,
        )
        for var, array in pairs:
            if (var.shape, var.dtype) != (array.shape, array.dtype):
                raise ValueError(f"{var} of {var.dtype} stands for {array.shape} {array.dtype}")
        missing = [var for var in self.outputs if var not in defined]
        if missing:
            raise ValueError(f"the output {missing[0]} is never assigned")
        return self

    def __str__(self) -> str:
        """One line an equation: `v3 = tanh(v2)  (4, 1) float64`."""
        names: dict[Var, str] = {}
        kinds = [("x", self.inputs), ("w", [v for v, _ in self.leaves])]
        kinds.append(("c", [v for v, _ in self.constants]))
        lines = []
        for letter, several in kinds:
            for k, var in enumerate(several):
                taken = var.name in names.values()
                names[var] = f"{letter}{k}" if taken or not var.name else var.name
                lines.append(f"{names[var]}: {var.shape} {var.dtype}")
        for k, (op, inputs, settings, output, _) in enumerate(self.equations):
            names[output] = f"v{k}"
            given = [names.get(x, "?") if isinstance(x, Var) else repr(x) for x in inputs]
            given += [f"{name}={value}" for name, value in settings.items()]
            call = f"{op.name}({', '.join(given)})"
            lines.append(f"v{k} = {call}  {output.shape} {output.dtype}")
        lines.append(f"return {', '.join(names[var] for var in self.outputs)}")
        return "\n".join(lines)
