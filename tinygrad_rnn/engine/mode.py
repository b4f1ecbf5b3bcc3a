"""How recording is switched: on or off, in which scope, and who looks on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


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
