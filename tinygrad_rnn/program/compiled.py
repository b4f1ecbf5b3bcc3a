"""compile: a step function traced once for each shape of its inputs, and replayed."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from ..engine.from_numpy import numeric
from ..engine.gradients import grad
from ..engine.mode import mode, uncollected
from ..engine.tensor import Tensor, leaf
from ..engine.tree import Tree, rebuilt, values_of
from ..ops.op import Array
from .passes import improved
from .passes.simplify import simplified
from .program import Program
from .rows import MixedRowsError
from .run import Runner
from .trace import trace
from .workers import Blocks

BatchAxis = int | tuple[int | None, ...] | None


class _CacheEntry(NamedTuple):
    """What was made of one trace: how to run it, and how the results are built."""

    run: Runner | Blocks
    result: Tree
    results: int  # how many
    flags: tuple[tuple[Tensor, bool], ...]  # the leaves, and whether they required a gradient

    def fits(self) -> bool:
        """Whether the leaves require gradients as they did when it was traced."""
        return all(x._requires_grad is flag for x, flag in self.flags)


class Compiled:
    """A step function as `compile` gives it.

    traces: how many times the step has been traced. programs: of the traces that are kept.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        backward: bool,
        verify: bool,
        cache_size: int,
        batch_axis: BatchAxis,
        workers: int,
    ) -> None:
        update_wrapper(self, f, updated=())
        self._f = f
        self._backward = backward
        self._verify = verify
        self._cache_size = cache_size
        if not isinstance(workers, int) or workers < 1:
            raise ValueError(f"compile: workers is {workers!r}; it must be a whole number above 0")
        if workers > 1 and batch_axis is None:
            raise ValueError("compile: workers share a batch; give its batch_axis too")
        self._batch_axis = batch_axis
        self._workers = workers
        self._cache: OrderedDict[Any, _CacheEntry] = OrderedDict()
        self._lock = RLock()  # the memory of a Program is shared by all calls
        self._running = False
        self.traces = 0

    def __reduce__(self) -> Any:
        """A copy is the step again, without its traces: their arrays are not copied."""
        options = self._backward, self._verify, self._cache_size, self._batch_axis, self._workers
        return Compiled, (self._f, *options)

    @property
    def programs(self) -> list[Program]:
        """The Programs that are kept, the latest used last."""
        return [entry.run.program for entry in self._cache.values()]

    def __call__(self, *inputs: Tree) -> Tree:
        """What the step returns, detached; the leaves have their gradients added to `.grad`.

        Threads take turns. Raises: RuntimeError where the step calls itself as it runs.
        """
        watch = mode.get().watch
        if watch is not None and watch.traces:
            return self._inlined(inputs)
        with self._lock:
            if self._running:
                raise RuntimeError(
                    "compile: the step is called again while it runs, by an op or a check in it; "
                    "compile that part as a step of its own"
                )
            self._running = True
            try:
                return self._replayed(inputs)
            finally:
                self._running = False

    def _replayed(self, inputs: Tree) -> Tree:
        """The same, by one thread at a time."""
        arrays, key = _arrays_and_key(inputs)
        entry = self._cache.get(key)
        if entry is None or not entry.fits():
            entry = self._retraced(inputs, arrays, key)
        outputs = entry.run(arrays)
        gradients = entry.run.program.gradients
        if self._verify:
            self._compare(inputs, arrays, entry.run.program, outputs)
        count = entry.results
        for tensor, g in zip(gradients, outputs[count:], strict=True):
            tensor._grad = leaf(g if tensor._grad is None else tensor._grad._array + g)
        return rebuilt(entry.result, [leaf(y) for y in outputs[:count]])

    def _inlined(self, inputs: Tree) -> Tree:
        """The step as a part of another one that is being traced."""
        if self._backward:
            raise RuntimeError("compile: a compiled step cannot call another that finds gradients")
        results = self._f(*inputs)
        values = [y.detach() if isinstance(y, Tensor) else y for y in values_of(results).values()]
        return rebuilt(results, values)

    def _retraced(self, inputs: Tree, arrays: list[Array], key: Any) -> _CacheEntry:
        built: list[Tree] = []

        def flat(*tensors: Tensor) -> list[Tensor]:
            built.append(self._f(*rebuilt(inputs, tensors)))
            return [
                y if isinstance(y, Tensor) else Tensor(y) for y in values_of(built[-1]).values()
            ]

        for k, x in enumerate(arrays):
            numeric(x, f"compile: input {k}")
        with uncollected():
            program = trace(flat, arrays, self._backward)
            runner = self._runner(program)
        self.traces += 1
        flags = tuple((x, x.requires_grad) for _, x in program.leaves)
        count = len(values_of(built[0]))
        places = rebuilt(built[0], [0] * count)
        entry = self._cache[key] = _CacheEntry(runner, places, count, flags)
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return entry

    def _runner(self, program: Program) -> Runner | Blocks:
        """In blocks of the batch, where that was asked for and can be; else as a whole."""
        if self._batch_axis is not None:
            axes = _axes(self._batch_axis, program)
            try:
                return Blocks(simplified(program), axes, self._workers)
            except MixedRowsError as why:
                warnings.warn(
                    f"compile: the step is run as a whole, not in blocks of the batch: {why}",
                    stacklevel=5,
                )
        return Runner(improved(program))

    def _compare(self, inputs: Tree, arrays: list[Array], program: Program, found: Any) -> None:
        """Raises: AssertionError where the step, run as it is, gives something else."""
        results = self._f(*rebuilt(inputs, [Tensor(array) for array in arrays]))
        right = list(values_of(results).values())
        if program.gradients:
            loss, *_ = right
            right += grad(loss, program.gradients, allow_unused=True)
        for k, (y, expected) in enumerate(zip(found, right, strict=True)):
            expected = np.asarray(getattr(expected, "_array", expected))
            tolerance = 1e-10 if expected.dtype == np.float64 else 1e-4
            scale = np.max(np.abs(expected), initial=1e-300)
            if not np.allclose(y, expected, rtol=0, atol=tolerance * scale, equal_nan=True):
                raise AssertionError(
                    f"compile: output {k} of {len(found)} (results, then gradients) differs from "
                    "the step run as it is; does the step depend on values in Python?"
                )


def _axes(batch_axis: BatchAxis, program: Program) -> tuple[int | None, ...]:
    """The axis of the batch in each input. Raises: ValueError where there is none such."""
    inputs = program.inputs
    axes = batch_axis if isinstance(batch_axis, tuple) else (batch_axis,) * len(inputs)
    if len(axes) != len(inputs) or all(axis is None for axis in axes):
        raise ValueError(
            f"compile: batch_axis is {batch_axis}, but there are {len(inputs)} inputs; give one "
            "axis for all, or a tuple with one for each, None where there is no batch"
        )
    for k, (x, axis) in enumerate(zip(inputs, axes, strict=True)):
        if axis is not None and not -len(x.shape) <= axis < len(x.shape):
            raise ValueError(
                f"compile: batch_axis is {axis} for input {k}, whose shape is {x.shape}"
            )
    return axes


def _arrays_and_key(inputs: Tree) -> tuple[list[Array], Any]:
    """The arrays in the inputs; and where they are, with shapes and dtypes: a trace for each."""
    arrays = []
    for x in inputs:
        if type(x) is not np.ndarray:
            values = values_of(inputs)
            arrays = [_input_array(place, x) for place, x in values.items()]
            return arrays, (tuple(values), *[(x.shape, x.dtype) for x in arrays])
        arrays.append(x)
    return arrays, tuple([(x.shape, x.dtype) for x in arrays])


def _input_array(place: str, x: Any) -> Array:
    """An input's array. Raises: TypeError for one that requires a gradient."""
    if isinstance(x, Tensor) and x.requires_grad:
        raise TypeError(
            f"compile: input {place} requires a gradient; inputs are data, and what learns is a "
            "Tensor that the step closes over, as a Module's parameters"
        )
    return np.asarray(getattr(x, "_array", x))


def compile(
    f: Callable[..., Any] | None = None,
    *,
    backward: bool = True,
    verify: bool = False,
    cache_size: int = 8,
    batch_axis: BatchAxis = None,
    workers: int = 1,
) -> Any:
    """A function that does what `loss = f(*inputs); loss.backward()` does, replayed from a trace.

    f: gives a scalar loss, or (loss, *others) such as the carried state. It computes with
    operations of this package; what is in `if`, `for` and the like must not depend on values, and
    random numbers are inputs. inputs: arrays, or trees of such; Tensors that require gradients
    are closed over, read afresh at each call, and get theirs added to `.grad`.
    backward: False for a function without gradients. verify: at each call f is run too, and
    another result is an error. cache_size: how many traces are kept; there is one for each choice
    of shapes and dtypes.
    batch_axis: the axis of the batch in every input, or a tuple with one for each, None for an
    input without a batch: the step is then run in blocks of examples that fit into the cache, if
    its equations show that examples do not mix before the last sums; else as a whole, with a
    warning that says why. workers: threads that share the blocks (extra `threads`).
    Result: what f returns, detached. Threads that call one step take turns.
    Raises: RuntimeError where f looks at values, TypeError for inputs that require gradients,
    ValueError for a batch_axis or workers that do not fit.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> @compile
    ... def step(x):
    ...     return (w * x).sum()
    >>> step(np.array([3.0, 4.0])).item(), w.grad
    (11.0, Tensor([3., 4.]))
    """
    options = backward, verify, cache_size, batch_axis, workers
    if f is None:
        return lambda f: Compiled(f, *options)
    return Compiled(f, *options)
