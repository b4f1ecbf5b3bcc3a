"""A step in blocks of its batch is the step; where rows are mixed it is run as a whole."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.program import workers
from tinygrad_rnn.program.blocks import batch_in, block_program
from tinygrad_rnn.program.passes.simplify import simplified
from tinygrad_rnn.program.rows import PARTIAL, Axis, MixedRowsError, located
from tinygrad_rnn.program.workers import Blocks

from .deep import H, I, V, deep_check, traced
from .numeric import assert_near
from .steps import agree

T, B = 4, 13


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of at most 3 rows."""
    monkeypatch.setattr(workers, "CACHED", 1)
    monkeypatch.setattr(workers, "FEWEST_ROWS", 3)
    workers._threads.cache_clear()
    yield
    workers._threads.cache_clear()


def leaf(*shape: int, seed: int = 0) -> tg.Tensor:
    """A weight."""
    return tg.Tensor(np.random.default_rng(seed).normal(size=shape) / 2, requires_grad=True)


def leaves_of(compiled: Any) -> list[tg.Tensor]:
    """The Tensors that have gradients."""
    return list(compiled.programs[-1].gradients)


def compare(f: Callable[..., Any], make: Callable[[int], list[Any]], axes: Any, count: int) -> Any:
    """Results and gradients of the step in blocks are the step's, on other inputs too."""
    step = tg.compile(f, batch_axis=axes, workers=count)
    for seed in range(3):
        inputs = make(seed)
        results = step(*inputs)
        found = [w.grad.data for w in leaves_of(step)]
        for w in leaves_of(step):
            w.grad = None
        eager = f(*[tg.Tensor(x) for x in inputs])
        (eager[0] if isinstance(eager, tuple) else eager).backward()
        pairs = zip(flat(results), flat(eager), strict=True)
        for a, b in pairs:
            assert_near(a.data, b.data, 1e-12)
        assert len(found) > 0
        for w, g in zip(leaves_of(step), found, strict=True):
            assert_near(g, w.grad.data, 1e-12)
            w.grad = None
    assert step.traces == 1
    return step


def flat(results: Any) -> list[Any]:
    """A result or several, and tuples in it, as a list."""
    several = results if isinstance(results, tuple) else (results,)
    return [y for x in several for y in (flat(x) if isinstance(x, tuple) else [x])]


def blocks_of(step: Any) -> Blocks:
    """How the step is run: in blocks, each of a few rows."""
    (entry,) = step._cache.values()
    assert isinstance(entry.run, Blocks)
    return entry.run


def sequences(seed: int, batch: int = B) -> list[Any]:
    """Inputs (T, B, I) and classes (T, B)."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(T, batch, I)), rng.integers(0, V, (T, batch))]


LAYERS: dict[str, Callable[[], Any]] = {
    "RNN": lambda: nn.RNN(I, H, rng=0),
    "LSTM": lambda: nn.LSTM(I, H, rng=0),
    "GRU": lambda: nn.GRU(I, H, rng=0),
    "GRU reset before": lambda: nn.GRU(I, H, reset_after=False, rng=0),
    "two layers": lambda: nn.LSTM(I, H, num_layers=2, rng=0),
    "both directions": lambda: nn.GRU(I, H, bidirectional=True, rng=0),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_in_blocks(kind: str, count: int) -> None:
    """Loss, last state, gradients; a batch that no block divides."""
    layer = LAYERS[kind]()
    linear = nn.Linear(2 * H if layer.bidirectional else H, V, rng=1)

    def f(x: Any, y: Any) -> Any:
        output, state = layer(x)
        return tg.cross_entropy(linear(output), y), state

    step = compare(f, sequences, 1, count)
    assert len(blocks_of(step)._slices) >= 5


@pytest.mark.parametrize("batch", [2, 3, H, 5, 2 * H, 3 * H, 4 * H, 131])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_batches_of_all_sizes(kind: str, batch: int) -> None:
    """Also as many rows as other axes have: where the batch is is told by what is done with it."""
    layer, linear = LAYERS[kind](), nn.Linear(H, V, rng=1)

    def f(x: Any, y: Any) -> Any:
        output, state = layer(x)
        return tg.cross_entropy(linear(output), y), state

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is run as a whole is right too
        compare(f, lambda seed: sequences(seed, batch), 1, 1)


@pytest.mark.parametrize("batch", [T, I, V, H])
def test_squares_are_right(batch: int) -> None:
    """A loop by hand whose batch is as large as its time, inputs, classes or states."""
    U, W, b = leaf(I, H), leaf(H, H, seed=1), leaf(H, seed=2)

    def f(x: Any, h: Any) -> Any:
        for x_t in x:
            h = tg.tanh(x_t @ U + h @ W + b)
        return (h * h).sum(), h

    def make(seed: int) -> list[Any]:
        rng = np.random.default_rng(seed)
        return [rng.normal(size=(T, batch, I)), rng.normal(size=(batch, H))]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(f, make, (1, 0), 1)


def loop(x: Any, y: Any) -> Any:
    """A cell by hand with a loss at each step."""
    U, W, b, O = LOOP
    h, loss = tg.tanh(x[0] @ U), 0.0
    for t in range(1, T):
        gate = tg.sigmoid(x[t] @ U + b)
        h = gate * tg.tanh(h @ W + x[t] @ U) + (1 - gate) * h
        loss = loss + tg.cross_entropy(h @ O, y[t], reduction="sum")
    return loss, h


LOOP = leaf(I, H), leaf(H, H, seed=1), leaf(H, seed=2), leaf(H, V, seed=3)


def columns(x: Any, h: Any) -> Any:
    """W @ x, with the batch in the last axis."""
    U, W, b = COLUMNS
    for x_t in x:
        h = tg.tanh(U @ x_t + W @ h + b)
    return (h * h).sum(), h


COLUMNS = leaf(H, I), leaf(H, H, seed=1), leaf(H, 1, seed=2)
TABLE, MATRIX = leaf(V, H), leaf(H, V, seed=1)
LAYER = nn.LSTM(I, H, rng=0)


def classes(seed: int) -> list[Any]:
    """Ids and targets (T, B), some of which do not count."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, V, (T, B))
    y[rng.random((T, B)) < 0.3] = -100
    return [rng.integers(0, V, (T, B)), y]


def numbers(*shapes: tuple[int, ...]) -> Callable[[int], list[Any]]:
    """Normal arrays of these shapes."""
    return lambda seed: [
        np.random.default_rng(seed + k).normal(size=shape) for k, shape in enumerate(shapes)
    ]


def with_lengths(seed: int) -> list[Any]:
    """Sequences (T, B, I) and how long they are."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(T, B, I)), rng.integers(1, T + 1, B)]


def carried(x: Any, h: Any, c: Any) -> Any:
    """The state goes in and comes out."""
    output, state = LAYER(x, (h, c))
    return (output * output).mean(), state


def masked(x: Any, lengths: Any) -> Any:
    """Outputs after the end are 0."""
    output, state = LAYER(x, lengths=lengths)
    return (output * output).sum(), state


def embedded(reduction: str) -> Callable[..., Any]:
    """Rows of a table, and cross-entropy of their images."""
    return lambda ids, y: tg.cross_entropy(
        tg.tanh(TABLE[ids]) @ MATRIX, y, ignore_index=-100, reduction=reduction
    )


STEPS: dict[str, tuple[Callable[..., Any], Callable[[int], list[Any]], Any]] = {
    "a loop": (loop, sequences, 1),
    "columns": (columns, numbers((T, I, B), (H, B)), (2, 1)),
    "columns counted from the end": (columns, numbers((T, I, B), (H, B)), -1),
    "mse": (
        lambda x, y: tg.mse_loss(tg.tanh(x @ MATRIX), y),
        numbers((T, B, H), (T, B, V)),
        1,
    ),
    "sum of squares": (
        lambda x, y: ((x @ MATRIX - y) ** 2).sum(),
        numbers((B, H), (B, V)),
        0,
    ),
    "cross-entropy, sum": (embedded("sum"), classes, 1),
    "cross-entropy, mean": (embedded("mean"), classes, 1),
    "carried state": (carried, numbers((T, B, I), (1, B, H), (1, B, H)), 1),
    "lengths": (masked, with_lengths, (1, 0)),
    "an input without a batch": (
        lambda x, scale: (tg.tanh(x @ MATRIX) * scale).sum(),
        numbers((B, H), (V,)),
        (0, None),
    ),
    "softmax over features": (
        lambda x: (tg.softmax(x @ MATRIX, -1) ** 2).sum(),
        numbers((B, H)),
        0,
    ),
    "LayerNorm over features": (
        lambda x: (normal(x @ MATRIX) ** 3).sum(),
        numbers((B, H)),
        0,
    ),
    "largest of the features": (lambda x: (x @ MATRIX).max(1).sum(), numbers((B, H)), 0),
    "time and batch in one axis": (
        lambda x: (tg.tanh(x.reshape(T * B, H) @ MATRIX).reshape(T, B, V) ** 2).sum(),
        numbers((T, B, H)),
        1,
    ),
    "sums of data alone": (
        lambda x: (x @ MATRIX).sum() * 3 + (x @ MATRIX).sum(),
        numbers((B, H)),
        0,
    ),
    "sum() of losses": (
        lambda x: sum(((x_t @ MATRIX) ** 2).sum() for x_t in x),
        numbers((T, B, H)),
        1,
    ),
    "parts of a weight": (
        lambda x: ((x @ MATRIX[:, :2]) ** 2).sum() + tg.tanh(x @ MATRIX[:, 2:]).sum(),
        numbers((B, H)),
        0,
    ),
    "a result with time and batch in one axis": (
        lambda x: (lambda z: ((z.reshape(T, B, V) ** 2).mean(), z, z.T))(
            tg.tanh(x.reshape(T * B, H) @ MATRIX)
        ),
        numbers((T, B, H)),
        1,
    ),
    "a result with batch and features in one axis": (
        lambda x: (lambda z: ((z * z).mean(), z.reshape(T, B * V)))(tg.tanh(x @ MATRIX)),
        numbers((T, B, H)),
        1,
    ),
    "turned axes": (
        lambda x: (tg.transpose(tg.tanh(x @ MATRIX), (2, 0, 1)) ** 2).mean(),
        numbers((B, T, H)),
        0,
    ),
    "joined features": (
        lambda x: (tg.concatenate([x[:, :2], x[:, 2:] * x[:, :2]], 1) @ MATRIX).sum(),
        numbers((B, H)),
        0,
    ),
}


def normal(x: Any) -> Any:
    """Mean 0 and variance 1 of each row."""
    x = x - x.mean(-1, keepdims=True)
    return x / tg.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("f", "make", "axes"), STEPS.values(), ids=list(STEPS))
def test_steps_in_blocks(f: Any, make: Any, axes: Any, count: int) -> None:
    """They are cut, without a warning, and are right."""
    step = compare(f, make, axes, count)
    assert len(blocks_of(step)._slices) >= 5


def test_blocks_see_other_weights_at_each_call() -> None:
    """Written in place or assigned."""
    W = leaf(H, V)
    step = tg.compile(lambda x: (x @ W).sum(), batch_axis=0)
    x = np.random.default_rng(0).normal(size=(B, H))
    for k in range(3):
        assert_near(step(x).data, (x @ W.data).sum(), 1e-12)
        if k:
            W.data = W.data * 2
        else:
            W.data += 1


def test_large_batches_in_few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """131 rows in blocks that differ by one at the most; as many for each worker."""
    monkeypatch.setattr(workers, "FEWEST_ROWS", 20)
    for count in (1, 2, 3):
        step = compare(loop, lambda seed: sequences(seed, 131), 1, count)
        slices = blocks_of(step)._slices
        sizes = {end - start for start, end in slices}
        assert len(slices) % count == 0
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= 20
        assert sum(end - start for start, end in slices) == 131


def test_float32_in_blocks_stays_float32() -> None:
    """Loss, rows and gradients."""
    layer = nn.LSTM(I, H, rng=0, dtype=np.float32)

    def f(x: Any) -> Any:
        output, state = layer(x)
        return (output * output).mean(), state

    step = tg.compile(f, batch_axis=1, workers=2)
    x = np.random.default_rng(0).normal(size=(T, B, I)).astype("f4")
    loss, state = step(x)
    blocks_of(step)
    right, end = f(tg.Tensor(x))
    assert {y.dtype for y in (loss, *state, *(p.grad for p in layer.parameters()))} == {x.dtype}
    assert_near(loss.data, right.data, 1e-6)
    for a, b in zip(state, end, strict=True):
        assert_near(a.data, b.data, 1e-6)


def test_results_of_blocks_are_arrays_of_their_own() -> None:
    """A later call does not change what an earlier one returned."""
    step = tg.compile(loop, batch_axis=1)
    loss, h = step(*sequences(0))
    grads = [w.grad.data for w in LOOP]
    kept = [loss.data.copy(), h.data.copy(), *[g.copy() for g in grads]]
    step(*sequences(1))
    for a, b in zip([loss.data, h.data, *grads], kept, strict=True):
        np.testing.assert_array_equal(a, b)
    for w in LOOP:
        w.grad = None


def test_values_out_of_range_are_refused_in_blocks() -> None:
    """By worker threads too, and no gradient changes."""
    for count in (1, 2):
        step = tg.compile(embedded("mean"), batch_axis=1, workers=count)
        ids, y = classes(0)
        step(ids, y)
        for w in (TABLE, MATRIX):
            w.grad = None
        wrong = y.copy()
        wrong[0, -1] = V
        with pytest.raises(IndexError, match=f"target {V}"):
            step(ids, wrong)
        assert TABLE.grad is MATRIX.grad is None


# What mixes rows


MIXED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "softmax over the batch": (lambda x: (tg.softmax(x @ MATRIX, 0) ** 2).sum(), "max|sum|divide"),
    "mean over the batch": (
        lambda x: (tg.tanh(x @ MATRIX - (x @ MATRIX).mean(0)) ** 2).sum(),
        "subtract",
    ),
    "largest of the batch": (lambda x: (x @ MATRIX).max(0).sum(), "max"),
    "smallest of all": (lambda x: (x @ MATRIX).min(), "min"),
    "turned round": (lambda x: ((x @ MATRIX)[::-1] * (x @ MATRIX)).sum(), "getitem"),
    "a row": (lambda x: (x[0] @ MATRIX).sum(), "getitem"),
    "half of the rows": (lambda x: (x[: B // 2] @ MATRIX).sum(), "getitem"),
    "all pairs": (lambda x: ((x @ MATRIX) @ (x @ MATRIX).T).sum(), "matmul"),
    "sums along it": (lambda x: tg.cumsum(x @ MATRIX, 0).sum(), "cumsum"),
    "sorted": (lambda x: (tg.sort(x @ MATRIX, 0) * np.arange(V)).sum(), "argsort"),
    "the loss squared": (lambda x: (x @ MATRIX).sum() ** 2, "square|power|multiply"),
    "a constant for each row": (
        lambda x: ((x @ MATRIX) * np.arange(B)[:, None]).sum(),
        "multiply",
    ),
    "rows joined": (lambda x: (tg.concatenate([x, x]) @ MATRIX).sum(), "matmul"),
    "rows in a shape": (lambda x: (x.reshape(H, B) @ leaf_of_batch).sum(), "reshape"),
}
leaf_of_batch = leaf(B, 2, seed=5)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("f", "op"), MIXED.values(), ids=list(MIXED))
def test_what_mixes_rows_is_run_as_a_whole(f: Any, op: str, count: int) -> None:
    """A warning names the operation, and the result is right."""
    with pytest.warns(UserWarning, match=rf"run as a whole.*: ({op})\b"):
        compare(f, numbers((B, H)), 0, count)


VECTOR, SQUARE, SMALL, ROWS = leaf(V), leaf(V, V, seed=7), leaf(H, H, seed=8), leaf(V, H, seed=9)
OPEN: dict[str, Callable[[Any], Any]] = {
    "a bias": lambda x: (tg.tanh(x @ MATRIX + VECTOR) ** 2).sum(),
    "a scale of features": lambda x: ((x @ MATRIX) * VECTOR).sum(),
    "a scale of rows": lambda x: ((x @ SMALL) * VECTOR[:, None]).sum(),
    "a mix of rows": lambda x: ((SQUARE @ x) ** 2).sum(),
    "a mix of rows from the right": lambda x: ((x.T @ SQUARE) ** 2).sum(),
    "a square from the right": lambda x: (tg.tanh(x @ MATRIX @ SQUARE) ** 2).mean(),
    "a weight for each row": lambda x: tg.tanh(x + ROWS).sum(),
    "ones": lambda x: ((x @ MATRIX + np.ones((V, V))) ** 2).sum(),
    "ones times weights": lambda x: (x @ MATRIX + SQUARE.sum() * np.ones((V, V))).sum(),
    "a constant in where": lambda x: (tg.where(x > 0, x @ SMALL, np.full((V, H), 2.0)) ** 2).sum(),
    "repeated rows": lambda x: (tg.broadcast_to((x @ SMALL)[None], (V, V, H)) ** 2).sum(),
    "pairs of rows": lambda x: (((x @ SMALL)[:, None] * (x @ SMALL)[None]) ** 2).sum(),
    "cut through": lambda x: (tg.tanh(x.reshape(3, 2, H) @ SMALL).sum(2) ** 2).sum(),
    "a diagonal": lambda x: tg.diagonal(x @ MATRIX).sum(),
    "halves of rows": lambda x: sum((p**2).sum() for p in tg.split(x @ SMALL, 2, 0)),
    "turned features": lambda x: ((x @ SMALL)[:, ::-1] * x).sum(),
    "centred data": lambda x: (tg.tanh((x - x.mean(0)) @ SMALL) ** 2).sum(),
    "scaled data": lambda x: (tg.tanh(x / (x * x).sum() @ SMALL) ** 2).mean(),
    "a penalty": lambda x: ((x @ SMALL) ** 2).sum() + (SMALL * SMALL).sum(),
    "a linear and another loss": lambda x: ((x @ SMALL) ** 2).sum() + (x @ SMALL).sum(),
    "a mean times a penalty": lambda x: (x @ SMALL).mean() * (SMALL * SMALL).sum(),
    "other results": lambda x: ((x @ SMALL).sum(), x @ SMALL, (x * x).sum(0), SMALL * 2),
    "means of rows": lambda x: ((x @ SMALL).mean(), (x @ SMALL).mean(1), (x @ SMALL).mean(0)),
}


@pytest.mark.parametrize("f", OPEN.values(), ids=list(OPEN))
def test_what_may_be_a_batch_or_not_is_right(f: Callable[[Any], Any]) -> None:
    """As many rows as classes: told apart, or run as a whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(f, numbers((V, H)), 0, 1)


def test_batches_of_two_sizes_are_run_as_a_whole() -> None:
    """The warning names both sizes."""
    f = lambda x, y: (x @ MATRIX).sum() + (y @ MATRIX).sum()
    with pytest.warns(UserWarning, match=r"sizes \[3, 13\]"):
        compare(f, numbers((B, H), (3, H)), 0, 1)


def test_axes_of_which_one_is_wrong_are_found() -> None:
    """Two operands with their batches in different places."""
    f = lambda x, y: ((x + y) @ leaf_square).sum()
    with pytest.warns(UserWarning, match="add: .*different places|run as a whole"):
        compare(f, numbers((H, H), (H, H)), (0, 1), 1)


leaf_square = leaf(H, H, seed=6)


def test_a_batch_of_one_row_is_right() -> None:
    """In one block or as a whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(loop, lambda seed: sequences(seed, 1), 1, 1)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("batch", [0, 1, 2, 7])
def test_few_rows_and_many_workers_are_right(batch: int, count: int) -> None:
    """Also axes of size 1, and results that are the same in each block."""
    W, U = leaf(1, 1), leaf(1, 1, seed=1)

    def f(x: Any, y: Any) -> Any:
        h = np.zeros((batch, 1))
        for x_t in x:
            h = tg.tanh(x_t @ W + h @ U)
        return ((h - y[-1]) ** 2).sum(), h, np.ones((batch, 2)), tg.broadcast_to(W, (7, 1))

    def make(seed: int) -> list[Any]:
        rng = np.random.default_rng(seed)
        return [rng.normal(size=(8, batch, 1)), rng.normal(size=(8, batch, 1))]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is run as a whole is right too
        agree(f, [W, U], *map(make, range(3)), batch_axis=1, workers=count)


def test_workers_without_threadpoolctl_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker needs none."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    x = np.ones((B, H))
    tg.compile(lambda x: (x @ MATRIX).sum(), batch_axis=0)(x)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "tinygrad_rnn\[threads\]"'):
        tg.compile(lambda x: (x @ MATRIX).sum(), batch_axis=0, workers=2)(x)
    MATRIX.grad = None


# Programs


def test_the_batch_is_found_by_its_stride() -> None:
    """Whole, behind others, before others, in the middle of an axis, cut through."""
    assert located((4, 13, 2), 2, 13) == Axis(1, 1, 1)
    assert located((52, 2), 2, 13) == Axis(0, 4, 1)
    assert located((4, 26), 2, 13) == Axis(1, 1, 2)
    assert located((104,), 2, 13) == Axis(0, 4, 2)
    assert located((13,), 1, 13) == Axis(0, 1, 1)
    for shape, stride in [((4, 2, 13), 2), ((26, 4), 2), ((2, 52), 8)]:
        with pytest.raises(MixedRowsError, match="cut through"):
            located(shape, stride, 13)


def test_a_program_is_cut() -> None:
    """Each value with the rows of the block, and sums over the batch add up."""
    f = lambda x, y: tg.mse_loss(tg.tanh(x @ MATRIX), y)
    x, y = numbers((T, B, H), (T, B, V))(0)
    program = simplified(traced(f, x, y, backward=True))
    batch = batch_in(program, (1, 1), B)
    assert [batch.where.get(out) for out in program.outputs] == [PARTIAL, PARTIAL]
    assert not batch.ahead
    parts = [(0, 5), (5, 9), (9, 13)]
    found = [
        deep_check(block_program(program, batch, end - start), [x[:, start:end], y[:, start:end]])
        for start, end in parts
    ]
    for several, right in zip(zip(*found, strict=True), deep_check(program, [x, y]), strict=True):
        assert_near(sum(several), right, 1e-13)
