"""The local rule of an edge as text, printed from the rule itself.

The rule runs on Tensors that stand for the gradient, the result and the inputs; what it computes
is watched and written down as an expression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..op import Op, Term
from ..tape import Mode, Node, in_mode
from ..tensor import Tensor, leaf
from .labels import cut, in_place, is_array

LONGEST_RULE = 60
INFIX = {"add": (" + ", 1), "subtract": (" - ", 1), "multiply": (" * ", 2), "divide": (" / ", 2)}
INFIX |= {"matmul": (" @ ", 2), "power": (" ** ", 4)}
ATOM = 5
Text = tuple[str, int]  # and how tightly its last operation binds


def rule_text(node: Node, place: int, names: Mapping[Node, str] | None = None) -> str:
    """What the node's op computes for its input at this place, from g, the gradient of the node.

    names: what Tensors are called; other inputs go by the op's own names for them, the result by z.

    >>> import tinygrad_rnn as tg
    >>> W, h = (tg.Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(2))
    >>> z = W @ h
    >>> rule_text(z, 0), rule_text(z, 1, {W: "W"}), rule_text(tg.tanh(z), 0)
    ('g @ b.T', 'W.T @ g', 'g * (1 - z * z)')
    """
    return rule_texts(node, names)[place]


def rule_texts(node: Node, names: Mapping[Node, str] | None = None) -> dict[int, str]:
    """The rules of all inputs that need a gradient, by place; see `rule_text`."""
    printer, known = Printer(), names or {}
    g, z = printer.stands_for(node, "g"), printer.stands_for(node, known.get(node, "z"))
    inputs = []
    for x, letter in zip(node.inputs, node.op.each_input(), strict=False):
        name = known.get(x, letter) if isinstance(x, Tensor) else letter
        has_letter = isinstance(x, Tensor) or is_array(x)
        inputs.append(printer.stands_for(x, name) if has_letter else x)
    with in_mode(Mode(False, (), printer)), np.errstate(all="ignore"):
        return {
            place: cut(printer.text(gradient)[0], LONGEST_RULE) + _summed(gradient, node, place)
            for place, gradient in _gradients(node, g, z, inputs)
        }


def _gradients(node: Node, g: Tensor, z: Tensor, inputs: Sequence[Any]) -> list[tuple[int, Any]]:
    """What the rules give, by place."""
    op = node.op
    if op.is_part:
        index = node.settings["index"] if node.settings else inputs[1:]
        return [(0, op.edges[0]([g], inputs[0], [index]))]
    given = (g, z, *inputs)
    several = op.edges[0](*given, **node.settings) if op.variadic else op.edges
    found = []
    for place, (edge, needs) in enumerate(zip(several, node.needs, strict=False)):
        if needs and edge is not None:
            result = edge if op.variadic else edge(*given, **node.settings)
            result = result() if isinstance(result, Term) else result
            found.append((place, result))
    return found


def _summed(gradient: Any, node: Node, place: int) -> str:
    """What the tape does to a gradient of an input that was broadcast."""
    shape = node.inputs[place].shape
    return f", summed to {shape}" if gradient.shape != shape else ""


class Printer:
    """Looks on as a rule runs, and knows each result as text."""

    __slots__ = ("_texts",)
    traces = False

    def __init__(self) -> None:
        self._texts: dict[Tensor, Text] = {}

    def stands_for(self, x: Any, name: str) -> Tensor:
        """A Tensor with the values of x, which is printed as this name."""
        tensor = leaf(getattr(x, "_array", x))
        self._texts[tensor] = name, ATOM
        return tensor

    def text(self, x: Any) -> Text:
        """A Tensor as the expression that gave it, another value as it is written."""
        if isinstance(x, Tensor):
            return self._texts.get(x, ("·", ATOM))
        return ("…" if np.ndim(x) else in_place(x)), ATOM

    def result(
        self,
        z: Tensor,
        op: Op,
        inputs: Sequence[Any],
        values: Sequence[Any],
        settings: Mapping[str, Any],
    ) -> None:
        """One more result of an op."""
        given = [self.text(x) for x in inputs]
        if op.name in INFIX:
            self._texts[z] = _between(*INFIX[op.name], *given)
        elif op.name == "negative":
            self._texts[z] = f"-{_inside(given[0], 3)}", 2
        elif op.name == "transpose" and settings["axes"] is None:
            self._texts[z] = f"{_inside(given[0], ATOM)}.T", ATOM
        elif op.name == "getitem":
            self._texts[z] = f"{_inside(given[0], ATOM)}[{in_place(settings['index'])}]", ATOM
        else:
            chosen = {key: x for key, x in settings.items() if x is not None and x is not False}
            written = [f"{key}={in_place(x)}" for key, x in chosen.items()]
            self._texts[z] = (
                f"{op.name}({', '.join([*(text for text, _ in given), *written])})",
                ATOM,
            )


def _between(sign: str, strength: int, left: Text, right: Text) -> Text:
    """A binary operation; the right side is in brackets where it binds no tighter.

    >>> _between(" - ", 1, ("a - b", 1), ("c - d", 1))
    ('a - b - (c - d)', 1)
    """
    return f"{_inside(left, strength)}{sign}{_inside(right, strength + 1)}", strength


def _inside(text: Text, strength: int) -> str:
    """The text as a part of an operation that binds so tightly."""
    return text[0] if text[1] >= strength else f"({text[0]})"
