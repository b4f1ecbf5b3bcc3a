"""Models as ONNX graphs, which other programs run.

ONNX has the gates i, o, f, c in an LSTM and z, r, h in a GRU; ours are i, f, g, o and r, z, n. Its
Y is (T, D, B, H), our output (T, B, D H). Source: Operators.md of ONNX, opset 17.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import nn, ops
from .._version import __version__
from ..nn.cells import NAMES
from ..ops.op import Array
from ..training.checkpoint.atomic import Name, write_atomically

OPSET, IR_VERSION = 17, 8  # what ONNX 1.12 of 2022 reads
GATES = {nn.RNN: (0,), nn.LSTM: (0, 3, 1, 2), nn.GRU: (1, 0, 2)}  # ONNX' order: places in ours
FUNCTIONS = (
    (ops.tanh, "Tanh"),
    (ops.relu, "Relu"),
    (ops.sigmoid, "Sigmoid"),
    (ops.softmax, "Softmax"),
    (ops.log_softmax, "LogSoftmax"),
)


def to_onnx(model: nn.Module, path: Name | None = None, *, sizes: Sequence[str] = ("B",)) -> Any:
    """The model as it is in `eval()`, as an onnx.ModelProto; written into a file too, if given one.

    model: RNN, LSTM or GRU, Linear, Embedding, LayerNorm, Dropout, or a Sequential of these and of
    tanh, relu, sigmoid, softmax and log_softmax; in it only the last part may be recurrent.
    sizes: names for the sizes of x before its features, which may be any; two for (T, B, I). A
    recurrent layer has its own: T and B, or B and T.
    The graph's input is x, or ids (int64) where an embedding comes first; h_0 and c_0 may be left
    out. Its outputs are output, h_n and c_n, of PyTorch's shapes, or y. All is of the parameters'
    dtype; many programs know float32 only. A negative id is an error here, but counts from the end
    there.
    Raises: TypeError that names the module which cannot be expressed, ModuleNotFoundError without
    onnx; as `save` does, where the file cannot be written.
    """
    parts = list(_flat(model, ""))
    graph = _Graph(_package(), _dtype(model))
    x = _input(graph, [part for _, part in parts], sizes)
    last = parts.pop() if parts and _is_kind(parts[-1][1], *GATES) else None
    for where, part in parts:
        x = _write(graph, part, where, x)
    if last is None:
        graph.output("y", x, None)
    else:
        _recurrent(graph, last[1], last[0], x)
    proto = graph.model()
    if path is not None:
        write_atomically(path, proto.SerializeToString())
    return proto


def _package() -> Any:
    """onnx. Raises: ModuleNotFoundError that names the extra."""
    try:
        return importlib.import_module("onnx")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'to_onnx: needs onnx: pip install "tinygrad_rnn[onnx]"'
        ) from error


def _flat(part: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The parts of a Sequential, and of those in it, with how the names of each begin."""
    if not _is_kind(part, nn.Sequential):
        yield where, part
        return
    for k, inner in enumerate(part.parts):
        yield from _flat(inner, f"{where}{k}.")


def _is_kind(part: Any, *kinds: type[Any]) -> bool:
    """Whether a part computes what a module of one of these kinds does."""
    return any(isinstance(part, k) and type(part).forward is k.forward for k in kinds)


def _dtype(model: nn.Module) -> np.dtype[Any]:
    """The one dtype of all parameters; float32 without any."""
    found = {str(parameter.dtype) for parameter in model.parameters()}
    if len(found) > 1:
        raise TypeError(f"to_onnx: the parameters have dtypes {sorted(found)}; they must have one")
    return np.dtype(found.pop() if found else "float32")


@dataclass
class _Graph:
    """A graph while it is written: values have names, and a node makes new ones of others."""

    onnx: Any
    dtype: np.dtype[Any]
    inputs: list[Any] = field(default_factory=list)
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)

    def input(self, name: str, dtype: Any, shape: Sequence[int | str]) -> str:
        """An input of the graph. shape: a text is any size."""
        self.inputs.append(self._described(name, dtype, shape))
        return name

    def output(self, name: str, value: str, shape: Sequence[int | str] | None) -> None:
        """Makes a value an output of the graph, under a name. shape: None if it is to be found."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(self._described(name, self.dtype, shape))

    def _described(self, name: str, dtype: Any, shape: Sequence[int | str] | None) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, shape)

    def constant(self, name: str, array: Any) -> str:
        """An array that is part of the graph."""
        self.constants[name] = np.array(array, order="C")
        return name

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """A node; the result names the values that it makes. An input "" is left out."""
        made = [f"{op}_{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(op, inputs, made, **attributes))
        return made

    def model(self) -> Any:
        """The whole, checked."""
        helper = self.onnx.helper
        arrays = [self.onnx.numpy_helper.from_array(a, k) for k, a in self.constants.items()]
        graph = helper.make_graph(self.nodes, "tinygrad_rnn", self.inputs, self.outputs, arrays)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="tinygrad_rnn",
            producer_version=__version__,
        )
        model = self.onnx.shape_inference.infer_shapes(model, strict_mode=True)
        self.onnx.checker.check_model(model, full_check=True)
        return model


def _input(graph: _Graph, parts: Sequence[Any], sizes: Sequence[str]) -> str:
    """The input that the first part of a model takes, of the sizes that the last one needs."""
    sizes = _sizes(parts[-1]) if parts and _is_kind(parts[-1], *GATES) else sizes
    if parts and _is_kind(parts[0], nn.Embedding):
        return graph.input("ids", np.int64, sizes)
    features: tuple[int | str, ...] = ("I",)
    for kind, name in ((nn.Linear, "in_features"), *((kind, "input_size") for kind in GATES)):
        if parts and _is_kind(parts[0], kind):
            features = (getattr(parts[0], name),)
    return graph.input("x", graph.dtype, (*sizes, *features))


def _sizes(layer: Any) -> tuple[str, str]:
    """The first two sizes of a recurrent layer's input and output."""
    return ("B", "T") if layer.batch_first else ("T", "B")


# Parts that make one value of another


def _write(graph: _Graph, part: Any, where: str, x: str) -> str:
    """Writes a part's nodes; the result names its value."""
    for kind, write in WRITERS.items():
        if _is_kind(part, kind):
            return write(graph, part, where, x)
    for function, op in FUNCTIONS:
        if part is function:
            return graph.add(op, x)[0]
    name = type(part).__name__ if isinstance(part, nn.Module) else f"{part!r:.60}"
    raise TypeError(
        f"to_onnx: {f'part {where[:-1]}, {name},' if where else name} cannot be expressed; known "
        "are RNN, LSTM and GRU (only at the end), Linear, Embedding, LayerNorm, Dropout, "
        "Sequential, tanh, relu, sigmoid, softmax and log_softmax"
    )


def _linear(graph: _Graph, layer: nn.Linear, where: str, x: str) -> str:
    (y,) = graph.add("MatMul", x, graph.constant(f"{where}weight", layer.weight.data.T))
    if layer.bias is None:
        return y
    return graph.add("Add", y, graph.constant(f"{where}bias", layer.bias.data))[0]


def _embedding(graph: _Graph, layer: nn.Embedding, where: str, ids: str) -> str:
    return graph.add("Gather", graph.constant(f"{where}weight", layer.weight.data), ids)[0]


def _layer_norm(graph: _Graph, layer: nn.LayerNorm, where: str, x: str) -> str:
    sizes = layer.normalized_shape
    scale = np.ones(sizes, graph.dtype) if layer.weight is None else layer.weight.data
    inputs = [x, graph.constant(f"{where}weight", scale)]
    if layer.bias is not None:
        inputs.append(graph.constant(f"{where}bias", layer.bias.data))
    return graph.add("LayerNormalization", *inputs, axis=-len(sizes), epsilon=layer.eps)[0]


def _dropout(graph: _Graph, layer: nn.Dropout, where: str, x: str) -> str:
    return x


WRITERS: dict[Any, Callable[[_Graph, Any, str, str], str]] = {
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    nn.LayerNorm: _layer_norm,
    nn.Dropout: _dropout,
}


# Recurrent layers: D directions, L layers, each of them a node


def _recurrent(graph: _Graph, layer: Any, where: str, x: str) -> None:
    """Writes the nodes of a recurrent layer and its outputs."""
    D = 2 if layer.bidirectional else 1
    H, rows = layer.hidden_size, layer.num_layers * D
    x = graph.add("Transpose", x, perm=[1, 0, 2])[0] if layer.batch_first else x
    starts = [_start(graph, layer, name, rows, x) for name in layer.state_names]
    joined = graph.constant(f"{where}joined", [0, 0, D * H])  # 0: the size that is there
    ends = []
    for k, start in enumerate(zip(*starts, strict=True)):
        y, *end = _layer(graph, layer, where, k, x, start)
        (y,) = graph.add("Transpose", y, perm=[0, 2, 1, 3])
        (x,) = graph.add("Reshape", y, joined)
        ends.append(end)
    x = graph.add("Transpose", x, perm=[1, 0, 2])[0] if layer.batch_first else x
    graph.output("output", x, (*_sizes(layer), D * H))
    for name, parts in zip(("h_n", "c_n"), zip(*ends, strict=True), strict=False):
        graph.output(name, graph.add("Concat", *parts, axis=0)[0], (rows, "B", H))


def _start(graph: _Graph, layer: Any, name: str, rows: int, x: str) -> list[str]:
    """A part of the initial state, for each layer; zeros where the graph is not given any.

    An input that is a constant too is optional. That constant has B = 1, and is expanded to x's B.
    """
    H, L = layer.hidden_size, layer.num_layers
    graph.input(name, graph.dtype, (rows, f"B of {name}", H))
    graph.constant(name, np.zeros((rows, 1, H), graph.dtype))
    (batch,) = graph.add("Shape", x, start=1, end=2)
    ends = graph.constant("rows", [rows]), graph.constant("columns", [H])
    (shape,) = graph.add("Concat", ends[0], batch, ends[1], axis=0)
    (whole,) = graph.add("Expand", name, shape)
    sizes = graph.constant("rows of a layer", [rows // L] * L)
    return graph.add("Split", whole, sizes, outputs=L, axis=0)


def _layer(
    graph: _Graph, layer: Any, where: str, k: int, x: str, start: tuple[str, ...]
) -> list[str]:
    """The node of layer k: Y (T, D, B, H), and the last state, each part (D, B, H)."""
    kind, order = next((kind, order) for kind, order in GATES.items() if _is_kind(layer, kind))
    directions = [f"_l{k}", f"_l{k}_reverse"][: 2 if layer.bidirectional else 1]
    arrays = zip(*(_arrays(layer, suffix, order) for suffix in directions), strict=True)
    names = [
        graph.constant(f"{where}{name}_l{k}", np.stack(both))
        for name, both in zip("WRB", arrays, strict=False)
    ]
    settings: dict[str, Any] = {"direction": "bidirectional" if layer.bidirectional else "forward"}
    if kind is nn.RNN:
        settings["activations"] = [layer.nonlinearity.capitalize()] * len(directions)
    if kind is nn.GRU:
        settings["linear_before_reset"] = int(layer.reset_after)
    inputs = (x, *names, *[""] * (4 - len(names)), *start)
    outputs = 1 + len(start)
    return graph.add(
        kind.__name__, *inputs, outputs=outputs, hidden_size=layer.hidden_size, **settings
    )


def _arrays(layer: Any, suffix: str, order: Sequence[int]) -> list[Array]:
    """W (G H, I), R (G H, H) and, where there are biases, B (2 G H,), gates in ONNX' order."""
    found = [getattr(layer, name + suffix) for name in NAMES]
    W, R, *B = [_ordered(array.data, order) for array in found if array is not None]
    return [W, R, np.concatenate(B)] if B else [W, R]


def _ordered(rows: Array, order: Sequence[int]) -> Array:
    gates = np.split(rows, len(order))
    return np.concatenate([gates[k] for k in order])
