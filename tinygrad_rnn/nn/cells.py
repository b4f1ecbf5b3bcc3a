"""The recurrences, one step at a time, written out of the primitives; cells made of them.

Letters as in the mathematics: x_t input, h_t hidden state, c_t cell state, W_ih and W_hh weights,
b biases; σ is the sigmoid and ⊙ the product entry by entry. Sizes: B batch, I input, H hidden.
Each step function gets z = x_t W_ihᵀ + b_ih, the input's part, which a layer computes for all steps
at once, and the state as a tuple, (h,) or (h, c); W is W_hhᵀ. Where a layer has added b_hh to z
already, b is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ..engine.tensor import Tensor
from ..ops import addmm, matmul, split
from .module import Input, Module, Parameter, Rng, uniform

Nonlinearity = Literal["tanh", "relu"]
State = tuple[Any, ...]
StepFunction = Callable[[Any, State, Any, Any], State]


class Weights(NamedTuple):
    """One layer's parameters: W_ih (GH, I), W_hh (GH, H), biases (GH,) or None; G gates."""

    W_ih: Parameter
    W_hh: Parameter
    b_ih: Parameter | None
    b_hh: Parameter | None


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def affine(x: Any, W: Any, b: Any) -> Any:
    """x W + b, or x W where b is None."""
    return matmul(x, W) if b is None else addmm(b, x, W)


def _gates(z: Any, h: Any, W: Any, b: Any) -> Any:
    return z.addmm(h, W) if b is None else z + addmm(b, h, W)


def tanh_step(z: Any, state: State, W: Any, b: Any) -> State:
    """h_t = tanh(z + h_{t-1} W + b)."""
    return ((z.addmm(state[0], W) if b is None else _gates(z, state[0], W, b)).tanh(),)


def relu_step(z: Any, state: State, W: Any, b: Any) -> State:
    """h_t = max(0, z + h_{t-1} W + b)."""
    return (_gates(z, state[0], W, b).relu(),)


def lstm_step(z: Any, state: State, W: Any, b: Any) -> State:
    """c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g), h_t = σ(o) ⊙ tanh(c_t); [i f g o] = z + h_{t-1} W + b.

    Source: Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    """
    h, c = state
    i, f, g, o = split(_gates(z, h, W, b), 4, axis=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(z: Any, state: State, W: Any, b: Any) -> State:
    """h_t = (1 - u) ⊙ n + u ⊙ h_{t-1}, u = σ(z_u + a_u), n = tanh(z_n + r ⊙ a_n), r = σ(z_r + a_r).

    [a_r a_u a_n] = h_{t-1} W + b: the reset gate r acts after the product. u is PyTorch's z.
    Source: Cho et al. (2014), in the form of cuDNN and PyTorch.
    """
    (h,) = state
    z_r, z_u, z_n = split(z, 3, axis=-1)
    a_r, a_u, a_n = split(affine(h, W, b), 3, axis=-1)
    u = (z_u + a_u).sigmoid()
    n = (z_n + (z_r + a_r).sigmoid() * a_n).tanh()
    return ((1 - u) * n + u * h,)


def gru_step_reset_before(z: Any, state: State, W: Any, b: Any) -> State:
    """The same with n = tanh(z_n + (r ⊙ h_{t-1}) W_n + b_n): reset before the product.

    Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder.
    """
    (h,) = state
    H = h.shape[-1]
    z_r, z_u, z_n = split(z, 3, axis=-1)
    b_ru, b_n = (None, None) if b is None else (b[: 2 * H], b[2 * H :])
    a_r, a_u = split(affine(h, W[:, : 2 * H], b_ru), 2, axis=-1)
    u = (z_u + a_u).sigmoid()
    n = (z_n + affine((z_r + a_r).sigmoid() * h, W[:, 2 * H :], b_n)).tanh()
    return ((1 - u) * n + u * h,)


def plain_step(kind: str, nonlinearity: str) -> StepFunction:
    """The step of a plain network with this nonlinearity. Raises: ValueError for another."""
    steps: dict[str, StepFunction] = {"tanh": tanh_step, "relu": relu_step}
    if nonlinearity not in steps:
        raise ValueError(f"{kind}: nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'")
    return steps[nonlinearity]


class Cell(Module):
    """What RNNCell, LSTMCell and GRUCell share: parameters, and one step.

    gates: G, of which each has H rows of the weights.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        step: StepFunction,
        dtype: npt.DTypeLike,
        rng: Rng,
    ) -> None:
        check_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self._step = step
        rng = np.random.default_rng(rng)
        weights = drawn(self.gates, input_size, hidden_size, bias, "", dtype, rng)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = weights

    def next_state(self, x: Any, **state: Any) -> State:
        """The state after x. x: (B, I) or (I,). state: each part (B, H) or (H,), zeros for None."""
        kind, x = type(self).__name__, as_array(x)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{kind}: x has shape {x.shape}; it must be (B, {self.input_size}) or "
                f"({self.input_size},)"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        dtype = self.weight_hh.dtype
        parts = tuple(initial(kind, name, part, shape, dtype) for name, part in state.items())
        z = affine(x, self.weight_ih.T, self.bias_ih)
        return self._step(z, parts, self.weight_hh.T, self.bias_hh)


class RNNCell(Cell):
    """One step of a plain recurrent network: h' = f(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh).

    input_size, hidden_size: I, H. bias: whether there are b_ih and b_hh. nonlinearity: f, "tanh" or
    "relu". dtype: of the parameters. rng: a NumPy generator or a seed.
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
        step = plain_step("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, step, dtype, rng)
        self.nonlinearity = nonlinearity

    def forward(self, x: Input, h: Input | None = None) -> Tensor:
        """The next state. x: (B, I) or (I,). h: (B, H) or (H,), zeros if None. Result: as h.

        Raises: ValueError where a shape does not fit.
        """
        (new,) = self.next_state(x, h=h)
        return cast(Tensor, new)


class LSTMCell(Cell):
    """One step of a long short-term memory; see `lstm_step` for its equations.

    input_size, hidden_size: I, H. bias: whether there are b_ih and b_hh. dtype: of the parameters.
    rng: a NumPy generator or a seed.
    Parameters: weight_ih (4H, I), weight_hh (4H, H), bias_ih, bias_hh (4H,), from
    U(-1/√H, 1/√H), their rows in the order of the gates i, f, g, o.

    >>> h, c = LSTMCell(3, 4, rng=0)(np.ones((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, lstm_step, dtype, rng)

    def forward(self, x: Input, state: tuple[Input, Input] | None = None) -> tuple[Tensor, Tensor]:
        """The next state (h, c). x: (B, I) or (I,). state: (h, c), each (B, H) or (H,), or None.

        Raises: ValueError where a shape does not fit.
        """
        h, c = state_pair("LSTMCell", state)
        h, c = self.next_state(x, h=h, c=c)
        return h, c


class GRUCell(Cell):
    """One step of a gated recurrent unit; see `gru_step` for its equations.

    input_size, hidden_size: I, H. bias: whether there are b_ih and b_hh. reset_after: whether the
    reset gate acts after the product, as in PyTorch and cuDNN, or before it, as in the published
    paper.
    dtype: of the parameters. rng: a NumPy generator or a seed.
    Parameters: weight_ih (3H, I), weight_hh (3H, H), bias_ih, bias_hh (3H,), from
    U(-1/√H, 1/√H), their rows in the order of the gates r, z, n.

    >>> GRUCell(3, 4, rng=0)(np.ones((2, 3))).shape
    (2, 4)
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset_after: bool = True,
        dtype: npt.DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        step = gru_step if reset_after else gru_step_reset_before
        super().__init__(input_size, hidden_size, bias, step, dtype, rng)
        self.reset_after = reset_after

    def forward(self, x: Input, h: Input | None = None) -> Tensor:
        """The next state. x: (B, I) or (I,). h: (B, H) or (H,), zeros if None. Result: as h.

        Raises: ValueError where a shape does not fit.
        """
        (new,) = self.next_state(x, h=h)
        return cast(Tensor, new)


def check_sizes(kind: str, **sizes: int) -> None:
    """Raises: ValueError for a size that is no whole number above 0."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{kind}: {name} is {size!r}; it must be a whole number above 0")


def drawn(
    G: int, I: int, H: int, bias: bool, suffix: str, dtype: npt.DTypeLike, rng: np.random.Generator
) -> Weights:
    """A layer's parameters, drawn in PyTorch's order."""

    def one(name: str, *shape: int) -> Parameter:
        return uniform(shape, 1 / np.sqrt(H), name + suffix, dtype, rng)

    W_ih, W_hh = one("weight_ih", G * H, I), one("weight_hh", G * H, H)
    b_ih, b_hh = (one("bias_ih", G * H), one("bias_hh", G * H)) if bias else (None, None)
    return Weights(W_ih, W_hh, b_ih, b_hh)


def initial(kind: str, name: str, h: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """A part of the initial state, zeros where none is given."""
    if h is None:
        return np.zeros(shape, dtype)
    h = as_array(h)
    if h.shape != shape:
        raise ValueError(f"{kind}: {name} has shape {h.shape}; for this x it must be {shape}")
    return h


def state_pair(kind: str, state: Any) -> tuple[Any, Any]:
    """h and c of a state, None for none. Raises: TypeError where it is not a pair."""
    if state is None:
        return None, None
    if not isinstance(state, (tuple, list)) or len(state) != 2:
        raise TypeError(f"{kind}: the state must be (h, c), not {type(state).__name__}")
    return state[0], state[1]


def as_array(x: Any) -> Any:
    """A Tensor itself, anything else as an array."""
    return x if isinstance(x, Tensor) else np.asarray(x)
