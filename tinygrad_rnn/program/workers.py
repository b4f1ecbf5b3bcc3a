"""workers: a Program run block by block of the batch, on threads.

NumPy lets other threads run while it computes, so blocks of rows on several threads take several
cores; and what a block needs stays in the cache of its core.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from ..ops.op import Array
from .blocks import batch_in, block_program, precomputed_program
from .passes import improved
from .program import Program
from .rows import EVERYWHERE, PARTIAL, MixedRowsError, located
from .run import Runner

CACHED = 2**23  # bytes of all values of a block
FEWEST_ROWS = 64  # a product of fewer is slow


class Blocks:
    """A Program cut along its batch. axes: of each input, None for one without a batch.

    Raises: MixedRowsError where the equations do not show that the rows are independent.
    """

    def __init__(self, program: Program, axes: Sequence[int | None], workers: int) -> None:
        self.program = program
        sizes = {
            x.shape[axis] for x, axis in zip(program.inputs, axes, strict=True) if axis is not None
        }
        if len(sizes) != 1:
            raise MixedRowsError(f"the batch has the sizes {sorted(sizes)} in the inputs")
        (B,) = sizes
        if not B:
            raise MixedRowsError("the batch has no rows")
        batch = batch_in(program, axes, B)
        where = batch.where
        self._slices = _slices(B, _count(program, B, workers))
        self._workers = min(workers, len(self._slices))
        self._first = Runner(improved(precomputed_program(program, batch))) if batch.ahead else None
        smaller = {
            n: improved(block_program(program, batch, n)) for n in {b - a for a, b in self._slices}
        }
        self._runners = [{n: Runner(p) for n, p in smaller.items()} for _ in range(self._workers)]
        self._inputs = [where.get(x) for x in (*program.inputs, *batch.ahead)]
        placed = {x: s for x, s in where.items() if s != EVERYWHERE}  # that is whole in each block
        self._places = [(placed.get(x), x) for x in program.outputs]
        self._B = B
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for these inputs."""
        if self._first is not None:
            inputs = [*inputs, *self._first(inputs)]
        outputs = [None if s == PARTIAL else np.empty(x.shape, x.dtype) for s, x in self._places]
        if self._pool is None:
            totals = [self._share(0, inputs, outputs)]
        else:
            with _threads().limit(limits=1, user_api="blas"):
                shares = [
                    self._pool.submit(self._share, k, inputs, outputs) for k in range(self._workers)
                ]
                totals = [share.result() for share in shares]
        for k in range(len(outputs)):
            if outputs[k] is None:
                outputs[k] = totals[0][k]
                for total in totals[1:]:
                    outputs[k] = outputs[k] + total[k]
        return outputs  # type: ignore[return-value]

    def _share(self, worker: int, inputs: Sequence[Array], outputs: list[Any]) -> list[Any]:
        """The worker's blocks: rows are written into outputs, sums over the batch returned."""
        totals: list[Any] = [None] * len(outputs)
        for start, end in self._slices[worker :: self._workers]:
            run = self._runners[worker][end - start]
            rows = [
                x if s is None else _batch_rows(x, s, self._B, start, end).reshape(var.shape)
                for x, s, var in zip(inputs, self._inputs, run.program.inputs, strict=True)
            ]
            found = run(rows)
            for k, (stride, _) in enumerate(self._places):
                if stride != PARTIAL:
                    place = outputs[k]
                    if stride is not None:
                        place = _batch_rows(place, stride, self._B, start, end)
                    place[...] = found[k].reshape(place.shape)
                elif totals[k] is None:
                    totals[k] = found[k]
                else:
                    totals[k] += found[k]
        return totals


def _batch_rows(x: Array, stride: int, B: int, start: int, end: int) -> Array:
    """The part of an array with these rows of the batch."""
    axis, outer, inner = located(x.shape, stride, B)
    whole = (slice(None),) * axis
    if outer == inner == 1:
        return x[(*whole, slice(start, end))]
    apart = x.reshape(*x.shape[:axis], outer, B, inner, *x.shape[axis + 1 :])
    return apart[(*whole, slice(None), slice(start, end))]


def _slices(B: int, count: int) -> list[tuple[int, int]]:
    """Blocks whose sizes differ by one at the most."""
    ends = [B * k // count for k in range(count + 1)]
    return list(itertools.pairwise(ends))


def _count(program: Program, B: int, workers: int) -> int:
    """How many blocks: each fits into the cache; as many for each worker."""
    row = sum(equation.output.nbytes for equation in program.equations) / B
    size = min(B, max(FEWEST_ROWS, int(CACHED / row)))
    return min(B, math.ceil(B / size / workers) * workers)


@lru_cache(maxsize=1)
def _threads() -> Any:
    """What holds BLAS to one thread. Raises: ModuleNotFoundError without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "compile: workers need threadpoolctl, which holds BLAS to one thread; "
            'pip install "tinygrad_rnn[threads]"'
        ) from error
    return ThreadpoolController()
