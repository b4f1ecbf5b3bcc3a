"""Gradients of random programs agree with differences, however their operations are combined.

A program is data: leaves, steps and outputs. `programs()` draws one, `run` runs it: arrays go
through NumPy alone, Tensors through the framework. A program that fails is printed as small as it
gets, in a form that can be pasted into FIXED.
"""

from __future__ import annotations

import operator
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.engine.totals import Totals
from tinygrad_rnn.program import kernels

from .numeric import assert_near, flat, parts
from .steps import agree

Shape = tuple[int, ...]
Arrays = Sequence[np.ndarray]

MARGIN = 1e-3  # no input lies nearer to a kink
SAME = 1e-12  # what differs by less is equal by construction, and then so are the slopes
LARGE = 3.0  # a value with larger entries is squashed before it is used
SIZE = 32  # a value with more entries, or more than 4 axes, is summed before it is used
MOST = 31  # steps before the last word is added; with it there are at most 40
DRAWS = 20  # of inputs, until they keep the margin


# Programs


class V(int):
    """The number of a value: the leaves first, then the constants, then what the steps give."""

    def __repr__(self) -> str:
        return f"V({int(self)})"


class Step(NamedTuple):
    """A call of the operation `name`.

    args: values (or lists of them) by their numbers; numbers, shapes and indices as they are.
    way: how it is written for Tensors: "function" of tg, "method", "operator", or "numpy".
    """

    name: str
    args: tuple[Any, ...]
    settings: dict[str, Any]
    way: str


class Program(NamedTuple):
    """Steps on leaves, which have gradients, and on constants, which stay arrays.

    leaves, constants: their shapes. outputs: whose sum, weighted at random, is differentiated.
    seed: decides the inputs, the weights and the directions.
    """

    leaves: tuple[Shape, ...]
    constants: tuple[Shape, ...]
    steps: tuple[Step, ...]
    outputs: tuple[V, ...]
    seed: int


WAYS = {
    "function operator numpy": "add subtract multiply divide power negative abs matmul "
    "greater greater_equal less less_equal",
    "function method numpy": "exp log sqrt tanh clip sum mean max dot reshape transpose "
    "broadcast_to split take",
    "function method": "sigmoid relu logsumexp softmax log_softmax addmm unbind",
    "function numpy": "maximum minimum where outer concatenate stack",
    "function": "cross_entropy mse_loss",
    "operator": "getitem",
}
VOCABULARY = {name: ways.split() for ways, names in WAYS.items() for name in names.split()}
OPERATORS = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul,
    "divide": operator.truediv, "power": operator.pow, "negative": operator.neg,
    "abs": operator.abs, "matmul": operator.matmul, "getitem": operator.getitem,
    "greater": operator.gt, "greater_equal": operator.ge,
    "less": operator.lt, "less_equal": operator.le,
}  # fmt: skip


def run(program: Program, given: Sequence[Any]) -> list[Any]:
    """Every value of the program. given: leaves and constants, as arrays or as Tensors."""
    values = list(given)
    for step in program.steps:
        values += results(step, values)
    return values


def results(step: Step, values: Sequence[Any]) -> list[Any]:
    """What a step gives: by NumPy alone where all that it takes is arrays."""
    args = [_filled(arg, values) for arg in step.args]
    if any(isinstance(x, tg.Tensor) for x in _operands(args)):
        return parts(_written(step, args))
    call = REFERENCES.get(step.name) or getattr(np, step.name)
    return [np.asarray(y) for y in parts(call(*args, **step.settings))]


def _operands(args: Sequence[Any]) -> list[Any]:
    return [x for arg in args for x in (arg if isinstance(arg, list) else [arg])]


def _filled(arg: Any, values: Sequence[Any]) -> Any:
    if isinstance(arg, list):
        return [_filled(part, values) for part in arg]
    return values[arg] if isinstance(arg, V) else arg


def _written(step: Step, args: list[Any]) -> Any:
    """The step on Tensors, written in its way; an array or a number has no method of ours."""
    if step.way == "operator":
        return OPERATORS[step.name](*args, **step.settings)
    if step.way == "method" and isinstance(args[0], tg.Tensor):
        return getattr(args[0], step.name)(*args[1:], **step.settings)
    return getattr(np if step.way == "numpy" else tg, step.name)(*args, **step.settings)


# What NumPy has no function for


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def _log_softmax(x: Any, axis: Any = -1) -> Any:
    return x - _logsumexp(x, axis, keepdims=True)


def _cross_entropy(
    logits: Any, targets: Any, reduction: str = "mean", ignore_index: int = -100
) -> Any:
    targets = np.asarray(targets)
    if targets.dtype.kind == "f":
        return _reduced(-np.sum(targets * _log_softmax(logits), axis=-1), reduction)
    one_hot = targets[..., None] == np.arange(logits.shape[-1])  # no class where it is ignored
    losses = -np.sum(one_hot * _log_softmax(logits), axis=-1)
    if reduction == "mean":
        return np.sum(losses) / int(np.sum(targets != ignore_index))
    return _reduced(losses, reduction)


def _reduced(losses: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](losses)


REFERENCES: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.where(x > 0, x, 0),
    "logsumexp": _logsumexp,
    "softmax": lambda x, axis=-1: np.exp(_log_softmax(x, axis)),
    "log_softmax": _log_softmax,
    "addmm": lambda c, a, b: c + a @ b,
    "unbind": lambda x, axis=0: list(np.moveaxis(x, axis, 0)),
    "getitem": operator.getitem,
    "cross_entropy": _cross_entropy,
    "mse_loss": lambda x, y, reduction="mean": _reduced((x - y) ** 2, reduction),
}


# Kinks


def _bounds(x: Any, low: float | None, high: float | None) -> Any:
    return np.array([x - bound for bound in (low, high) if bound is not None])


ORDERS = ("greater", "less", "greater_equal", "less_equal")
KINKS: dict[str, Callable[..., Any]] = {
    "relu": np.positive,
    "abs": np.positive,
    **dict.fromkeys(("maximum", "minimum"), np.subtract),
    **dict.fromkeys(ORDERS, np.subtract),
    "clip": _bounds,
    "max": lambda x, axis=None, keepdims=False: np.max(x, axis=axis, keepdims=True) - x,
}


def distance(step: Step, values: Arrays) -> float:
    """How far the step's inputs are from a kink: infinitely, where it has none.

    What is equal by construction is no kink, unless other values are chosen by it.
    """
    if step.name not in KINKS:
        return np.inf
    args = [_filled(arg, values) for arg in step.args]
    far = np.abs(KINKS[step.name](*args, **step.settings))
    kinks = (far > SAME) | (step.name in ORDERS)
    return float(np.min(far, initial=np.inf, where=kinks))


def has_kinks(program: Program) -> bool:
    """Whether a step has a kink somewhere."""
    return any(step.name in KINKS for step in program.steps)


def margin(program: Program) -> float:
    """How far the program's inputs are from the nearest kink."""
    values = run(program, inputs(program))
    return min((distance(step, values) for step in program.steps), default=np.inf)


def inputs(program: Program) -> list[np.ndarray]:
    """The leaves and constants that the seed gives, in float64."""
    rng = np.random.default_rng(program.seed)
    shapes = program.leaves + program.constants
    return [np.asarray(rng.uniform(-1.5, 1.5, shape)) for shape in shapes]


# How programs are drawn


@dataclass
class Draft:
    """A program while it is drawn, run on arrays as it grows.

    usable: the values that a step may take. fresh: those of them that none has taken yet.
    leading: the values that a leaf has led to.
    """

    draw: Callable[[Any], Any]
    values: list[np.ndarray]
    steps: list[Step]
    usable: list[V]
    fresh: list[V]
    leading: set[V]
    draws: int = 0

    def one(self, options: Sequence[Any]) -> Any:
        """One of the options; the first is the simplest.

        No two draws are from the same numbers: hypothesis would put copies of one in place of
        another, and five of six programs would be near copies.
        """
        if len(options) == 1:
            return options[0]
        self.draws += 1000
        k = self.draw(st.sampled_from(range(self.draws, self.draws + len(options))))
        return options[k - self.draws]

    def some(self, options: Sequence[Any], most: int) -> list[Any]:
        """None to so many of the options, repeats too."""
        return [self.one(options) for _ in range(self.one(range(most + 1)))]

    def bit(self) -> bool:
        """False or True."""
        return self.one([False, True])

    def add(self, name: str, *args: Any, **settings: Any) -> V:
        """The first result of a step that has been added."""
        return self.add_several(name, *args, **settings)[0]

    def add_several(self, name: str, *args: Any, **settings: Any) -> list[V]:
        """The results of a step that has been added."""
        step = Step(name, args, settings, self.one(VOCABULARY[name]))
        first = len(self.values)
        self.values += results(step, self.values)
        self.steps.append(step)
        found = [V(k) for k in range(first, len(self.values))]
        taken = {x for x in _operands(args) if isinstance(x, V)}
        self.fresh = [x for x in self.fresh if x not in taken]
        if taken & self.leading and self.values[first].dtype != bool:
            self.leading.update(found)
        return found

    def pool(self) -> list[V]:
        """What the next step may take: the latest, those nothing has taken, and the first."""
        return [*self.usable[:-3:-1], *self.fresh[:-6:-1] * 2, *self.usable[:2]]

    def partners(self, fits: Callable[[np.ndarray], bool]) -> list[V]:
        """What the next step may take beside an x that is chosen."""
        return [y for y in self.pool() if fits(self.values[y])]


@st.composite
def programs(draw: Any) -> Program:
    """Programs of 5 to 40 steps whose inputs keep the margin from all kinks."""
    draft = Draft(draw, [], [], [], [], set())
    leaves = (
        _shape(draft, SIZES[:-1]),
        *(_shape(draft, SIZES) for _ in range(draft.one(range(4)))),
    )
    constants = tuple(_shape(draft, SIZES) for _ in range(draft.one(range(2))))
    start = Program(leaves, constants, (), (), draw(st.integers(0, 2**16)))
    draft.values = inputs(start)
    draft.usable = [V(k) for k in range(len(draft.values))]
    draft.fresh = list(draft.usable)
    draft.leading = set(draft.usable[: len(leaves)])
    while draft.one(range(max(1, MOST - len(draft.steps)))) or len(draft.steps) < 5:
        grow(draft)
    program = start._replace(steps=tuple(draft.steps), outputs=_outputs(draft))
    return kept_from_kinks(program)


SIZES = [2, 3, 1, 2, 3, 1, 2, 3, 1, 0]


def _shape(draft: Draft, sizes: Sequence[int]) -> Shape:
    return tuple(draft.some(sizes, 3))


def _outputs(draft: Draft) -> tuple[V, ...]:
    """The last value that depends on a leaf, and one to three more."""
    latest = [x for x in draft.usable[::-1] if x in draft.leading][:6]
    options = [*latest, *(x for x in draft.fresh * 3 if x in draft.leading)]
    return (draft.one(options), *draft.some(options, 2), latest[0])


def kept_from_kinks(program: Program) -> Program:
    """The program with the first seed from its own on that keeps the margin."""
    for seed in range(program.seed, program.seed + DRAWS):
        moved = program._replace(seed=seed)
        if margin(moved) > MARGIN:
            hypothesis.event(f"inputs drawn {seed - program.seed + 1} times")
            return moved
    hypothesis.event("no inputs keep the margin")
    return hypothesis.assume(False)


def grow(draft: Draft) -> None:
    """Adds one of the WORDS with an operand that fits it, and tames what it gives."""
    operands = {fits: draft.partners(fits) for fits in {word.fits for word in WORDS}}
    word = draft.one([word for word in WORDS if operands[word.fits]])
    for y in parts(word.write(draft, draft.one(operands[word.fits]))):
        y = tamed(draft, y)
        draft.usable.append(y)
        draft.fresh.append(y)


def tamed(draft: Draft, x: V) -> V:
    """x, or x summed where it has many entries, and squashed where one is large."""
    while draft.values[x].size > SIZE or draft.values[x].ndim > 4:
        x = draft.add("sum", x, axis=0)
    largest = np.max(np.abs(draft.values[x]), initial=0)
    if largest <= LARGE:
        return x
    return draft.add("tanh", draft.add("multiply", x, 2.0 ** -int(np.ceil(np.log2(largest)))))


# The words that programs are made of


class Word(NamedTuple):
    """What can be added to a draft: one step or a few that belong together.

    fits: whether an array may be the first operand. write: adds the steps, gives their results.
    """

    fits: Callable[[np.ndarray], bool]
    write: Callable[[Draft, V], V | list[V]]


def _any(x: np.ndarray) -> bool:
    return True


def _filled_array(x: np.ndarray) -> bool:
    return x.size > 0


def _has_axes(x: np.ndarray) -> bool:
    return x.ndim > 0


def _filled_axes(x: np.ndarray) -> bool:
    return x.ndim > 0 and x.size > 0


def _repeats_to_square(x: np.ndarray) -> bool:
    return _broadcast(x.shape, (3, 3)) == (3, 3)


def _short(x: np.ndarray) -> bool:
    return x.size <= 6


def unary(name: str) -> Word:
    """A function of one operand."""
    return Word(_any, lambda draft, x: draft.add(name, x))


def binary(name: str) -> Word:
    """A function of two operands that broadcast, or of one and a number."""

    def write(draft: Draft, x: V) -> V:
        pair = [x, draft.one([*_broadcasting(draft, x), 0.5, -2])]
        return draft.add(name, *(pair[::-1] if draft.bit() else pair))

    return Word(_any, write)


def _broadcasting(draft: Draft, *xs: V) -> list[V]:
    """What broadcasts against the xs."""
    shapes = [draft.values[x].shape for x in xs]
    return draft.partners(lambda y: _broadcast(*shapes, y.shape) is not None)


def _broadcast(*shapes: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _power(draft: Draft, x: V) -> V:
    return draft.add("power", x, draft.one([2, 3, 2.0, 1, 0]))


def _quotient(draft: Draft, x: V) -> V:
    """x / (2 + y y)."""
    y = draft.one(_broadcasting(draft, x))
    return draft.add("divide", x, draft.add("add", 2, draft.add("multiply", y, y)))


def _exp(draft: Draft, x: V) -> V:
    """exp(tanh(x))."""
    return draft.add("exp", draft.add("tanh", x))


def of_square(name: str) -> Word:
    """log or sqrt of 1 + x x."""
    return Word(_any, lambda draft, x: draft.add(name, draft.add("add", _square(draft, x), 1.0)))


def _square(draft: Draft, x: V) -> V:
    return draft.add("multiply", x, x)


def _where(draft: Draft, x: V) -> V:
    """x or y, as another two compare."""
    y = draft.one([*_broadcasting(draft, x), 0.25])
    both = [v for v in (x, y) if isinstance(v, V)]
    left = draft.one(_broadcasting(draft, *both))
    distinct = [v for v in _broadcasting(draft, *both, left) if _differ(draft, left, v)]
    order = draft.add(draft.one(ORDERS), left, draft.one([0.1, *distinct]))
    return draft.add("where", order, x, y)


def _differ(draft: Draft, x: V, y: V) -> bool:
    return bool(np.all(np.abs(draft.values[x] - draft.values[y]) > MARGIN))


def _clip(draft: Draft, x: V) -> V:
    return draft.add("clip", x, *draft.one([(-0.7, 0.6), (None, 0.3), (-0.2, None)]))


def reducing(name: str, fits: Callable[[np.ndarray], bool]) -> Word:
    """A function that takes entries along some axes to one."""

    def write(draft: Draft, x: V) -> V:
        axis = draft.one(_axes(draft.values[x].ndim))
        return draft.add(name, x, axis=axis, keepdims=draft.bit())

    return Word(fits, write)


def _axes(count: int) -> list[Any]:
    """One axis, counted from either end; two; all."""
    return [*range(-count, count), *permutations(range(count), 2), None]


def over_classes(name: str) -> Word:
    """softmax or log_softmax."""

    def write(draft: Draft, x: V) -> V:
        return draft.add(name, x, axis=draft.one(_axes(draft.values[x].ndim)))

    return Word(_filled_axes, write)


def _factor(draft: Draft, x: V, fits: Callable[[np.ndarray, np.ndarray], bool]) -> V:
    """What fits as the right factor of x; x itself transposed, if it must be."""
    a = draft.values[x]
    found: list[Any] = draft.partners(lambda b: fits(a, b))
    if a.ndim > 1:
        found.append(None)
    y = draft.one(found)
    return draft.add("transpose", x, _swapped(a.ndim)) if y is None else y


def _multiplies(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether a @ b is defined."""
    stacks = a.shape[:-2], b.shape[:-2]
    return a.ndim * b.ndim > 0 and _dots(a, b) and _broadcast(*stacks) is not None


def _dots(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether np.dot(a, b) is defined."""
    return not (a.ndim and b.ndim) or a.shape[-1] == b.shape[max(b.ndim - 2, 0)]


def _swapped(count: int) -> tuple[int, ...]:
    return (*range(count - 2), count - 1, count - 2)


def _matmul(draft: Draft, x: V) -> V:
    return draft.add("matmul", x, _factor(draft, x, _multiplies))


def _addmm(draft: Draft, x: V) -> V:
    y = _factor(draft, x, _multiplies)
    shape = np.matmul(draft.values[x], draft.values[y]).shape
    fits = draft.partners(lambda c: _broadcast(c.shape, shape) == shape)
    return draft.add("addmm", draft.one([*fits, 0.5]), x, y)


def _recurrence(draft: Draft, x: V) -> V:
    """h = tanh(w h), a few times, for a w that is larger than its gradients' factors."""
    w = x if draft.values[x].shape == (3, 3) else draft.add("broadcast_to", x, (3, 3))
    h = draft.add("getitem", w, draft.one([0, (Ellipsis, -1)]))
    if draft.bit():
        w = draft.add("transpose", w, None)
    for _ in range(draft.one([2, 3])):
        name, *first = draft.one([("matmul",), ("addmm", h)])
        h = draft.add("tanh", draft.add(name, *first, w, h))
    return h


def _dot(draft: Draft, x: V) -> V:
    return draft.add("dot", x, _factor(draft, x, _dots))


def _outer(draft: Draft, x: V) -> V:
    return draft.add("outer", x, draft.one(draft.partners(_short)))


def _reshape(draft: Draft, x: V) -> V:
    shape = draft.values[x].shape
    shapes = [(-1,), -1, shape[::-1], (1, *shape), (*shape, 1)]
    if shape and draft.values[x].size:
        shapes.append((shape[0], -1))
    return draft.add("reshape", x, draft.one(shapes))


def _transpose(draft: Draft, x: V) -> V:
    orders = permutations(range(draft.values[x].ndim))
    return draft.add("transpose", x, draft.one([None, *orders]))


def _broadcast_to(draft: Draft, x: V) -> V:
    shape = draft.values[x].shape
    wider = tuple(3 if size == 1 else size for size in shape)
    return draft.add("broadcast_to", x, draft.one([wider, (2, *shape), (1, 2, *wider)]))


def _concatenate(draft: Draft, x: V) -> V:
    shape = draft.values[x].shape
    axis = draft.one([*range(-len(shape), len(shape)), None])
    more = draft.some(draft.partners(lambda y: axis is None or _joins(shape, y.shape, axis)), 2)
    return draft.add("concatenate", [x, *more], axis=axis)


def _joins(one: Shape, other: Shape, axis: int) -> bool:
    """Whether the shapes are equal but along the axis."""
    return len(one) == len(other) and not np.any(np.delete(np.subtract(one, other), axis))


def _stack(draft: Draft, x: V) -> V:
    shape = draft.values[x].shape
    more = draft.some(_of_shape(draft, shape), 2)
    axis = draft.one(range(-len(shape) - 1, len(shape) + 1))
    return draft.add("stack", [x, *more], axis=axis)


def _of_shape(draft: Draft, shape: Shape) -> list[V]:
    return draft.partners(lambda y: y.shape == shape)


def _split(draft: Draft, x: V) -> list[V]:
    axis = draft.one(_axis(draft, x))
    size = draft.values[x].shape[axis]
    equal = [count for count in (1, 2, 3) if size % count == 0]
    return draft.add_several("split", x, draft.one([*equal, [1], [0, 2], [-1]]), axis=axis)


def _axis(draft: Draft, x: V) -> range:
    count = draft.values[x].ndim
    return range(-count, count)


def _unbind(draft: Draft, x: V) -> list[V]:
    return draft.add_several("unbind", x, axis=draft.one(_axis(draft, x)))


def _take(draft: Draft, x: V) -> V:
    array = draft.values[x]
    axis = draft.one([*_axis(draft, x), None])
    size = array.size if axis is None else array.shape[axis]
    n = draft.one([2, 3, 1, 0])
    indices = _positions(draft, size, n)
    return draft.add("take", x, draft.one([indices, [indices, indices[::-1]]]), axis=axis)


def _positions(draft: Draft, size: int, n: int) -> list[int]:
    """n integers that index an axis, repeats too."""
    return [draft.one(range(-size, size)) for _ in range(n)]


def _targets(draft: Draft, x: V) -> V:
    """cross_entropy against classes, some of them ignored, or against softmax of another."""
    shape = draft.values[x].shape
    reduction = draft.one(["mean", "sum", "none"])
    if draft.bit():
        shares = draft.add("softmax", draft.one(_of_shape(draft, shape)))
        return draft.add("cross_entropy", x, shares, reduction=reduction)
    count = int(np.prod(shape[:-1]))
    first = draft.one(range(shape[-1]))
    rest = [draft.one([*range(shape[-1]), -100]) for _ in range(count - 1)]
    targets = np.reshape([first, *rest], shape[:-1]).tolist()
    return draft.add("cross_entropy", x, targets, reduction=reduction)


def _mse_loss(draft: Draft, x: V) -> V:
    y = draft.one(_of_shape(draft, draft.values[x].shape))
    return draft.add("mse_loss", x, y, reduction=draft.one(["mean", "sum", "none"]))


# Indices

SLICES = [
    slice(None), slice(1, None), slice(None, None, -1), slice(None, None, 2), slice(0, 1),
    slice(2, 0, -1), slice(-2, None), slice(2, 2),
]  # fmt: skip


def _getitem(draft: Draft, x: V) -> V:
    index = draft.one([_parts, _parts, _mask])(draft, draft.values[x].shape)
    return draft.add("getitem", x, index)


def _mask(draft: Draft, shape: Shape) -> Any:
    """A mask of all axes, as lists of bools."""
    size = int(np.prod(shape))
    bits = [draft.bit() for _ in range(size)]
    return np.reshape(bits, shape).tolist()


def _parts(draft: Draft, shape: Shape) -> Any:
    """Ints, slices, arrays of n ints and masks of n Trues for some axes; Ellipsis; None."""
    n = draft.one([2, 3, 1, 0])
    lead = draft.one(range(len(shape) + 1))
    trail = draft.one(range(len(shape) - lead + 1))
    index: list[Any] = [_part(draft, size, n) for size in shape[:lead]]
    if trail or draft.bit():
        index += [Ellipsis, *(_part(draft, size, n) for size in shape[len(shape) - trail :])]
    if len(shape) < 4 and draft.bit():
        index.insert(draft.one(range(len(index) + 1)), None)
    return index[0] if len(index) == 1 else tuple(index)


def _part(draft: Draft, size: int, n: int) -> Any:
    """The index of one axis."""
    kind = draft.one(["slice", "int", "ints", "mask"] if size else ["slice"])
    if kind == "int":
        return draft.one(range(-size, size))
    if kind == "ints" or (kind == "mask" and n > size):
        return _positions(draft, size, n)
    if kind == "mask":
        chosen = draft.one(list(combinations(range(size), n)))
        return [k in chosen for k in range(size)]
    return draft.one(SLICES)


WORDS = [
    *map(unary, ["tanh", "sigmoid", "relu", "abs", "negative"]),
    *map(binary, ["add", "subtract", "multiply", "maximum", "minimum"]),
    *(of_square(name) for name in ("log", "sqrt")),
    *(Word(_any, write) for write in (_power, _quotient, _exp, _where, _clip)),
    reducing("sum", _any),
    *(reducing(name, _filled_array) for name in ("mean", "max", "logsumexp")),
    *(over_classes(name) for name in ("softmax", "log_softmax")),
    *(Word(_has_axes, write) for write in (_matmul, _matmul, _addmm)),
    Word(_repeats_to_square, _recurrence),
    Word(_any, _dot),
    Word(_short, _outer),
    *(Word(_any, write) for write in (_reshape, _transpose, _broadcast_to, _concatenate, _stack)),
    Word(_has_axes, _split),
    Word(_filled_axes, _unbind),
    Word(_filled_array, _take),
    *(Word(_filled_array, write) for write in (_getitem, _getitem)),
    Word(_filled_axes, _targets),
    Word(_filled_array, _mse_loss),
]


# Judging a program

Gradients = list[np.ndarray]


def recorded(program: Program, arrays: Arrays) -> tuple[list[Any], list[Any]]:
    """The leaves as Tensors and the outputs that they lead to."""
    count = len(program.leaves)
    leaves = [tg.Tensor(x, requires_grad=True) for x in arrays[:count]]
    values = run(program, [*leaves, *arrays[count:]])
    return leaves, [values[k] for k in program.outputs]


def weights(program: Program, outputs: Sequence[Any]) -> list[np.ndarray]:
    """A random cotangent for each output."""
    rng = np.random.default_rng([program.seed, 1])
    return [np.asarray(rng.normal(size=y.shape)) for y in outputs]


def gradient(program: Program, arrays: Arrays, *, create_graph: bool = False) -> Gradients:
    """The gradient of the weighted outputs by each leaf; 0 by one that does not matter."""
    leaves, outputs = recorded(program, arrays)
    return _gradient(outputs, leaves, weights(program, outputs), create_graph)


def _gradient(outputs: Any, leaves: Any, seeds: Any, create_graph: bool = False) -> Gradients:
    found = tg.grad(outputs, leaves, seeds, create_graph=create_graph, allow_unused=True)
    return [np.zeros(x.shape) if g is None else g.data for x, g in zip(leaves, found, strict=True)]


def loss(program: Program, arrays: Arrays) -> float:
    """The weighted sum of the outputs, by NumPy alone."""
    values = run(program, arrays)
    outputs = [values[k] for k in program.outputs]
    return inner(outputs, weights(program, outputs))


def inner(xs: Arrays, ys: Arrays) -> float:
    """The sum of all products of entries."""
    return float(flat(xs) @ flat(ys))


def directions(program: Program) -> list[list[np.ndarray]]:
    """Two random directions to leave the leaves in."""
    rng = np.random.default_rng([program.seed, 2])
    return [[np.asarray(rng.normal(size=shape)) for shape in program.leaves] for _ in range(2)]


def moved(arrays: Arrays, direction: Arrays, t: float) -> list[np.ndarray]:
    """The leaves moved by t times the direction, and the constants."""
    leaves = [x + t * d for x, d in zip(arrays, direction, strict=False)]
    return [*leaves, *arrays[len(leaves) :]]


def slope(program: Program, f: Callable[[Arrays], float], direction: Arrays) -> float:
    """The derivative of f in the direction: two central differences, extrapolated to step 0."""
    arrays = inputs(program)
    step = _step(program, arrays, direction)
    wide, narrow = (
        (f(moved(arrays, direction, t)) - f(moved(arrays, direction, -t))) / (2 * t)
        for t in (step, step / 2)
    )
    return (4 * narrow - wide) / 3


def _step(program: Program, arrays: Arrays, direction: Arrays) -> float:
    """A step that moves no value by more than a quarter of the margin: none passes a kink."""
    t = 1e-7
    ends = (flat(run(program, moved(arrays, direction, s))) for s in (-t, t))
    speed = np.max(np.abs(np.subtract(*ends)), initial=0) / (2 * t)
    return MARGIN / 4 / max(1.0, speed)


# The checks

Check = Callable[[Program], None]
RTOL = 1e-7  # the differences of 6,000 programs were right to 1.1e-9


def check_values(program: Program) -> None:
    """Every value on Tensors is NumPy's."""
    arrays = inputs(program)
    leaves = [tg.Tensor(x, requires_grad=True) for x in arrays[: len(program.leaves)]]
    values = run(program, [*leaves, *arrays[len(leaves) :]])
    for y, right in zip(values, run(program, arrays), strict=True):
        array = y.numpy() if isinstance(y, tg.Tensor) else y
        assert_near(array.astype(float), right.astype(float), 1e-12)


def check_gradient(program: Program) -> None:
    """The gradient has the slope of the loss in both directions."""
    found = gradient(program, inputs(program))
    for direction in directions(program):
        right = slope(program, lambda arrays: loss(program, arrays), direction)
        assert_near(inner(found, direction), right, RTOL)


def check_second_order(program: Program) -> None:
    """<gradient, one direction>, recorded, has its slope in the other direction."""
    one, other = directions(program)
    leaves, outputs = recorded(program, inputs(program))
    seeds = weights(program, outputs)
    firsts = tg.grad(outputs, leaves, seeds, create_graph=True, allow_unused=True)
    along = sum((g * d).sum() for g, d in zip(firsts, one, strict=True) if g is not None)
    seconds = _gradient(along, leaves, None) if along.requires_grad else []
    right = slope(program, lambda arrays: inner(gradient(program, arrays), one), other)
    assert_near(inner(seconds, other) if seconds else 0.0, right, RTOL)


def check_recorded_walk(program: Program) -> None:
    """A walk that is recorded gives what one that is not gives."""
    arrays = inputs(program)
    recorded_ones = gradient(program, arrays, create_graph=True)
    for found, right in zip(recorded_ones, gradient(program, arrays), strict=True):
        assert_near(found, right, 1e-12)


def check_backward(program: Program) -> None:
    """backward() adds up in the leaves: twice is exactly double, and once is the gradient."""
    leaves, outputs = recorded(program, inputs(program))
    seeds = weights(program, outputs)
    total = sum((y * w).sum() for y, w in zip(outputs, seeds, strict=True))
    total.backward()
    once = [None if x.grad is None else x.grad.numpy() for x in leaves]
    total.backward()
    for x, g, right in zip(leaves, once, gradient(program, inputs(program)), strict=True):
        if g is None:
            assert not right.any()
        else:
            assert_near(g, right, 1e-12)
            np.testing.assert_array_equal(x.grad.data, 2 * g)


def check_single(program: Program) -> None:
    """float32 stays float32, in outputs and in gradients, recorded or not."""
    leaves, outputs = recorded(program, [x.astype(np.float32) for x in inputs(program)])
    assert {y.dtype for y in outputs} == {np.dtype(np.float32)}
    for create_graph in (False, True):
        found = tg.grad(
            outputs, leaves, weights(program, outputs), allow_unused=True, create_graph=create_graph
        )
        for x, g in zip(leaves, found, strict=True):
            assert g is None or (g.dtype, g.shape) == (x.dtype, x.shape)


def check_compiled(program: Program) -> None:
    """Compiled it gives the outputs and the gradient, at calls with other leaves and constants."""
    arrays, count = inputs(program), len(program.leaves)
    leaves = [tg.Tensor(x, requires_grad=True) for x in arrays[:count]]

    def step(*constants: Any) -> list[Any]:
        values = run(program, [*leaves, *constants])
        outputs = [values[k] for k in program.outputs]
        terms = zip(outputs, weights(program, outputs), strict=True)
        return [sum((y * w).sum() for y, w in terms), *outputs]

    draws = [program._replace(seed=program.seed + k) for k in range(3)]
    agree(step, leaves, *(inputs(draw)[count:] for draw in draws), rtol=1e-9)


CHECKS = [
    check_values,
    check_gradient,
    check_second_order,
    check_recorded_walk,
    check_backward,
    check_single,
    check_compiled,
]


# Every program that is drawn is right


def judged(examples: int, *, derandomize: bool = True) -> Callable[[Any], Any]:
    """Runs a test on so many programs; the same ones each time, unless derandomize is False."""
    options = hypothesis.settings(
        max_examples=examples, derandomize=derandomize, deadline=None, database=None
    )
    return lambda test: options(hypothesis.given(programs())(test))


@judged(500)
def test_gradients_of_random_programs_agree_with_differences(program: Program) -> None:
    """Values are NumPy's, and the gradient is the slope, whatever is composed."""
    hypothesis.event("with kinks" if has_kinks(program) else "smooth")
    check_values(program)
    check_gradient(program)


@judged(150)
def test_gradients_of_gradients_agree_with_differences(program: Program) -> None:
    """The recorded walk gives the plain one's gradient, and the right one's of that."""
    check_recorded_walk(program)
    check_second_order(program)


@judged(150)
def test_backward_twice_gives_exactly_double(program: Program) -> None:
    """.grad adds up, and once is what grad() gives."""
    check_backward(program)


@judged(150)
def test_single_precision_stays_single(program: Program) -> None:
    """No operation and no rule turns float32 into float64."""
    check_single(program)


@judged(150)
def test_compiled_programs_do_the_same(program: Program) -> None:
    """Results and gradients, in memory that held something else."""
    check_compiled(program)


@pytest.mark.slow
@pytest.mark.skipif("SLOW_TESTS" not in os.environ, reason="takes minutes; runs with SLOW_TESTS=1")
@judged(5000, derandomize=False)
def test_programs_never_drawn_before_are_right(program: Program) -> None:
    """Each run judges other programs, by every check."""
    for check in CHECKS:
        check(program)


def test_programs_are_made_of_everything() -> None:
    """Among 500 programs each operation occurs in each way of writing it, and most have kinks."""
    drawn: list[Program] = []
    judged(500)(lambda program: drawn.append(program))()

    calls = Counter((step.name, step.way) for program in drawn for step in program.steps)
    assert set(calls) == {(name, way) for name, ways in VOCABULARY.items() for way in ways}
    assert {5} < {len(program.steps) for program in drawn} <= set(range(5, 41))
    assert len({repr(program) for program in drawn}) > 450
    assert np.mean([has_kinks(program) for program in drawn]) > 2 / 3


# Programs written down

SHARED = Program(
    leaves=((2, 3), (3,)),
    constants=((2, 1),),
    steps=(
        Step("tanh", (V(0),), {}, "method"),
        Step("multiply", (V(3), V(1)), {}, "operator"),
        Step("tanh", (V(4),), {}, "numpy"),
        Step("divide", (V(5), V(2)), {}, "operator"),
        Step("add", (V(6), V(3)), {}, "function"),
        Step("max", (V(7),), {"axis": 1, "keepdims": True}, "numpy"),
    ),
    outputs=(V(3), V(7), V(3), V(8)),
    seed=0,
)
PARTS = Program(
    leaves=((3, 2), (2,)),
    constants=(),
    steps=(
        Step("getitem", (V(0), ([0, 0, 2], slice(None))), {}, "operator"),
        Step("split", (V(0), [1]), {"axis": 0}, "method"),
        Step("concatenate", ([V(4), V(2), V(3)],), {"axis": 0}, "numpy"),
        Step("multiply", (V(5), V(1)), {}, "operator"),
        Step("tanh", (V(6),), {}, "function"),
        Step("getitem", (V(7), (Ellipsis, -1)), {}, "operator"),
    ),
    outputs=(V(7), V(8)),
    seed=0,
)
RECURRENCE = Program(
    leaves=((3, 3), (3,)),
    constants=(),
    steps=(
        Step("transpose", (V(0), None), {}, "method"),
        Step("matmul", (V(2), V(1)), {}, "operator"),
        Step("tanh", (V(3),), {}, "method"),
        Step("addmm", (V(1), V(2), V(4)), {}, "method"),
        Step("tanh", (V(5),), {}, "numpy"),
        Step("matmul", (V(0), V(6)), {}, "operator"),
        Step("matmul", (V(0), V(4)), {}, "function"),
    ),
    outputs=(V(4), V(8), V(7)),
    seed=0,
)
FIXED = {"shared": SHARED, "parts": PARTS, "recurrence": RECURRENCE}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("program", FIXED.values(), ids=FIXED)
def test_programs_written_down_are_right(program: Program, check: Check) -> None:
    """What the planted errors below spoil is right without them."""
    check(program)


# The checks can fail


def plant(monkeypatch: pytest.MonkeyPatch, rule: Callable[..., Any]) -> None:
    """A rule in the place of tanh's."""
    monkeypatch.setattr(tg.tanh, "gradients", tg.Op(tg.tanh.forward, {"x": rule}).gradients)


def plant_wrong_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh's rule is wrong by a thousandth."""
    (rule,) = tg.tanh.rules
    plant(monkeypatch, lambda *given: 1.001 * rule(*given))


def plant_unrecorded_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh's rule takes its result for a constant."""

    def wrong(g: Any, z: Any, x: Any) -> Any:
        constant = z.detach() if isinstance(z, tg.Tensor) else z
        return g * (1 - constant * constant)

    plant(monkeypatch, wrong)


class OnlyFirst(dict[Any, Any]):
    """Keeps what arrived first."""

    def __setitem__(self, node: Any, gradient: Any) -> None:
        self.setdefault(node, gradient)


def plant_lost_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several gradients that reach a node, all but the first are lost."""
    start = Totals.__init__

    def with_loss(totals: Totals) -> None:
        start(totals)
        totals.arrays = OnlyFirst()

    monkeypatch.setattr(Totals, "__init__", with_loss)


def plant_lost_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several cotangents of one output, all but the first are lost."""
    add = Totals.add

    def once(totals: Totals, node: Any, gradient: Any) -> None:
        if node not in totals.arrays:
            add(totals, node, gradient)

    monkeypatch.setattr(Totals, "add", once)


def plant_lost_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what waits for a node, parts and products, all but the first is lost."""
    gather = Totals.gather

    def first(totals: Totals, node: Any) -> None:
        del totals.waiting[node][1:]
        gather(totals, node)

    monkeypatch.setattr(Totals, "gather", first)


def plant_lost_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of products that are joined, all but the first are lost."""
    join = tg.matmul.join
    monkeypatch.setattr(tg.matmul, "join", lambda terms: join(terms[:1]))


def plant_wrong_transpose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products that wait for a transposed matrix are handed on as they are."""
    monkeypatch.setitem(tg.matmul.through, tg.transpose, lambda term, axes: term)


def plant_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh computes in float64."""
    monkeypatch.setattr(tg.tanh, "forward", lambda x: np.tanh(x, dtype=float))


def plant_wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh is computed as another function where it is compiled."""
    monkeypatch.setitem(kernels.UFUNCS, tg.tanh, np.sinh)


def plant_lost_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing writes the product of matrices where it is compiled."""
    monkeypatch.setitem(kernels.KERNELS, tg.matmul, lambda given, settings, out: [])


PLANTS = [
    (plant_wrong_slope, check_gradient),
    (plant_wrong_slope, check_second_order),
    (plant_unrecorded_rule, check_second_order),
    (plant_lost_terms, check_gradient),
    (plant_lost_terms, check_backward),
    (plant_lost_outputs, check_gradient),
    (plant_lost_parts, check_gradient),
    (plant_lost_products, check_gradient),
    (plant_wrong_transpose, check_gradient),
    (plant_double_precision, check_single),
    (plant_wrong_kernel, check_compiled),
    (plant_lost_calls, check_compiled),
]


@pytest.mark.parametrize(("plant", "check"), PLANTS, ids=lambda f: f.__name__)
def test_planted_errors_are_noticed(
    plant: Callable[[pytest.MonkeyPatch], None], check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check fails on a program written down, once the engine is wrong in its way."""
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        _check_all(FIXED.values(), check)


def _check_all(some: Iterable[Program], check: Check) -> None:
    for program in some:
        check(program)
