"""What goes into a hand derivation and what comes out of it, and the checks at the border.

T steps, B batch, I input, H hidden, O output. Shapes are given as column layout | row layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[Any]
Layout: TypeAlias = Literal["column", "row"]


class Parameters(NamedTuple):
    """The weights and biases of the RNN, or something else that has one entry for each of them.

    W_xh: (H, I) | (I, H); W_hh: (H, H); W_hy: (O, H) | (H, O); b_h: (H, 1) | (H,);
    b_y: (O, 1) | (O,). A recurrent weight in row layout is the transpose of the one in columns.

    >>> p = Parameters(*(np.ones(shape) for shape in [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]))
    >>> p.W_hy.shape
    (2, 4)
    """

    W_xh: Array
    W_hh: Array
    W_hy: Array
    b_h: Array
    b_y: Array


class Gradients(NamedTuple):
    """dL/dA for everything A that went in, each in the shape of its A.

    x holds one array for each input that was given: T of them, or the one of one-to-many.
    """

    W_xh: Array
    W_hh: Array
    W_hy: Array
    b_h: Array
    b_y: Array
    x: list[Array]
    h_0: Array


class Step(NamedTuple):
    """Time step t (1 to T) as the backward pass saw it.

    x: (I, B) | (B, I), zeros where no input enters; dy = dL/dy_t: (O, B) | (B, O), zeros where
    there is no loss; all others (H, B) | (B, H):
    h_previous = h_(t-1), h = h_t,
    from_output: what reaches h_t through y_t, equation (14),
    from_next: what reaches h_t through h_(t+1), equation (15), zeros at the last step,
    dh = dL/dh_t: their sum, equation (16),
    dz = dL/dz_t, equation (17).
    """

    t: int
    x: Array
    h_previous: Array
    h: Array
    dy: Array
    from_output: Array
    from_next: Array
    dh: Array
    dz: Array


class Sizes:
    """The sizes (H, B, ...) seen so far and which argument told them.

    >>> sizes = Sizes("column")
    >>> sizes.check("W_xh", np.ones((4, 3)), "HI")
    >>> sizes.check("W_hh", np.ones((5, 4)), "HH")
    Traceback (most recent call last):
    ...
    ValueError: W_hh has shape (5, 4), but column layout needs (H, H) = (4, 4), H = 4 from W_xh
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.known: dict[str, tuple[int, str]] = {"1": (1, "")}

    def check(self, name: str, array: Array, letters: str) -> None:
        """Learn the sizes that `letters` names, one per axis; ValueError if they contradict."""
        if array.ndim != len(letters):
            raise ValueError(self._message(name, array, letters))
        for letter, size in zip(letters, array.shape, strict=True):
            if self.known.setdefault(letter, (size, name))[0] != size:
                raise ValueError(self._message(name, array, letters))

    def _message(self, name: str, array: Array, letters: str) -> str:
        numbers = [self.known[letter][0] if letter in self.known else letter for letter in letters]
        sources = [
            f", {letter} = {self.known[letter][0]} from {self.known[letter][1]}"
            for letter in dict.fromkeys(letters)
            if letter in self.known and letter != "1"
        ]
        return (
            f"{name} has shape {array.shape}, but {self.layout} layout needs "
            f"{_written(letters)} = {_written(numbers)}{''.join(sources)}"
        )


def prepare(
    parameters: Parameters,
    x: Sequence[ArrayLike],
    h_0: ArrayLike,
    layout: Layout,
    shapes: Mapping[str, str],
) -> tuple[Parameters, list[Array], Array]:
    """Copies of the arguments in the one dtype of the parameters, their shapes checked.

    `shapes` names the axes of every array (column.SHAPES or row.SHAPES). Raises: ValueError for a
    wrong shape or no time step, TypeError for a dtype that is not real and floating.

    >>> p = Parameters(*(np.ones(n, np.float32) for n in [(3, 4), (4, 4), (4, 2), 4, 2]))
    >>> letters = dict(W_xh="IH", W_hh="HH", W_hy="HO", b_h="H", b_y="O", x="BI", h="BH")
    >>> p, x, h_0 = prepare(p, [np.ones((5, 3))], np.zeros((5, 4)), "row", letters)
    >>> x[0].dtype.name, h_0.shape
    ('float32', (5, 4))
    """
    dtype = np.result_type(*(floating(name, array) for name, array in _named(parameters)))
    sizes = Sizes(layout)
    arrays = Parameters(*(np.array(array, dtype) for array in parameters))
    for name, array in _named(arrays):
        sizes.check(name, array, shapes[name])
    steps = [_cast(x_t, dtype) for x_t in x]
    if not steps:
        raise ValueError("x has no time steps, but at least one is needed")
    for t, array in enumerate(steps, 1):
        sizes.check(f"x of step {t}", array, shapes["x"])
    state = _cast(h_0, dtype)
    sizes.check("h_0", state, shapes["h"])
    return arrays, steps, state


def check_layout(layout: str) -> None:
    """ValueError unless the layout is one of the two that there are.

    >>> check_layout("columns")
    Traceback (most recent call last):
    ...
    ValueError: layout is 'columns', but 'column' or 'row' is needed
    """
    if layout not in ("column", "row"):
        raise ValueError(f"layout is {layout!r}, but 'column' or 'row' is needed")


def floating(name: str, array: ArrayLike) -> Array:
    """The array, if its dtype is real and floating; TypeError otherwise.

    >>> floating("y", np.int64([1, 2]))
    Traceback (most recent call last):
    ...
    TypeError: y has dtype int64, but a real floating dtype is needed
    """
    array = np.asarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{name} has dtype {array.dtype}, but a real floating dtype is needed")
    return array


def _named(parameters: Parameters) -> zip[tuple[str, Array]]:
    return zip(Parameters._fields, parameters, strict=True)


def _cast(array: ArrayLike, dtype: np.dtype[Any]) -> Array:
    return np.asarray(array).astype(dtype, casting="same_kind")


def _written(axes: Sequence[object]) -> str:
    return f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})"
