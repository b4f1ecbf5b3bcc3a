"""Whether gradients are right: the tape's beside differences, entry by entry, in float64.

How differences are taken, and how kinks are told from mistakes, is in differences.py. The second
order is the same check of another function: the gradient that the tape gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from ..engine.gradients import grad
from ..engine.mode import mode
from ..engine.tape import tape
from ..engine.tensor import Tensor
from ..ops.op import Array
from .differences import (
    ROUNDING,
    GradcheckError,
    Limits,
    Line,
    NotDifferentiableError,
    Subject,
    entry_name,
    estimated,
    flat,
    leaves_of,
    raw,
)

__all__ = ["GradcheckError", "NotDifferentiableError", "gradcheck"]

RAW_ADVICE = (
    "Does a rule use .data, or NumPy on raw values? Only operators and ops have a second order."
)


DETACHED_ADVICE = (
    "The tape gives no gradient for it, but it changes the result: is something detached, .data or "
    "a NumPy function on raw values?"
)


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 2,
    rng: np.random.Generator | int = 0,
    eps: float = 1e-5,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> bool:
    """Compares the tape's gradients of f by every entry of its inputs with differences; True.

    f: gives a Tensor, or several in tuples or lists; those of ints and bools are ignored. It gives
    the same for the same inputs (what is random is an input) and leaves them as they are.
    inputs: arrays, numbers or Tensors; floats are converted to float64 and differentiated, all else
    is handed on as it is. What f closes over is not checked: make a parameter an input.
    order: 1 for gradients, 2 for the gradients of gradients too, by inputs and by cotangents.
    rng: draws the cotangents. eps: the step of the differences, relative for entries beyond 1.
    rtol, atol: entries may differ by atol + rtol * their size, and by what rounding explains.
    Cost: two calls of f per entry of the inputs; for order 2 as many with backward, and two per
    entry of the results; some more where f bends. Meant for small inputs.
    Raises: NotDifferentiableError where f has a kink, a jump, an infinite slope or value at the
    point or within a fifth of a step; GradcheckError where a gradient is wrong; TypeError without
    a float input or result; ValueError for other orders; RuntimeError inside no_grad().

    >>> import tinygrad_rnn as tg
    >>> gradcheck(lambda x, W: tg.tanh(x @ W), np.ones(3), np.eye(3))
    True
    >>> gradcheck(tg.relu, np.array([-1.0, 0.0]))
    Traceback (most recent call last):
    tinygrad_rnn.func.differences.NotDifferentiableError: f is not differentiable at input 0 (x),
    index (1,): the slope of result 0, index (1,) is 0 from the left and 1 from the right; move
    the point
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order is {order!r}; give 1 or 2")
    if not mode.get().recording:
        raise RuntimeError("gradcheck: nothing is recorded inside no_grad(); call it outside")
    generator = np.random.default_rng(rng)
    subject = _subject(f, inputs, Limits(eps, rtol, atol))
    with np.errstate(all="ignore"):
        cotangents = _check(subject, generator)
        if order == 2:
            _check(_gradient_of(subject, cotangents), generator)
    return True


# What is checked: f, and its gradient


def _subject(f: Callable[..., Any], inputs: tuple[Any, ...], limits: Limits) -> Subject:
    """f as it is checked for order 1."""
    arrays = [_floats(x) for x in inputs]
    places = [k for k, a in enumerate(arrays) if a is not None]
    given = [x if a is None else a for x, a in zip(inputs, arrays, strict=True)]
    labels = [f"input {k}" + (f" ({n})" if n else "") for k, n in enumerate(_names(f, inputs))]
    if not places:
        raise TypeError("gradcheck: no input is a float or an array of floats; give one")
    for k in places:
        if not np.isfinite(given[k]).all():
            raise ValueError(f"gradcheck: {labels[k]} has entries that are inf or nan")
    return Subject(1, lambda xs, _: _float_results(f(*xs)), given, places, labels, limits)


def _floats(x: Any) -> Array | None:
    """An input's values in float64; None where it is not to be differentiated."""
    if not isinstance(x, (Tensor, np.ndarray, np.floating, float, list, tuple)):
        return None
    array = np.asarray(raw(x))
    return np.array(array, dtype=np.float64) if array.dtype.kind == "f" else None


def _names(f: Callable[..., Any], inputs: tuple[Any, ...]) -> list[str | None]:
    """The inputs' own names, or those of f's parameters."""
    names: list[str | None] = []
    with suppress(TypeError, ValueError):  # some functions written in C have no signature
        parameters = inspect.signature(getattr(f, "forward", f)).parameters.values()
        names = [p.name if p.kind < p.VAR_POSITIONAL else None for p in parameters]
    names += [None] * len(inputs)
    return [getattr(x, "name", None) or n for x, n in zip(inputs, names, strict=False)]


def _float_results(returned: Any) -> list[Tensor]:
    """The Tensors of floats in what f returned, in order."""
    waiting, found = [returned], []
    while waiting:
        part = waiting.pop()
        if isinstance(part, (list, tuple)):
            waiting.extend(reversed(part))
        elif not isinstance(part, Tensor):
            raise TypeError(f"gradcheck: f gave a result of type {type(part).__name__}, no Tensor")
        elif part.dtype.kind == "f":
            found.append(part)
    if not found:
        raise TypeError("gradcheck: f gave no Tensor of floats, so there is nothing to check")
    return found


def _gradient_of(subject: Subject, cotangents: list[Array]) -> Subject:
    """The gradient of <cotangents, results>, a function of the inputs and the cotangents."""
    count = len(subject.inputs)

    def gradients(leaves: list[Any], recorded: bool) -> list[Tensor]:
        sources = [leaves[k] for k in subject.places]
        results = subject.call(leaves[:count], True)
        slopes = _walked(1 + recorded, results, sources, leaves[count:], recorded)
        zeros = [Tensor(np.zeros(x.shape)) for x in sources]
        return [zero if s is None else s for zero, s in zip(zeros, slopes, strict=True)]

    labels = subject.labels + [f"the cotangent of result {n}" for n in range(len(cotangents))]
    places = [*subject.places, *range(count, len(labels))]
    return Subject(2, gradients, subject.inputs + cotangents, places, labels, subject.limits)


def _walked(
    order: int, results: list[Tensor], sources: list[Tensor], gs: list[Any], recorded: bool = False
) -> list[Tensor | None]:
    """The tape's gradients; None for a source that the results do not depend on."""
    used = [(y, g) for y, g in zip(results, gs, strict=True) if y.requires_grad]
    ys, seeds = [y for y, _ in used], [g for _, g in used]
    try:
        return list(grad(ys, sources, seeds, create_graph=recorded, allow_unused=True))
    except Exception as error:
        advice = f". {RAW_ADVICE}" if order == 2 else ""
        raise GradcheckError(f"order {order}: the walk back fails: {error}{advice}") from error


# The check of one function


def _check(subject: Subject, rng: np.random.Generator) -> list[Array]:
    """Compares the gradients by all inputs; the cotangents with which it did."""
    leaves, kept = leaves_of(subject), [np.copy(raw(x)) for x in subject.inputs]
    sources = [leaves[k] for k in subject.places]
    results = subject.call(leaves, True)
    _check_unchanged(subject, leaves, kept)
    _check_double(results, sources)
    _check_repeatable(subject, flat(results))
    gs = [np.array(rng.choice([-1, 1], y.shape) * rng.uniform(0.5, 2, y.shape)) for y in results]
    names = _result_names(subject, results)
    subject = subject._replace(base=flat(results), weights=flat(gs), names=names)
    slopes = _walked(subject.order, results, sources, gs)
    _check_unchanged(subject, leaves, kept)
    found = zip(subject.places, slopes, strict=True)
    wrong = [text for k, slope in found for text in _complaint(subject, k, slope)]
    if wrong:
        advice = [f"  The first gradients are right. {RAW_ADVICE}"] if subject.order == 2 else []
        raise GradcheckError("\n".join(wrong + advice))
    return gs


def _check_unchanged(subject: Subject, leaves: list[Any], kept: list[Any]) -> None:
    for label, leaf, before in zip(subject.labels, leaves, kept, strict=True):
        if isinstance(leaf, (Tensor, np.ndarray)) and not np.array_equal(raw(leaf), before):
            raise GradcheckError(f"f changes {label}; it must leave its inputs as they are")


def _check_double(results: list[Tensor], sources: list[Tensor]) -> None:
    """What depends on the inputs is computed in float64."""
    reached: set[Any] = set(sources)
    for node in tape(*results):
        if any(isinstance(x, Tensor) and x in reached for x in node.inputs):
            reached.add(node)
            if node.dtype in (np.float16, np.float32):
                raise TypeError(
                    f"gradcheck: f computes in {node.dtype} ({node.op.name}), which is too coarse "
                    "for differences; let it keep its inputs' dtype, here float64"
                )


def _check_repeatable(subject: Subject, first: Array) -> None:
    """The results come again; for order 2, also where they are not recorded."""
    again = flat(subject.call(leaves_of(subject), False))
    near = 1e-10 * (1 + np.max(np.abs(first), initial=0))
    if first.shape == again.shape and np.allclose(first, again, 0, near, equal_nan=True):
        return
    if subject.order == 2:
        raise GradcheckError(f"order 2: gradients have other values when recorded. {RAW_ADVICE}")
    raise GradcheckError(
        "f gives other results when it is called again with the same inputs; what is random or "
        "counted must be an input"
    )


def _result_names(subject: Subject, results: list[Tensor]) -> tuple[str, ...]:
    """What messages call each entry of the results. Raises: NotDifferentiableError for inf, nan."""
    whole = [f"result {n}" for n in range(len(results))]
    if subject.order == 2:
        whole = [f"the gradient by {subject.labels[k]}" for k in subject.places[: len(results)]]
    pairs = zip(whole, results, strict=True)
    names = tuple(entry_name(name, index) for name, y in pairs for index in np.ndindex(y.shape))
    for name, value in zip(names, flat(results), strict=True):
        if not np.isfinite(value):
            raise NotDifferentiableError(f"f is not finite here: {name} is {value}; move the point")
    return names


def _complaint(subject: Subject, k: int, slope: Tensor | None) -> Iterator[str]:
    """What is wrong with the gradient by input k, if anything is."""
    x = subject.inputs[k]
    slopes = np.zeros(x.shape) if slope is None else slope.data
    found = np.zeros((4, *x.shape))
    for index in np.ndindex(x.shape):
        step = subject.limits.eps * max(1.0, abs(x[index]))
        line = Line(subject, k, index, step, ROUNDING * np.abs(subject.base))
        found[(slice(None), *index)] = estimated(line, float(slopes[index]))
    numeric, error, off, allowed = found
    excess = np.where(off > allowed, off, 0.0)
    if not excess.any():
        return
    j = np.unravel_index(np.argmax(excess), x.shape)
    unsure = f", but differences are sure to {error[j]:.1g} only" if 9 * error[j] > off[j] else ""
    yield (
        f"order {subject.order}: the {'gradient of the ' * (subject.order - 1)}gradient by "
        f"{entry_name(subject.labels[k], j)} is {slopes[j]:.9g} on the tape and {numeric[j]:.9g} "
        f"by differences: off by {off[j]:.2g} where {allowed[j]:.1g} is allowed{unsure}; "
        f"{np.count_nonzero(excess)} of {x.size} entries are wrong"
    )
    if slope is None and subject.order == 1:
        yield f"  {DETACHED_ADVICE}"
    factor = np.sum(slopes * numeric) / np.sum(numeric * numeric)
    same = np.abs(slopes - factor * numeric) <= 1e-3 * np.max(off)
    if same.all() and slope is not None and (x.size > 1 or abs(factor - round(factor)) < 1e-6):
        yield f"  All are off by the factor {factor:.4g}."
