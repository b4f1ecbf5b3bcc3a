"""Rules run on Tensors while a Recorder looks on: out come values, and what was done.

Nothing about a derivative is written down here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.mode import Mode, Watch, in_mode
from ...engine.tape import value_of
from ...engine.tensor import Tensor, leaf
from ...engine.totals import Node, fitted
from ...ops.op import Array, Op
from .expression import Call, Expression
from .simpler import simpler


@dataclass
class Recorder(Watch):
    """Looks on as ops run, and keeps for each result the expression that gave it.

    known: the expressions of the Tensors to begin with. constant: gives what other arrays become.
    """

    known: dict[Tensor, Expression]
    constant: Callable[[Array], Expression]

    def result(
        self,
        z: Tensor,
        op: Op,
        inputs: Sequence[Any],
        values: Sequence[Any],
        settings: dict[str, Any],
    ) -> None:
        """One more result."""
        given = tuple(map(self.expression, inputs))
        self.known[z] = simpler(Call(op, given, settings, z.shape, z.dtype))

    def expression(self, x: Any) -> Expression:
        """What an input of an op prints as."""
        if isinstance(x, Tensor):
            return self.known[x] if x in self.known else self.constant(x._array)
        return self.constant(np.asarray(x)) if isinstance(x, (np.ndarray, np.generic)) else x


def rules_of(node: Node, g: Tensor, recorder: Recorder) -> list[tuple[int, Expression, Tensor]]:
    """What a node's op sends to each input that needs a gradient: place, expression, value.

    g: the node's gradient; the recorder knows it, the node, and the node's inputs. Inputs that
    are arrays are known as the Tensors that `as_tensors` made of them.
    """
    found = []
    with in_mode(Mode(False, (), recorder)):
        given = (g, node, *as_tensors(node, recorder))
        for place, gradient in node.op.gradients(given, node.needs, node.settings):
            value = fitted(value_of(gradient), node.inputs[place], node.op)
            found.append((place, recorder.known[value], value))
    return found


def as_tensors(node: Node, recorder: Recorder) -> list[Any]:
    """The node's inputs, arrays among them as Tensors, so that the recorder sees their uses."""
    given = []
    for x in node.inputs:
        if isinstance(x, np.ndarray):
            wrapped = leaf(x)
            recorder.known[wrapped] = recorder.constant(x)
            x = wrapped
        given.append(x)
    return given
