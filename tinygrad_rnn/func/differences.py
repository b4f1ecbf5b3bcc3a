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


class Subject(NamedTuple):
    """A function at a point: f itself for order 1, its gradient for order 2.

    call: `(inputs, recorded) -> results`. inputs: float64 arrays at `places`, else as they came.
    labels: what messages call the inputs. limits: eps, rtol and atol of gradcheck.
    base, weights, names: of all entries of the results in a row, values, cotangents and names.
    """

    order: int
    call: Callable[[list[Any], bool], list[Tensor]]
    inputs: list[Any]
    places: list[int]
    labels: list[str]
    limits: tuple[float, float, float]
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


class Rung(NamedTuple):
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
    line, first = _first_rung(line)
    estimate = _settled(line, [first, first], slope)
    bent = np.abs(first.right - first.left) > 1e-4 * first.size + _least(line, first)
    if estimate.off <= estimate.allowed and not bent.any():
        return estimate
    rungs = [first, *(_rung(line, n) for n in (1, 2, 3))]
    bottom = [_rung(line, n) for n in (7, 8, 9)]
    line = line._replace(rounding=_seen_rounding(line, rungs, bottom))
    _check_smooth(line, rungs, bottom[-1])
    estimate = _settled(line, rungs, slope)
    if estimate.allowed < estimate.off < 9 * estimate.error:
        estimate = _settled(line, [_rung(line, n) for n in range(-5, 7)], slope)
    return estimate


def _first_rung(line: Line) -> tuple[Line, Rung]:
    """The line with a step within which f is finite, and the slopes there."""
    for _ in range(5):
        rung = _rung(line, 0)
        finite = np.isfinite(rung.size)
        if finite.all():
            return line, rung
        line = line._replace(step=line.step / 64)
    j = int(np.argmin(finite))
    side = "right" if np.isfinite(rung.left[j]) else "left"
    raise _not_differentiable(line, f"{line.subject.names[j]} is not finite to the {side} of it")


def _rung(line: Line, n: int) -> Rung:
    """The slopes for the line's step over 4**n."""
    x = abs(line.subject.inputs[line.k][line.entry])
    step = max(line.step / 4.0**n, 16 * float(np.spacing(x)))
    right, left = _slopes(line, step), _slopes(line, -step)
    return Rung(step, right, left, np.maximum(np.abs(right), np.abs(left)))


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


def _least(line: Line, rung: Rung) -> Array:
    """What is nothing in a slope: the tolerance, and what rounding makes of it."""
    least: Array = line.subject.limits[2] + line.rounding / rung.step
    return least


def _seen_rounding(line: Line, rungs: list[Rung], bottom: list[Rung]) -> Array:
    """How coarse results are: their slopes for very small steps beside those for a small one."""
    first, last = rungs[0], rungs[-1]
    off = [r.step * abs(r.right - last.right) for r in bottom]
    off += [r.step * abs(r.left - last.left) for r in bottom]
    most = 1e-3 * first.size * first.step  # what is more is a jump
    rounding: Array = np.maximum(line.rounding, np.minimum(8 * np.max(off, axis=0), most))
    return rounding


def _settled(line: Line, rungs: list[Rung], slope: float) -> Estimate:
    """What those two neighbouring rungs tell that agree best."""
    estimates = [_between(line, coarse, fine, slope) for coarse, fine in pairwise(rungs)]
    sizes = [np.abs(line.subject.weights) @ rung.size for rung in rungs]
    errors = np.array([e.error for e in estimates]) / (sizes[1:] + np.nanmedian(sizes))
    return estimates[int(np.argmin(np.nan_to_num(errors, nan=np.inf)))]


def _between(line: Line, coarse: Rung, fine: Rung, slope: float) -> Estimate:
    """What two rungs tell: the central difference for h = 0, and how far they disagree."""
    weights, (_, rtol, atol) = line.subject.weights, line.subject.limits
    far, near = (float(weights @ (rung.right + rung.left)) / 2 for rung in (coarse, fine))
    size, noise = (float(np.abs(weights) @ a) for a in (fine.size, line.rounding / fine.step))
    value, error = near + (near - far) / 15, max(abs(near - far), noise)
    off = float(np.nan_to_num(abs(slope - value), nan=np.inf))
    unsure = min(3 * error, 100 * (atol + rtol * size))
    return Estimate(value, error, off, atol + rtol * max(abs(slope), abs(value)) + unsure)


def _check_smooth(line: Line, rungs: list[Rung], bottom: Rung) -> None:
    """That there is neither a kink, a jump nor an infinite slope, as far as the steps tell.

    rungs: of the steps h, h / 4, h / 16, h / 64. bottom: of one near the rounding of f.
    """
    top, middle, low, last = rungs
    bends = a, b, c, _ = [rung.right - rung.left for rung in rungs]
    steady = (np.abs(b * b - a * c) < 0.01 * b * b) & (np.abs(b) < 0.9 * np.abs(a))  # powers of h
    rest = [np.abs(4 * fine - coarse) / 3 for coarse, fine in pairwise(bends)]
    first, then = np.maximum(*rest[:2]), np.maximum(*rest[1:])  # bends at h = 0: a 64th if smooth
    kink = (first > 1e-6 * top.size + _least(line, last)) & (then > first / 16) & ~steady
    rise = bottom.size * bottom.step
    steep = (low.size > 1.3 * top.size) & (bottom.size > 1.5 * low.size)
    steep &= rise > 20 * ROUNDING * np.abs(line.subject.base)
    if (kink | steep).any():
        j = int(np.argmax(np.where(kink | steep, top.size, -1.0)))
        endless = steep[j] and rise[j] < low.size[j] * low.step / 2
        problem = "the slope of {} grows without end" if endless else _broken(top, middle, j)
        beside = not steep[j] and abs(bottom.right[j] - bottom.left[j]) < abs(a[j]) / 2
        where = f"within {middle.step:.1g} of" if beside else "at"
        raise _not_differentiable(line, problem.format(line.subject.names[j]), where)


def _broken(top: Rung, middle: Rung, j: int) -> str:
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
