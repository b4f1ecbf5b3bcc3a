"""What stands on a box: what a Tensor is called, the op that made it, its shape and its numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ...derivation.report import norm
from ...engine.tensor import Tensor
from ...engine.totals import Node
from ...nn import Module
from ...ops.op import Array, Op

Show = Literal["shape", "stats", "values"]
DisplayNames = Mapping[Node, str]

LONGEST_NAME = 40  # characters
LONGEST_CALL = 60
MOST_INPUTS = 4  # without names that are shown one by one
MOST_VALUES = 16  # entries of an array that are shown one by one
UNPRINTABLE = re.compile("[^\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

PLAIN = (int, str, np.generic, np.ndarray, np.dtype, type(None))


def display_names(nodes: Sequence[Node], names: Mapping[str, Any]) -> dict[Node, str]:
    """What each node is called, if at all; two names of one Tensor make `a = b`.

    names: Tensors go by their name there; of a Module the parameters that have none, as in
    `model.rnn.weight_hh_l0`. Other nodes go by their own `.name`.

    >>> from tinygrad_rnn import nn
    >>> model = nn.Linear(2, 1)
    >>> list(display_names([model.weight, model.bias], {"model": model, "b": model.bias}).values())
    ['model.weight', 'b']
    """
    given: dict[Node, list[str]] = {}
    parts: dict[Node, str] = {}
    for name, value in names.items():
        if isinstance(value, Tensor) and name:
            given.setdefault(value, []).append(abbreviate(name, LONGEST_NAME))
        elif isinstance(value, Module):
            for path, parameter in value.named_parameters():
                parts.setdefault(parameter, abbreviate(f"{name}.{path}", LONGEST_NAME))
    own = {node: abbreviate(node.name, LONGEST_NAME) for node in nodes if node.name}
    return own | parts | {node: " = ".join(several) for node, several in given.items()}


def describe(node: Node, names: DisplayNames, show: Show) -> tuple[str, ...]:
    """The lines of a node: what it is, its shape, its numbers, the norm of its gradient."""
    name = [names[node]] if node in names else []
    call = [] if node.op is None else [abbreviate(_call(node.op, node, names), LONGEST_CALL)]
    lines = [" = ".join(name + call), str(node.shape), *numbers(node._array, show)]
    if node.grad is not None:
        lines.append(f"‖grad‖ = {norm(node.grad._array):.3g}")
    elif node.op is None and node.requires_grad and show != "shape":
        lines.append("gradient not computed")
    return tuple(filter(None, lines))


def numbers(array: Array, show: Show) -> list[str]:
    """The entries of an array where they are few, else their mean, deviation, least and greatest.

    >>> numbers(np.array([1.0, 2.0, 6.0]), "stats")
    ['mean 3, std 2.16', 'from 1 to 6']
    >>> numbers(np.eye(2), "values")
    ['[[1. 0.]', ' [0. 1.]]']
    """
    if show == "shape":
        return []
    if show == "values" and array.size <= MOST_VALUES:
        return np.array2string(array, precision=3).split("\n")
    array = array.astype(float, copy=False)
    if array.size < 2:
        return [f"{entry:.4g}" for entry in array.ravel()]
    with np.errstate(all="ignore"):
        mean, deviation = np.mean(array), np.std(array)
        least, most = np.min(array), np.max(array)
    return [f"mean {mean:.3g}, std {deviation:.3g}", f"from {least:.3g} to {most:.3g}"]


# The op


def _call(op: Op, node: Node, names: DisplayNames) -> str:
    """The op, with its inputs and settings where they say more than the edges do."""
    inputs = [_input(x, names) for x in node.inputs]
    if len(inputs) > MOST_INPUTS and set(inputs) == {"·"}:
        inputs = [f"· ×{len(inputs)}"]
    chosen = {key: x for key, x in node.settings.items() if x is not None and x is not False}
    settings = [f"{key}={in_place(x)}" for key, x in chosen.items()]
    if not settings and (len(node.inputs) == 1 or set(inputs) == {"·"}):
        return op.name
    return f"{op.name}({', '.join(inputs + settings)})"


def _input(x: Any, names: DisplayNames) -> str:
    if isinstance(x, Tensor):
        return names.get(x, "·")
    return "·" if is_array(x) else in_place(x)


def is_array(x: Any) -> bool:
    """Whether an input is an array or a list that is no Tensor."""
    return not isinstance(x, (Tensor, int, float, slice)) and np.shape(x) != ()


def in_place(x: Any) -> str:
    """A number, an index or a setting, as it stands inside a call.

    >>> [in_place(x) for x in (2, 0.1 + 0.2, (0, slice(1, None)), (1,), np.dtype(float))]
    ['2', '0.3', '(0, 1:)', '(1,)', 'float64']
    """
    if isinstance(x, float):
        return f"{x:.6g}"
    if isinstance(x, (tuple, list)):
        return f"({', '.join(map(in_place, x))}{',' if len(x) == 1 else ''})"
    if isinstance(x, slice):
        ends = (x.start, x.stop) if x.step is None else (x.start, x.stop, x.step)
        return ":".join("" if end is None else str(end) for end in ends)
    if x is Ellipsis or isinstance(x, type):
        return "..." if x is Ellipsis else x.__name__
    return str(x) if isinstance(x, PLAIN) else type(x).__name__


# Text


def lines_of(text: str) -> list[str]:
    r"""The lines of a text, with a sign in place of what no file can hold.

    >>> lines_of("a\nb\0")
    ['a', 'b�']
    """
    return [UNPRINTABLE.sub("\ufffd", line) for line in text.splitlines()]


def abbreviate(value: object, longest: int) -> str:
    """The text of a value, with `…` for what is more than so many characters."""
    text = str(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
