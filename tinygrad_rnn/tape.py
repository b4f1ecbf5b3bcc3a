"""How recording is switched, and how to walk what was recorded.

A node is whatever has the slots of a Tensor: `op, inputs, settings, serial, scope`. The nodes
reachable from an output, sorted by serial, are a tape in a valid order: no recursion anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from operator import attrgetter
from typing import Any

import numpy as np

from .op import Op, Term
from .ops.elementwise import positive
from .ops.reduce import sum_to
from .ops.shape import cast

Node = Any
ENTRIES_THAT_WAIT = 2**18  # what waits is stacked, and stacks should stay in the cache


class Mode:
    """Whether results are recorded just now, in which scope, and what looks at each result.

    watch: None; or has `result`, which gets each result, and `traces`, whether it does so in walks
    back too; if not, it has `gradient`, which gets each gradient there.
    """

    __slots__ = ("recording", "scope", "watch")

    def __init__(self, recording: bool, scope: tuple[str, ...], watch: Any = None) -> None:
        self.recording = recording
        self.scope = scope
        self.watch = watch


mode: ContextVar[Mode] = ContextVar("mode", default=Mode(True, ()))  # per thread and task


# What has arrived for a node, to be added up together: a product, or the op that took a part, the
# part's gradient and its index.
Waiting = Term | tuple[Op, Any, Any]


class Totals:
    """The gradients while their terms arrive.

    The first array that arrives is borrowed, the second makes a new one that is owned, later ones
    are added in place. Terms wait, so that many of one op become one call.
    """

    __slots__ = ("arrays", "owned", "waiting")

    def __init__(self) -> None:
        self.arrays: dict[Node, Any] = {}
        self.owned: set[Node] = set()
        self.waiting: defaultdict[Node, list[Waiting]] = defaultdict(list)

    def add(self, node: Node, gradient: Any) -> None:
        """One more array or Tensor has arrived for the node."""
        held = self.arrays.get(node)
        if held is None:
            self.arrays[node] = gradient
        elif node in self.owned:
            held += gradient
        else:
            held = self.arrays[node] = held + gradient
            if type(held) is np.ndarray and held.size > 1:  # one entry is slower in place
                self.owned.add(node)

    def receive(self, node: Node, gradient: Any, op: Op) -> None:
        """What a rule of the op gave for the node has arrived: it waits, or is added."""
        if type(gradient) is Term:
            self.wait(node, gradient)
            return
        array = node._array
        try:
            if gradient.shape != array.shape or gradient.dtype is not array.dtype:
                gradient = _fitted(gradient, node, op)
        except AttributeError as error:
            raise _no_array(gradient, node, op) from error
        if node in self.arrays:
            self.add(node, gradient)
        else:
            self.arrays[node] = gradient

    def wait(self, node: Node, term: Term) -> None:
        """One more product has arrived for the node."""
        terms = self.waiting[node]
        terms.append(term)
        if len(terms) * term.inputs[0].size > ENTRIES_THAT_WAIT:
            self.gather(node)

    def gather(self, node: Node) -> None:
        """Adds up what has waited, all of an op at once."""
        by_op: dict[Op, list[Any]] = {}
        for waiting in self.waiting.pop(node):
            by_op.setdefault(waiting[0], []).append(waiting)
        for op, several in by_op.items():
            if op.is_part:
                _, gradients, indices = zip(*several, strict=True)
                total = op.edges[0](gradients, node._array, indices)
            else:
                total = op.join(several)()
            total = _fitted(total, node, op)
            if node in self.arrays:
                self.add(node, total)
            else:
                self.arrays[node] = total
                if type(total) is np.ndarray:
                    self.owned.add(node)


@contextmanager
def no_grad() -> Iterator[None]:
    """Nothing is recorded inside; a context manager and a decorator.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     y = w * 3
    >>> y.requires_grad
    False
    """
    now = mode.get()
    with in_mode(Mode(False, now.scope, now.watch)):
        yield


class scope:
    """Names a part of the tape: `label` ends the scope of what is recorded inside.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.scope("layer 0"), tg.scope("t=1"):
    ...     h = tg.tanh(w)
    >>> h.scope
    ('layer 0', 't=1')
    """

    __slots__ = ("_label",)

    def __init__(self, label: str) -> None:
        if not isinstance(label, str):
            raise TypeError(f"scope: the label is {label!r:.60}; it must be a string")
        self._label = label

    def __enter__(self) -> Mode:
        now = mode.get()
        inside = Mode(now.recording, (*now.scope, self._label), now.watch)
        mode.set(inside)
        return inside

    def __exit__(self, *_: object) -> None:
        now = mode.get()
        mode.set(Mode(now.recording, now.scope[:-1], now.watch))


@contextmanager
def in_mode(new: Mode) -> Iterator[Mode]:
    """The mode inside; afterwards it is what it was."""
    token = mode.set(new)
    try:
        yield new
    finally:
        mode.reset(token)


def tape(*outputs: Node, since: int = 0) -> list[Node]:
    """Every node that the outputs were computed from, themselves included, in recorded order.

    since: the serial of the first node that matters.

    >>> import tinygrad_rnn as tg
    >>> w = tg.Tensor(2.0, requires_grad=True)
    >>> [node.op.name if node.op else "leaf" for node in tape(tg.exp(w * w))]
    ['leaf', 'multiply', 'exp']
    """
    nodes = list(dict.fromkeys(outputs))
    known = set(nodes)
    for node in nodes:  # it grows
        for x in node.inputs:
            if hasattr(x, "serial") and x not in known and (not since or x.serial >= since):
                known.add(x)
                nodes.append(x)
    return sorted(nodes, key=attrgetter("serial"))


def pullback(
    outputs: Sequence[Node],
    cotangents: Sequence[Any],
    *,
    wanted: Collection[Node] | None = None,
    create_graph: bool = False,
) -> dict[Node, Any]:
    """Walks the tape backwards: {node: gradient of sum(cotangents * outputs)}.

    outputs: nodes. cotangents: for each output an array of its shape and dtype.
    wanted: the nodes to find gradients of; None for each leaf that requires a gradient and each
    node that retains its own.
    create_graph: rules run on Tensors and are recorded, so that gradients have gradients.
    Result: for each wanted node that was reached an array that nothing else shares (a Tensor
    where create_graph), of the node's shape and dtype.
    Raises: RuntimeError where a tensor was written after it was recorded.
    """
    since = min((node.serial if node.op else 0 for node in wanted), default=0) if wanted else 0
    nodes = tape(*outputs, since=since)
    useful = None if wanted is None else _leading_to(wanted, nodes)
    found: dict[Node, Any] = {}
    totals = Totals()
    for node, cotangent in zip(outputs, cotangents, strict=True):
        totals.add(node, cotangent)
    arrays, waiting, receive = totals.arrays, totals.waiting, totals.receive
    watch = mode.get().watch
    tracing = watch if watch is not None and watch.traces else None
    if tracing is not None:
        watch, create_graph = None, True
    short = watch is None and useful is None and not create_graph
    with in_mode(Mode(create_graph, (), tracing)) as now:
        for node in reversed(nodes):
            if waiting and node in waiting and not _passed_on(node, totals, wanted):
                totals.gather(node)
            g = arrays.pop(node, None)
            if g is None:
                continue
            op, inputs, settings = node.op, node.inputs, node.settings
            if (op is None or node._retains_grad) if wanted is None else node in wanted:
                found[node] = own(g, node in totals.owned)
            if op is None or (useful is not None and useful.isdisjoint(_nodes(inputs))):
                continue
            if op.is_part:
                if useful is None or inputs[0] in useful:
                    index = settings["index"] if settings else _rest(node, create_graph)
                    waiting[inputs[0]].append((op, g, index))
                continue
            if short and op.small:
                _hand_on(node, g, receive)
                continue
            now.scope = node.scope
            given = (g, node, *inputs) if create_graph else (g, node._array, *node.values)
            gradients = _all_gradients(op, given, settings) if op.variadic else op.edges
            for edge, x, needs in zip(gradients, inputs, node.needs, strict=False):
                if not needs or edge is None or (useful is not None and x not in useful):
                    _check_unwritten(x, node)
                    continue
                gradient = edge if op.variadic else edge(*given, **settings)
                if watch is not None:
                    gradient = watch.gradient(node, x, gradient, g)
                receive(x, gradient, op)
    for node in (*arrays, *waiting):  # its place on the tape is after its use
        raise _written(node)
    return found


def _hand_on(node: Node, g: Any, receive: Callable[[Node, Any, Op], None]) -> None:
    """Runs the rules of a small op on arrays.

    Each call is written out: programs of many small ops cost what this and `receive` cost.
    """
    op = node.op
    if len(node.inputs) == 1:
        (x,) = node.inputs
        receive(x, op.edges[0](g, node._array, x._array), op)
        return
    x, y = node.inputs
    first, second = node.needs
    to_x, to_y = op.edges
    a = x._array if first else getattr(x, "_array", x)
    b = y._array if second else getattr(y, "_array", y)
    if first and to_x is not None:
        receive(x, to_x(g, node._array, a, b), op)
    else:
        _check_unwritten(x, node)
    if second and to_y is not None:
        receive(y, to_y(g, node._array, a, b), op)
    else:
        _check_unwritten(y, node)


def _rest(node: Node, create_graph: bool) -> tuple[Any, ...]:
    """The inputs of a part's op behind the first: arrays of its index."""
    inputs: tuple[Any, ...] = node.inputs if create_graph else node.values
    return inputs[1:]


def _passed_on(node: Node, totals: Totals, wanted: Collection[Node] | None) -> bool:
    """Whether the Terms that wait for a node, and nothing else, now wait for its only input."""
    op = node.op
    if op is None or op.passes is None or node in totals.arrays or node._retains_grad or wanted:
        return False
    terms = op.passes(totals.waiting[node], **node.settings)
    if terms is None:
        return False
    del totals.waiting[node]
    for term in terms:
        totals.wait(node.inputs[0], term)
    return True


def own(g: Any, owned: bool) -> Any:
    """The gradient, or a copy where it may share memory. g: an array or a Tensor."""
    if owned:
        return g
    return positive(g) if hasattr(g, "serial") else np.array(g, order="C")


def _leading_to(wanted: Collection[Node], nodes: list[Node]) -> set[Node]:
    """The wanted nodes, and those whose gradient flows on into a wanted one."""
    useful = set(wanted)
    for node in nodes:
        if not useful.isdisjoint(_nodes(node.inputs)):
            useful.add(node)
    return useful


def _nodes(inputs: Iterable[Any]) -> list[Node]:
    return [x for x in inputs if hasattr(x, "serial")]


def _all_gradients(op: Op, given: tuple[Any, ...], settings: dict[str, Any]) -> Sequence[Any]:
    """What the one rule of a variadic op gives, a gradient for each input."""
    gradients: Sequence[Any] = op.edges[0](*given, **settings)
    if len(gradients) != len(given) - 2:
        raise ValueError(
            f"{op.name}: the rule gave {len(gradients)} gradients for {len(given) - 2} inputs"
        )
    return gradients


def _fitted(gradient: Any, x: Node, op: Op) -> Any:
    """The gradient in x's shape and dtype: what x was broadcast over is summed."""
    array = x._array
    if gradient.shape != array.shape:
        try:
            summed = sum_to(gradient, array.shape) if op.elementwise else None
        except ValueError:
            summed = None
        if summed is None:
            raise ValueError(
                f"{op.name}: the rule gave a gradient of shape {gradient.shape} for "
                f"{x.name or 'an input'} of shape {array.shape}"
            )
        gradient = summed
    return gradient if gradient.dtype == array.dtype else cast(gradient, dtype=array.dtype)


def _no_array(gradient: Any, x: Node, op: Op) -> TypeError:
    return TypeError(
        f"{op.name}: the rule gave {gradient!r:.60} for {x.name or 'an input'}; it must give an "
        f"array of shape {x._array.shape}"
    )


def _check_unwritten(x: Any, node: Node) -> None:
    if getattr(x, "serial", 0) > node.serial:
        raise _written(x)


def _written(x: Node) -> RuntimeError:
    return RuntimeError(
        f"backward: {x.name or f'a tensor of shape {x.shape}'} was written after it was recorded, "
        "so its gradient would be wrong; call backward() before you change it, or compute anew"
    )
