"""Derivatives by differences, and whether there are any: kinks, jumps and infinite slopes.

Of an entry x, f is computed at x + h and x - h. Where f bends sharply or the tape's gradient
differs, other steps tell why:
- a smooth f: the slopes to the right and to the left draw together in proportion to h;
- a kink: they stay apart, however small h; a jump or an infinite slope: they grow as h shrinks;
- f is too curved or too coarse for the first step: of other steps two neighbours agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..engine.tensor import Tensor
from ..ops.op import Array

ROUNDING = 64 * float(np.finfo(np.float64).eps)  # of a result, relative to it


class GradcheckError(AssertionError):
    """A gradient is wrong, or f is not a function that can be checked."""


class NotDifferentiableError(GradcheckError):
    """f has no gradient here: a kink, a jump, an infinite slope or value."""


class Limits(NamedTuple):
    """How large steps are, and how far slopes may be off: see `gradcheck`."""

    eps: float
    rtol: float
    atol: float


class Subject(NamedTuple):
    """A function at a point: f itself for order 1, its gradient for order 2.

    call: `(inputs, recorded) -> results`. inputs: float64 arrays at `places`, else as they came.
    labels: what messages call the inputs.
    base, weights, names: of all entries of the results in a row, values, cotangents and names.
    """

    order: int
    call: Callable[[list[Any], bool], list[Tensor]]
    inputs: list[Any]
    places: list[int]
    labels: list[str]
    limits: Limits
    base: Array = np.zeros(0)
    weights: Array = np.zeros(0)
    names: tuple[str, ...] = ()


class Line(NamedTuple):
    """The line through the point along one entry of input k; how coarse each result is."""

    subject: Subject
    k: int
    entry: tuple[int, ...]
    step: float
    rounding: Array


class Level(NamedTuple):
    """All results' slopes from the point to `step` to its right and left, and their sizes."""

    step: float
    right: Array
    left: Array
    size: Array


class Estimate(NamedTuple):
    """A derivative by differences, its error, how far the tape's is from it and how far it may."""

    value: float
    error: float
    off: float
    allowed: float


def raw(x: Any) -> Any:
    """A Tensor's array; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def flat(arrays: Iterable[Any]) -> Array:
    """All entries in a row."""
    return np.concatenate([np.zeros(0), *(np.ravel(raw(a)) for a in arrays)])


def leaves_of(subject: Subject) -> list[Any]:
    """The inputs, those to differentiate as Tensors that require a gradient."""
    leaves = list(subject.inputs)
    for k in subject.places:
        leaves[k] = Tensor(leaves[k], requires_grad=True, name=subject.labels[k])
    return leaves


def entry_name(name: str, index: Iterable[Any]) -> str:
    """What messages call one entry; the only one of a 0-d array has no index."""
    place = tuple(map(int, index))
    return f"{name}, index {place}" if place else name


def estimated(line: Line, slope: float) -> Estimate:
    """The derivative along a line; slope is what the tape gives for it."""
    line, first = _first_level(line)
    estimate = _best_estimate(line, [first, first], slope)
    bent = np.abs(first.right - first.left) > 1e-4 * first.size + _negligible(line, first)
    if estimate.off <= estimate.allowed and not bent.any():
        return estimate
    levels = [first, *(_level(line, n) for n in (1, 2, 3))]
    finest = [_level(line, n) for n in (7, 8, 9)]
    line = line._replace(rounding=_measured_rounding(line, levels, finest))
    _check_smooth(line, levels, finest[-1])
    estimate = _best_estimate(line, levels, slope)
    if estimate.allowed < estimate.off < 9 * estimate.error:
        estimate = _best_estimate(line, [_level(line, n) for n in range(-5, 7)], slope)
    return estimate


def _first_level(line: Line) -> tuple[Line, Level]:
    """The line with a step within which f is finite, and the slopes there."""
    for _ in range(5):
        level = _level(line, 0)
        finite = np.isfinite(level.size)
        if finite.all():
            return line, level
        line = line._replace(step=line.step / 64)
    j = int(np.argmin(finite))
    side = "right" if np.isfinite(level.left[j]) else "left"
    raise _not_differentiable(line, f"{line.subject.names[j]} is not finite to the {side} of it")


def _level(line: Line, n: int) -> Level:
    """The slopes for the line's step over 4**n."""
    x = abs(line.subject.inputs[line.k][line.entry])
    step = max(line.step / 4.0**n, 16 * float(np.spacing(x)))
    right, left = _slopes(line, step), _slopes(line, -step)
    return Level(step, right, left, np.maximum(np.abs(right), np.abs(left)))


def _slopes(line: Line, step: float) -> Array:
    """The slopes of all results from the point to a step away."""
    x, inputs = line.subject.inputs[line.k], list(line.subject.inputs)
    inputs[line.k] = moved = x.copy()
    moved[line.entry] += step
    results = flat(line.subject.call(leaves_of(line.subject._replace(inputs=inputs)), False))
    if results.shape != line.subject.base.shape:
        raise _not_differentiable(line, "the results have other shapes beside it")
    slopes: Array = (results - line.subject.base) / (moved[line.entry] - x[line.entry])
    return slopes


def _negligible(line: Line, level: Level) -> Array:
    """What is nothing in a slope: the tolerance, and what rounding makes of it."""
    bound: Array = line.subject.limits.atol + line.rounding / level.step
    return bound


def _measured_rounding(line: Line, levels: list[Level], finest: list[Level]) -> Array:
    """How coarse results are: their slopes for very small steps beside those for a small one."""
    first, last = levels[0], levels[-1]
    off = [r.step * abs(r.right - last.right) for r in finest]
    off += [r.step * abs(r.left - last.left) for r in finest]
    most = 1e-3 * first.size * first.step  # what is more is a jump
    rounding: Array = np.maximum(line.rounding, np.minimum(8 * np.max(off, axis=0), most))
    return rounding


def _best_estimate(line: Line, levels: list[Level], slope: float) -> Estimate:
    """What those two neighbouring levels tell that agree best."""
    estimates = [_extrapolated(line, coarse, fine, slope) for coarse, fine in pairwise(levels)]
    sizes = [np.abs(line.subject.weights) @ level.size for level in levels]
    errors = np.array([e.error for e in estimates]) / (sizes[1:] + np.nanmedian(sizes))
    return estimates[int(np.argmin(np.nan_to_num(errors, nan=np.inf)))]


def _extrapolated(line: Line, coarse: Level, fine: Level, slope: float) -> Estimate:
    """What two levels tell: the central difference for h = 0, and how far they disagree."""
    weights, (_, rtol, atol) = line.subject.weights, line.subject.limits
    far, near = (float(weights @ (level.right + level.left)) / 2 for level in (coarse, fine))
    size, noise = (float(np.abs(weights) @ a) for a in (fine.size, line.rounding / fine.step))
    value, error = near + (near - far) / 15, max(abs(near - far), noise)
    off = float(np.nan_to_num(abs(slope - value), nan=np.inf))
    unsure = min(3 * error, 100 * (atol + rtol * size))
    return Estimate(value, error, off, atol + rtol * max(abs(slope), abs(value)) + unsure)


def _check_smooth(line: Line, levels: list[Level], finest: Level) -> None:
    """That there is neither a kink, a jump nor an infinite slope, as far as the steps tell.

    levels: of the steps h, h / 4, h / 16, h / 64. finest: of one near the rounding of f.
    """
    top, middle, low, last = levels
    bends = a, b, c, _ = [level.right - level.left for level in levels]
    steady = (np.abs(b * b - a * c) < 0.01 * b * b) & (np.abs(b) < 0.9 * np.abs(a))  # powers of h
    rest = [np.abs(4 * fine - coarse) / 3 for coarse, fine in pairwise(bends)]
    first, then = np.maximum(*rest[:2]), np.maximum(*rest[1:])  # bends at h = 0: a 64th if smooth
    kink = (first > 1e-6 * top.size + _negligible(line, last)) & (then > first / 16) & ~steady
    rise = finest.size * finest.step
    steep = (low.size > 1.3 * top.size) & (finest.size > 1.5 * low.size)
    steep &= rise > 20 * ROUNDING * np.abs(line.subject.base)
    if (kink | steep).any():
        j = int(np.argmax(np.where(kink | steep, top.size, -1.0)))
        endless = steep[j] and rise[j] < low.size[j] * low.step / 2
        problem = (
            "the slope of {} grows without end" if endless else _describe_break(top, middle, j)
        )
        beside = not steep[j] and abs(finest.right[j] - finest.left[j]) < abs(a[j]) / 2
        where = f"within {middle.step:.1g} of" if beside else "at"
        raise _not_differentiable(line, problem.format(line.subject.names[j]), where)


def _describe_break(top: Level, middle: Level, j: int) -> str:
    """What lies within the inner step: a kink, with the slopes beyond it, or a jump."""
    H, h = top.step, middle.step
    right = float(top.right[j] * H - middle.right[j] * h) / (H - h)
    left = float(top.left[j] * H - middle.left[j] * h) / (H - h)
    jump = float(middle.right[j] + middle.left[j] - right - left) * h
    if abs(jump) > abs(right - left) * h:
        return f"{{}} jumps by {jump:.4g}"
    left, right = round(left, 9), round(right, 9)
    return f"the slope of {{}} is {left:.4g} from the left and {right:.4g} from the right"


def _not_differentiable(line: Line, problem: str, where: str = "at") -> NotDifferentiableError:
    who = "f" if line.subject.order == 1 else "the gradient of f (order 2)"
    entry = entry_name(line.subject.labels[line.k], line.entry)
    return NotDifferentiableError(
        f"{who} is not differentiable {where} {entry}: {problem}; move the point"
    )
