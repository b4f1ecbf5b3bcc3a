"""PyTorch's state dicts: the same names, shapes and gate orders as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..nn import GRU, GRUCell, Module
from ..ops.op import Array


def torch_state_dict(model: Module) -> dict[str, Array]:
    """A copy of each parameter's values by PyTorch's name.

    In PyTorch: `model.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})`.
    Raises: TypeError for a GRU with reset_after=False, which PyTorch does not have.

    >>> from tinygrad_rnn import nn
    >>> list(torch_state_dict(nn.RNN(3, 4)))
    ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0']
    """
    _check("torch_state_dict", model)
    return model.state_dict()


def load_torch_state_dict(model: Module, state: Mapping[str, Any]) -> None:
    """Takes over the values of a PyTorch module of the same structure.

    state: what its `state_dict()` gives: arrays, or Tensors of PyTorch, on any device.
    Raises: ValueError that lists every difference, TypeError for a GRU with reset_after=False or
    for values that are no arrays; then nothing has changed.

    >>> from tinygrad_rnn import nn
    >>> layer = nn.Linear(2, 1)
    >>> load_torch_state_dict(layer, {"weight": [[1.0, 2.0]], "bias": [3.0]})
    >>> layer.weight.data, layer.bias.data
    (array([[1., 2.]]), array([3.]))
    """
    _check("load_torch_state_dict", model)
    model.load_state_dict({name: _array(name, value) for name, value in state.items()})


def _check(caller: str, model: Module) -> None:
    """Raises: TypeError for no Module, or where PyTorch would compute something else with it."""
    if not isinstance(model, Module):
        raise TypeError(f"{caller}: the model must be a Module, not {type(model).__name__}")
    for module in model.modules():
        if isinstance(module, (GRU, GRUCell)) and not module.reset_after:
            raise TypeError(
                f"{caller}: {type(module).__name__} has reset_after=False, which PyTorch has not; "
                "its weights would mean something else there"
            )


def _array(name: str, value: Any) -> Array:
    """The values of an array, or of PyTorch's Tensor."""
    try:
        if hasattr(value, "detach") and hasattr(value, "cpu"):
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
    except TypeError as error:  # bfloat16, for one
        raise TypeError(f"load_torch_state_dict: {name}: {error}; try .float()") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"load_torch_state_dict: {name} has dtype {array.dtype}, which is no number"
        )
    return array
