"""Recurrent layers: a recurrence over T steps, in one or several layers and directions.

Their backward pass is the tape's. Sizes: T steps, B batch, I input, H hidden, L layers, D
directions (2 if bidirectional, else 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..engine.mode import scope
from ..engine.tensor import Tensor
from ..ops import concatenate, less, stack, unbind, where
from ..ops.shape import checked
from .cells import (
    NAMES,
    Nonlinearity,
    State,
    StepFunction,
    Weights,
    affine,
    as_array,
    check_sizes,
    drawn,
    gru_step,
    gru_step_reset_before,
    initial,
    lstm_step,
    plain_step,
    state_pair,
)
from .dropout import check_probability, dropped
from .module import Input, Module, Parameter, Rng

Both = tuple[Tensor, Tensor]
Given = Input | None


class Recurrent(Module):
    """What RNN, LSTM and GRU share: layers, directions, masks, and the order of the steps.

    gates: G, of which each has H rows of the weights. joint_bias: whether b_ih and b_hh only ever
    occur as their sum, so that a layer can add both to the input's part.
    """

    gates = 1
    joint_bias = False
    state_names: tuple[str, ...] = ("h_0",)
    weight_ih_l0: Parameter  # and so on for each layer and direction
    weight_hh_l0: Parameter
    bias_ih_l0: Parameter | None
    bias_hh_l0: Parameter | None

    def __init__(
        self,
        step: StepFunction,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        unroll: bool,
        dtype: npt.DTypeLike,
        rng: Rng,
    ) -> None:
        """The layers, with parameters drawn from U(-1/√H, 1/√H).

        input_size, hidden_size, num_layers: I, H, L; a layer's states are the next one's inputs.
        bias: whether there are biases. batch_first: x and output are (B, T, ...) instead of
        (T, B, ...). dropout: the share of entries, 0 to 1, that are zeroed between layers in
        training. bidirectional: a second network reads backwards; output has [forward | backward]
        in 2H columns. unroll: record every step whole instead of one product of all inputs: for
        drawings and per-step terms. dtype: of the parameters. rng: a NumPy generator or a seed.
        Parameters, for each layer k and G gates: weight_ih_lk (GH, I or DH), weight_hh_lk (GH, H),
        bias_ih_lk, bias_hh_lk (GH,); those of the backward direction end in _reverse.
        Raises: ValueError for a size that is no whole number above 0, or a dropout outside [0, 1].
        """
        kind = type(self).__name__
        check_sizes(kind, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        check_probability(kind, "dropout", dropout)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.unroll = unroll
        self._step = step
        self._rng = np.random.default_rng(rng)
        for k in range(num_layers):
            size = input_size if k == 0 else hidden_size * (2 if bidirectional else 1)
            for suffix in self._suffixes(k):
                weights = drawn(self.gates, size, hidden_size, bias, suffix, dtype, self._rng)
                for name, value in zip(NAMES, weights, strict=True):
                    setattr(self, name + suffix, value)

    def _suffixes(self, k: int) -> tuple[str, ...]:
        return (f"_l{k}", f"_l{k}_reverse") if self.bidirectional else (f"_l{k}",)

    def _weights(self, suffix: str) -> Weights:
        return Weights(*[getattr(self, name + suffix) for name in NAMES])

    def run(self, x: Any, state: State, lengths: Any) -> tuple[Tensor, State]:
        """Output of the last layer, and the last state of all layers; see `forward`."""
        x = self._steps_first(as_array(x))
        mask = self._mask(x, lengths)
        state = self._initial(x, state)
        x = x if mask is None else where(mask, x, 0)
        last: list[State] = []
        for k in range(self.num_layers):
            if k and self.training:
                x = dropped(x, self.dropout, self._rng)
            directions = []
            for suffix in self._suffixes(k):
                row = len(last)
                start = tuple(part[row] for part in state)
                with self._scope(suffix):
                    outputs, end = self._one_direction(x, start, suffix, mask)
                directions.append(outputs)
                last.append(end)
            x = directions[0] if len(directions) == 1 else concatenate(directions, axis=-1)
        final = tuple(_stacked(parts) for parts in zip(*last, strict=True))
        x = x.transpose(1, 0, 2) if self.batch_first and x.ndim == 3 else x
        return cast(Tensor, x), final

    def _scope(self, suffix: str) -> Any:
        """A layer's scope, where there are several."""
        label = f"layer {suffix[2:]}".replace("_", " ")
        return scope(label) if self.num_layers > 1 or self.bidirectional else nullcontext()

    def _one_direction(self, x: Any, state: State, suffix: str, mask: Any) -> tuple[Any, State]:
        """The outputs (T, ..., H) of one layer in one direction, and its last state."""
        backward = suffix.endswith("reverse")
        order = range(len(x) - 1, -1, -1) if backward else range(len(x))
        steps = self._unrolled if self.unroll else self._hoisted
        states = steps(x, state, self._weights(suffix), order, mask)
        outputs = stack([state[0] for state in (states[::-1] if backward else states)])
        return (outputs if mask is None else where(mask, outputs, 0)), states[-1]

    def _hoisted(
        self, x: Any, state: State, weights: Weights, order: Sequence[int], mask: Any
    ) -> list[State]:
        """The state after each step, with one product of all inputs."""
        W_ih, W, b_ih, b = weights.W_ih.T, weights.W_hh.T, weights.b_ih, weights.b_hh
        if self.joint_bias and b_ih is not None:
            b_ih, b = b_ih + b, None  # type: ignore[assignment,operator,arg-type]
        z, step, states = unbind(affine(x, W_ih, b_ih)), self._step, []
        with scope("steps") as now:
            path, labels = now.scope[:-1], _labels(len(z))
            for t in order:
                now.scope = (*path, labels[t])
                new = step(z[t], state, W, b)
                state = new if mask is None else _masked_state(mask[t], new, state)
                states.append(state)
        return states

    def _unrolled(
        self, x: Any, state: State, weights: Weights, order: Sequence[int], mask: Any
    ) -> list[State]:
        """The same with every step recorded whole, as a loop over the cell would."""
        states = []
        for t in order:
            with scope(_labels(len(x))[t]):
                z = affine(x[t], weights.W_ih.T, weights.b_ih)
                new = self._step(z, state, weights.W_hh.T, weights.b_hh)
                state = new if mask is None else _masked_state(mask[t], new, state)
            states.append(state)
        return states

    def _steps_first(self, x: Any) -> Any:
        """The input as (T, ..., I)."""
        kind = type(self).__name__
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            sizes = "B, T" if self.batch_first else "T, B"
            raise ValueError(
                f"{kind}: x has shape {x.shape}; it must be ({sizes}, {self.input_size}) or "
                f"(T, {self.input_size})"
            )
        if self.batch_first and x.ndim == 3:
            x = x.transpose(1, 0, 2)
        if not len(x):
            raise ValueError(f"{kind}: x has shape {x.shape}, so no time step; give at least one")
        return x

    def _initial(self, x: Any, state: State) -> State:
        """The initial state of all layers and directions, each part (L D, ..., H)."""
        rows = self.num_layers * (2 if self.bidirectional else 1)
        shape = (rows, *x.shape[1:-1], self.hidden_size)
        kind, dtype = type(self).__name__, self.weight_hh_l0.dtype
        return tuple(
            initial(kind, name, part, shape, dtype)
            for name, part in zip(self.state_names, state, strict=True)
        )

    def _mask(self, x: Any, lengths: Any) -> Any:
        """(T, B, 1) bool: whether step t is within the sequence; None without lengths."""
        if lengths is None:
            return None
        kind, lengths = type(self).__name__, as_array(lengths)
        if x.ndim != 3 or lengths.shape != x.shape[1:2] or lengths.dtype.kind not in "iu":
            raise ValueError(
                f"{kind}: lengths have shape {lengths.shape} and dtype {lengths.dtype}; for this x "
                f"they must be {x.shape[1] if x.ndim == 3 else 'B'} integers, one per sequence of "
                "a batch"
            )
        lengths = checked(lengths, partial(_check_lengths, kind, len(x)))
        return less(np.arange(len(x))[:, None, None], lengths[None, :, None])


def _check_lengths(kind: str, T: int, lengths: Any) -> None:
    if lengths.size and not (lengths.min() >= 1 and lengths.max() <= T):
        raise ValueError(
            f"{kind}: lengths go from {lengths.min()} to {lengths.max()}; each must be from 1 to "
            f"T = {T}"
        )


def _stacked(parts: Sequence[Any]) -> Any:
    """The parts along a new first axis."""
    return stack(parts) if len(parts) > 1 else parts[0][None]


@lru_cache(maxsize=8)
def _labels(T: int) -> tuple[str, ...]:
    """The labels of T time steps, counted from 1."""
    return tuple(f"t={t + 1}" for t in range(T))


def _masked_state(inside: Any, new: State, old: State) -> State:
    """The new state where the sequence goes on, else the old one."""
    return tuple(where(inside, n, o) for n, o in zip(new, old, strict=True))


class RNN(Recurrent):
    """A plain recurrent network: h_t = f(x_t W_ihᵀ + b_ih + h_{t-1} W_hhᵀ + b_hh).

    nonlinearity: f, "tanh" or "relu"; the other arguments are those of all recurrent layers, at
    `__init__`. One gate: the weights have H rows.

    >>> output, h_n = RNN(3, 4, rng=0)(np.ones((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 4), (1, 2, 4))
    """

    joint_bias = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        unroll: bool = False,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        step = plain_step("RNN", nonlinearity)
        sizes = input_size, hidden_size, num_layers
        super().__init__(
            step, *sizes, bias, batch_first, dropout, bidirectional, unroll, dtype, rng
        )
        self.nonlinearity = nonlinearity

    def forward(self, x: Input, h_0: Given = None, *, lengths: Given = None) -> Both:
        """All states of the last layer, and the last state of all layers.

        x: (T, B, I), (B, T, I) if batch_first, or (T, I). h_0: (L D, B, H) or (L D, H), zeros if
        None. lengths: (B,) int, 1 to T: a sequence's steps beyond its length change no state, and
        their outputs are 0; the backward direction starts at each sequence's own end.
        Result: output (T, B, D H), (B, T, D H) or (T, D H); h_n of h_0's shape.
        Raises: ValueError where a shape or a length does not fit.
        """
        output, (h_n,) = self.run(x, (h_0,), lengths)
        return output, h_n


class LSTM(Recurrent):
    """A long short-term memory: [i f g o] = x_t W_ihᵀ + b_ih + h_{t-1} W_hhᵀ + b_hh,
    c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g), h_t = σ(o) ⊙ tanh(c_t).

    proj_size: only 0; projections are not there. The other arguments are those of all recurrent
    layers, at `__init__`. The weights have 4H rows, in the order of the gates i, f, g, o.
    Source: Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000).

    >>> output, (h_n, c_n) = LSTM(3, 4, rng=0)(np.ones((7, 2, 3)))
    >>> output.shape, h_n.shape, c_n.shape
    ((7, 2, 4), (1, 2, 4), (1, 2, 4))
    """

    gates = 4
    joint_bias = True
    state_names = ("h_0", "c_0")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        unroll: bool = False,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        if proj_size:
            raise ValueError(
                f"LSTM: proj_size is {proj_size}; projections of the state are not there, leave it "
                "at 0 and put a Linear behind the layer"
            )
        sizes = input_size, hidden_size, num_layers
        super().__init__(
            lstm_step, *sizes, bias, batch_first, dropout, bidirectional, unroll, dtype, rng
        )

    def forward(
        self, x: Input, state: tuple[Input, Input] | None = None, *, lengths: Given = None
    ) -> tuple[Tensor, Both]:
        """All states h_t of the last layer, and the last state (h_n, c_n) of all layers.

        x: (T, B, I), (B, T, I) if batch_first, or (T, I). state: (h_0, c_0), each (L D, B, H) or
        (L D, H), zeros if None. lengths: as in RNN.
        Result: output (T, B, D H), (B, T, D H) or (T, D H); h_n and c_n of h_0's shape.
        Raises: ValueError where a shape or a length does not fit.
        """
        output, (h_n, c_n) = self.run(x, state_pair("LSTM", state), lengths)
        return output, (h_n, c_n)


class GRU(Recurrent):
    """A gated recurrent unit: h_t = (1 - u) ⊙ n + u ⊙ h_{t-1}; `gru_step` has its equations.

    reset_after: whether the reset gate acts after the product with W_hh, as in PyTorch and cuDNN,
    or before it, as in the published paper. The other arguments are those of all recurrent layers,
    at `__init__`. The weights have 3H rows, in the order of the gates r, z, n.
    Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder.

    >>> output, h_n = GRU(3, 4, rng=0)(np.ones((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 4), (1, 2, 4))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        reset_after: bool = True,
        unroll: bool = False,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        step = gru_step if reset_after else gru_step_reset_before
        sizes = input_size, hidden_size, num_layers
        super().__init__(
            step, *sizes, bias, batch_first, dropout, bidirectional, unroll, dtype, rng
        )
        self.reset_after = reset_after

    def forward(self, x: Input, h_0: Given = None, *, lengths: Given = None) -> Both:
        """All states of the last layer, and the last state of all layers.

        x, h_0, lengths and the result: as in RNN.
        Raises: ValueError where a shape or a length does not fit.
        """
        output, (h_n,) = self.run(x, (h_0,), lengths)
        return output, h_n
