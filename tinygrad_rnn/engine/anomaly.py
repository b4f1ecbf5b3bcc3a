"""Where the first NaN or infinity comes from: each result and each gradient is looked at."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..ops.op import Array, Op, Sent, describe
from .mode import Mode, Watch, in_mode, mode
from .tape import value_of
from .totals import Node

Line = tuple[str, int]  # file and number
_PACKAGE = str(Path(__file__).parents[1] / "x")[:-1]


@contextmanager
def anomaly_mode() -> Iterator[None]:
    """Inside, the first NaN or infinity that an op or its rule produces is an error.

    Call `backward` inside too. An infinity that comes out where one came in, as a mask of -inf, is
    let pass; a NaN never is. What it costs, it costs inside alone.
    Raises: FloatingPointError, which names the op, its inputs, the scope and the line of code that
    recorded it.

    >>> import tinygrad_rnn as tg
    >>> x = tg.Tensor([0.0, 4.0], requires_grad=True, name="x")
    >>> with anomaly_mode(), np.errstate(all="ignore"):
    ...     tg.sqrt(x).sum().backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FloatingPointError: sqrt: its gradient by x has inf at index (0,), ...
    """
    now = mode.get()
    with in_mode(Mode(now.recording, now.scope, now.watch or AnomalyDetector())):
        yield


class AnomalyDetector(Watch):
    """Looks at results and gradients, and knows the line that recorded each node.

    lines: for each node's serial the file and the number of the line.
    """

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}

    def result(
        self,
        z: Node,
        op: Op,
        inputs: Sequence[Any],
        values: Sequence[Any],
        settings: dict[str, Any],
    ) -> None:
        """Raises: FloatingPointError where z has a NaN, or an infinity that is new."""
        self.lines[z.serial] = _line()
        found = _first_nonfinite(z._array, values)
        if found:
            raise _anomaly(op, inputs, f"the result has {found}", z.scope, self.lines[z.serial])

    def sent(self, node: Node, g: Any, gradients: Sent) -> Sent:
        """The same gradients, those of Terms made now.

        Raises: FloatingPointError where one has a NaN, or an infinity that is new.
        """
        made = [(place, value_of(gradient)) for place, gradient in gradients]
        for place, gradient in made:
            given = [getattr(g, "_array", g), *node.values]
            found = _first_nonfinite(getattr(gradient, "_array", gradient), given)
            if found:
                problem = f"its gradient by {node.op.input_name(place)} has {found}"
                line = self.lines.get(node.serial)
                raise _anomaly(node.op, node.inputs, problem, node.scope, line)
        return made


def _first_nonfinite(array: Array, given: Sequence[Any]) -> str:
    """Of the first entry that is wrong, what it is and where; empty if there is none."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return ""
    wrong = np.isnan(array)
    if not wrong.any():
        if any(np.isinf(x).any() for x in given if _is_float(x)):
            return ""
        wrong = np.isinf(array)
    index = tuple(int(k) for k in np.argwhere(wrong)[0])
    return f"{array[index]} at index {index}"


def _is_float(x: Any) -> bool:
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"


def _anomaly(
    op: Op, inputs: Sequence[Any], problem: str, scope: tuple[str, ...], line: Line | None
) -> FloatingPointError:
    given = ", ".join(
        f"{op.input_name(k)}{_quoted_name(x)}: {describe(x)}{_already(x)}"
        for k, x in enumerate(inputs)
    )
    where = f" in scope {' / '.join(scope)}" if scope else ""
    place = (
        _quoted(*line) if line else "a place not watched: outside of anomaly_mode(), or by backward"
    )
    return FloatingPointError(f"{op.name}: {problem}, given {given}; recorded{where} at {place}")


def _quoted_name(x: Any) -> str:
    name = getattr(x, "name", None)
    return f" {name!r}" if name else ""


def _already(x: Any) -> str:
    """What an input had already."""
    values = getattr(x, "_array", x)
    if not _is_float(values) or np.isfinite(values).all():
        return ""
    return " with NaN in it" if np.isnan(values).any() else " with inf in it"


def _line() -> Line:
    """The line of code outside of the package that is being run."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _quoted(path: str, number: int) -> str:
    code = linecache.getline(path, number).strip()
    return f"{path}:{number}: {code}" if code else f"{path}:{number}"
