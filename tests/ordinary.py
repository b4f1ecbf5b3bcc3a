"""Operations at random, as people write them: parts, stacks, masks, losses; any shape and dtype.

What is done next is drawn from shapes and dtypes alone: it is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import tinygrad_rnn as tg

LARGEST = 200  # entries of a value
NUMBERS = [0.5, 2, -1.0, 1, 0, 1.0, 0.0, -0.0, True, np.float32(0.3), np.float64(0.7)]


class Draft:
    """A step while it is run. values: what the next operation may take."""

    def __init__(self, seed: Any, values: Iterable[Any], weights: Sequence[Any], single: bool):
        self.rng = np.random.default_rng(seed)
        self.values = list(values)
        self.weights = weights
        self.single = single

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(self.rng.integers(n))

    def one(self, options: Sequence[Any]) -> Any:
        """One of the options."""
        return options[self.below(len(options))]

    def often(self, p: float = 0.5) -> bool:
        """Whether, with this probability."""
        return bool(self.rng.random() < p)

    def pick(self, fits: Callable[[Any], bool] = lambda x: True) -> Any:
        """A value that fits, most often a late one; None where there is none."""
        found = [x for x in self.values if fits(x)]
        return self.one(found[-4:] if self.often() else found) if found else None

    def float(self, axes: int = 0, entries: int = LARGEST) -> Any:
        """A float of so many axes or more, and entries or fewer."""
        return self.pick(lambda x: x.dtype.kind == "f" and x.ndim >= axes and x.size <= entries)

    def beside(self, x: Any) -> Any:
        """What broadcasts against x, or a number."""
        y = self.pick(lambda y: _size(x.shape, y.shape) <= LARGEST)
        return self.one(NUMBERS) if y is None or self.often(0.2) else y

    def axis(self, x: Any) -> int:
        """An axis, counted from either end."""
        return self.below(2 * x.ndim) - x.ndim

    def grow(self, operations: int) -> None:
        """Takes so many operations."""
        for _ in range(operations):
            result = self.one(WORDS)(self)
            for y in result if isinstance(result, list) else [result]:
                if y is not None and y.size <= LARGEST and y.ndim <= 4:
                    small = y.dtype.kind == "f" and self.often(0.6)
                    self.values.append(tg.tanh(y) if small else y)


def _size(*shapes: tuple[int, ...]) -> float:
    try:
        return int(np.prod(np.broadcast_shapes(*shapes)))
    except ValueError:
        return np.inf


# The operations


@tg.op(elementwise=True, x=lambda g, z, x: g * 2)
def log(x: Any) -> Any:
    """No logarithm: an operation of the user's."""
    return x * 2 + 1


@tg.op(x=lambda g, z, x, a, b: g * a)
def line(x: Any, *, a: float, b: float) -> Any:
    """a x + b"""
    return x * a + b


UNARY: list[Callable[[Any], Any]] = [
    tg.tanh, tg.sigmoid, tg.relu, tg.abs, tg.sin, tg.softplus, tg.square, tg.sign, tg.arctan, log,
    lambda x: -x, lambda x: 1 - x, lambda x: x * 0.5, lambda x: x**2, lambda x: tg.tanh(x) ** 3,
    lambda x: (x * x + 1) ** 0.5, lambda x: (x * x + 1) ** -1, lambda x: x**0,
    lambda x: tg.exp(tg.tanh(x)), lambda x: tg.sqrt(x * x + 1), lambda x: tg.log(x * x + 1.0),
    lambda x: tg.maximum(x, 0.1), lambda x: tg.minimum(0.2, x), lambda x: tg.clip(x, None, 0.3),
    lambda x: tg.clip(x, -0.5, 0.6), lambda x: tg.where(x > 0.1, x, 0.3 * x), lambda x: x.detach(),
    lambda x: line(x, a=1.0, b=2.0) * line(x, b=1.0, a=2.0), lambda x: x * np.ones(x.shape),
]  # fmt: skip
BINARY: list[Callable[[Any, Any], Any]] = [
    tg.add, tg.multiply, tg.maximum, tg.minimum, lambda x, y: x / (tg.multiply(y, y) + 2),
    lambda x, y: x * 1.0 - y, lambda x, y: y + x, lambda x, y: (x + 0.0) * y,
    tg.less, tg.greater_equal, tg.not_equal, lambda x, y: x * 1 > y,
]  # fmt: skip
SHAPES: list[Callable[[Draft, Any], Any]] = [
    lambda d, x: x.reshape(d.one([(-1,), x.shape[::-1], (1, *x.shape), (*x.shape, 1)])),
    lambda d, x: x.T,
    lambda d, x: x.transpose(tuple(d.rng.permutation(x.ndim).tolist())),
    lambda d, x: tg.broadcast_to(x, (2, *x.shape)),
    lambda d, x: tg.expand_dims(x, d.below(x.ndim + 1)),
    lambda d, x: tg.squeeze(x),
    lambda d, x: tg.tile(x, 2),
    lambda d, x: tg.flip(x),
]
LINES: list[Callable[[Draft, Any], Any]] = [
    lambda d, x: tg.roll(x, 1, d.axis(x)),
    lambda d, x: tg.repeat(x, 2, d.axis(x)),
    lambda d, x: tg.cumsum(x, d.axis(x)),
    lambda d, x: tg.sort(x, d.axis(x)),
    lambda d, x: tg.pad(x, 1),
    lambda d, x: tg.split(x, [x.shape[-1] // 2], -1),
    lambda d, x: tg.unbind(x, d.axis(x)),
    lambda d, x: tg.softmax(x, axis=d.axis(x)),
    lambda d, x: tg.log_softmax(x, axis=d.axis(x)),
    lambda d, x: x[np.arange(len(x)) % 2 == 0],
    lambda d, x: x[np.arange(x.size).reshape(x.shape) % 3 != 0],
    lambda d, x: [
        f(part) for f, part in zip((tg.sigmoid, tg.tanh), tg.unbind(x, -1), strict=False)
    ],
]
REDUCED = ["sum", "sum", "mean", "max", "min", "var", "std", "logsumexp", "prod", "norm"]


def _unary(d: Draft) -> Any:
    return d.one(UNARY)(d.float())


def _binary(d: Draft) -> Any:
    x = d.pick(lambda x: True)
    pair = [x, d.beside(x)]
    return d.one(BINARY)(*(pair[::-1] if d.often(0.3) else pair))


def _where(d: Draft) -> Any:
    condition = d.pick(lambda x: x.dtype.kind in "biu")
    if condition is None or d.often(0.3):
        condition = d.float() > 0.2
    x = d.pick(lambda x: _size(x.shape, condition.shape) <= LARGEST)
    if x is None:
        return None
    y = d.pick(lambda y: _size(x.shape, y.shape, condition.shape) <= LARGEST)
    pair = [x, d.one(NUMBERS) if y is None or d.often(0.2) else y]
    return tg.where(condition, *(pair[::-1] if d.often() else pair))


def _cast(d: Draft) -> Any:
    x = d.pick()
    floats = [np.float64, np.float32] if d.single else [np.float64]
    return x.astype(d.one(floats if x.dtype.kind == "f" else [*floats, np.int32, int]))


def _shape(d: Draft) -> Any:
    return d.one(SHAPES)(d, d.pick(lambda x: x.size <= LARGEST // 2))


def _line(d: Draft) -> Any:
    x = d.pick(lambda x: x.dtype.kind == "f" and x.ndim > 0 and 0 < x.size <= LARGEST // 2)
    return None if x is None else d.one(LINES)(d, x)


def _reduced(d: Draft) -> Any:
    name, x = d.one(REDUCED), d.float()
    if name in ("sum", "max", "min"):
        x = d.pick()
    axes = [None, *range(-x.ndim, x.ndim), *[(k, 0) for k in range(1, x.ndim)]]
    axis = d.one(axes if name != "norm" else axes[: 1 + 2 * x.ndim])
    return getattr(tg, name)(x, axis=axis, keepdims=d.often()) if x.size else None


def _matmul(d: Draft) -> Any:
    a = d.float(axes=1)
    if a is None:
        return None
    fits = lambda b: b.dtype.kind == "f" and b.ndim and b.shape[max(b.ndim - 2, 0)] == a.shape[-1]
    b = d.pick(lambda b: fits(b) and (a.ndim < 3 or b.ndim < 3 or b.shape[:-2] == a.shape[:-2]))
    if b is None or d.often(0.2):
        b = tg.swapaxes(a, -1, -2) if a.ndim > 1 else a
    if a.ndim == 1 and d.often(0.3):
        a = a[None]
    if b.ndim == 1 and d.often(0.3):
        b = b[:, None]
    return a @ b * 0.5


def _part(d: Draft, size: int) -> Any:
    k = d.below(size)
    return d.one(
        [k, k - size, np.int64(k), slice(None), slice(None), slice(1, None), slice(0, 1),
         slice(None, None, -1), slice(None, None, 2), [k, k], np.array([k, d.below(size)])]
    )  # fmt: skip


def _getitem(d: Draft) -> Any:
    x = d.pick(lambda x: x.ndim > 0 and x.size > 0)
    parts = [_part(d, size) for size in x.shape[: d.below(x.ndim + 1)]] if x is not None else []
    if not parts:
        return None if x is None else x[d.one([..., None, (), (None, ...), 0, -1, slice(0, 1)])]
    if d.often(0.2):
        parts.insert(d.below(len(parts) + 1), None)
    if d.often(0.2):
        parts.append(...)
    return x[tuple(parts)] if len(parts) > 1 or d.often() else x[parts[0]]


def _lookup(d: Draft) -> Any:
    """Rows of a table by ids that are data."""
    table, ids = d.float(axes=1), d.pick(lambda x: x.dtype.kind == "i" and 0 < x.ndim < 3)
    if table is None or ids is None or not table.size or table.size * ids.size > 2 * LARGEST:
        return None
    ids = tg.clip(ids, 0, len(table) - 1)
    return table[ids] if table.ndim < 2 or d.often() else table[ids, 0]


def _stack(d: Draft) -> Any:
    x = d.pick(lambda x: x.size <= LARGEST // 4)
    several = [x, *[d.pick(lambda y: y.shape == x.shape) for _ in range(1 + d.below(3))]]
    if not x.ndim and d.often(0.2):
        several.append(2.0)
    stacked = tg.stack(several, d.below(x.ndim + 1) if d.often(0.3) else 0)
    return d.one(
        [lambda z: z, lambda z: z[-1], lambda z: z.sum(0), lambda z: tg.stack([*z][::-1]),
         lambda z: tg.stack([*z]), lambda z: tg.stack([part.T for part in z])]
    )(stacked) if len(stacked) else stacked  # fmt: skip


def _concatenate(d: Draft) -> Any:
    x = d.pick(lambda x: x.ndim > 0 and x.size <= LARGEST // 4)
    if x is None:
        return None
    axis = d.axis(x)
    rest = lambda y: np.delete(y.shape, axis).tolist()
    fits = lambda y: y.ndim == x.ndim and rest(y) == rest(x)
    several = [x, *[d.pick(fits) for _ in range(d.below(3))]]
    return tg.concatenate(several, d.one([axis, axis, None]))


def _gates(d: Draft) -> Any:
    """Sigmoids and tanhs of parts, which may overlap."""
    x = d.pick(lambda x: x.dtype.kind == "f" and x.ndim > 0 and x.shape[-1] > 1)
    if x is None:
        return None
    k, n = 1 + d.below(x.shape[-1] - 1), x.shape[-1]
    parts = [x[..., :k], x[..., d.one([k, k, k - 1]) :], x[..., d.one([0, k]) : n]]
    return [d.one([tg.sigmoid, tg.tanh])(part) for part in parts[: d.one([2, 2, 3])]]


def _loss(d: Draft) -> Any:
    x = d.float()
    fits = lambda y: y.dtype.kind == "f" and y.shape == x.shape
    name = d.one(["mse_loss", "l1_loss", "huber_loss"])
    return getattr(tg, name)(x, d.pick(fits), reduction=d.one(["mean", "sum", "none"]))


def _cross_entropy(d: Draft) -> Any:
    x = d.pick(lambda x: x.dtype.kind == "f" and x.ndim > 0 and x.size > 0)
    if x is None:
        return None
    y = d.pick(lambda y: y.dtype.kind in "iu" and y.shape == x.shape[:-1])
    if y is None:
        y = np.arange(x.size // x.shape[-1]).reshape(x.shape[:-1]) % x.shape[-1]
    else:
        y = tg.clip(y, 0, x.shape[-1] - 1)
    options = d.one([{}, {}, {"label_smoothing": 0.1}, {"ignore_index": 0}])
    return tg.cross_entropy(x, y, reduction=d.one(["sum", "none"]), **options)


def _slope(d: Draft) -> Any:
    """The gradient of a value by a weight, or nothing."""
    z = tg.tanh(d.float() * 1.5).sum()
    if not z.requires_grad:
        return None
    return tg.grad(z, d.one(d.weights), create_graph=True, allow_unused=True)[0]


WORDS = [
    *[_unary] * 6, *[_binary] * 6, *[_matmul] * 4, *[_getitem] * 3, *[_line] * 3, *[_reduced] * 3,
    *[_where, _shape, _stack, _gates, _cross_entropy] * 2, _cast, _lookup, _concatenate, _loss,
    _slope,
]  # fmt: skip
