"""PyTorch's own modules take our weights, and we take theirs; without PyTorch all is skipped."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import interop, nn

torch = pytest.importorskip("torch")

T, B, I, H = 6, 3, 4, 5
EACH = pytest.mark.parametrize(
    ("kind", "layers", "both", "bias", "batch_first"),
    list(product(("RNN", "LSTM", "GRU"), (1, 3), (False, True), (True, False), (False, True))),
)


def pair(kind: str, *sizes: int, **settings: Any) -> tuple[Any, Any]:
    """The same module here and there, in float64, with weights that differ."""
    ours = getattr(nn, kind)(*sizes, rng=0, **settings)
    torch.manual_seed(0)
    return ours, getattr(torch.nn, kind)(*sizes, dtype=torch.float64, **settings)


def to_torch(ours: Any, theirs: Any) -> None:
    """Gives our values to PyTorch's module."""
    state = interop.torch_state_dict(ours)
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})


def flat(returned: Any) -> list[Any]:
    """The arrays of what either module returns, in order."""
    if isinstance(returned, tuple):
        return [array for part in returned for array in flat(part)]
    return [returned.numpy() if isinstance(returned, tg.Tensor) else returned.detach().numpy()]


def agree(ours: Any, theirs: Any, *inputs: Any) -> None:
    """Asserts that both give the same, to 1e-12."""

    def there(value: Any) -> Any:
        return tuple(map(there, value)) if isinstance(value, tuple) else torch.from_numpy(value)

    expected = flat(theirs(*map(there, inputs)))
    for a, b in zip(flat(ours(*inputs)), expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@EACH
def test_recurrent_layers_agree_in_both_directions(
    kind: str, layers: int, both: bool, bias: bool, batch_first: bool
) -> None:
    """With our weights there, and with theirs here: output and last states, from any state."""
    settings = {"bias": bias, "batch_first": batch_first, "bidirectional": both}
    ours, theirs = pair(kind, I, H, layers, **settings)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(B, T, I) if batch_first else (T, B, I))
    states = rng.normal(size=(2, layers * (1 + both), B, H))
    state = tuple(states) if kind == "LSTM" else states[0]

    to_torch(ours, theirs)
    agree(ours, theirs, x)
    agree(ours, theirs, x, state)

    _, others = pair(kind, I, H, layers, **settings)
    interop.load_torch_state_dict(ours, others.state_dict())
    agree(ours, others, x, state)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("Linear", (I, H)), ("LayerNorm", (I,)), ("RNNCell", (I, H)), ("LSTMCell", (I, H)),
     ("GRUCell", (I, H))],
    ids=str,
)  # fmt: skip
def test_other_modules_agree_in_both_directions(kind: str, sizes: tuple[int, ...]) -> None:
    """Linear, LayerNorm and the cells."""
    x = np.random.default_rng(1).normal(size=(B, I))
    settings: dict[str, Any] = {} if kind != "LayerNorm" else {"eps": 0.1}
    ours = getattr(nn, kind)(*sizes, **settings)
    theirs = getattr(torch.nn, kind)(*sizes, dtype=torch.float64, **settings)

    interop.load_torch_state_dict(ours, theirs.state_dict())
    agree(ours, theirs, x)

    for parameter in ours.parameters():
        parameter.data = parameter.data + 0.5
    to_torch(ours, theirs)
    agree(ours, theirs, x)


def test_an_embedding_and_a_chain_agree() -> None:
    """Names by position are the same, with functions in between."""
    ours = nn.Sequential(nn.Embedding(7, I, rng=0), nn.Linear(I, H, rng=1), tg.tanh)
    theirs = torch.nn.Sequential(
        torch.nn.Embedding(7, I), torch.nn.Linear(I, H), torch.nn.Tanh()
    ).double()

    to_torch(ours, theirs)

    agree(ours, theirs, np.array([[6, 0], [1, 1]]))


def test_parameters_of_pytorch_that_learn_are_taken_over() -> None:
    """Tensors that require gradients, of another dtype, and such as NumPy does not know."""
    ours, theirs = nn.Linear(I, H, rng=0), torch.nn.Linear(I, H)

    interop.load_torch_state_dict(ours, dict(theirs.named_parameters()))

    np.testing.assert_array_equal(ours.weight.data, theirs.weight.detach().numpy().astype(float))
    with pytest.raises(TypeError, match=r"weight: .*BFloat16; try \.float\(\)"):
        interop.load_torch_state_dict(ours, theirs.bfloat16().state_dict())


def test_pytorch_reads_the_file_of_a_checkpoint(tmp_path: Path) -> None:
    """The safetensors package gives PyTorch the arrays under the names that it expects."""
    files = pytest.importorskip("safetensors.torch")
    ours, theirs = pair("LSTM", I, H, 2)
    tg.save(tmp_path / "model.safetensors", ours, epoch=3)

    theirs.load_state_dict(files.load_file(tmp_path / "model.safetensors"))

    agree(ours, theirs, np.random.default_rng(1).normal(size=(T, B, I)))
