"""Many-to-one, one-to-many, many-to-many, encoder-decoder: a recurrent part and what reads it.

Each is a short loop or none around the layers that it is given; one that does not fit a task is
soon written anew from its `forward`. A head is a Linear or another function of states (..., H).
Sizes: T steps in, S steps out, B batch, I input, H hidden, L layers, D directions, O output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.mode import scope
from ..engine.tensor import Tensor
from ..ops import broadcast_to, concatenate, expand_dims, squeeze, stack
from .cells import Cell, as_array
from .module import Input, Module
from .recurrent import Recurrent

Function = Callable[[Any], Any]
Head = Callable[[Tensor], Tensor]


class ManyToOne(Module):
    """One output for a whole sequence: y = head(h), with h the last layer's state at its end.

    recurrent: an RNN, LSTM or GRU; if bidirectional, h is [forward | backward] in 2H columns, each
    direction at its own end. head: of (B, D H). embedding: of x, before all else; None: x as it is.

    >>> from tinygrad_rnn import nn
    >>> model = ManyToOne(nn.LSTM(3, 4, rng=0), nn.Linear(4, 2, rng=1))
    >>> model(np.ones((7, 5, 3))).shape
    (5, 2)
    >>> of_ids = ManyToOne(nn.GRU(3, 4, bidirectional=True, rng=0), nn.Linear(8, 2, rng=1),
    ...                    embedding=nn.Embedding(10, 3, rng=2))
    >>> of_ids(np.ones((7, 5), int), lengths=[7, 3, 1, 2, 7]).shape
    (5, 2)
    """

    def __init__(
        self, recurrent: Recurrent, head: Head, *, embedding: Function | None = None
    ) -> None:
        _check_parts("ManyToOne", recurrent=recurrent, head=head)
        self.embedding = embedding
        self.recurrent = recurrent
        self.head = head

    def forward(self, x: Input, lengths: Input | None = None, *, state: Any = None) -> Tensor:
        """The head's output.

        x: as the recurrent layer takes it, or ids (T, B), or (B, T) if batch_first, for an
        embedding. lengths: (B,) int, of the sequences in a padded batch: the second argument, so
        that `fit(model, (x, lengths, targets), ...)` hands them over. state: the initial state.
        Result: (B, O), or (O,) without a batch.
        """
        x = _applied(self.embedding, x)
        _, last = self.recurrent(x, state, lengths=lengths)
        h = _h(last)
        ends = concatenate([h[-2], h[-1]], axis=-1) if self.recurrent.bidirectional else h[-1]
        return self.head(ends)


class OneToMany(Module):
    """A sequence from one input or one state: y_t = head(h_t), and what comes of y_t is x_{t+1}.

    cell: an RNNCell, LSTMCell or GRUCell. head: of (B, H). steps: S. feedback: makes the next
    input (B, I) of an output; None: the output itself, for which O must be I. batch_first: the
    result is (B, S, O) instead of (S, B, O).

    >>> from tinygrad_rnn import nn
    >>> model = OneToMany(nn.GRUCell(3, 4, rng=0), nn.Linear(4, 3, rng=1), steps=6)
    >>> model(np.ones((5, 3))).shape, model(state=np.ones((5, 4))).shape
    ((6, 5, 3), (6, 5, 3))
    """

    def __init__(
        self,
        cell: Cell,
        head: Head,
        steps: int,
        *,
        feedback: Function | None = None,
        batch_first: bool = False,
    ) -> None:
        _check_parts("OneToMany", cell=cell, head=head)
        _check_steps("OneToMany", steps)
        self.cell = cell
        self.head = head
        self.steps = steps
        self.feedback = feedback
        self.batch_first = batch_first

    def forward(self, x: Input | None = None, state: Any = None) -> Tensor:
        """The outputs of all steps.

        x: (B, I) or (I,), the first input, zeros if None. state: as the cell takes it, zeros if
        None. Result: (S, B, O), (B, S, O) if batch_first, or (S, O).
        Raises: ValueError where neither x nor state is given.
        """
        if x is None:
            x = self._no_input(state)
        outputs: list[Any] = []
        for t in range(self.steps):
            with scope(f"t={t + 1}"):
                state = self.cell(_applied(self.feedback, outputs[-1]) if t else x, state)
                outputs.append(self.head(_h(state)))
        result: Tensor = stack(outputs, axis=_steps_axis(self.batch_first, outputs[0].ndim))
        return result

    def _no_input(self, state: Any) -> Any:
        """Zeros, as many as the state asks for."""
        if state is None:
            raise ValueError("OneToMany: neither x nor state is given; give at least one of them")
        h = as_array(_h(state))
        return np.zeros((*h.shape[:-1], self.cell.input_size), h.dtype)


class ManyToMany(Module):
    """An output at every step: y_t = head(h_t). The state is handed on from call to call.

    recurrent: an RNN, LSTM or GRU. head: of (T, B, D H). embedding: of x, before all else; None: x
    as it is. `fit(model, ..., tbptt=(k1, k2))` trains it on a long sequence.

    >>> from tinygrad_rnn import nn
    >>> model = ManyToMany(nn.RNN(3, 4, rng=0), nn.Linear(4, 2, rng=1))
    >>> y, state = model(np.ones((7, 5, 3)))
    >>> y.shape, model(np.ones((1, 5, 3)), state)[0].shape
    ((7, 5, 2), (1, 5, 2))
    """

    def __init__(
        self, recurrent: Recurrent, head: Head, *, embedding: Function | None = None
    ) -> None:
        _check_parts("ManyToMany", recurrent=recurrent, head=head)
        self.embedding = embedding
        self.recurrent = recurrent
        self.head = head

    def forward(
        self, x: Input, state: Any = None, *, lengths: Input | None = None
    ) -> tuple[Tensor, Any]:
        """The head's output at every step, and the layers' last state.

        x: as the recurrent layer takes it, or ids (T, B), or (B, T) if batch_first, for an
        embedding. state: the initial state. lengths: as in RNN; outputs beyond a length are those
        of the head for zeros. Result: y (T, B, O), (B, T, O) if batch_first, or (T, O); the state
        as the recurrent layer gives it.
        """
        x = _applied(self.embedding, x)
        output, last = self.recurrent(x, state, lengths=lengths)
        return self.head(output), last


class EncoderDecoder(Module):
    """A sequence from another of any length: the decoder starts in the encoder's last state.

    encoder, decoder: RNN, LSTM or GRU, both with batches first or neither. head: of the decoder's
    outputs. embedding: of the encoder's inputs; target_embedding: of the decoder's (the same one
    may be both); None: inputs as they are. bridge: makes the decoder's initial state of the
    encoder's last one, where layers, directions or sizes differ; None: as it is.
    Source: Sutskever, Vinyals & Le (2014); Cho et al. (2014).

    >>> from tinygrad_rnn import nn
    >>> letters = nn.Embedding(10, 3, rng=0)
    >>> model = EncoderDecoder(nn.GRU(3, 4, rng=1), nn.GRU(3, 4, rng=2), nn.Linear(4, 10, rng=3),
    ...                        embedding=letters, target_embedding=letters)
    >>> x, shown = np.ones((7, 5), int), np.ones((6, 5), int)
    >>> model(x, shown).shape, model.generate(x, steps=8, start=0).shape
    ((6, 5, 10), (8, 5))
    """

    def __init__(
        self,
        encoder: Recurrent,
        decoder: Recurrent,
        head: Head,
        *,
        embedding: Function | None = None,
        target_embedding: Function | None = None,
        bridge: Function | None = None,
    ) -> None:
        _check_parts("EncoderDecoder", encoder=encoder, decoder=decoder, head=head)
        if decoder.bidirectional or encoder.batch_first != decoder.batch_first:
            raise ValueError(
                "EncoderDecoder: the decoder must not be bidirectional, since it would see what it "
                "is to write, and both or neither must be batch_first"
            )
        self.embedding = embedding
        self.encoder = encoder
        self.bridge = bridge
        self.target_embedding = target_embedding
        self.decoder = decoder
        self.head = head

    def forward(self, x: Input, shown: Input, lengths: Input | None = None) -> Tensor:
        """Teacher forcing: the outputs where the decoder is shown what is right.

        x: the encoder's inputs (T, B, I) or ids (T, B). shown: the decoder's inputs (S, B, ...):
        a start and then the targets without the last one, so that the output of each step is for
        the target of that step. lengths: (B,) int, of the encoder's sequences in a padded batch.
        The order is that of `fit(model, (x, shown, lengths, targets), ...)`.
        Result: (S, B, O). With batch_first B is the first axis of all; a single sequence has none.
        """
        state = self._encoded(x, lengths)
        with scope("decoder"):
            output, _ = self.decoder(_applied(self.target_embedding, shown), state)
            return self.head(output)

    def generate(
        self,
        x: Any,
        steps: int,
        start: Any,
        *,
        lengths: Any = None,
        choose: Function | None = None,
    ) -> Any:
        """Free running: what the decoder writes, where each step is shown what came before.

        x, lengths: as in `forward`. steps: S. start: what the first step is shown: ids, or vectors
        (B, I); one for all, or one for each of the batch. choose: makes the next input of an
        output (B, O); None: the id of the largest entry where start is an id, else the output
        itself. Call `eval()` first where there is dropout, and `tg.no_grad()` around it where no
        gradient is wanted.
        Result: what was chosen: ids (S, B) int, an array, or outputs (S, B, O); B first if
        batch_first.
        """
        _check_steps("EncoderDecoder.generate", steps)
        state = self._encoded(x, lengths)
        h, chosen = _h(state), []
        token = _start(start, h)
        choose = choose or (_largest if token.dtype.kind in "iu" else _itself)
        axis = _steps_axis(self.decoder.batch_first, h.ndim - 1)
        for s in range(steps):
            with scope(f"step {s + 1}"):
                given = expand_dims(_applied(self.target_embedding, token), axis)
                output, state = self.decoder(given, state)
                token = choose(squeeze(self.head(output), axis=axis))
            chosen.append(token)
        return (stack if isinstance(token, Tensor) else np.stack)(chosen, axis=axis)

    def _encoded(self, x: Any, lengths: Any) -> Any:
        """The decoder's initial state."""
        with scope("encoder"):
            _, last = self.encoder(_applied(self.embedding, x), None, lengths=lengths)
            return _applied(self.bridge, last)


def _applied(function: Function | None, x: Any) -> Any:
    return x if function is None else function(x)


def _h(state: Any) -> Any:
    """h of a state h or (h, c)."""
    return state[0] if isinstance(state, (tuple, list)) else state


def _steps_axis(batch_first: bool, ndim: int) -> int:
    """Where the steps go beside the axes of one step: (B, ...) or (...)."""
    return 1 if batch_first and ndim == 2 else 0


def _start(start: Any, h: Any) -> Any:
    """The first input for each of the batch. h: (L, B, H) or (L, H)."""
    start, batch = as_array(start), h.shape[1:-1]
    if start.dtype.kind in "iu":
        return np.broadcast_to(np.asarray(start), batch)
    start = start if isinstance(start, Tensor) else start.astype(h.dtype)
    return broadcast_to(start, (*batch, *start.shape[-1:]))


def _largest(output: Tensor) -> Any:
    return output.data.argmax(axis=-1)


def _itself(output: Tensor) -> Tensor:
    return output


def _check_parts(kind: str, **parts: Any) -> None:
    for name, part in parts.items():
        if not isinstance(part, Module if name != "head" else Callable):  # type: ignore[arg-type]
            needed = "a Module or function" if name == "head" else "a recurrent Module"
            raise TypeError(f"{kind}: {name} is {part!r:.60}; it must be {needed}")


def _check_steps(kind: str, steps: int) -> None:
    if not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"{kind}: steps is {steps}; there must be at least one")
