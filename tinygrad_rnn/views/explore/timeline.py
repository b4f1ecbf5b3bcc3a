"""Which nodes are the states h_1 to h_T of a recurrence, for the map of how gradients flow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ...bptt.time import recurrent_edges, step_of
from ...engine.tensor import Tensor

Position = tuple[tuple[str, ...], int, str]  # the scopes around a step, the place in it, the op


def states_by_layer(nodes: Sequence[Tensor]) -> list[dict[int, Tensor]]:
    """For each layer {t: h_t}; for an LSTM one more for its cells.

    nodes: a tape. A state is what the next step uses. The last step's is used by none: it is the
    node at the same place of its step, counted from the step's end.

    >>> import tinygrad_rnn as tg
    >>> w, h = Tensor(0.5, requires_grad=True), Tensor(1.0)
    >>> for t in (1, 2):
    ...     with tg.scope(f"t={t}"):
    ...         h = tg.tanh(w * h)
    >>> from tinygrad_rnn.engine.tape import tape
    >>> (states,) = states_by_layer(tape(h))
    >>> list(states), states[2] is h
    ([1, 2], True)
    """
    places = _places(nodes)
    used = {node.inputs[place] for node, place in recurrent_edges(nodes)}
    wanted = {place for node, place in places.items() if node in used}
    found: defaultdict[Position, dict[int, Tensor]] = defaultdict(dict)
    for node, place in places.items():
        step = step_of(node.scope)
        if place in wanted and step is not None:
            found[place][step] = node
    return list(found.values())


def _places(nodes: Sequence[Tensor]) -> dict[Tensor, Position]:
    """Where in its time step each result was recorded, from the end on."""
    steps: defaultdict[tuple[str, ...], list[Tensor]] = defaultdict(list)
    for node in nodes:
        if node.op is not None and step_of(node.scope) is not None:
            steps[node.scope].append(node)
    return {
        node: (_around(scope), len(inside) - k, node.op.name)
        for scope, inside in steps.items()
        for k, node in enumerate(inside)
        if node.op is not None
    }


def _around(scope: Sequence[str]) -> tuple[str, ...]:
    """The labels of a scope but those of time steps."""
    return tuple(label for label in scope if step_of((label,)) is None)
