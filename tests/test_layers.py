"""Recurrent layers of every kind: shapes, steps, directions, padding; and the other layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

from .numeric import assert_near, differences

I, H, T, B = 3, 4, 5, 2
LAYERS: dict[str, Callable[..., Any]] = {
    "RNN": nn.RNN,
    "RNN relu": lambda *sizes, **settings: nn.RNN(*sizes, nonlinearity="relu", **settings),
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
    "GRU reset before": lambda *sizes, **settings: nn.GRU(*sizes, reset_after=False, **settings),
}
CELLS: dict[str, Callable[..., Any]] = {
    "RNN": nn.RNNCell,
    "RNN relu": lambda *sizes, **settings: nn.RNNCell(*sizes, nonlinearity="relu", **settings),
    "LSTM": nn.LSTMCell,
    "GRU": nn.GRUCell,
    "GRU reset before": lambda *sizes, **settings: nn.GRUCell(
        *sizes, reset_after=False, **settings
    ),
}
every_layer = pytest.mark.parametrize("kind", LAYERS)


def sequence(T: int = T, B: int = B, seed: int = 1) -> np.ndarray:
    """Random inputs (T, B, I)."""
    return np.random.default_rng(seed).normal(size=(T, B, I))


def parts(state: Any) -> tuple[tg.Tensor, ...]:
    """A state as a tuple: (h,) or (h, c)."""
    return state if isinstance(state, tuple) else (state,)


def as_state(kind: str, arrays: list[Any]) -> Any:
    """The arrays as the layer takes them."""
    return tuple(arrays) if kind == "LSTM" else arrays[0]


def states(kind: str, *shape: int, seed: int = 2) -> list[np.ndarray]:
    """Random arrays, one for each part of the state."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for _ in range(2 if kind == "LSTM" else 1)]


# One step after the other


@every_layer
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("unroll", [False, True])
def test_a_layer_is_its_cell_step_by_step(kind: str, bias: bool, unroll: bool) -> None:
    """With the same parameters, output and last state are those of a loop over the cell."""
    layer = LAYERS[kind](I, H, bias=bias, unroll=unroll, rng=0)
    cell = CELLS[kind](I, H, bias=bias, rng=9)
    cell.load_state_dict({n.removesuffix("_l0"): v for n, v in layer.state_dict().items()})
    x, start = sequence(), states(kind, 1, B, H)

    output, last = layer(x, as_state(kind, start))

    state: Any = as_state(kind, [part[0] for part in start])
    for t in range(T):
        state = cell(x[t], state)
        assert_near(output[t].data, parts(state)[0].data, 1e-14)
    for found, right in zip(parts(last), parts(state), strict=True):
        assert_near(found.data[0], right.data, 1e-14)


@every_layer
def test_without_an_initial_state_it_is_zero(kind: str) -> None:
    """As with zeros given, in the parameters' dtype."""
    layer = LAYERS[kind](I, H, num_layers=2, bidirectional=True, rng=0, dtype=np.float32)
    x = sequence().astype(np.float32)
    zeros = [np.zeros((4, B, H), np.float32)] * (2 if kind == "LSTM" else 1)

    output, last = layer(x)

    again, _ = layer(x, as_state(kind, zeros))
    assert output.dtype == parts(last)[0].dtype == np.float32
    np.testing.assert_array_equal(output.data, again.data)


# Layers and directions


@every_layer
def test_a_stack_is_layers_one_after_the_other(kind: str) -> None:
    """Each layer's outputs are the next one's inputs; the last states are stacked."""
    layer = LAYERS[kind](I, H, num_layers=3, rng=0)
    x, start = sequence(), states(kind, 3, B, H)
    output, last = layer(x, as_state(kind, start))
    for k in range(3):
        single = LAYERS[kind](I if k == 0 else H, H, rng=9)
        values = layer.state_dict().items()
        single.load_state_dict({n[:-1] + "0": v for n, v in values if n.endswith(f"_l{k}")})
        x, end = single(x, as_state(kind, [part[k : k + 1] for part in start]))
        for found, right in zip(parts(last), parts(end), strict=True):
            assert_near(found.data[k], right.data[0], 1e-14)
    assert_near(output.data, x.data, 1e-14)


@every_layer
@pytest.mark.parametrize("unroll", [False, True])
def test_the_second_direction_reads_backwards(kind: str, unroll: bool) -> None:
    """Its outputs are those of a layer on the reversed sequence, reversed; its last is at t = 1."""
    both = LAYERS[kind](I, H, bidirectional=True, unroll=unroll, rng=0)
    forward, backward = LAYERS[kind](I, H, rng=8), LAYERS[kind](I, H, rng=9)
    values = both.state_dict()
    forward.load_state_dict({n: v for n, v in values.items() if not n.endswith("_reverse")})
    backward.load_state_dict(
        {n.removesuffix("_reverse"): v for n, v in values.items() if n.endswith("_reverse")}
    )
    x, start = sequence(), states(kind, 2, B, H)

    output, last = both(x, as_state(kind, start))

    there, end = forward(x, as_state(kind, [part[:1] for part in start]))
    back, beginning = backward(x[::-1], as_state(kind, [part[1:] for part in start]))
    assert_near(output.data, np.concatenate([there.data, back.data[::-1]], axis=-1), 1e-14)
    for found, a, b in zip(parts(last), parts(end), parts(beginning), strict=True):
        assert_near(found.data, np.concatenate([a.data, b.data]), 1e-14)


@every_layer
@pytest.mark.parametrize("bidirectional", [False, True])
def test_batches_may_come_first_or_be_left_out(kind: str, bidirectional: bool) -> None:
    """(B, T, I) with batch_first, or (T, I): the same numbers; states are never batch-first."""
    settings = {"num_layers": 2, "bidirectional": bidirectional, "rng": 0}
    layer, other = LAYERS[kind](I, H, **settings), LAYERS[kind](I, H, batch_first=True, **settings)
    x, rows = sequence(), 4 if bidirectional else 2
    start = states(kind, rows, B, H)

    output, last = layer(x, as_state(kind, start))

    first, same = other(x.transpose(1, 0, 2), as_state(kind, start))
    assert_near(first.data, output.data.transpose(1, 0, 2), 1e-14)
    alone, end = layer(x[:, 1], as_state(kind, [part[:, 1] for part in start]))
    assert_near(alone.data, output.data[:, 1], 1e-14)
    for a, b, c in zip(parts(last), parts(same), parts(end), strict=True):
        assert_near(b.data, a.data, 1e-14)
        assert_near(c.data, a.data[:, 1], 1e-14)


# Gradients


def loss_of(layer: Any, kind: str, x: Any, start: list[Any], **settings: Any) -> Any:
    """A number that depends on every output and every last state."""
    output, last = layer(x, as_state(kind, start), **settings)
    rng = np.random.default_rng(5)
    every = [output, *parts(last)]
    return sum((y * rng.normal(size=y.shape)).sum() for y in every)


@pytest.mark.parametrize("lengths", [None, [3, 5]], ids=["whole", "padded"])
@pytest.mark.parametrize("unroll", [False, True])
@every_layer
def test_gradients_equal_central_differences(kind: str, unroll: bool, lengths: Any) -> None:
    """Of every parameter, the inputs and the initial states, two layers, both directions."""
    layer = LAYERS[kind](I, 2, num_layers=2, bidirectional=True, unroll=unroll, rng=0)
    x, start = sequence(), states(kind, 4, B, 2)
    names, arrays = zip(*layer.state_dict().items(), strict=True)

    def loss(x: Any, *rest: Any) -> Any:
        with tg.no_grad():
            layer.load_state_dict(dict(zip(names, rest[len(start) :], strict=True)))
            return loss_of(layer, kind, x, list(rest[: len(start)]), lengths=lengths).item()

    leaves = [tg.Tensor(a, requires_grad=True) for a in (x, *start)]
    loss_of(layer, kind, leaves[0], leaves[1:], lengths=lengths).backward()
    every = [x, *start, *arrays]
    found = [leaf.grad.data for leaf in leaves] + [p.grad.data for p in layer.parameters()]
    for k, gradient in enumerate(found):
        assert_near(gradient.ravel(), differences(loss, every, k)[0], 1e-6)


# Sequences of different lengths


@every_layer
@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_padded_sequences_are_read_to_their_own_end(
    kind: str, unroll: bool, batch_first: bool
) -> None:
    """Each is what it is alone: outputs, last states and gradients; beyond its end all is 0."""
    lengths = [3, 5, 1]
    layer = LAYERS[kind](
        I, H, num_layers=2, bidirectional=True, unroll=unroll, batch_first=batch_first, rng=0
    )
    x = tg.Tensor(sequence(B=3).transpose(1, 0, 2), requires_grad=True)
    start = states(kind, 4, 3, H)
    given = x if batch_first else x.transpose(1, 0, 2)

    output, last = layer(given, as_state(kind, start), lengths=lengths)
    output = output if batch_first else output.transpose(1, 0, 2)
    (output * output).sum().backward()

    for b, n in enumerate(lengths):
        single = tg.Tensor(x.data[b, :n], requires_grad=True)
        alone, end = layer(single, as_state(kind, [part[:, b] for part in start]))
        (alone * alone).sum().backward()
        assert_near(output.data[b, :n], alone.data, 1e-13)
        assert not output.data[b, n:].any()
        assert_near(x.grad.data[b, :n], single.grad.data, 1e-12)
        assert not x.grad.data[b, n:].any()
        for found, right in zip(parts(last), parts(end), strict=True):
            assert_near(found.data[:, b], right.data, 1e-13)


@every_layer
def test_lengths_are_integers_of_any_size_and_number(kind: str) -> None:
    """Also without a sign, and of a batch of none."""
    layer = LAYERS[kind](I, H, bidirectional=True, rng=0)
    right, _ = layer(sequence(), lengths=[3, 5])
    for dtype in (np.uint8, np.int16, np.uint64):
        found, _ = layer(sequence(), lengths=np.array([3, 5], dtype))
        np.testing.assert_array_equal(found.data, right.data)
    empty, last = layer(sequence(B=0), lengths=np.zeros(0, int))
    assert empty.shape == (T, 0, 2 * H)
    assert parts(last)[0].shape == (2, 0, H)


@every_layer
def test_what_lies_in_the_padding_does_not_matter(kind: str) -> None:
    """Not even NaN: outputs and the gradients of the parameters stay as they are."""
    layer = LAYERS[kind](I, H, bidirectional=True, rng=0)
    found = []
    for filling in (0.0, 1e30, np.nan, np.inf):
        x = sequence()
        x[3:, 0] = filling
        layer.zero_grad()
        output, _ = layer(x, lengths=np.array([3, 5]))
        (output * output).sum().backward()
        found.append([output.data, *(p.grad.data for p in layer.parameters())])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# Dropout between layers


def test_dropout_is_between_layers_and_in_training_alone() -> None:
    """Not after the last one, not with a single one, not after eval(); a seed repeats it."""
    x = sequence()
    single = nn.LSTM(I, H, dropout=0.5, rng=0)
    np.testing.assert_array_equal(single(x)[0].data, nn.LSTM(I, H, rng=0)(x)[0].data)
    outputs = [nn.LSTM(I, H, num_layers=2, dropout=0.5, rng=0)(x)[0].data for _ in range(2)]
    np.testing.assert_array_equal(*outputs)
    plain = nn.LSTM(I, H, num_layers=2, rng=0)(x)[0].data
    assert not np.allclose(outputs[0], plain)
    still = nn.LSTM(I, H, num_layers=2, dropout=0.5, rng=0).eval()
    np.testing.assert_array_equal(still(x)[0].data, plain)
    gone = nn.GRU(I, H, num_layers=2, dropout=1.0, rng=0)
    zeros = nn.GRU(I, H, num_layers=2, rng=0)
    zeros.weight_ih_l1.data *= 0
    assert_near(gone(x)[0].data, zeros(x)[0].data, 1e-14)


# What is refused

WRONG: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "x too wide": (lambda: nn.LSTM(3, 4)(np.ones((5, 2, 4))), ValueError,
                   ("LSTM: x has shape (5, 2, 4)", "(T, B, 3)")),
    "no step": (lambda: nn.GRU(3, 4)(np.ones((0, 2, 3))), ValueError, ("GRU:", "no time step")),
    "h_0 of one layer": (lambda: nn.GRU(3, 4, 2)(np.ones((5, 2, 3)), np.ones((1, 2, 4))),
                         ValueError, ("GRU: h_0 has shape (1, 2, 4)", "(2, 2, 4)")),
    "c_0 of another batch": (
        lambda: nn.LSTM(3, 4)(np.ones((5, 2, 3)), (np.ones((1, 2, 4)), np.ones((1, 3, 4)))),
        ValueError, ("LSTM: c_0 has shape (1, 3, 4)", "(1, 2, 4)")),
    "no pair": (lambda: nn.LSTM(3, 4)(np.ones((5, 2, 3)), np.ones((1, 2, 4))), TypeError,
                ("LSTM: the state must be (h, c)",)),
    "a cell's state": (lambda: nn.LSTMCell(3, 4)(np.ones((2, 3)), (np.ones(4), np.ones(4))),
                       ValueError, ("LSTMCell: h has shape (4,)", "(2, 4)")),
    "lengths beyond T": (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[5, 6]), ValueError,
                         ("RNN: lengths go from 5 to 6", "from 1 to T = 5")),
    "length 0": (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[0, 5]), ValueError,
                 ("lengths go from 0 to 5",)),
    "too few lengths": (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[5]), ValueError,
                        ("lengths have shape (1,)", "2 integers")),
    "lengths of floats": (lambda: nn.RNN(3, 4)(np.ones((5, 2, 3)), lengths=[5.0, 3.0]), ValueError,
                          ("dtype float64", "2 integers")),
    "lengths without batch": (lambda: nn.RNN(3, 4)(np.ones((5, 3)), lengths=[5]), ValueError,
                              ("lengths have shape (1,)", "a batch")),
    "hidden size 0": (lambda: nn.LSTM(3, 0), ValueError, ("LSTM: hidden_size is 0",)),
    "half a layer": (lambda: nn.GRU(3, 4, 1.5), ValueError, ("GRU: num_layers is 1.5",)),
    "dropout 1.5": (lambda: nn.GRU(3, 4, dropout=1.5), ValueError, ("GRU: dropout is 1.5",)),
    "proj_size": (lambda: nn.LSTM(3, 4, proj_size=2), ValueError, ("proj_size is 2", "Linear")),
    "nonlinearity": (lambda: nn.RNN(3, 4, nonlinearity="sin"), ValueError, ("'tanh' or 'relu'",)),
    "Dropout": (lambda: nn.Dropout(-0.1), ValueError, ("Dropout: p is -0.1",)),
    "an id beyond": (lambda: nn.Embedding(5, 2)([4, 5]), IndexError, ("id 5", "[0, 5)")),
    "a negative id": (lambda: nn.Embedding(5, 2)([-1]), IndexError, ("id -1", "[0, 5)")),
    "ids of floats": (lambda: nn.Embedding(5, 2)([1.0]), TypeError, ("dtype float64",)),
    "padding_idx": (lambda: nn.Embedding(5, 2, padding_idx=5), ValueError, ("padding_idx is 5",)),
    "LayerNorm": (lambda: nn.LayerNorm(3)(np.ones((2, 4))), ValueError,
                  ("LayerNorm: x has shape (2, 4)", "(3,)")),
    "Sequential": (lambda: nn.Sequential(nn.Linear(2, 3), 5), TypeError, ("Sequential: 5",)),
}  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), WRONG.values(), ids=list(WRONG))
def test_bad_input_is_named(call: Any, kind: Any, words: tuple[str, ...]) -> None:
    """What came, what was needed, and where."""
    with pytest.raises(kind) as error:
        call()
    for word in words:
        assert word in str(error.value)


# Parameters


@pytest.mark.parametrize(("kind", "G"), [("RNN", 1), ("LSTM", 4), ("GRU", 3)])
def test_parameters_have_pytorchs_names_shapes_and_range(kind: str, G: int) -> None:
    """In PyTorch's order; from U(-1/√H, 1/√H), to whose ends they come near."""
    layer = LAYERS[kind](I, 16, num_layers=2, bidirectional=True, dtype=np.float32, rng=0)
    expected = {}
    for k in range(2):
        for end in ("", "_reverse"):
            expected[f"weight_ih_l{k}{end}"] = (G * 16, I if k == 0 else 32)
            expected[f"weight_hh_l{k}{end}"] = (G * 16, 16)
            expected[f"bias_ih_l{k}{end}"] = expected[f"bias_hh_l{k}{end}"] = (G * 16,)
    assert {name: p.shape for name, p in layer.named_parameters()} == expected
    assert [name for name, _ in layer.named_parameters()] == list(expected)
    assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float32)}
    assert 0.249 < max(np.abs(p.data).max() for p in layer.parameters()) <= 0.25


# The other layers


def test_an_embedding_gives_rows_and_adds_their_gradients() -> None:
    """Ids that occur several times get the sum."""
    embedding = nn.Embedding(4, 2, rng=0)
    ids = np.array([[0, 3, 0]])
    y = embedding(ids)
    np.testing.assert_array_equal(y.data, embedding.weight.data[ids])
    y.sum().backward()
    np.testing.assert_array_equal(embedding.weight.grad.data, [[2, 2], [0, 0], [0, 0], [1, 1]])


@pytest.mark.parametrize("padding_idx", [1, -3])
def test_the_padding_row_is_zero_and_learns_nothing(padding_idx: int) -> None:
    """It starts as zeros; its gradient is exactly 0."""
    embedding = nn.Embedding(4, 2, padding_idx=padding_idx, rng=0)
    y = embedding([1, 2, 1])
    assert not y.data[0].any()
    (y * 3).sum().backward()
    np.testing.assert_array_equal(embedding.weight.grad.data, [[0, 0], [0, 0], [3, 3], [0, 0]])


def test_dropout_keeps_the_mean() -> None:
    """Entries are 0 or x / (1 - p); the gradient goes the same way."""
    x = tg.Tensor(np.ones(10_000), requires_grad=True)
    y = nn.Dropout(0.2, rng=0)(x)
    assert set(y.data) == {0.0, 1.25}
    assert abs(y.data.mean() - 1) < 0.02
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)
    layer = nn.Dropout(0.2, rng=0).eval()
    assert layer(x) is x
    assert not nn.Dropout(1.0)(x).data.any()


def test_dropout_keeps_the_dtype() -> None:
    """float32 stays float32."""
    assert nn.Dropout(0.5, rng=0)(tg.Tensor(np.ones(3, np.float32))).dtype == np.float32


@pytest.mark.parametrize("sizes", [4, (3, 4), [4]])
def test_layer_norm_has_mean_0_and_variance_1(sizes: Any) -> None:
    """Over the last axes; weight and bias act afterwards; gradients are right."""
    x, norm = np.random.default_rng(0).normal(2, 3, size=(5, 3, 4)), nn.LayerNorm(sizes, eps=0.0)
    axes = (1, 2) if sizes == (3, 4) else (2,)
    y = norm(x)
    np.testing.assert_allclose(y.data.mean(axes), 0, atol=1e-13)
    np.testing.assert_allclose(y.data.var(axes), 1, atol=1e-12)
    norm.weight.data *= 2
    norm.bias.data += 1
    assert_near(norm(x).data, 2 * y.data + 1, 1e-13)
    weights = np.random.default_rng(1).normal(size=x.shape)
    leaf = tg.Tensor(x, requires_grad=True)
    (norm(leaf) * weights).sum().backward()
    numeric = differences(lambda x: (norm(x).data * weights).sum(), [x], 0)
    assert_near(leaf.grad.data.ravel(), numeric[0], 1e-6)


def test_layer_norm_may_have_no_parameters() -> None:
    """elementwise_affine=False, or no bias alone."""
    assert list(nn.LayerNorm(3, elementwise_affine=False).parameters()) == []
    assert [n for n, _ in nn.LayerNorm(3, bias=False).named_parameters()] == ["weight"]


def test_sequential_runs_its_parts_in_order() -> None:
    """Modules and functions; parameters are named by position; parts can be taken."""
    model = nn.Sequential(nn.Linear(3, 4, rng=0), tg.tanh, nn.Linear(4, 2, rng=1))
    x = np.ones((5, 3))
    assert_near(model(x).data, model[2](tg.tanh(model[0](x))).data, 1e-15)
    names = ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [name for name, _ in model.named_parameters()] == names
    assert len(model) == 3
