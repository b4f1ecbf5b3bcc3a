"""trace: runs a function once and writes down every op, forward and backward, as a Program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.mode import Mode, Watch, in_mode, mode
from ..engine.tape import pullback
from ..engine.tensor import Tensor, leaf
from ..ops.op import Array, Op
from .keys import hashable
from .program import Equation, Program, Var


class Traced(Tensor):
    """A Tensor whose values are those of one run only: what would freeze them is refused."""

    __slots__ = ()
    traced = True

    def _refuse(self, what: str) -> RuntimeError:
        return RuntimeError(
            f"compile: {what} of a value that is computed in the step is another at each call; "
            "compute with operations of tg alone (where() for choices), or do it outside of the "
            "step and pass the result as an input"
        )

    @property
    def data(self) -> Array:
        """Refused while tracing."""
        raise self._refuse(".data")

    @data.setter
    def data(self, value: Any) -> None:
        raise self._refuse("assigning .data")

    def numpy(self) -> Array:
        """Refused while tracing."""
        raise self._refuse("numpy()")

    def item(self) -> Any:
        """Refused while tracing."""
        raise self._refuse("item()")

    def backward(self, gradient: Any = None, *, create_graph: bool = False) -> None:
        """Refused while tracing."""
        raise RuntimeError("compile: the step returns the loss; do not call backward() in it")

    def __bool__(self) -> bool:
        raise self._refuse("a decision (if, while, and, or) on the value")

    def __float__(self) -> float:
        raise self._refuse("float()")

    def __int__(self) -> int:
        raise self._refuse("int()")

    def __index__(self) -> int:
        raise self._refuse("an index made")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise self._refuse("an array made")


OpCall = tuple[Op, Sequence[Any], dict[str, Any]]


class DryRun(Watch):
    """Looks on as a function runs, and keeps its steps: operations, inputs and settings."""

    __slots__ = ("forward", "inputs", "steps")
    traces = True

    def __init__(self) -> None:
        self.steps: list[OpCall] = []
        self.inputs: list[Tensor] = []
        self.forward = 0  # how many steps the function has, without those of its gradients

    def input(self, array: Array) -> Tensor:
        """A Tensor that stands for an argument."""
        x = leaf(array)
        x.__class__ = Traced
        self.inputs.append(x)
        return x

    def detached(self, x: Tensor) -> Tensor:
        """The same value, which no gradient leaves."""
        z = leaf(x._array)
        z.__class__ = Traced
        return z

    def result(
        self,
        z: Tensor,
        op: Op,
        inputs: Sequence[Any],
        values: Sequence[Any],
        settings: dict[str, Any],
    ) -> None:
        """One more step."""
        z.__class__ = Traced
        self.steps.append((op, inputs, settings))


class Tracer(DryRun):
    """Writes the equations down as results come."""

    __slots__ = ("_keep_alive", "_shapes", "_start", "constants", "equations", "leaves", "vars")

    def __init__(self) -> None:
        super().__init__()
        self.equations: list[Equation] = []
        self.leaves: dict[Tensor, Var] = {}
        self.constants: dict[int, tuple[Var, Array]] = {}  # by id; they are kept, so ids stay
        self.vars: dict[Tensor, Var] = {}
        self._keep_alive: list[Any] = []
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}  # each once: T steps have few
        self._start = leaf(np.zeros(())).serial

    def input(self, array: Array) -> Tensor:
        """A Tensor that stands for an argument."""
        x = super().input(array)
        self.vars[x] = Var(x.shape, x.dtype)
        return x

    def detached(self, x: Tensor) -> Tensor:
        """The same value, which no gradient leaves."""
        z = super().detached(x)
        self.vars[z] = self.var(x, x._array)
        return z

    def result(
        self,
        z: Tensor,
        op: Op,
        inputs: Sequence[Any],
        values: Sequence[Any],
        settings: dict[str, Any],
    ) -> None:
        """One more equation, or those of the op's decomposition."""
        z.__class__ = Traced
        self.steps.append((op, inputs, settings))
        if op.decomposition is not None:
            decomposed = self._decomposed(z, op, inputs, settings)
            if decomposed is not None:
                self.vars[z] = self.vars[decomposed]
                return
        array, variables = z._array, self.vars
        shape = array.shape
        output = variables[z] = Var(self._shapes.setdefault(shape, shape), array.dtype)
        given = tuple(
            [
                variables[x] if type(x) is Traced else self.var(x, value)
                for x, value in zip(inputs, values, strict=True)
            ]
        )
        self.equations.append(Equation(op, given, settings, output, z.scope))

    def _decomposed(
        self, z: Tensor, op: Op, inputs: Sequence[Any], settings: dict[str, Any]
    ) -> Tensor | None:
        """The result again, by the op's decomposition, whose equations are written down."""
        count = len(self.steps)
        with in_mode(Mode(False, z.scope, self)):
            result: Tensor | None = op.decomposition(*inputs, **settings)
        del self.steps[count:]
        return result

    def var(self, x: Any, value: Any) -> Any:
        """What stands for an input of an op."""
        if isinstance(x, Traced):
            return self.vars[x]
        if isinstance(x, Tensor) and x.requires_grad and x.serial >= self._start:
            raise RuntimeError(
                "compile: a Tensor that requires a gradient is made or written in the step; it is "
                "another at each call: make it outside"
            )
        if isinstance(x, Tensor) and x.serial < self._start:
            if x not in self.leaves:
                self.leaves[x] = Var(x.shape, x.dtype, x.name or "")
            return self.leaves[x]
        if isinstance(value, (np.ndarray, np.generic)):
            if id(value) not in self.constants:
                self.constants[id(value)] = (Var(value.shape, value.dtype), np.asarray(value))
                self._keep_alive.append(value)
            return self.constants[id(value)][0]
        return value


def trace(f: Callable[..., Any], inputs: Sequence[Array], backward: bool = True) -> Program:
    """The Program of `f(*inputs)` and, if backward, of the gradients of its first result.

    f: takes Tensors and gives a list of Tensors. inputs: what it is run on, this once.
    backward: whether the first result is a loss, whose gradients by all leaves are wanted.
    Raises: RuntimeError where f looks at values, or uses arrays that are others when it runs again;
    ValueError where the loss has several entries or no leaf requires a gradient.

    >>> print(trace(lambda x: [x * x], [np.ones(2)], backward=False))
    x0: (2,) float64
    v0 = multiply(x0, x0)  (2,) float64
    return v0
    """
    dry_run = DryRun()
    _record_run(f, inputs, dry_run)
    tracer = Tracer()
    results = _record_run(f, inputs, tracer)
    _check_same(dry_run, tracer)
    gradients: dict[Tensor, Tensor] = {}
    if backward:
        gradients = _gradients(results[0], tracer)
    outputs = [tracer.var(y, y._array) for y in (*results, *gradients.values())]
    known = [tracer.vars[x] for x in tracer.inputs]
    return Program(
        tuple(tracer.equations),
        tuple(known),
        tuple((var, x) for x, var in tracer.leaves.items()),
        tuple(tracer.constants.values()),
        tuple(outputs),
        tuple(gradients),
    )


def _record_run(f: Callable[..., Any], inputs: Sequence[Array], tracer: DryRun) -> list[Tensor]:
    """The results of f, run once on its inputs, with the tracer watching."""
    with in_mode(Mode(True, mode.get().scope, tracer)):
        results = list(f(*[tracer.input(array) for array in inputs]))
    tracer.forward = len(tracer.steps)
    return results


def _gradients(loss: Tensor, tracer: Tracer) -> dict[Tensor, Tensor]:
    """The gradients of the loss by the leaves that require one, written down too."""
    if loss.size != 1:
        raise ValueError(
            f"compile: the step's first result has shape {loss.shape}; it must be the loss, of one "
            "entry; backward=False compiles a step without gradients"
        )
    if not loss.requires_grad:
        raise ValueError("compile: the loss depends on no Tensor that requires a gradient")
    with in_mode(Mode(True, mode.get().scope, tracer)):
        return pullback((loss,), (leaf(np.ones(loss.shape, loss.dtype)),), create_graph=True)


def _check_same(first: DryRun, tracer: Tracer) -> None:
    """Raises: RuntimeError where two runs on the same inputs used other arrays or numbers."""
    steps, others = first.steps, tracer.steps[: tracer.forward]
    if len(steps) != len(others) or not all(map(_same_step, steps, others)):
        raise RuntimeError(
            "compile: run twice on the same inputs, the step used arrays or numbers that were not "
            "the same, such as fresh random ones; make them an input"
        )
    for _, array in tracer.constants.values():
        if any(np.may_share_memory(array, x._array) for x in tracer.leaves):
            raise RuntimeError(
                "compile: .data of a Tensor is used in the step, and would stay as it is now; use "
                "the Tensor itself, or its detach()"
            )


def _same_step(step: OpCall, other: OpCall) -> bool:
    """Whether the operations are the same, and all that comes from elsewhere in them."""
    (op, inputs, settings), (second, others, given) = step, other
    if op is not second or len(inputs) != len(others) or not _same_settings(settings, given):
        return False
    for x, y in zip(inputs, others, strict=True):
        if type(x) is not Traced and x is not y and not _same_value(x, y):
            return False
    return True


def _same_value(x: Any, y: Any) -> bool:
    x, y = getattr(x, "_array", x), getattr(y, "_array", y)
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
    return type(x) is type(y) and repr(x) == repr(y)


def _same_settings(settings: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether they are equal, but for functions, which may be made anew."""
    if settings is others:
        return True
    if settings.keys() != others.keys():
        return False
    for name, value in settings.items():
        other = others[name]
        made_anew = value is other or (callable(value) and callable(other))
        if not made_anew and hashable(value) != hashable(other):
            return False
    return True
