"""Initial values of parameters, with PyTorch's names and arguments.

Each function writes into a leaf Tensor and returns it. rng: a NumPy generator or a seed.
fan_in is what one output sums over, and fan_out what one input goes to: in a weight (O, I), I and
O; further axes multiply both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np

from ..engine.tensor import Tensor
from ..ops.op import Array
from .cells import LSTMCell
from .module import Rng
from .recurrent import LSTM

__all__ = [
    "calculate_gain",
    "constant_",
    "forget_bias_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Leaf = TypeVar("Leaf", bound=Tensor)
Lstm = TypeVar("Lstm", LSTM, LSTMCell)
Mode = Literal["fan_in", "fan_out"]


def uniform_(tensor: Leaf, a: float = 0.0, b: float = 1.0, *, rng: Rng = None) -> Leaf:
    """Numbers from U(a, b).

    >>> uniform_(Tensor(np.zeros(3)), 5.0, 6.0, rng=0).data.round()
    array([6., 5., 5.])
    """
    rng = np.random.default_rng(rng)
    return _filled("uniform_", tensor, lambda shape: rng.uniform(a, b, shape))


def normal_(tensor: Leaf, mean: float = 0.0, std: float = 1.0, *, rng: Rng = None) -> Leaf:
    """Numbers from N(mean, std²).

    >>> normal_(Tensor(np.zeros(1000)), std=0.1, rng=0).std().data.round(2)
    np.float64(0.1)
    """
    rng = np.random.default_rng(rng)
    return _filled("normal_", tensor, lambda shape: rng.normal(mean, std, shape))


def constant_(tensor: Leaf, val: float) -> Leaf:
    """One number everywhere, val.

    >>> constant_(Tensor(np.zeros(2)), 0.5)
    Tensor([0.5, 0.5])
    """
    return _filled("constant_", tensor, lambda shape: np.full(shape, val))


def ones_(tensor: Leaf) -> Leaf:
    """1 everywhere.

    >>> ones_(Tensor(np.zeros(2)))
    Tensor([1., 1.])
    """
    return _filled("ones_", tensor, np.ones)


def zeros_(tensor: Leaf) -> Leaf:
    """0 everywhere.

    >>> zeros_(Tensor(np.ones(2)))
    Tensor([0., 0.])
    """
    return _filled("zeros_", tensor, np.zeros)


def xavier_uniform_(tensor: Leaf, gain: float = 1.0, *, rng: Rng = None) -> Leaf:
    """Numbers from U(-a, a) with a = gain √(6 / (fan_in + fan_out)).

    Raises: ValueError for fewer than two axes.
    Source: Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward
    neural networks.

    >>> W = xavier_uniform_(Tensor(np.zeros((2, 4))), rng=0)
    >>> bool(abs(W).max() <= 1)
    True
    """
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6 / max(fan_in + fan_out, 1))
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(tensor: Leaf, gain: float = 1.0, *, rng: Rng = None) -> Leaf:
    """Numbers from N(0, std²) with std = gain √(2 / (fan_in + fan_out)).

    Raises, Source: see `xavier_uniform_`.

    >>> xavier_normal_(Tensor(np.zeros((100, 100))), rng=0).std().data.round(2)
    np.float64(0.1)
    """
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    return normal_(tensor, 0, gain * math.sqrt(2 / max(fan_in + fan_out, 1)), rng=rng)


def kaiming_uniform_(
    tensor: Leaf,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Rng = None,
) -> Leaf:
    """Numbers from U(-b, b) with b = gain √(3 / fan), of the same std as `kaiming_normal_`.

    a: the slope of a "leaky_relu" below 0. mode: which fan, "fan_in" or "fan_out".
    nonlinearity: what comes after the layer; see `calculate_gain`.
    Raises: ValueError for fewer than two axes, or another mode or nonlinearity.
    Source: He et al. (2015), Delving deep into rectifiers.

    >>> W = kaiming_uniform_(Tensor(np.zeros((2, 6))), rng=0)
    >>> bool(abs(W).max() <= 1)
    True
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng=rng)


def kaiming_normal_(
    tensor: Leaf,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Rng = None,
) -> Leaf:
    """Numbers from N(0, std²) with std = gain / √fan.

    Arguments, Raises, Source: see `kaiming_uniform_`.

    >>> kaiming_normal_(Tensor(np.zeros((100, 200))), rng=0).std().data.round(2)
    np.float64(0.1)
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0, std, rng=rng)


def orthogonal_(tensor: Leaf, gain: float = 1.0, *, blocks: int = 1, rng: Rng = None) -> Leaf:
    """A random orthogonal matrix Q, times gain: Q Qᵀ = 1, or Qᵀ Q = 1 with more rows than columns.

    tensor: (O, I, ...); axes after the first count as one. blocks: so many matrices, one below the
    other, each orthogonal: the number of gates for a weight_hh (4H, H) or weight_ih (4H, I).
    Every such matrix is as likely as another. Raises: ValueError for fewer than two axes, or rows
    that are not so many blocks. Source: Saxe, McClelland & Ganguli (2014), Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks; Mezzadri (2007), How to generate
    random matrices from the classical compact groups.

    >>> W = orthogonal_(Tensor(np.zeros((8, 2))), blocks=4, rng=0).data.reshape(4, 2, 2)
    >>> np.allclose(W @ W.transpose(0, 2, 1), np.eye(2))
    True
    """
    fan_in, _ = _fans("orthogonal_", tensor)
    rows = tensor.shape[0]
    if blocks < 1 or rows % blocks:
        raise ValueError(f"orthogonal_: {rows} rows are not {blocks} blocks of one size")
    rng = np.random.default_rng(rng)
    parts = [gain * _orthogonal(rows // blocks, fan_in, rng) for _ in range(blocks)]
    return _filled("orthogonal_", tensor, np.concatenate(parts).reshape)


def forget_bias_(lstm: Lstm, value: float = 1.0) -> Lstm:
    """Starts an LSTM or LSTMCell with forget gates that are open: their biases add up to value.

    Their rows of each bias_ih become value and those of bias_hh 0; the other gates keep theirs.
    Raises: TypeError for another module, ValueError for one without biases.
    Source: Jozefowicz, Zaremba & Sutskever (2015), An empirical exploration of recurrent network
    architectures.

    >>> forget_bias_(LSTMCell(1, 2, rng=0)).bias_ih.data[2:4]
    array([1., 1.])
    """
    if not isinstance(lstm, (LSTM, LSTMCell)):
        raise TypeError(f"forget_bias_: needs an LSTM or LSTMCell, not {type(lstm).__name__}")
    biases = {name: p for name, p in lstm.named_parameters() if name.startswith("bias")}
    if not biases:
        raise ValueError(f"forget_bias_: the {type(lstm).__name__} has no biases")
    for name, parameter in biases.items():
        b = parameter.data
        b[lstm.hidden_size : 2 * lstm.hidden_size] = value if name.startswith("bias_ih") else 0
        parameter.data = b
    return lstm


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What a weight's std is multiplied by for the nonlinearity that comes after it.

    nonlinearity: "linear", "sigmoid", "tanh", "relu", "leaky_relu" or "selu". param: the slope of
    "leaky_relu" below 0; 0.01 if None. Raises: ValueError for another nonlinearity.

    >>> calculate_gain("relu") ** 2
    2.0000000000000004
    """
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)),
        "selu": 3 / 4,
    }
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: nonlinearity is {nonlinearity!r}; it must be one of "
            f"{', '.join(gains)}"
        )
    return gains[nonlinearity]


def _filled(name: str, tensor: Leaf, values: Callable[[tuple[int, ...]], Array]) -> Leaf:
    """The tensor with what `values` gives for its shape, in its own array."""
    _check_tensor(name, tensor)
    array = tensor.data
    tensor.data = array  # the tape notices; a result of an operation refuses
    np.copyto(array, values(tensor.shape), casting="same_kind")
    return tensor


def _check_tensor(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: needs a Tensor to write into, not a {type(tensor).__name__}")


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """fan_in and fan_out."""
    _check_tensor(name, tensor)
    if tensor.ndim < 2:
        raise ValueError(
            f"{name}: the tensor has shape {tensor.shape}; it must have two axes or more, "
            "(O, I, ...)"
        )
    O, I, *others = tensor.shape
    field = math.prod(others)
    return I * field, O * field


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(name, tensor), strict=True))
    if mode not in fans:
        raise ValueError(f"{name}: mode is {mode!r}; it must be 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fans[mode], 1))


def _orthogonal(rows: int, columns: int, rng: np.random.Generator) -> Array:
    """Q of a normal matrix's QR with R's diagonal above 0, for else Q would not be uniform."""
    Z = rng.normal(size=(rows, columns))
    Q, R = np.linalg.qr(Z if rows >= columns else Z.T)
    Q *= np.where(np.diagonal(R) < 0, -1, 1)
    return Q if rows >= columns else Q.T
