"""Weights and models go to other frameworks and come from them, and compute the same there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import interop, nn
from tinygrad_rnn.nn.cells import Cell, tanh_step
from tinygrad_rnn.nn.recurrent import Recurrent

T, B, I, H = 5, 2, 3, 4


def results(returned: Any) -> list[Any]:
    """The arrays of what a model returns, in order."""
    if isinstance(returned, tuple):
        return [array for part in returned for array in results(part)]
    return [np.asarray(returned.data)]


def layer_of(kind: str, **arguments: Any) -> Any:
    """A recurrent layer; "GRU before" is the one whose reset gate acts before the product."""
    before = {"reset_after": False} if kind.endswith("before") else {}
    return getattr(nn, kind.split()[0])(I, H, rng=0, **before, **arguments)


# PyTorch


class Foreign:
    """What a Tensor of PyTorch looks like from here: it gives its array after two steps."""

    def __init__(self, array: Any, steps: tuple[str, ...] = ()) -> None:
        self.array = array
        self.steps = steps

    def detach(self) -> Foreign:
        """Without a gradient."""
        return Foreign(self.array, (*self.steps, "detach"))

    def cpu(self) -> Foreign:
        """In ordinary memory."""
        return Foreign(self.array, (*self.steps, "cpu"))

    def numpy(self) -> Any:
        """The array itself, shared."""
        if self.array is None:
            raise TypeError("Got unsupported ScalarType BFloat16")
        assert set(self.steps) == {"detach", "cpu"}
        return self.array


def test_pytorch_s_names_and_values_are_ours() -> None:
    """The dict holds copies, under the names that PyTorch gives the same modules."""
    model = nn.Sequential(nn.Embedding(7, I, rng=0), nn.LSTM(I, H, 2, bidirectional=True, rng=1))

    state = interop.torch_state_dict(model)

    assert list(state)[:3] == ["0.weight", "1.weight_ih_l0", "1.weight_hh_l0"]
    assert list(state)[-1] == "1.bias_hh_l1_reverse"
    assert state["1.weight_ih_l1_reverse"].shape == (4 * H, 2 * H)
    before = model.state_dict()
    for array in state.values():
        array[:] = 0
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("wrap", [np.asarray, Foreign, lambda a: a.tolist()])
def test_arrays_lists_and_foreign_tensors_are_taken_over(wrap: Callable[[Any], Any]) -> None:
    """Their values become the parameters', in the parameters' dtype."""
    model = nn.GRU(I, H, dtype=np.float32, rng=0)
    state = {name: value.astype(float) + 1 for name, value in model.state_dict().items()}

    interop.load_torch_state_dict(model, {name: wrap(value) for name, value in state.items()})

    for name, value in model.state_dict().items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, state[name].astype(np.float32))


def test_a_pytorch_state_that_does_not_fit_changes_nothing() -> None:
    """One error lists what is missing, unknown or misshapen; others say what has no values."""
    model = nn.Linear(I, 2, rng=0)
    before = model.state_dict()

    with pytest.raises(ValueError, match=r"bias is missing; up is not .*; weight has shape \(2,\)"):
        interop.load_torch_state_dict(model, {"weight": np.ones(2), "up": np.ones(2)})
    with pytest.raises(TypeError, match=r"bias: Got unsupported ScalarType BFloat16; try \.float"):
        interop.load_torch_state_dict(model, {"bias": Foreign(None), "weight": before["weight"]})
    with pytest.raises(TypeError, match="bias has dtype object, which is no number"):
        interop.load_torch_state_dict(model, {"bias": object(), "weight": before["weight"]})
    with pytest.raises(TypeError, match="bias has dtype complex128, which is no number"):
        interop.load_torch_state_dict(model, {"bias": np.ones(2) * 1j, "weight": before["weight"]})

    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("module", [nn.GRU, nn.GRUCell])
def test_what_pytorch_does_not_have_is_not_given_to_it(module: Any) -> None:
    """A GRU whose reset gate acts before the product, wherever in the model it is."""
    model = nn.Sequential(nn.Linear(I, I, rng=0), module(I, H, reset_after=False, rng=0))

    with pytest.raises(TypeError, match=r"torch_state_dict: GRU.* has reset_after=False"):
        interop.torch_state_dict(model)
    with pytest.raises(TypeError, match=r"load_torch_state_dict: GRU.* has reset_after=False"):
        interop.load_torch_state_dict(model, model.state_dict())


# Keras: its layers written down from its sources, in its layout: x (B, T, I), row vectors


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


class Weights(NamedTuple):
    """What `get_weights` gives of a recurrent layer of Keras."""

    kernel: Any
    recurrent_kernel: Any
    bias: Any = 0.0


def simple_rnn_cell(x: Any, states: Any, w: Weights) -> Any:
    """SimpleRNNCell.call."""
    h = np.tanh(x @ w.kernel + w.bias + states[0] @ w.recurrent_kernel)
    return (h,)


def lstm_cell(x: Any, states: Any, w: Weights) -> Any:
    """LSTMCell.call: gates i, f, c, o."""
    h, c = states
    z = x @ w.kernel + h @ w.recurrent_kernel + w.bias
    z0, z1, z2, z3 = np.split(z, 4, axis=1)
    c = sigmoid(z1) * c + sigmoid(z0) * np.tanh(z2)
    return sigmoid(z3) * np.tanh(c), c


def gru_cell(x: Any, states: Any, w: Weights) -> Any:
    """GRUCell.call with reset_after=True: gates z, r, h; a bias for each product."""
    (h,) = states
    bias = np.zeros((2, 1)) if np.ndim(w.bias) == 0 else w.bias
    x_z, x_r, x_h = np.split(x @ w.kernel + bias[0], 3, axis=1)
    h_z, h_r, h_h = np.split(h @ w.recurrent_kernel + bias[1], 3, axis=1)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    return (z * h + (1 - z) * np.tanh(x_h + r * h_h),)


def gru_before_cell(x: Any, states: Any, w: Weights) -> Any:
    """GRUCell.call with reset_after=False: one bias."""
    (h,) = states
    x_z, x_r, x_h = np.split(x @ w.kernel + w.bias, 3, axis=1)
    u_z, u_r, u_h = np.split(w.recurrent_kernel, 3, axis=1)
    z, r = sigmoid(x_z + h @ u_z), sigmoid(x_r + h @ u_r)
    return (z * h + (1 - z) * np.tanh(x_h + (r * h) @ u_h),)


CELLS = {
    "RNN": simple_rnn_cell,
    "LSTM": lstm_cell,
    "GRU": gru_cell,
    "GRU before": gru_before_cell,
}
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3, "GRU before": 3}


def sequence(kind: str, x: Any, w: Weights) -> Any:
    """The layer with return_sequences=True: (B, T, H)."""
    states: Any = (np.zeros((len(x), H)),) * (2 if kind == "LSTM" else 1)
    outputs = []
    for t in range(x.shape[1]):
        states = CELLS[kind](x[:, t], states, w)
        outputs.append(states[0])
    return np.stack(outputs, axis=1)


def bidirectional(kind: str, x: Any, weights: list[Any]) -> Any:
    """Bidirectional with merge_mode="concat": the first half of the weights reads forward."""
    half = len(weights) // 2
    forward = sequence(kind, x, Weights(*weights[:half]))
    backward = sequence(kind, x[:, ::-1], Weights(*weights[half:]))[:, ::-1]
    return np.concatenate((forward, backward), axis=-1)


def drawn_weights(kind: str, bias: bool, directions: int, rng: np.random.Generator) -> list[Any]:
    """Weights of the shapes that Keras' layer has."""
    columns = GATES[kind] * H
    shapes: list[tuple[int, ...]] = [(I, columns), (H, columns)]
    if bias:
        shapes.append((2, columns) if kind == "GRU" else (columns,))
    return [rng.normal(size=shape) for shape in shapes * directions]


EACH = pytest.mark.parametrize(
    ("kind", "bias", "both"), list(product(CELLS, (True, False), (False, True))), ids=str
)


@EACH
def test_a_layer_with_keras_weights_computes_what_keras_does(
    kind: str, bias: bool, both: bool
) -> None:
    """Loaded from Keras' arrays, all states are those of its equations; and given back, too."""
    rng = np.random.default_rng(0)
    layer = layer_of(kind, bias=bias, bidirectional=both, batch_first=True)
    weights = drawn_weights(kind, bias, 1 + both, rng)
    x = rng.normal(size=(B, T, I))

    interop.load_keras_weights(layer, weights)

    compute = bidirectional if both else lambda kind, x, w: sequence(kind, x, Weights(*w))
    np.testing.assert_allclose(layer(x)[0].data, compute(kind, x, weights), rtol=0, atol=1e-12)
    for found, given in zip(interop.keras_weights(layer), weights, strict=True):
        np.testing.assert_array_equal(found, given)


@EACH
def test_keras_with_our_weights_computes_what_the_layer_does(
    kind: str, bias: bool, both: bool
) -> None:
    """Two biases that differ come to the same as Keras' one."""
    layer = layer_of(kind, bias=bias, bidirectional=both, batch_first=True)
    x = np.random.default_rng(0).normal(size=(B, T, I))

    weights = interop.keras_weights(layer)

    compute = bidirectional if both else lambda kind, x, w: sequence(kind, x, Weights(*w))
    np.testing.assert_allclose(compute(kind, x, weights), layer(x)[0].data, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_exchanges_weights_as_its_layer_does(kind: str) -> None:
    """One step of the cell is one of Keras'."""
    name, _, before = kind.partition(" ")
    settings = {"reset_after": False} if before else {}
    cell = getattr(nn, f"{name}Cell")(I, H, rng=0, **settings)
    rng = np.random.default_rng(1)
    x, states = rng.normal(size=(B, I)), rng.normal(size=(2 if name == "LSTM" else 1, B, H))
    weights = drawn_weights(kind, True, 1, rng)

    interop.load_keras_weights(cell, weights)

    got = results(cell(x, tuple(states) if name == "LSTM" else states[0]))
    for a, b in zip(got, CELLS[kind](x, tuple(states), Weights(*weights)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    for found, given in zip(interop.keras_weights(cell), weights, strict=True):
        np.testing.assert_array_equal(found, given)


def test_dense_and_embedding_exchange_weights() -> None:
    """A kernel is transposed, rows of an embedding are rows."""
    dense, plain = nn.Linear(I, H, rng=0), nn.Linear(I, H, bias=False, rng=0)
    embedding = nn.Embedding(7, I, rng=0)
    rng = np.random.default_rng(1)
    kernel, bias, rows = rng.normal(size=(I, H)), rng.normal(size=H), rng.normal(size=(7, I))
    x = rng.normal(size=(B, I))

    interop.load_keras_weights(dense, [kernel, bias])
    interop.load_keras_weights(plain, [kernel])
    interop.load_keras_weights(embedding, [rows])

    np.testing.assert_allclose(dense(x).data, x @ kernel + bias, rtol=1e-14)
    np.testing.assert_allclose(plain(x).data, x @ kernel, rtol=1e-14)
    np.testing.assert_array_equal(embedding([3, 0]).data, rows[[3, 0]])
    for layer, arrays in ((dense, [kernel, bias]), (plain, [kernel]), (embedding, [rows])):
        for found, given in zip(interop.keras_weights(layer), arrays, strict=True):
            np.testing.assert_array_equal(found, given)


def test_each_of_several_layers_is_one_in_keras() -> None:
    """The index says which; without it nobody guesses."""
    layer = nn.LSTM(I, H, 2, rng=0)
    first, second = interop.keras_weights(layer, 0), interop.keras_weights(layer, 1)

    interop.load_keras_weights(layer, [2 * array for array in second], index=1)

    for found, given in zip(interop.keras_weights(layer, 0), first, strict=True):
        np.testing.assert_array_equal(found, given)
    np.testing.assert_array_equal(interop.keras_weights(layer, 1)[0], 2 * second[0])
    for index in (None, 2, -1):
        with pytest.raises(ValueError, match=f"index is {index}, but there are 2 layers"):
            interop.keras_weights(layer, index)
    with pytest.raises(ValueError, match="index is 1, but there are 1 layers"):
        interop.keras_weights(nn.RNN(I, H), 1)


def test_keras_weights_are_copies() -> None:
    """Also where transposing changes nothing; of every kind, with the last axis fastest."""
    layers = [nn.Linear(1, 1, rng=0), nn.Linear(2, 3, rng=0), nn.Embedding(3, 2, rng=0)]
    for layer in [*layers, nn.RNN(I, H, rng=0), nn.LSTMCell(I, H, rng=0), nn.GRU(I, H, rng=0)]:
        before = layer.state_dict()

        for array in interop.keras_weights(layer):
            assert array.flags.c_contiguous
            array[:] = 7

        for name, value in layer.state_dict().items():
            np.testing.assert_array_equal(value, before[name])


def test_keras_weights_that_do_not_fit_change_nothing() -> None:
    """One error names each array, and a GRU's says what may be the cause."""
    layer = nn.GRU(I, H, rng=0)
    before = layer.state_dict()

    with pytest.raises(
        ValueError,
        match=r"^load_keras_weights: kernel has shape \(12, 3\), not \(3, 12\); "
        r"bias has shape \(12,\), not \(2, 12\); reset_after must be the same on both sides$",
    ):
        interop.load_keras_weights(layer, [np.ones((12, 3)), np.ones((H, 12)), np.ones(12)])
    with pytest.raises(ValueError, match="bias has dtype object, which is no number"):
        interop.load_keras_weights(
            layer, [np.ones((I, 12)), np.ones((H, 12)), np.full((2, 12), None)]
        )
    with pytest.raises(ValueError, match="2 arrays, but needed: kernel, recurrent_kernel, bias"):
        interop.load_keras_weights(layer, [np.ones((I, 12)), np.ones((H, 12))])

    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


OTHERS = [
    nn.Sequential(nn.Linear(2, 2)),
    nn.Dropout(),
    Cell(2, 2, True, tanh_step, float, 0),
    Recurrent(tanh_step, 2, 2, 1, True, False, 0.0, False, False, float, 0),
]


@pytest.mark.parametrize("module", OTHERS, ids=lambda module: type(module).__name__)
def test_modules_that_are_no_layers_of_keras_are_refused(module: Any) -> None:
    """The error names the module."""
    with pytest.raises(TypeError, match=rf"a {type(module).__name__} is none of RNN, LSTM"):
        interop.keras_weights(module)
    with pytest.raises(TypeError, match=rf"a {type(module).__name__} is none of RNN, LSTM"):
        interop.load_keras_weights(module, [])


# Keras itself, where it is installed


@pytest.fixture
def keras() -> Any:
    """Keras."""
    return pytest.importorskip("keras", exc_type=ImportError)


def keras_layer(keras: Any, kind: str, bias: bool, both: bool) -> Any:
    """The same layer of Keras, with weights."""
    name, _, before = kind.partition(" ")
    settings = {"reset_after": not before} if name == "GRU" else {}
    layer = getattr(keras.layers, {"RNN": "SimpleRNN"}.get(name, name))(
        H, use_bias=bias, return_sequences=True, **settings
    )
    layer = keras.layers.Bidirectional(layer) if both else layer
    layer.build((None, T, I))
    return layer


@EACH
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_itself_agrees(keras: Any, kind: str, bias: bool, both: bool) -> None:
    """Its weights here, and ours there, give the same states to 1e-6: it multiplies in float32."""
    rng = np.random.default_rng(0)
    layer = layer_of(kind, bias=bias, bidirectional=both, batch_first=True)
    theirs = keras_layer(keras, kind, bias, both)
    x = rng.normal(size=(B, T, I))

    def both_sides() -> tuple[Any, Any]:
        return keras.ops.convert_to_numpy(theirs(x)), layer(x)[0].data

    theirs.set_weights(interop.keras_weights(layer))
    np.testing.assert_allclose(*both_sides(), rtol=0, atol=1e-6)
    theirs.set_weights([rng.normal(size=a.shape, scale=0.5) for a in theirs.get_weights()])
    interop.load_keras_weights(layer, theirs.get_weights())
    np.testing.assert_allclose(*both_sides(), rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_itself_agrees_on_dense_and_embedding(keras: Any) -> None:
    """Its Dense and Embedding with our weights."""
    dense, embedding = keras.layers.Dense(H), keras.layers.Embedding(7, I)
    dense.build((None, I))
    embedding.build()
    ours, rows = nn.Linear(I, H, rng=0), nn.Embedding(7, I, rng=0)
    x = np.random.default_rng(1).normal(size=(B, I))

    dense.set_weights(interop.keras_weights(ours))
    embedding.set_weights(interop.keras_weights(rows))

    for theirs, mine in ((dense(x), ours(x)), (embedding(np.array([3, 0])), rows([3, 0]))):
        found = keras.ops.convert_to_numpy(theirs)
        np.testing.assert_allclose(found, mine.data, rtol=0, atol=1e-6)


# ONNX


def reference(proto: Any, feed: dict[str, Any]) -> list[Any]:
    """What the evaluator that ONNX itself has makes of a model."""
    onnx = pytest.importorskip("onnx")
    if tuple(map(int, onnx.__version__.split(".")[:2])) < (1, 23):
        pytest.skip("before 1.23 it knows no layers of two directions, and no LSTM's state")
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    found: list[Any] = evaluator(proto).run(None, feed)
    return found


def runtime(proto: Any, feed: dict[str, Any]) -> list[Any]:
    """What onnxruntime makes of a model."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it remarks on inputs that may be left out
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    found: list[Any] = session.run(None, feed)
    return found


@pytest.fixture
def onnx() -> Any:
    """ONNX, where it is installed."""
    return pytest.importorskip("onnx")


def agrees(model: Any, feed: dict[str, Any], run: Any, sizes: tuple[str, ...] = ("B",)) -> None:
    """Asserts that a model and its graph give the same, in shape and, to 1e-6, in value."""
    x, *states = feed.values()
    if states and isinstance(model, nn.LSTM):
        states = [tuple(states)]
    expected = results(model.eval()(x, *states))

    found = run(interop.to_onnx(model, sizes=sizes), feed)

    assert [array.shape for array in found] == [array.shape for array in expected]
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


SETTINGS = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"bidirectional": True},
    {"num_layers": 2},
    {"num_layers": 3, "bidirectional": True, "batch_first": True, "dropout": 0.5},
]


@pytest.mark.parametrize("run", [reference, runtime])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_a_recurrent_layer_is_the_same_in_onnx(
    onnx: Any, kind: str, settings: dict[str, Any], run: Any
) -> None:
    """All outputs, from zero states and from others, for any number of steps and any batch."""
    layer = layer_of(kind, dtype=np.float32, **settings)
    rng = np.random.default_rng(1)
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    for steps, batch in ((T, B), (1, 1)):
        sizes = (batch, steps) if layer.batch_first else (steps, batch)
        x = rng.normal(size=(*sizes, I)).astype(np.float32)
        states = rng.normal(size=(len(layer.state_names), rows, batch, H)).astype(np.float32)

        agrees(layer, {"x": x}, run)
        agrees(layer, {"x": x, **dict(zip(layer.state_names, states, strict=True))}, run)


def test_a_relu_network_is_the_same_in_onnx(onnx: Any) -> None:
    """ONNX' own evaluator knows tanh only; onnxruntime knows both."""
    layer = nn.RNN(I, H, 2, "relu", bidirectional=True, dtype=np.float32, rng=0)

    x = np.random.default_rng(1).normal(size=(T, B, I)).astype(np.float32)

    agrees(layer, {"x": x}, runtime)


F32 = {"dtype": np.float32, "rng": 0}
CHAINS: dict[str, Callable[[], Any]] = {
    "Linear": lambda: nn.Linear(I, H, **F32),
    "Linear without bias": lambda: nn.Linear(I, H, bias=False, **F32),
    "functions": lambda: nn.Sequential(
        nn.Linear(I, H, **F32), tg.tanh, nn.Linear(H, H, **F32), tg.relu, tg.sigmoid, tg.softmax
    ),
    "log_softmax": lambda: nn.Sequential(nn.Linear(I, H, **F32), tg.log_softmax),
    "nested": lambda: nn.Sequential(
        nn.Sequential(nn.Linear(I, H, **F32), nn.Dropout(0.5)),
        nn.LayerNorm(H, dtype=np.float32),
        nn.LayerNorm(H, elementwise_affine=False),
        nn.LayerNorm(H, bias=False, eps=0.1, dtype=np.float32),
    ),
    "recurrent at the end": lambda: nn.Sequential(
        nn.Linear(I, 2, **F32), tg.tanh, nn.GRU(2, H, 2, **F32)
    ),
    "nothing": lambda: nn.Sequential(),
}


@pytest.mark.parametrize("run", [reference, runtime])
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_a_chain_of_parts_is_the_same_in_onnx(onnx: Any, chain: Any, run: Any) -> None:
    """Linear, LayerNorm, Dropout as in eval(), functions, and a recurrent layer at the end."""
    x = np.random.default_rng(1).normal(size=(T, B, I)).astype(np.float32)

    agrees(chain(), {"x": x}, run, ("T", "B"))


@pytest.mark.parametrize("run", [reference, runtime])
def test_a_model_of_characters_is_the_same_in_onnx(onnx: Any, run: Any) -> None:
    """Its input are ids, of any shape."""
    ids = np.random.default_rng(1).integers(7, size=(T, B))
    embedding = nn.Embedding(7, I, padding_idx=0, **F32)

    agrees(embedding, {"ids": ids[0]}, run)
    agrees(nn.Sequential(embedding, nn.LSTM(I, H, **F32)), {"ids": ids}, run)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_graph_has_its_parameters_dtype(onnx: Any, dtype: Any) -> None:
    """Also where few programs run it."""
    layer = nn.LSTM(I, H, dtype=dtype, rng=0)
    x = np.random.default_rng(1).normal(size=(T, B, I)).astype(dtype)

    found = reference(interop.to_onnx(layer), {"x": x})

    for a, b in zip(found, results(layer(x)), strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-3 if dtype is np.float16 else 1e-12)


def test_a_graph_names_what_goes_in_and_out(onnx: Any) -> None:
    """Sizes that may be any are named, weights have our names, and the file holds the same."""
    proto = interop.to_onnx(nn.Sequential(nn.Linear(I, 2, rng=0), nn.LSTM(2, H, rng=0)))
    layer = interop.to_onnx(nn.LSTM(I, H, batch_first=True))

    def described(values: Any) -> dict[str, list[Any]]:
        return {
            v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
            for v in values
        }

    states = {"h_0": [1, "B of h_0", H], "c_0": [1, "B of c_0", H]}
    assert described(layer.graph.input) == {"x": ["B", "T", I], **states}
    ends = {"h_n": [1, "B", H], "c_n": [1, "B", H]}
    assert described(layer.graph.output) == {"output": ["B", "T", H], **ends}
    linear = interop.to_onnx(nn.Linear(I, 2), sizes=("T", "B")).graph
    assert (described(linear.input), described(linear.output)) == (
        {"x": ["T", "B", I]},
        {"y": ["T", "B", 2]},
    )
    assert {"0.weight", "0.bias", "1.W_l0"} <= {array.name for array in proto.graph.initializer}
    assert proto.producer_name == "tinygrad_rnn"


def test_a_graph_is_written_whole_or_not_at_all(onnx: Any, tmp_path: Path) -> None:
    """The file holds what is returned."""
    proto = interop.to_onnx(nn.Linear(I, 2, rng=0), tmp_path / "model.onnx")

    assert onnx.load(tmp_path / "model.onnx") == proto
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        interop.to_onnx(nn.Linear(I, 2, rng=0), tmp_path / "away" / "model.onnx")


class Twice(nn.Linear):
    """A module whose forward pass is its own."""

    def forward(self, x: Any) -> Any:
        """Twice the sum."""
        return 2 * super().forward(x)


class Named(nn.Linear):
    """A module that has another name only."""


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Twice(2, 2), "to_onnx: Twice cannot be expressed; known are RNN"),
        (nn.RNNCell(2, 2), "to_onnx: RNNCell cannot be expressed"),
        (nn.Sequential(tg.tanh, nn.Sequential(Twice(2, 2))), "to_onnx: part 1.0, Twice, cannot"),
        (nn.Sequential(tg.tanh, np.fft.fft), "to_onnx: part 1, <.*fft.*>, cannot be expressed"),
        (nn.Sequential(nn.RNN(2, 2), tg.tanh), "to_onnx: part 0, RNN, cannot be expressed"),
        (
            nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, dtype=np.float32)),
            r"to_onnx: the parameters have dtypes \['float32', 'float64'\]; they must have one",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_onnx_cannot_express_is_named(onnx: Any, model: Any, words: str) -> None:
    """The part's place and kind are in the error."""
    with pytest.raises(TypeError, match=words):
        interop.to_onnx(model)


def test_a_subclass_that_computes_the_same_is_expressed(onnx: Any) -> None:
    """Only the forward pass counts, not the name."""
    model = Named(I, H, **F32)

    agrees(model, {"x": np.ones((B, I), np.float32)}, reference)


def test_without_onnx_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(ModuleNotFoundError, match=r"tinygrad_rnn\[onnx\]"):
        interop.to_onnx(nn.Linear(I, H))
