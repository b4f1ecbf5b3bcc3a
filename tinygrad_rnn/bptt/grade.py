"""A hand derivation beside the tape: what agrees, what is wrong first, and by which mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..engine.tape import tape
from ..engine.tensor import Tensor
from ..ops.op import Array
from .mistakes import Variants, candidates, clipped, factors, one_example
from .pullback import check_on_tape, checked_loss, edited_pullback, in_a_line


class Verdict(NamedTuple):
    """One answer: its name, whether it is right, and how many digits agree, of its largest entry.

    mistakes: those that give just this answer, the likeliest first; none where it is right, or
    where no mistake that is known gives it.
    follows: wrong, but just what follows from wrong answers before it.
    """

    name: str
    right: bool
    digits: int
    mistakes: list[str]
    follows: bool = False


class Report(NamedTuple):
    """The verdicts in the order of the backward pass; print it.

    right: whether all are. first: the first wrong one, or None. mistake: its likeliest, or None.
    """

    verdicts: list[Verdict]

    @property
    def right(self) -> bool:
        """Whether every answer agrees."""
        return all(verdict.right for verdict in self.verdicts)

    @property
    def first(self) -> Verdict | None:
        """The first wrong answer in the order of the backward pass."""
        return next((verdict for verdict in self.verdicts if not verdict.right), None)

    @property
    def mistake(self) -> str | None:
        """What gives the first wrong answer, where that is known."""
        return self.first.mistakes[0] if self.first and self.first.mistakes else None

    def __str__(self) -> str:
        names = [in_a_line(verdict.name) for verdict in self.verdicts]
        width = max(map(len, names))
        said = zip(names, map(_said, self.verdicts), strict=True)
        lines = [f"{name:{width}}  {words}" for name, words in said]
        if self.first is None:
            return "\n".join([*lines, f"All {len(lines)} agree."])
        name = in_a_line(self.first.name)
        lines.append(f"Look at {name} first: on the way back it is the first wrong one.")
        lines += [f"  {mistake}" for mistake in self.first.mistakes[:1]]
        lines += [f"  or: {mistake}" for mistake in self.first.mistakes[1:]]
        return "\n".join(lines)


def _said(verdict: Verdict) -> str:
    if verdict.right:
        many = verdict.digits >= 12  # beyond, the count depends on the machine
        return "right, up to rounding" if many else f"right, to {verdict.digits} digits"
    if verdict.follows:
        return "wrong, as follows from what is wrong above"
    return f"WRONG: {verdict.mistakes[0] if verdict.mistakes else 'no known mistake gives this'}"


def grade(
    answer: Mapping[str, Any],
    loss: Tensor,
    names: Mapping[str, Tensor],
    *,
    digits: int = 6,
) -> Report:
    """Goes through a hand derivation in the order of the backward pass and names what is wrong.

    answer: gradients worked out by hand, by names of one's own. loss: a Tensor of one entry,
    computed from the same numbers. names: for each of these names the Tensor whose gradient it
    is: a leaf, or an intermediate result as a state h_t or its z_t; of several steps give some.
    digits: how many must agree, of the largest entry; 3 suffice where tensors are float32.
    Result: see Report; a mistake is named if the tape, with that mistake made, gives the answer.
    Raises: ValueError for a name that is not in names or a shape that no mistake explains,
    RuntimeError for a tensor that the loss does not depend on, TypeError for what is no number.

    >>> W = Tensor([[0.5]], requires_grad=True)
    >>> import tinygrad_rnn as tg
    >>> h = tg.tanh(Tensor([[1.0]]) @ W)
    >>> by_hand = {"dW": [[(1 - h.item()) ** 2]]}
    >>> print(grade(by_hand, h.sum(), {"dW": W}))
    dW  WRONG: tanh' was taken as (1 - h)², it is 1 - h²
    Look at dW first: on the way back it is the first wrong one.
      tanh' was taken as (1 - h)², it is 1 - h²
    """
    checked_loss("grade", loss)
    given = _checked(answer, loss, names)
    variants = Variants(loss, [names[name] for name in given])
    shift: dict[Any, Array] = {}  # what the wrong answers so far change in gradients after them
    verdicts = []
    for name in sorted(given, key=lambda name: _place(names[name])):
        x, mine = names[name], given[name]
        tolerance = _tolerance(variants, x, digits)
        right = variants.right.get(x, np.zeros(x.shape, x.dtype))
        if _agree(mine, right, tolerance):
            verdicts.append(Verdict(name, True, _digits(mine, right), []))
            continue
        expected = right + shift.get(x, 0)
        follows = x in shift and _agree(mine, expected, tolerance)
        found = [] if follows else _mistakes(variants, x, mine, tolerance)
        if mine.shape != right.shape:
            _check_explained(name, mine, right, found)
        elif not follows and x.op is not None:
            _add(shift, edited_pullback(x, np.asarray(mine - expected, x.dtype)))
        verdicts.append(Verdict(name, False, _digits(mine, right), found, follows))
    return Report(verdicts)


def _place(x: Tensor) -> tuple[bool, int]:
    """Latest first, leaves last, in the order in which they were given."""
    return (True, 0) if x.op is None else (False, -x.serial)


def _checked(
    answer: Mapping[str, Any], loss: Tensor, names: Mapping[str, Tensor]
) -> dict[str, Array]:
    """The answers as arrays of floats."""
    if not answer:
        raise ValueError("grade: there is no answer; give at least one array by its name")
    known = set(tape(loss))
    given = {}
    for name, value in answer.items():
        if name not in names:
            raise ValueError(
                f"grade: the answer has {name!r}, but names has {', '.join(names) or 'none'}; "
                "give the tensor whose gradient it is under this name"
            )
        check_on_tape("grade", name, names[name], known)
        array = np.asarray(value.data if isinstance(value, Tensor) else value)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"grade: {name} has dtype {array.dtype}; it must be an array of floats")
        given[name] = np.asarray(array, dtype=float)
    return given


def _tolerance(variants: Variants, x: Tensor, digits: int) -> float:
    """How far an answer may be off: in the digits asked for, and what rounding may do before."""
    digits = min(digits, 3) if x.dtype.itemsize < 8 else digits
    largest = float(np.abs(variants.right[x]).max(initial=0)) if x in variants.right else 0.0
    arriving = sum(
        float(np.abs(variants.right[node]).max(initial=0)) for node, _, _ in variants.uses[x]
    )
    return float(10.0**-digits * largest + 64 * np.finfo(x.dtype).eps * arriving)


def _agree(mine: Array, right: Array, tolerance: float) -> bool:
    return mine.shape == right.shape and bool(np.all(np.abs(mine - right) <= tolerance))


def _digits(mine: Array, right: Array) -> int:
    """How many digits agree, of the largest entry: 0 to 16."""
    if mine.shape != right.shape or not np.isfinite(mine).all():
        return 0
    error = np.abs(mine - right).max(initial=0)
    largest = np.abs(right).max(initial=0)
    if error == 0:
        return 16
    return int(np.clip(-np.log10(error / largest), 0, 16)) if largest else 0


def _mistakes(variants: Variants, x: Tensor, mine: Array, tolerance: float) -> list[str]:
    """The mistakes that give this answer, the likeliest first."""
    right = variants.right.get(x, np.zeros(x.shape, x.dtype))
    found = [name for name, array in candidates(variants, x) if _agree(mine, array, tolerance)]
    found += _not_summed(variants, mine, right, tolerance)
    if mine.shape == right.shape and np.isfinite(mine).all() and right.any():
        c = float(np.vdot(right, mine) / np.vdot(right, right))
        multiple = _agree(mine, c * right, tolerance * max(abs(c), 1e-3))
        found += factors(variants, c) if multiple else ()
        if not found:
            several = (*clipped(right, mine), *one_example(variants, x))
            found = [name for name, array in several if _agree(mine, array, tolerance)]
        if multiple and not found:
            found = [f"the answer is {c:.6g} times the gradient"]
    return list(dict.fromkeys(found))


def _not_summed(variants: Variants, mine: Array, right: Array, tolerance: float) -> Iterator[str]:
    """Whether a sum over an axis of the answer gives the gradient."""
    if mine.size <= right.size:
        return
    for axis, size in enumerate(mine.shape):
        total = mine.sum(axis=axis)
        if total.size == right.size and _agree(total.reshape(right.shape), right, tolerance):
            if size in variants.batch_sizes:
                yield f"not summed over the batch: axis {axis} of the answer"
            if size in variants.lengths:
                yield f"not summed over the time steps: axis {axis} of the answer"


def _check_explained(name: str, mine: Array, right: Array, found: list[str]) -> None:
    if not found:
        raise ValueError(
            f"grade: {name} has shape {mine.shape}, but its tensor {right.shape}, and no known "
            "mistake explains it; give the gradient in the tensor's shape"
        )


def _add(shift: dict[Any, Array], more: dict[Any, Array]) -> None:
    for node, array in more.items():
        shift[node] = shift[node] + array if node in shift else array
