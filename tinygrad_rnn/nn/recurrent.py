"""Recurrent layers, written out of the primitives; their backward pass is the tape's.

Letters as in the mathematics: x_t input, h_t hidden state, W_ih and W_hh weights, b biases.
Sizes: T steps, B batch, I input, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..ops import addmm, matmul, stack, unbind
from ..tape import scope
from ..tensor import Tensor
from .module import Module, Parameter, Rng, uniform

Nonlinearity = Literal["tanh", "relu"]


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Weights(NamedTuple):
    """One layer's parameters: W_ih (H, I), W_hh (H, H), biases (H,) or None."""

    W_ih: Parameter
    W_hh: Parameter
    b_ih: Parameter | None
    b_hh: Parameter | None


def rnn_step(x: Any, h: Any, weights: Weights, f: Callable[[Any], Tensor]) -> Tensor:
    """h_t = f(x_t W_ihᵀ + b_ih + h_{t-1} W_hhᵀ + b_hh). x: (..., I). h, result: (..., H)."""
    W_ih, W_hh, b_ih, b_hh = weights
    return f(_affine(x, W_ih, b_ih) + _affine(h, W_hh, b_hh))


def _affine(x: Any, W: Parameter, b: Any) -> Tensor:
    y: Tensor = matmul(x, W.T) if b is None else addmm(b, x, W.T)
    return y


def rnn_steps(x: Any, h: Any, weights: Weights, f: Callable[[Any], Tensor]) -> list[Tensor]:
    """The states h_1 ... h_T, with one product of all inputs. x: (T, ..., I). h: (..., H)."""
    W_ih, W_hh, b_ih, b_hh = weights
    b = b_ih if b_hh is None else b_ih + b_hh
    W_hhT = W_hh.T
    z = unbind(_affine(x, W_ih, b))
    states = []
    with scope("steps") as step:
        for t, z_t in enumerate(z, start=1):
            step.relabel(f"t={t}")
            h = f(z_t.addmm(h, W_hhT))
            states.append(h)
    return states


def rnn_steps_unrolled(
    x: Any, h: Any, weights: Weights, f: Callable[[Any], Tensor]
) -> list[Tensor]:
    """The same states with every step recorded whole, as a loop over the cell would."""
    states = []
    for t in range(len(x)):
        with scope(f"t={t + 1}"):
            h = rnn_step(x[t], h, weights, f)
        states.append(h)
    return states


class RNNCell(Module):
    """One step of a plain recurrent network.

    h' = f(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), f = tanh or relu.

    input_size, hidden_size: I, H. bias: whether there are b_ih and b_hh. dtype: of the parameters.
    rng: a NumPy generator or a seed.
    Parameters: weight_ih (H, I), weight_hh (H, H), bias_ih, bias_hh (H,), from U(-1/√H, 1/√H).

    >>> RNNCell(3, 4, rng=0)(np.ones((2, 3))).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Nonlinearity = "tanh",
        *,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        self._f = _function("RNNCell", nonlinearity)
        rng = np.random.default_rng(rng)
        weights = _drawn(input_size, hidden_size, bias, "", dtype, rng)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = weights

    def forward(self, x: Any, h: Any = None) -> Tensor:
        """The next state. x: (B, I) or (I,). h: (B, H) or (H,), zeros if None. Result: as h.

        Raises: ValueError where a shape does not fit.
        """
        x = _as_array(x)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"RNNCell: x has shape {x.shape}; it must be (B, {self.input_size}) or "
                f"({self.input_size},)"
            )
        h = _state("RNNCell", "h", h, (*x.shape[:-1], self.hidden_size), self.weight_hh.dtype)
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return rnn_step(x, h, weights, self._f)


class RNN(Module):
    """A plain recurrent network over T steps, of one or several layers.

    h_t = f(x_t W_ihᵀ + b_ih + h_{t-1} W_hhᵀ + b_hh), f = tanh or relu; a layer's states are the
    next one's inputs.

    input_size, hidden_size, num_layers: I, H, L. nonlinearity: "tanh" or "relu". bias: whether
    there are biases. batch_first: x and output are (B, T, ...) instead of (T, B, ...).
    unroll: record every step whole instead of one product of all inputs: for drawings and
    per-step terms. dtype: of the parameters. rng: a NumPy generator or a seed.
    Parameters, for each layer k: weight_ih_lk (H, I or H), weight_hh_lk (H, H), bias_ih_lk,
    bias_hh_lk (H,), from U(-1/√H, 1/√H).

    >>> output, h_n = RNN(3, 4, rng=0)(np.ones((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        *,
        unroll: bool = False,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.nonlinearity = nonlinearity
        self.batch_first = batch_first
        self.unroll = unroll
        self._f = _function("RNN", nonlinearity)
        rng = np.random.default_rng(rng)
        for k in range(num_layers):
            size = hidden_size if k else input_size
            weights = _drawn(size, hidden_size, bias, f"_l{k}", dtype, rng)
            for name, value in zip(_NAMES, weights, strict=True):
                setattr(self, f"{name}_l{k}", value)

    def forward(self, x: Any, h_0: Any = None) -> tuple[Tensor, Tensor]:
        """All states of the last layer, and the last state of all layers.

        x: (T, B, I), (B, T, I) if batch_first, or (T, I). h_0: (L, B, H) or (L, H), zeros if None.
        Result: output (T, B, H), (B, T, H) or (T, H); h_n of h_0's shape.
        Raises: ValueError where a shape does not fit.
        """
        x = self._steps_first(_as_array(x))
        shape = (self.num_layers, *x.shape[1:-1], self.hidden_size)
        layers = [self._layer(k) for k in range(self.num_layers)]
        h_0 = _state("RNN", "h_0", h_0, shape, layers[0].W_hh.dtype)
        steps = rnn_steps_unrolled if self.unroll else rnn_steps
        last = []
        for k, weights in enumerate(layers):
            with scope(f"layer {k}") if self.num_layers > 1 else nullcontext():
                states = steps(x, h_0[k], weights, self._f)
                x = stack(states)
                last.append(states[-1])
        return (x.transpose(1, 0, 2) if self.batch_first and x.ndim == 3 else x), stack(last)

    def _layer(self, k: int) -> Weights:
        return Weights(*[getattr(self, f"{name}_l{k}") for name in _NAMES])

    def _steps_first(self, x: Any) -> Any:
        """The input as (T, ..., I)."""
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            sizes = "B, T" if self.batch_first else "T, B"
            raise ValueError(
                f"RNN: x has shape {x.shape}; it must be ({sizes}, {self.input_size}) or "
                f"(T, {self.input_size})"
            )
        if self.batch_first and x.ndim == 3:
            x = x.transpose(1, 0, 2)
        if not len(x):
            raise ValueError(f"RNN: x has shape {x.shape}, so no time step; give at least one")
        return x


def _function(where: str, nonlinearity: str) -> Callable[[Any], Tensor]:
    functions: dict[str, Callable[[Any], Tensor]] = {"tanh": Tensor.tanh, "relu": Tensor.relu}
    if nonlinearity not in functions:
        raise ValueError(f"{where}: nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'")
    return functions[nonlinearity]


def _drawn(
    I: int, H: int, bias: bool, suffix: str, dtype: npt.DTypeLike, rng: np.random.Generator
) -> Weights:
    """A layer's parameters, drawn in PyTorch's order."""

    def drawn(name: str, *shape: int) -> Parameter:
        return uniform(shape, 1 / np.sqrt(H), name + suffix, dtype, rng)

    W_ih, W_hh = drawn("weight_ih", H, I), drawn("weight_hh", H, H)
    b_ih, b_hh = (drawn("bias_ih", H), drawn("bias_hh", H)) if bias else (None, None)
    return Weights(W_ih, W_hh, b_ih, b_hh)


def _state(where: str, name: str, h: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """The initial state, zeros where none is given."""
    if h is None:
        return np.zeros(shape, dtype)
    h = _as_array(h)
    if h.shape != shape:
        raise ValueError(f"{where}: {name} has shape {h.shape}; for this x it must be {shape}")
    return h


def _as_array(x: Any) -> Any:
    return x if isinstance(x, Tensor) else np.asarray(x)
