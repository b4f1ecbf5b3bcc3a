"""What a row of the table of cases is, and the kinds of inputs to draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn import ops


class Draw(NamedTuple):
    """An input still to be drawn: `kind(rng, shape)`."""

    kind: Callable[[np.random.Generator, tuple[int, ...]], Any]
    shape: tuple[int, ...] = ()


class Case(NamedTuple):
    """A call of an operation. `by`: positions of the inputs that have gradients."""

    function: str
    label: str
    call: Callable[..., Any]
    reference: Callable[..., Any]
    draws: tuple[Draw, ...]
    by: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.function}-{self.label}" if self.label else self.function

    def inputs(self, seed: int = 0) -> list[Any]:
        """The arrays to call it with."""
        rng = np.random.default_rng(seed)
        return [np.array(draw.kind(rng, draw.shape)) for draw in self.draws]

    def with_shapes(self, *shapes: tuple[int, ...]) -> Case:
        """The same call on inputs of other shapes."""
        drawn = zip(self.draws, shapes, strict=True)
        return self._replace(draws=tuple(draw._replace(shape=shape) for draw, shape in drawn))


# Kinds of inputs, each away from the points where its operations have no derivative


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers."""
    return rng.normal(size=shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between 0.5 and 2."""
    return rng.uniform(0.5, 2, shape)


def fraction(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between -0.9 and 0.9, none within 0.1 of 0."""
    return rng.uniform(0.1, 0.9, shape) * rng.choice([-1.0, 1.0], shape)


def above_one(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between 1.5 and 3."""
    return 1 + positive(rng, shape)


def nonzero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of either sign between 0.5 and 2 in size."""
    return positive(rng, shape) * rng.choice([-1.0, 1.0], shape)


def around(*centres: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
    """A kind of numbers that differ from one of the centres by less than 0.05."""
    return lambda rng, shape: rng.choice(centres, shape) + rng.uniform(-0.05, 0.05, shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that differ from one another by more than 0.1."""
    size = int(np.prod(shape))
    return rng.permutation(size).reshape(shape) / 4 - size / 8 + around(0)(rng, shape)


def distinct_nonzero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of either sign whose sizes differ from one another and from 0 by more than 0.1."""
    size = int(np.prod(shape))
    sizes = rng.permutation(size).reshape(shape) / 4 + 0.3 + around(0)(rng, shape)
    return sizes * rng.choice([-1.0, 1.0], shape)


def flags(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """True or False."""
    return rng.random(shape) < 0.5


def shares(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that add up to 1 along the last axis."""
    weights = positive(rng, shape)
    return weights / weights.sum(-1, keepdims=True)


def exactly(values: Any) -> Draw:
    """These values and no others."""
    array = np.array(values)
    return Draw(lambda rng, shape: array.copy(), array.shape)


def row(
    function: str,
    reference: Callable[..., Any],
    *draws: Draw,
    by: tuple[int, ...] | None = None,
    label: str = "",
    call: Callable[..., Any] | None = None,
    **settings: Any,
) -> Case:
    """A case; the settings go to the function and to the reference alike."""
    ours = call or getattr(ops, function, None)
    assert ours, (
        f"tests/cases/ has a row for {function}, which is not in tinygrad_rnn.ops: import it in "
        "tinygrad_rnn/ops/__init__.py, or say in the row how to call it"
    )
    shapes = " ".join(str(draw.shape).replace(" ", "") for draw in draws)
    given = " ".join(f"{name}={value}" for name, value in settings.items())
    return Case(
        function,
        label or f"{shapes} {given}".strip(),
        lambda *inputs: ours(*inputs, **settings),
        lambda *inputs: reference(*inputs, **settings),
        draws,
        tuple(range(len(draws))) if by is None else by,
    )


def joined(join: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """Of several arrays, where the function takes one sequence of them."""
    return lambda *xs: join(xs, **settings)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """By its definition, without care for overflow."""
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))
