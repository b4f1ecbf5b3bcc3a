"""How recording is switched: on or off, in which scope, and who looks on."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from ..ops.op import Op, Sent


class Watch(Protocol):
    """Who looks on as results and gradients come; what a watch does not override does nothing.

    traces: whether it also looks on as rules run in a walk back, which are then recorded.
    """

    __slots__ = ()
    traces: bool = False

    def result(
        self, z: Any, op: Op, inputs: Sequence[Any], values: Sequence[Any], settings: dict[str, Any]
    ) -> None:
        """An op gave the Tensor z. values: the inputs' arrays."""
        return

    def sent(self, node: Any, g: Any, gradients: Sent) -> Sent:
        """What a node with gradient g sends back to its inputs; the result is sent instead."""
        return gradients

    def detached(self, x: Any) -> Any:
        """What stands for a Tensor that is detached; None for a new leaf."""
        return None


class Mode:
    """Whether results are recorded just now, in which scope, and who looks on, if anybody does."""

    __slots__ = ("recording", "scope", "watch")

    def __init__(self, recording: bool, scope: tuple[str, ...], watch: Watch | None = None) -> None:
        self.recording = recording
        self.scope = scope
        self.watch = watch

    def in_walk(self, create_graph: bool) -> Mode:
        """The mode of a walk back that starts in this one."""
        traces = self.watch is not None and self.watch.traces
        return Mode(create_graph or traces, (), self.watch if traces else None)


mode: ContextVar[Mode] = ContextVar("mode", default=Mode(True, ()))  # per thread and task


@contextmanager
def in_mode(new: Mode) -> Iterator[Mode]:
    """The mode inside; afterwards it is what it was."""
    token = mode.set(new)
    try:
        yield new
    finally:
        mode.reset(token)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles: what makes many objects, none of them garbage, is faster."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
