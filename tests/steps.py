"""Random steps, and a check that a compiled step is the step, whatever its memory held before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.engine.tree import values_of
from tinygrad_rnn.program import code, kernels, layout, run, workers
from tinygrad_rnn.program.passes import batch, sums

from .ordinary import Draft


class Poison:
    """NumPy, but for `empty`: its arrays hold what no result may show."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = float) -> np.ndarray:
        """An array that is filled anew by each `spread`."""
        array = np.empty(shape, dtype)
        self.arrays.append(array)
        _fill(array, 0)
        return array

    def spread(self, k: int) -> None:
        """Everything that was not written since is NaN, or extreme."""
        for array in self.arrays:
            _fill(array, k)


def _fill(array: np.ndarray, k: int) -> None:
    if array.dtype.kind == "f":
        array.fill((np.nan, np.finfo(array.dtype).max, -np.inf)[k % 3])
    elif array.dtype.kind == "b":
        array.fill(k % 2 == 0)
    else:
        limits = np.iinfo(array.dtype)
        array.fill((limits.min, limits.max)[k % 2])


@contextmanager
def poisoned() -> Iterator[Poison]:
    """What a Program is bound to inside lies in poisoned memory."""
    poison = Poison()
    with pytest.MonkeyPatch.context() as patch:
        for module in (run, kernels, workers):
            patch.setattr(module, "np", poison)
        yield poison


@contextmanager
def as_if_long() -> Iterator[None]:
    """Inside, two of a kind are worth what many are otherwise: small programs are put together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "FEWEST_MEMBERS", 2)
        patch.setattr(sums, "FEWEST_TERMS", 2)
        patch.setattr(layout, "MANY_ROWS", 1)
        patch.setattr(layout, "MANY_PRODUCTS", 1)
        patch.setattr(code, "FEWEST_CALLS", 10)
        patch.setattr(code, "FEWEST_ROUNDS", 2)
        yield


def agree(
    f: Callable[..., Any],
    weights: Sequence[tg.Tensor],
    *calls: Sequence[Any],
    rtol: float = 1e-12,
    backward: bool = True,
    **options: Any,
) -> Any:
    """f compiled, which at each of the calls gives the results and the gradients that f gives.

    From call to call the weights are others, in place and assigned.
    """
    step = tg.compile(f, backward=backward, **options)
    with poisoned() as poison, np.errstate(all="ignore"):
        for k, inputs in enumerate(calls):
            poison.spread(k)
            results = step(*inputs)
            found = _arrays(results, weights)
            eager = f(*map(tg.Tensor, inputs))
            if backward:
                next(iter(values_of(eager).values())).backward()
            for y, right in zip(found, _arrays(eager, weights), strict=True):
                same(y, right, rtol)
            for j, w in enumerate(weights):
                if (j + k) % 2:
                    w.data *= 0.9
                else:
                    w.data = w.data * 0.9
    return step


def _arrays(results: Any, weights: Sequence[tg.Tensor]) -> list[Any]:
    """The results, then the gradients of the weights, which forget them; None for none."""
    several = values_of(results).values()
    found: list[Any] = [np.array(getattr(y, "_array", y)) for y in several]
    for w in weights:
        found.append(None if w.grad is None else w.grad.numpy())
        w.grad = None
    return found


def same(found: Any, right: Any, rtol: float) -> None:
    """Equal in shape, dtype and, up to rtol of the largest finite entry, in value."""
    assert (found is None) == (right is None)
    if right is None:
        return
    assert (found.shape, found.dtype) == (right.shape, right.dtype)
    if right.dtype.kind != "f":
        np.testing.assert_array_equal(found, right)
        return
    scale = np.max(np.abs(right), initial=1, where=np.isfinite(right))
    np.testing.assert_allclose(found, right, rtol=0, atol=rtol * scale, equal_nan=True)


# Random steps


class OrdinaryStep(NamedTuple):
    """f(*inputs) gives a loss and further results. single: whether float32 may occur."""

    f: Callable[..., Any]
    weights: list[tg.Tensor]
    inputs: Callable[[int], list[np.ndarray]]
    axes: tuple[int | None, ...]
    single: bool


def ordinary_step(seed: int) -> OrdinaryStep:
    """The step of this seed: some operations, up to two loops, perhaps a layer, and some more."""
    rng = np.random.default_rng(seed)
    T, B, H = (int(rng.choice(n)) for n in ([1, 2, 3, 8, 9, 10], [1, 2, 3], [1, 1, 2, 3, 4]))
    single = bool(rng.random() < 0.4)
    weights, kinds, layer = _weights(rng, T, B, H, single), _kinds(rng, T, B, H, single), None
    if rng.random() < 0.3:
        layer = (nn.RNN, nn.LSTM, nn.GRU)[rng.integers(3)](H, int(rng.integers(1, 4)), rng=0)
    loops, operations, before, after = rng.integers([0, 1, 2, 2], [3, 5, 8, 8]).tolist()

    def f(*xs: Any) -> Any:
        draft = Draft([seed, 1], [*weights, *xs], weights, single)
        draft.grow(before)
        for k in range(loops):
            _loop(draft, [seed, 2, k], operations)
        if layer is not None:
            output, state = layer(xs[0])
            draft.values += [output, *(state if isinstance(state, tuple) else (state,))]
        draft.grow(after)
        return _results(draft)

    inputs = lambda call: [_drawn(kind, [seed, call, k]) for k, kind in enumerate(kinds)]
    leaves = [*weights, *(layer.parameters() if layer is not None else ())]
    return OrdinaryStep(f, leaves, inputs, tuple(kind.axis for kind in kinds), single)


class Kind(NamedTuple):
    """What an input is. axis: of the batch."""

    shape: tuple[int, ...]
    dtype: str
    axis: int | None


def _some(rng: np.random.Generator, several: Sequence[Any]) -> list[Any]:
    """The first, and most of the others."""
    return [x for k, x in enumerate(several) if not k or rng.random() < 0.75]


def _float(rng: np.random.Generator, single: bool) -> str:
    return "f4" if single and rng.random() < 0.5 else "f8"


def _weights(rng: np.random.Generator, T: int, B: int, H: int, single: bool) -> list[tg.Tensor]:
    shapes = [(H, H), (H,), (H, 2 * H), (H, 1), (1, H), (B, H), (), (T, H), (1,)]
    return [
        tg.Tensor(rng.normal(size=shape) * 0.7, dtype=_float(rng, single), requires_grad=True)
        for shape in _some(rng, shapes)
    ]


def _kinds(rng: np.random.Generator, T: int, B: int, H: int, single: bool) -> list[Kind]:
    floats: list[Any] = [((T, B, H), 1), ((T, B, H), 1), ((B, H), 0), ((H,), None), ((), None)]
    kinds = [
        Kind(shape, _float(rng, single and k > 0), axis) for k, (shape, axis) in enumerate(floats)
    ]
    kinds += [Kind((T, B), "i8", 1), Kind((B,), "i4", 0), Kind((T, B, 1), "i4", 1)]
    kinds += [Kind((B,), "u1", 0), Kind((B, H), "?", 0), Kind((T, B), "?", 1)]
    return _some(rng, kinds)


def _drawn(kind: Kind, seed: Sequence[int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind.dtype[0] == "f":
        return rng.normal(size=kind.shape).astype(kind.dtype)
    return rng.integers(0, 2 if kind.dtype == "?" else 4, kind.shape).astype(kind.dtype)


def _loop(d: Draft, seed: list[int], operations: int) -> None:
    """The same few operations at each step of two sequences by turns, with a state if there is."""
    sequence = d.pick(lambda x: x.dtype.kind == "f" and x.ndim > 1 and 0 < len(x) <= 10)
    if sequence is None:
        return
    h = d.pick(lambda x: x.dtype.kind == "f" and x.shape == sequence.shape[1:])
    turns = [sequence, d.pick(lambda x: x.dtype.kind == "f" and x.shape == sequence.shape)]
    other = d.pick(lambda x: x.ndim > 0 and len(x) == len(sequence))
    classes = [x for x in d.values if x.dtype.kind in "iu"][:3]
    shared, outputs = [*d.weights[:3], *classes, *d.values[-4:]], []
    for t in reversed(range(len(sequence))) if d.often(0.3) else range(len(sequence)):
        step = Draft(seed, [*shared, *[x for x in (h,) if x is not None]], d.weights, d.single)
        step.values += [turns[t % 2][t], *([other[t]] if other is not None else [])]
        step.grow(operations)
        new = step.values[-1]
        outputs.append(new)
        if h is not None:
            same = new.dtype.kind == "f" and new.shape == h.shape
            h = tg.tanh(h * 0.9 + (new if same else new.sum() * 0.1)).astype(h.dtype)
    d.values += [h] if h is not None else []
    if len({x.shape for x in outputs}) > 1:
        d.values += outputs[:2]
    else:
        d.values.append(d.one(JOINED if outputs[0].ndim else JOINED[:3])(outputs))


JOINED = [tg.stack, lambda xs: tg.stack(xs[::-1]), lambda xs: reduce(add, xs), tg.concatenate]
TERMS = [lambda x: x, lambda x: x * x, tg.tanh, lambda x: x * 0.7]
LAST = [
    lambda y: tg.maximum(y, 0.0), lambda y: tg.minimum(y, 100.0), tg.relu, lambda y: y[None],
    lambda y: tg.max(tg.stack([y, y * 2])), *[lambda y: y] * 3,
]  # fmt: skip


def _results(d: Draft) -> tuple[Any, ...]:
    """A loss of several values, as any operation may give it, and some of the values."""
    loss = 0.0
    for x in [d.weights[0], *(d.float() for _ in range(4))]:
        if x.size:
            loss = loss + d.one([tg.sum, tg.mean])(d.one(TERMS)(x))
    return d.one(LAST)(loss), *[d.pick() for _ in range(d.below(4))], d.values[-1]
