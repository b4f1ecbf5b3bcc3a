"""Which nodes are drawn as one box: the middle of a long sequence, or all that is in a scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ...bptt.time import is_node, step_of
from ...engine.totals import Node
from .sheet import Scope

FIRST, LAST = 2, 1  # steps shown at either end
FEWEST_FOLDED = 2  # steps between them


class Bundle(NamedTuple):
    """Nodes that are drawn as one box. scope: the frame around it. label: None for steps."""

    scope: Scope
    label: str | None


class Folding(NamedTuple):
    """bundles: where nodes are that have no box of their own. steps: of each bundle that folds."""

    bundles: dict[Node, Bundle]
    steps: dict[Bundle, list[int]]


def fold_nodes(
    nodes: Sequence[Node], unfolded: Collection[Node], fold: bool, depth: int | None
) -> Folding:
    """The bundles of a tape's nodes.

    unfolded: nodes that have a box of their own whatever happens. fold: whether time steps between
    the first two and the last are one box. depth: how many frames inside each other are open.

    >>> import tinygrad_rnn as tg
    >>> h = w = tg.Tensor(0.5, requires_grad=True)
    >>> for t in range(1, 8):
    ...     with tg.scope(f"t={t}"):
    ...         h = h * w
    >>> from tinygrad_rnn.engine.tape import tape
    >>> list(fold_nodes(tape(h), {h}, True, None).steps.values())
    [[3, 4, 5, 6]]
    """
    steps = _middles(dict.fromkeys(node.scope for node in nodes)) if fold else {}

    @cache
    def bundle(scope: Scope) -> Bundle | None:
        for k, label in enumerate(scope):
            if step_of((label,)) in steps.get(scope[:k], ()):
                return Bundle(scope[:k], None)
            if depth is not None and k >= depth:
                return Bundle(scope[:k], label)
        return None

    places = ((node, bundle(node.scope)) for node in nodes if node not in unfolded)
    bundles = {node: place for node, place in places if place is not None}
    if steps:
        _hide_what_only_steps_use(nodes, unfolded, bundles)
        _hide_what_comes_of_steps(nodes, unfolded, bundles, steps)
    used = dict.fromkeys(place for place in bundles.values() if place.label is None)
    return Folding(bundles, {place: sorted(steps[place.scope]) for place in used})


def _middles(scopes: Iterable[Scope]) -> dict[Scope, set[int]]:
    """The steps to fold, by the scope around them."""
    found: defaultdict[Scope, set[int]] = defaultdict(set)
    for scope in scopes:
        for k, label in enumerate(scope):
            step = step_of((label,))
            if step is not None:
                found[scope[:k]].add(step)
    middles = {scope: sorted(steps)[FIRST:-LAST] for scope, steps in found.items()}
    return {scope: set(steps) for scope, steps in middles.items() if len(steps) >= FEWEST_FOLDED}


def _hide_what_only_steps_use(
    nodes: Sequence[Node], unfolded: Collection[Node], bundles: dict[Node, Bundle]
) -> None:
    """What was made outside of steps for folded ones alone, as their inputs, goes with them."""
    users: defaultdict[Node, set[Bundle | None]] = defaultdict(set)
    for node in reversed(nodes):
        place = bundles.get(node)
        if place is None and node not in unfolded and step_of(node.scope) is None:
            (only,) = users[node] if len(users[node]) == 1 else (None,)
            if only is not None and only.label is None:
                place = bundles[node] = only
        for x in filter(is_node, node.inputs):
            users[x].add(place)


def _hide_what_comes_of_steps(
    nodes: Sequence[Node],
    unfolded: Collection[Node],
    bundles: dict[Node, Bundle],
    steps: Mapping[Scope, Collection[int]],
) -> None:
    """What was made outside of steps, and the last of which is folded, as a loss, goes with it."""
    latest: dict[Node, tuple[int, Scope]] = {}
    for node in nodes:
        here = _first_step(node.scope)
        if here is not None:
            latest[node] = here
            continue
        before = [latest[x] for x in node.inputs if is_node(x) and x in latest]
        if before:
            step, scope = latest[node] = max(before)
            if node not in unfolded and node not in bundles and step in steps.get(scope, ()):
                bundles[node] = Bundle(scope, None)


def _first_step(scope: Scope) -> tuple[int, Scope] | None:
    """The outermost time step of a scope, and the scope around it."""
    steps = ((step_of((label,)), scope[:k]) for k, label in enumerate(scope))
    return next(((step, around) for step, around in steps if step is not None), None)
