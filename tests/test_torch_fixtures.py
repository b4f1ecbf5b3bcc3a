"""Layers give what torch.nn's gave, as stored by tests/fixtures/make_torch_layers.py."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

from .numeric import assert_near

FOLDER = Path(__file__).parent / "fixtures"


def configurations() -> dict[str, Any]:
    """The table of the script that made the file."""
    tree = ast.parse((FOLDER / "make_torch_layers.py").read_text(encoding="utf-8"))
    (table,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CONFIGURATIONS"
    ]
    found: dict[str, Any] = ast.literal_eval(table)
    return found


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    """All arrays of the file."""
    with np.load(FOLDER / "torch_layers.npz") as file:
        return dict(file)


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("name", configurations())
def test_layers_give_what_torch_gave(name: str, unroll: bool, stored: Any) -> None:
    """Outputs, last states, and the gradients of parameters, inputs and states, to 1e-12."""
    kind, options = configurations()[name]
    arrays = {key.partition("/")[2]: a for key, a in stored.items() if key.startswith(f"{name}/")}
    layer = getattr(tg.nn, kind)(3, 2, unroll=unroll, **options)
    prefix = "parameter."
    layer.load_state_dict(
        {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}
    )
    x = tg.Tensor(arrays["x"], requires_grad=True)
    count = 2 if kind == "LSTM" else 1
    state = [tg.Tensor(arrays[f"state.{k}"], requires_grad=True) for k in range(count)]
    output, last = layer(x, tuple(state) if kind == "LSTM" else state[0])
    results = [output, *(last if kind == "LSTM" else [last])]
    loss = sum((y * arrays[f"cotangent.{k}"]).sum() for k, y in enumerate(results))
    loss.backward()
    for k, y in enumerate(results):
        assert_near(y.data, arrays[f"result.{k}"], 1e-12)
    leaves = {"x": x, **{f"state.{k}": part for k, part in enumerate(state)}}
    for key, leaf in {**leaves, **dict(layer.named_parameters())}.items():
        assert_near(leaf.grad.data, arrays[f"gradient.{key}"], 1e-12)
