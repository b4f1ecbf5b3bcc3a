"""Keras' weights: products from the right, and one bias where two come to the same.

Keras has x W where we have x Wᵀ. Its gates are i, f, c, o in an LSTM, which is our order, and
z, r, h in a GRU, where ours is r, z, n. It has one bias, the sum of our two, but for a GRU with
reset_after=True: that has (2, 3H), ours one above the other.
Source: keras/src/layers/rnn, Keras 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..nn import GRU, LSTM, RNN, Embedding, GRUCell, Linear, LSTMCell, Module, RNNCell
from ..nn.cells import NAMES
from ..ops.op import Array


def keras_weights(layer: Module, index: int | None = None) -> list[Array]:
    """What `set_weights` of the same layer of Keras takes: copies, in its order and layout.

    layer: Linear for Dense; Embedding; RNN, LSTM or GRU for SimpleRNN, LSTM or GRU, or, if
    bidirectional, for Bidirectional around one: forward, then backward; and their cells.
    index: which one of several layers, since in Keras each is a layer of its own.
    Raises: TypeError for other modules, ValueError where an index is missing or out of range.

    >>> from tinygrad_rnn import nn
    >>> [array.shape for array in keras_weights(nn.GRU(3, 4))]
    [(3, 12), (4, 12), (2, 12)]
    """
    return [array for _, array in _named(layer, index)]


def load_keras_weights(
    layer: Module, weights: Sequence[npt.ArrayLike], index: int | None = None
) -> None:
    """Takes over what `get_weights` of the same layer of Keras gives.

    layer, index: as in `keras_weights`. Where Keras has one bias it becomes b_ih, and b_hh is 0.
    Raises: as `keras_weights`, and ValueError that lists every difference; then nothing has
    changed.

    >>> from tinygrad_rnn import nn
    >>> layer = nn.Linear(2, 1)
    >>> load_keras_weights(layer, [[[1.0], [2.0]], [3.0]])
    >>> layer.weight.data, layer.bias.data
    (array([[1., 2.]]), array([3.]))
    """
    expected = _named(layer, index)
    arrays = [np.asarray(array) for array in weights]
    if len(arrays) != len(expected):
        names = ", ".join(name for name, _ in expected)
        raise ValueError(f"load_keras_weights: there are {len(arrays)} arrays, but needed: {names}")
    wrong = [
        f"{name} has shape {array.shape}, not {own.shape}"
        if array.shape != own.shape
        else f"{name} has dtype {array.dtype}, which is no number"
        for (name, own), array in zip(expected, arrays, strict=True)
        if array.shape != own.shape or array.dtype.kind not in "fiub"
    ]
    if wrong:
        hint = "; reset_after must be the same on both sides" if _is_gru(layer) else ""
        raise ValueError(f"load_keras_weights: {'; '.join(wrong)}{hint}")
    _fill(layer, arrays, index)


def _named(layer: Module, index: int | None) -> list[tuple[str, Array]]:
    """The arrays for Keras with its names."""
    if isinstance(layer, Embedding):
        return [("embeddings", layer.weight.numpy())]
    if isinstance(layer, Linear):
        arrays = [np.array(layer.weight.data.T, order="C")]
        arrays += [] if layer.bias is None else [layer.bias.numpy()]
        return list(zip(("kernel", "bias"), arrays, strict=False))
    return [
        (f"{prefix}{name}", array)
        for prefix, suffix in _directions(layer, index)
        for name, array in _recurrent(layer, suffix)
    ]


def _directions(layer: Module, index: int | None) -> list[tuple[str, str]]:
    """Keras' prefix and our suffix of the names, for each direction of a layer."""
    if isinstance(layer, (RNNCell, LSTMCell, GRUCell)):
        return [("", "")]
    if not isinstance(layer, (RNN, LSTM, GRU)):
        raise TypeError(
            f"keras_weights: a {type(layer).__name__} is none of RNN, LSTM, GRU, their cells, "
            "Linear and Embedding; give its parts one by one"
        )
    if (index is None and layer.num_layers > 1) or not 0 <= (index or 0) < layer.num_layers:
        raise ValueError(
            f"keras_weights: index is {index}, but there are {layer.num_layers} layers, each one "
            f"of its own in Keras: give index=0 to {layer.num_layers - 1}"
        )
    k = index or 0
    if not layer.bidirectional:
        return [("", f"_l{k}")]
    return [("forward ", f"_l{k}"), ("backward ", f"_l{k}_reverse")]


def _recurrent(layer: Any, suffix: str) -> list[tuple[str, Array]]:
    """The arrays of one layer in one direction."""
    W_ih, W_hh, b_ih, b_hh = (getattr(layer, name + suffix) for name in NAMES)
    found = [
        ("kernel", np.array(_swap_gates(layer, W_ih.data).T, order="C")),
        ("recurrent_kernel", np.array(_swap_gates(layer, W_hh.data).T, order="C")),
    ]
    if b_ih is None:
        return found
    biases = [_swap_gates(layer, b.data) for b in (b_ih, b_hh)]
    return [*found, ("bias", np.stack(biases) if _has_two(layer) else biases[0] + biases[1])]


def _fill(layer: Any, arrays: list[Array], index: int | None) -> None:
    """Puts Keras' arrays, which fit, into a layer."""
    if isinstance(layer, Embedding):
        layer.weight.data = arrays[0]
    elif isinstance(layer, Linear):
        layer.weight.data = arrays[0].T
        if layer.bias is not None:
            layer.bias.data = arrays[1]
    else:
        directions = _directions(layer, index)
        size = len(arrays) // len(directions)
        for k, (_, suffix) in enumerate(directions):
            _fill_recurrent(layer, suffix, *arrays[k * size : (k + 1) * size])


def _fill_recurrent(
    layer: Any, suffix: str, kernel: Array, recurrent: Array, bias: Array | None = None
) -> None:
    values = [_swap_gates(layer, kernel.T), _swap_gates(layer, recurrent.T)]
    if bias is not None:
        biases = bias if _has_two(layer) else (bias, np.zeros_like(bias))
        values += [_swap_gates(layer, b) for b in biases]
    for name, value in zip(NAMES, values, strict=False):
        getattr(layer, name + suffix).data = value


def _swap_gates(layer: Module, rows: Array) -> Array:
    """A GRU's rows with the first two gates exchanged: there and back; others' as they are."""
    if not _is_gru(layer):
        return rows
    first, second, third = np.split(rows, 3)
    return np.concatenate((second, first, third))


def _is_gru(layer: Module) -> bool:
    return isinstance(layer, (GRU, GRUCell))


def _has_two(layer: Module) -> bool:
    """Whether Keras has two biases as well."""
    return isinstance(layer, (GRU, GRUCell)) and layer.reset_after
