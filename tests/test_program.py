"""A compiled step does what the step and backward do; its program says how."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.ops.op import Op, op
from tinygrad_rnn.ops.rows import places
from tinygrad_rnn.program import Equation, Program, Runner, Var, trace
from tinygrad_rnn.program.passes import PASSES, improved

from .cases import CASES, MODULES, Case
from .deep import deep_check, random_step
from .numeric import assert_near, parts
from .steps import agree, as_if_long, ordinary_step

T, B, I, H, V = 5, 3, 2, 4, 6
OPS = [x for module in MODULES for x in vars(module).values() if isinstance(x, Op)]


def data(seed: int = 0, steps: int = T, dtype: Any = float) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs (T, B, I) and classes (T, B)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, B, I)).astype(dtype), rng.integers(0, V, (steps, B))


class Model(nn.Module):
    """A recurrent layer and a Linear on each of its outputs."""

    def __init__(self, layer: Any, **options: Any) -> None:
        self.layer = layer
        size = 2 * H if layer.bidirectional else H
        self.linear = nn.Linear(size, V, rng=1, dtype=layer.weight_hh_l0.dtype)
        self.options = options

    def forward(self, x: Any, y: Any, state: Any = None) -> Any:
        """The loss, and the last state."""
        output, state = self.layer(x, state, **self.options)
        return tg.cross_entropy(self.linear(output), y), state


def gradients(module: nn.Module) -> list[np.ndarray]:
    """The gradients of the parameters, which forget them."""
    found = [p.grad.data.copy() for p in module.parameters()]
    module.zero_grad()
    return found


def assert_same(found: list[Any], expected: list[Any], rtol: float = 1e-12) -> None:
    """Equal shapes, dtypes and values."""
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert_near(a, b, rtol)


def compare(model: Model, step: Any, *inputs: Any, rtol: float = 1e-12) -> Any:
    """The step, compiled and as it is: loss, state and gradients agree; the compiled results."""
    results = step(*inputs)
    found = gradients(model)
    loss, state = model(*inputs)
    loss.backward()
    assert_near(results[0].data, loss.data, rtol)
    states = [(a, b) if isinstance(a, tuple) else ((a,), (b,)) for a, b in [(results[1], state)]]
    for a, b in zip(*states[0], strict=True):
        assert_near(a.data, b.data, rtol)
        assert not a.requires_grad
    assert_same(found, gradients(model), rtol)
    return results


LAYERS: dict[str, Callable[..., Any]] = {
    "RNN": nn.RNN,
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
    "GRU reset before": lambda *sizes, **options: nn.GRU(*sizes, reset_after=False, **options),
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "unrolled": {"unroll": True},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "without biases": {"bias": False},
}


@pytest.mark.parametrize("options", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("kind", LAYERS)
def test_a_compiled_step_is_the_step(kind: str, options: dict[str, Any]) -> None:
    """Loss, last state and every gradient, on other inputs too, traced once."""
    model = Model(LAYERS[kind](I, H, rng=0, **options))
    step = tg.compile(model)
    for seed in range(3):
        compare(model, step, *data(seed))
    assert step.traces == 1


@pytest.mark.parametrize("kind", LAYERS)
def test_float32_stays_float32(kind: str) -> None:
    """Results and gradients have their dtype and eager's values but for rounding."""
    model = Model(LAYERS[kind](I, H, rng=0, dtype=np.float32))
    step = tg.compile(model)
    for seed in range(2):
        loss, _ = compare(model, step, *data(seed, dtype=np.float32), rtol=1e-5)
        assert loss.dtype == np.float32


def test_lengths_are_inputs() -> None:
    """Masks follow them from call to call."""
    layer = nn.LSTM(I, H, bidirectional=True, rng=0)

    def run(x: Any, lengths: Any) -> Any:
        output, _ = layer(x, lengths=lengths)
        return (output * output).sum()

    step = tg.compile(run)
    for lengths in ([5, 3, 1], [1, 2, 5], [5, 5, 5]):
        x, lengths = data()[0], np.array(lengths)
        loss = step(x, lengths)
        found = gradients(layer)
        eager = run(x, lengths)
        eager.backward()
        assert_near(loss.data, eager.data, 1e-12)
        assert_same(found, gradients(layer))
    assert step.traces == 1


def test_ids_are_inputs() -> None:
    """Rows of an embedding follow the ids, also those that occur several times."""
    embedding, linear = nn.Embedding(V, H, padding_idx=0, rng=0), nn.Linear(H, V, rng=1)
    model = nn.Sequential(embedding, linear)
    step = tg.compile(lambda ids, y: tg.cross_entropy(model(ids), y))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        ids, y = rng.integers(0, V, (2, 7))
        loss = step(ids, y)
        found = gradients(model)
        eager = tg.cross_entropy(model(ids), y)
        eager.backward()
        assert_near(loss.data, eager.data, 1e-12)
        assert_same(found, gradients(model))
    assert step.traces == 1


def test_values_out_of_range_are_refused_at_each_call() -> None:
    """Targets, ids and lengths, also where those of the trace were right; no `.grad` changes."""
    embedding, layer = nn.Embedding(V, I, rng=0), nn.RNN(I, V, rng=1)

    @tg.compile
    def step(ids: Any, y: Any, lengths: Any) -> Any:
        output, _ = layer(embedding(ids), lengths=lengths)
        return tg.cross_entropy(output, y)

    ids, y, lengths = np.zeros((T, B), int), np.zeros((T, B), int), np.full(B, T)
    step(ids, y, lengths)
    before = gradients(layer)
    for wrong, kind, words in [
        ((ids - 1, y, lengths), IndexError, "Embedding: id -1"),
        ((ids, y + V, lengths), IndexError, f"cross_entropy: target {V}"),
        ((ids, y, lengths + 1), ValueError, f"RNN: lengths go from {T + 1}"),
    ]:
        with pytest.raises(kind, match=words):
            step(*wrong)
        assert all(p.grad is None for p in layer.parameters())
    step(ids, y, lengths)
    assert_same(gradients(layer), before)
    assert step.traces == 1


def test_a_detached_weight_is_read_afresh() -> None:
    """It is a constant for gradients, not from call to call."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    step = tg.compile(lambda x: (w * x * w.detach()).sum())
    assert step(np.ones(2)).item() == 5
    np.testing.assert_array_equal(w.grad.data, [1, 2])
    w.data = w.data * 3
    assert step(np.ones(2)).item() == 45


def test_a_compiled_function_is_a_part_of_a_step() -> None:
    """Without gradients of its own it is traced with the rest."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    double = tg.compile(lambda x: x * 2, backward=False)
    step = tg.compile(lambda x: (w * double(x)).sum())
    assert [step(np.full(2, k)).item() for k in (1.0, 2.0)] == [6, 12]


PARTS: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "columns in turn": ((1, 4), np.s_[:, ::2], np.s_[:, 1::2]),
    "steps of a batch": ((2, 4, 2), np.s_[:, :1], np.s_[:, 1:]),
    "rows": ((4, 2), np.s_[:1], np.s_[1:]),
}


@pytest.mark.parametrize(("shape", "first", "second"), PARTS.values(), ids=list(PARTS))
def test_products_whose_gradients_are_parts_of_one(shape: Any, first: Any, second: Any) -> None:
    """They are computed into places that are not contiguous."""
    rng = np.random.default_rng(0)
    w = tg.Tensor(rng.normal(size=shape), requires_grad=True)
    A, B = rng.normal(size=(2, 2, 3))

    def run(x: Any) -> Any:
        z = w * x
        return ((z[first] @ A) ** 2).sum() + ((z[second] @ B) ** 3).sum()

    step = tg.compile(run)
    for _ in range(2):
        x = rng.normal(size=shape)
        loss = step(x)
        found, w.grad = w.grad, None
        eager = run(x)
        eager.backward()
        assert_near(loss.data, eager.data, 1e-12)
        assert_near(found.data, w.grad.data, 1e-12)
        w.grad = None


def test_zero_and_minus_zero_are_two_numbers() -> None:
    """1 / 0 and 1 / -0 are not the same equation."""
    f = tg.compile(lambda x: (x / 0.0, x / -0.0), backward=False)
    with np.errstate(divide="ignore"):
        assert [y.item() for y in f(np.ones(()))] == [np.inf, -np.inf]


def test_names_in_a_program_are_its_own() -> None:
    """Two leaves called weight are told apart."""
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 1, rng=1))
    program = trace(lambda x: [model(x).sum()], (np.ones((1, 2)),))
    names = [line.partition(":")[0] for line in str(program).splitlines() if ": (" in line]
    assert len(set(names)) == len(names)


def test_parameters_are_read_afresh() -> None:
    """Written in place or assigned, they are what they are at the call; training goes on."""
    model = Model(nn.RNN(I, H, rng=0))
    step = tg.compile(model)
    for seed in range(4):
        compare(model, step, *data(seed))
        for k, p in enumerate(model.parameters()):
            if k % 2 or seed == 2:
                p.data -= 0.01
            else:
                p.data = p.data * 1.1
    assert step.traces == 1


def test_gradients_add_up() -> None:
    """As backward's do; what was kept of an earlier call stays as it was."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    step = tg.compile(lambda x: (w * x).sum())
    step(np.array([3.0, 4.0]))
    first = w.grad
    step(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(w.grad.data, [4, 5])
    np.testing.assert_array_equal(first.data, [3, 4])


@pytest.mark.parametrize("backward", [True, False])
def test_threads_take_turns(backward: bool) -> None:
    """Each has its own results, and all gradients are added up, also by several traces."""
    size, rounds = 20_000, 40
    w = tg.Tensor(np.ones(size), requires_grad=True)
    step = tg.compile(lambda x: ((w * x * x).sum(), x + x, w * x), backward=backward)

    def run(k: int) -> list[Any]:
        x = np.full(size, float(k))
        rows = [x[None] if r % 9 == 8 else x for r in range(rounds)]  # two traces
        return [[y.data.copy() for y in step(row)] for row in rows]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(1, 5)))
    for k, several in enumerate(found, start=1):
        for total, twice, product in several:
            assert total == size * k * k
            assert (twice == 2 * k).all()
            assert (product == k).all()
    if backward:
        total = rounds * sum(k * k for k in range(1, 5))
        np.testing.assert_array_equal(w.grad.data, np.full(size, total))


def test_a_step_that_calls_itself_is_refused() -> None:
    """By an op of the user's as it runs; the next call is right."""
    calls = []

    @op(elementwise=True, x=lambda g, z, x: g)
    def again(x: Any) -> Any:
        """x, after a call of the step in which it is."""
        if calls:
            calls.append(step(np.ones(2)))
        return x + 0

    w = leaf(2)
    step = tg.compile(lambda x: again(w * x).sum())
    expected = step(np.ones(2)).item()
    calls.append(None)
    with pytest.raises(RuntimeError, match="called again while it runs"):
        step(np.ones(2))
    calls.clear()
    assert step(np.ones(2)).item() == expected
    assert len(calls) == 0


def test_a_copy_of_a_step_is_a_step_of_its_own() -> None:
    """Of the copied weights, traced anew."""
    model = nn.Linear(2, 1, rng=0)
    step = tg.compile(model.forward, backward=False)
    x = np.ones((1, 2))
    before = step(x).item()
    other = copy.deepcopy(step)
    assert other.traces == 0
    other._f.__self__.bias.data += 1.0
    assert other(x).item() == pytest.approx(before + 1)
    assert step(x).item() == before


def test_results_are_arrays_of_their_own() -> None:
    """A later call does not change what an earlier one returned."""
    step = tg.compile(lambda x: (x * 2, {"more": x + 1}), backward=False)
    y, others = step(np.ones(2))
    step(np.zeros(2))
    np.testing.assert_array_equal(y.data, [2, 2])
    np.testing.assert_array_equal(others["more"].data, [2, 2])


def leaf(*shape: int, seed: int = 0, dtype: Any = float) -> tg.Tensor:
    """Normal numbers that learn."""
    array = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    return tg.Tensor(array, requires_grad=True)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


LAST: dict[str, Callable[[Any], Any]] = {
    "maximum": lambda x: tg.maximum(x, 0.1),
    "maximum of two": lambda x: tg.maximum(x * 2, x * x),
    "minimum": lambda x: tg.minimum(0.1, x),
    "relu": tg.relu,
    "max": lambda x: tg.max(x, axis=0),
    "min": lambda x: tg.min(x, axis=-1, keepdims=True),
    "sum": lambda x: tg.sum(x, axis=0),
    "where": lambda x: tg.where(x > 0.1, x, 0.2),
    "clip": lambda x: tg.clip(x, 0.0, None),
    "sigmoid": tg.sigmoid,
    "cast": lambda x: x.astype(np.float32),
    "truncate": lambda x: (x > 0).astype(int),
    "zeroed": lambda x: tg.cross_entropy(tg.outer(x, x), [1, -100, 0], reduction="none"),
    "concatenate": lambda x: tg.concatenate([x * 2, x * 3]),
    "stack": lambda x: tg.stack([x * 2, x * 3]),
    "unslice": lambda x: tg.pad(x * 2, 1),
    "part": lambda x: (x * 2)[1:],
    "entry": lambda x: (x * 2)[1],
    "transpose": lambda x: x[None].T,
}


@pytest.mark.parametrize("last", LAST.values(), ids=list(LAST))
def test_the_last_operation_gives_the_result(last: Callable[[Any], Any]) -> None:
    """As the loss and as a further result, on other inputs too, and in whatever memory."""
    w = leaf(3)
    calls = [[normal(3, seed=seed)] for seed in range(4)]
    agree(lambda x: ((w * x).sum(), last(w * x), last(x)), [w], *calls)
    if last(w).requires_grad:
        agree(lambda x: last(tg.stack([(w * x).sum()] * 3)).reshape(-1)[:1], [w], *calls)
        agree(lambda x: last(w * x).sum(), [w], *calls)


def check_last(case: Case) -> None:
    """The operation of a row gives results and gradients at several calls."""
    arrays = case.inputs()
    leaves = {k: tg.Tensor(arrays[k], requires_grad=True) for k in case.by}
    floats = [k for k, x in enumerate(arrays) if x.dtype.kind == "f"]

    def f(*given: Any) -> list[Any]:
        data = dict(zip(floats, given, strict=True))
        inputs = [data.get(k, x) for k, x in enumerate(arrays)]
        learnt = [leaves.get(k, x) for k, x in enumerate(inputs)]
        computed = [leaves[k] * 0 + x if k in leaves else x for k, x in enumerate(inputs)]
        return [y for xs in (learnt, computed, inputs) for y in parts(case.call(*xs))]

    def step(*given: Any) -> list[Any]:
        results, rng = f(*given), np.random.default_rng(1)
        gs = [rng.normal(size=y.shape).astype(y.dtype) for y in results]
        terms = [(y * g).sum() for y, g in zip(results, gs, strict=True) if y.dtype.kind == "f"]
        return [sum(terms[: 2 * len(terms) // 3]), *results]

    calls = [[x for x in case.inputs(seed) if x.dtype.kind == "f"] for seed in range(2)]
    weights = list(leaves.values())
    agree(step if weights else f, weights, *calls, rtol=1e-10, backward=bool(weights))
    if weights and f(*map(tg.Tensor, calls[0]))[0].size == 1:
        agree(lambda *given: f(*given)[0], weights, *calls, rtol=1e-10)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_operation_may_be_the_last(case: Case) -> None:
    """Of leaves, of inputs and of what is computed, as a result and as the loss."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of arrays without entries
        check_last(case)


@pytest.mark.parametrize("function", sorted({case.function for case in CASES}))
def test_every_operation_may_be_of_size_one(function: str) -> None:
    """In each number of axes in which it takes arrays of one entry."""
    for case in (case for case in CASES if case.function == function):
        single = case.with_shapes(*((1,) * len(draw.shape) for draw in case.draws))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                inputs = [
                    tg.Tensor(x, requires_grad=k in case.by) for k, x in enumerate(single.inputs())
                ]
                for y in parts(single.call(*inputs)):
                    if case.by:
                        y.backward(np.ones(y.shape))
            except (ValueError, IndexError, TypeError, RuntimeError):
                continue  # it has other shapes in its settings
            check_last(single)


def test_a_loss_is_the_last_extreme() -> None:
    """A hinge, the larger of two losses, the smaller, relu: not the operand they were given."""
    w = leaf(1)
    calls = [[np.array(x)] for x in (0.0, 0.25, 3.0)]
    for last in (
        lambda y: tg.maximum(y, 0.0),
        lambda y: tg.minimum(y, 2.0),
        lambda y: tg.maximum(0.0, y),
        lambda y: tg.maximum(y, y * y),
        tg.relu,
    ):
        agree(lambda x, last=last: last((1 - w * x).sum()), [w], *calls)
        agree(lambda x, last=last: (w.sum(), last((1 - w * x).sum())), [w], *calls)


DTYPES = ("?", "i1", "i8", "f4", "f8")


@pytest.mark.parametrize("second", DTYPES)
@pytest.mark.parametrize("first", DTYPES)
def test_operands_of_every_dtype_are_read_at_each_call(first: str, second: str) -> None:
    """Extremes, choices, sums and products of two dtypes, or of one and a number."""

    def f(x: Any, y: Any) -> Any:
        count = tg.maximum(x.sum(), 1.0)
        pairs = [g(a, b) for g in (tg.maximum, tg.minimum) for a, b in ((x, y), (x, 1), (0.5, y))]
        more = [tg.where(x > 0, x, y), x * y, x + y, x / (y + 2.0)]
        more += [tg.clip(x, 0, 1), tg.concatenate([x, y]), tg.stack([x, y])]
        return (w * x / count).sum(), *pairs, *more, *(z.sum(0) for z in pairs), *more

    w = leaf(2, 3)
    draws = [[normal(2, 3, seed=seed) * 2 for seed in (k, k + 9)] for k in range(3)]
    agree(f, [w], *([x.astype(first), y.astype(second)] for x, y in draws), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_targets_may_be_of_every_integer(dtype: str) -> None:
    """Their places are NumPy's indices, at one step and at many."""
    w, rng = leaf(3, 4), np.random.default_rng(0)
    ignored = {"ignore_index": -1} if dtype[0] == "i" else {"ignore_index": 3}
    f = lambda x, y: tg.cross_entropy(x @ w, y, **ignored)
    draws = [rng.integers(0, 4, (10, 2)) for _ in range(3)]
    calls = [[normal(10, 2, 3, seed=k), y.astype(dtype)] for k, y in enumerate(draws)]
    for _, y in calls:
        y[:, 0], y[0, 1] = 1, ignored["ignore_index"]
        assert places(y, size=4).dtype == np.intp
    agree(f, [w], *calls)
    agree(lambda x, y: (sum(map(f, x, y)), places(y, size=4)), [w], *calls)


@pytest.mark.parametrize("dtype", [*DTYPES, "i4", "u1", "f2"])
def test_what_is_compared_with_a_number_keeps_its_dtype(dtype: str) -> None:
    """Small integers with fractions, and with numbers that they cannot be, on either side."""
    w, compared = leaf(3), (tg.less, tg.greater_equal, tg.equal, tg.not_equal)
    numbers = (0.5, 1, -1, 1.0, 300, 2**70, True) if dtype[0] in "iu" else (0.5, 1, -1, True)
    f = lambda x: [g(*pair) for g in compared for n in numbers for pair in ((x, n), (n, x))]
    calls = [[np.array(x).astype(dtype)] for x in ([0, 1, 2], [1, 0, 100])]
    agree(lambda x: (w.sum(), *f(x), *f(x.sum())), [w], *calls)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_condition_may_have_any_dtype(dtype: str) -> None:
    """0 does not hold, all else does, NaN too."""
    w, masks = leaf(3), [[1, 0, 1], [0, 0, 1], [0, 2, 0]]
    calls = [[np.array(m).astype(dtype), normal(3, seed=k)] for k, m in enumerate(masks)]
    agree(lambda m, x: (tg.where(m, w * x, 2 * w).sum(), tg.where(m, x, 1)), [w], *calls)
    agree(lambda m, x: tg.where(m, w, np.nan).sum(), [w], *calls)
    agree(lambda x: tg.where(x, w, 0).sum(), [w], [np.array([np.nan, 0, -0.0])])
    for choice in (True, 0, 2.5, np.nan, np.bool_(False), np.float64(1)):
        agree(lambda m, x, c=choice: tg.where(c, w * x, 2 * w).sum(), [w], *calls)


def test_parts_that_overlap_are_no_gates() -> None:
    """Tanhs of parts that share a column, beside each other and beside sigmoids."""
    w = leaf(2, 3)
    calls = [[normal(2, 3, seed=seed)] for seed in range(3)]
    tanhs = lambda y: tg.tanh(y[:, :2]).sum() + tg.tanh(y[:, 1:]).sum()
    agree(lambda x: tanhs(x * w), [w], *calls)
    agree(lambda x: tanhs(x * w) * tg.sigmoid((x * w)[:, :1]).sum(), [w], *calls)
    twice = lambda y: tg.tanh(y[:, 0:2]).sum() + tg.tanh(y[:, :2]).sum() + tg.tanh(y[:, 2:]).sum()
    agree(lambda x: twice(x * w), [w], *calls)


STACKS: dict[str, Callable[..., Any]] = {
    "a step of truths and floats is a float": lambda x, m, w: (
        lambda s: ((s[0] + s[0]) @ w, s[0], s[1])
    )(tg.stack([m, w.detach()])),
    "a step of float32 and float64": lambda x, m, w: (
        lambda s: ((s[0] * w).sum(), s[0], s[1] * 2)
    )(tg.stack([x.astype(np.float32), w])),
    "a number beside a loss": lambda x, m, w: (
        lambda s: (s[1] * s[0], s[1], s)
    )(tg.stack([(w * x).sum(), 2.0])),
    "numbers alone": lambda x, m, w: ((w * tg.stack([2.0, 3.0, 4.0])).sum(), tg.stack([1, 2])[1]),
    "steps of a stack of two dtypes": lambda x, m, w: (
        lambda s: ((tg.stack([s[0], s[1]]) * w).sum(), tg.stack([s[1], s[0]]))
    )(tg.stack([m, w])),
    "joined truths and floats": lambda x, m, w: (
        (tg.concatenate([m, w])[:3] * w).sum(), tg.concatenate([m, w]), tg.concatenate([m])
    ),
    "a product with ones of another dtype": lambda x, m, w: (
        (w * (m * np.ones(3, np.float32) + m * 1)).sum(), m * 1.0, m * 1, m / 1
    ),
    "a sum over an axis of size 1": lambda x, m, w: ((m[None].sum(0) * w).sum(), m[None].sum(0)),
    "a sum of a stack that is cut through": lambda x, m, w: (
        lambda h: ((tg.stack(h[::-1]).reshape(3, 8).sum(0) * tg.stack(h).reshape(-1)[:8]).sum(),)
    )([tg.sin(w[:, None] + np.arange(4.0) * k) for k in (1, 2)]),
    "a product of stacks that are cut through": lambda x, m, w: (
        lambda h, k: (
            (tg.stack(h[::-1]).reshape(3, 8).T @ tg.stack(k[::-1]).reshape(3, 8)).sum(),
            tg.tanh(tg.stack(h)),
        )
    )(*([f(w[:, None] + np.arange(4.0) * k) for k in (1, 2)] for f in (tg.sin, tg.cos))),
}  # fmt: skip


@pytest.mark.parametrize("f", STACKS.values(), ids=list(STACKS))
def test_what_stands_for_a_value_has_its_shape_and_dtype(f: Callable[..., Any]) -> None:
    """Stacks and sums of several dtypes are promoted, wherever a part of them is read."""
    w = leaf(3)
    calls = [[normal(3, seed=k), normal(3, seed=k) > 0] for k in range(3)]
    agree(lambda x, m: f(x, m, w), [w], *calls)
    program = trace(
        lambda x, m: [y if isinstance(y, tg.Tensor) else tg.Tensor(y) for y in f(x, m, w)], calls[0]
    )
    for one in PASSES:
        program = one(program)
        deep_check(program, calls[1])


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("m", [1, 2])
def test_products_of_single_rows_and_columns(k: int, n: int, m: int) -> None:
    """Of vectors, rows, columns and matrices, turned ones too, as loss and as results."""
    lefts, rights = [(k,), (1, k), (n, k), (2, n, k)], [(k,), (k, 1), (k, m), (2, k, m)]
    for a in lefts:
        for b in rights:
            v, w = leaf(*a), leaf(*b, seed=1)
            turned = (lambda x: x) if len(a) > 2 else (lambda x: (x.T * 1).T)

            def f(x: Any, y: Any, v: Any = v, w: Any = w, turned: Any = turned) -> Any:
                hidden = tg.tanh(turned(v * x) @ (w * y))
                return (hidden * hidden).sum(), v @ y, turned(x) @ turned(y), x @ w

            calls = [[normal(*a, seed=s), normal(*b, seed=s + 9)] for s in range(2)]
            agree(f, [v, w], *calls)
            if (v @ w).size == 1:
                agree(lambda x, y, v=v, w=w: (v * x) @ (w * y), [v, w], *calls)


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_of_size_one(kind: str) -> None:
    """One example, one step, one hidden unit, one feature, one class."""
    for steps, batch, features, hidden in [(1, 1, 1, 1), (3, 1, 2, 1), (2, 2, 1, 1), (9, 1, 1, 3)]:
        layer = LAYERS[kind](features, hidden, rng=0)
        linear = nn.Linear(hidden, 1, rng=1)

        def f(x: Any, y: Any, layer: Any = layer, linear: Any = linear) -> Any:
            output, state = layer(x)
            return tg.mse_loss(linear(output)[..., 0], y), linear(output[-1]), output[-1, 0], state

        calls = [[normal(steps, batch, features, seed=s), normal(steps, batch)] for s in range(2)]
        agree(f, [*layer.parameters(), *linear.parameters()], *calls)


def test_a_cell_written_with_columns_and_with_rows() -> None:
    """h of one example as a vector, a column or a row."""
    for H in (1, 3):
        W, U, V = leaf(H, H), leaf(H, 2, seed=1), leaf(1, H, seed=2)

        def column(x: Any, W: Any = W, U: Any = U, V: Any = V) -> Any:
            h, loss = np.zeros(W.shape[0]), 0.0
            for x_t in x:
                h = tg.tanh(W @ h + U @ x_t)
                loss = loss + (V @ h) ** 2
            return loss, h, (W @ h[:, None]), h[None] @ W

        def row(x: Any, W: Any = W, U: Any = U, V: Any = V) -> Any:
            h, loss = np.zeros((1, W.shape[0])), 0.0
            for x_t in x:
                h = tg.tanh(h @ W + x_t[None] @ U.T)
                loss = loss + (h @ V.T) ** 2
            return loss, h

        calls = [[normal(9, 2, seed=s)] for s in range(2)]
        agree(column, [W, U, V], *calls)
        agree(row, [W, U, V], *calls)


@pytest.mark.parametrize("T", [0, 2])
@pytest.mark.parametrize("k", [0, 3])
@pytest.mark.parametrize("m", [0, 4])
def test_nothing_is_computed_as_eager_does(T: int, k: int, m: int) -> None:
    """Products, sums and means of arrays without entries."""
    w, v = leaf(k, m), leaf(2)

    def f(x: Any, y: Any) -> Any:
        z = x @ w
        results = z, y @ w, z.sum(0), z.mean(), z.mean(1), tg.tanh(z), z[..., :0], tg.stack([z, z])
        return (v * v).sum() + (z * z).sum(), *results, (x[:1, :1] @ w).sum((0, 1))

    calls = [[normal(T, 1, k, seed=s), normal(1, k, seed=s)] for s in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of the mean of nothing
        agree(f, [v, w], *calls)


ENTRIES: dict[str, Callable[..., Any]] = {
    "a line": lambda w, x: (w[0] * x + w[1], w[-1], w[1]),
    "entries of a matrix": lambda w, x: (
        lambda W: (W[0, 1] * x + W[1, 0] * W[0, 1], W[-1, -1], W[0], W[1, None, 1], W[..., 0, 1])
    )(w.reshape(2, 2)),
    "all entries": lambda w, x: (sum(w[k] * (k + x) for k in range(4)), tg.stack(list(w[:2]))),
    "entries of a result": lambda w, x: (
        lambda y: (y[0] * y[1] + y[3], tg.stack([y[1], y[2]]), y[2] * 2)
    )(tg.sin(w * x)),
    "entries put together": lambda w, x: (
        tg.concatenate([(w[2] * x)[None], w[1:3] * x, (w[0] + x)[None]]),
        tg.stack([tg.stack([w[0], x * w[1]]), tg.stack([w[2], w[3]])]),
    ),
    "a part of a part": lambda w, x: (w[1:][0] * x + w[::-1][0], w[1:][::2][1] * 1),
    "no entries": lambda w, x: (w[:0].sum() + w[0] * x, w[4:], w[None, 2:2]),
    "an array as an index": lambda w, x: (
        (w.reshape(2, 2)[:, [0, 0]] * x).sum() + w[0] + w[1] + w[2],
        w.reshape(2, 2)[:, [1]],
        w.reshape(2, 2)[1:, np.array([0, 1, 1])],
    ),
}


@pytest.mark.parametrize("steps", [1, 9])
@pytest.mark.parametrize("f", ENTRIES.values(), ids=list(ENTRIES))
def test_single_entries_are_parts_too(f: Callable[..., Any], steps: int) -> None:
    """Of leaves, inputs and results, at one step and at many; second order too."""
    w = leaf(4)

    def step(x: Any) -> Any:
        results = [y for x_t in x for y in f(w, x_t)]
        return sum(y.sum() for y in results), *results, *f(x[0] * np.ones(4), x[0])

    def penalised(x: Any) -> Any:
        loss = sum((y * y).sum() for x_t in x for y in f(w, x_t))
        (slope,) = tg.grad(loss, w, create_graph=True)
        return loss + (slope * slope).sum()

    calls = [[normal(steps, seed=s)] for s in range(3)]
    agree(step, [w], *calls)
    agree(penalised, [w], *calls, rtol=1e-10)


def by_turns(x: Any, y: Any) -> list[Any]:
    """A sequence of the steps of two others, which may be of two dtypes."""
    return [(x[t], y[t])[t % 2] for t in range(len(x))]


TURNS: dict[str, Callable[..., Any]] = {
    "products with a weight": lambda xs, w: sum((x @ w).sum() for x in xs),
    "a weight's products": lambda xs, w: sum((w @ x.T).sum() for x in xs),
    "a sum of products": lambda xs, w: sum(tg.sin(x).T @ tg.cos(x @ w) for x in xs),
    "sums and squares": lambda xs, w: tg.stack([(x * x * w[0]).sum() for x in xs]),
    "largest entries": lambda xs, w: sum((x.max(0) * w[0]).sum() for x in xs),
    "dtypes": lambda xs, w: sum((x.astype(float) * w[0]).sum() for x in xs),
    "choices": lambda xs, w: [tg.where(x > 0, x, w[0]) for x in xs],
}


@pytest.mark.parametrize("dtype", ["f4", "i4", "?"])
@pytest.mark.parametrize("f", TURNS.values(), ids=list(TURNS))
def test_steps_of_two_dtypes_stay_apart(f: Callable[..., Any], dtype: str) -> None:
    """What is put together is of one dtype: float64 keeps all of its digits."""
    w = leaf(4, 4)

    def step(x: Any, y: Any) -> Any:
        results = f(by_turns(x, y), w)
        several = results if isinstance(results, list) else [results]
        return [sum(y.sum() for y in several), *several]

    draws = [[normal(20, 3, 4, seed=2 * k) * 3, normal(20, 3, 4, seed=2 * k + 1)] for k in range(2)]
    calls = [[x.astype(dtype), y] for x, y in draws]
    if dtype != "?" or f is not TURNS["a sum of products"]:  # whose sines are of float16
        agree(step, [w], *calls)
    program = trace(step, calls[0])
    for one in PASSES:
        program = one(program)
        deep_check(program, calls[1])


SHARED: dict[str, Callable[..., Any]] = {
    "the targets": lambda x, ys, w: [tg.cross_entropy(x_t @ w, ys[0]) for x_t in x],
    "the logits": lambda x, ys, w: [tg.cross_entropy(x[0] @ w, y) for y in ys],
    "the targets, of two dtypes": lambda x, ys, w: [
        tg.cross_entropy(x_t @ w, y)
        for x_t, y in zip(x, by_turns(ys, ys.astype("i4")), strict=True)
    ],
    "nothing": lambda x, ys, w: [
        tg.cross_entropy(x_t @ w, y, ignore_index=2, reduction="sum")
        for x_t, y in zip(x, ys, strict=True)
    ],
    "the factor": lambda x, ys, w: [(x_t * w[0]).sum() * tg.exp(x[0] * x_t).sum() for x_t in x],
    "the ids": lambda x, ys, w: [(w[ys[0]] * tg.exp(x_t)).sum() for x_t in x],
}


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("f", SHARED.values(), ids=list(SHARED))
def test_steps_may_share_an_operand(f: Callable[..., Any], ignored: bool) -> None:
    """The same targets, logits or ids at each of many steps."""
    w = leaf(4, 4)

    def step(x: Any, ys: Any) -> Any:
        several = f(x, ys, w)
        return sum(several), *several

    calls = []
    for seed in range(3):
        ys = np.random.default_rng(seed).integers(0, 4, (12, 4))
        if ignored and f is not SHARED["the ids"] and f is not SHARED["nothing"]:
            ys[ys == 3] = -100
            ys[:, 0] = 1
        calls.append([normal(12, 4, 4, seed=seed), ys])
    agree(step, [w], *calls)


def test_numbers_of_parts_are_told_apart() -> None:
    """0 and -0, 1 and 1.0, where parts of one array are computed together."""
    w = leaf(2, 4)
    halves = lambda f, x: (f(x[:, :2], 0), f(x[:, 2:], 1))
    zeros = lambda x: halves(lambda part, k: 1 / (part * (0.0, -0.0)[k]), x)
    counts = lambda x: halves(lambda part, k: part + (1, 1.0)[k], x)
    calls = [[normal(2, 4, seed=k), np.arange(8).reshape(2, 4) + k] for k in range(2)]
    agree(lambda x, n: (w.sum(), *zeros(x * w), *counts(n), *counts(x)), [w], *calls)


def test_settings_are_told_apart_by_their_names() -> None:
    """In whichever order they are given; arrays, lists, tables and functions too."""

    @op(elementwise=True, x=lambda g, z, x, a, b: g * a)
    def line(x: Any, *, a: Any, b: Any) -> Any:
        """a x + b"""
        return x * a + b

    @op(elementwise=True, x=lambda g, z, x, by: g * by["k"][0])
    def times(x: Any, *, by: Any) -> Any:
        """x times a number in a table."""
        return x * by["k"][0]

    class Numbers(NamedTuple):
        """A setting that has a list in it."""

        several: list[float]

    @op(elementwise=True, x=lambda g, z, x, by: g * by.several[0])
    def named(x: Any, *, by: Numbers) -> Any:
        """x times the first of the numbers."""
        return x * by.several[0]

    @op(elementwise=True, x=lambda g, z, x, by: g * by)
    def scaled(x: Any, *, by: Any) -> Any:
        """x times by, entry by entry."""
        return x * by

    w = leaf(3)
    calls = [[normal(10, 3, seed=k)] for k in range(2)]
    agree(
        lambda x: (line(w * x[0], a=1.0, b=2.0) * line(w * x[0], b=1.0, a=2.0)).sum(), [w], *calls
    )
    both = lambda x: line(x, a=1.0, b=2.0) * line(x, b=1.0, a=2.0)
    agree(lambda x: sum(both(w * x_t).sum() for x_t in x), [w], *calls)
    tables = lambda x: times(x, by={"k": [2.0]}) * times(x, by={"k": [3.0]})
    agree(lambda x: sum(tables(w * x_t).sum() for x_t in x), [w], *calls)
    lists = lambda x: named(x, by=Numbers([2.0])) * named(x, by=Numbers([3.0]))
    agree(lambda x: sum(lists(w * x_t).sum() for x_t in x), [w], *calls)
    arrays = lambda x: scaled(x, by=np.array([1.0, 2, 3])) * scaled(x, by=np.array([3.0, 2, 1]))
    agree(lambda x: sum(arrays(w * x_t).sum() for x_t in x), [w], *calls)


def test_shapes_and_axes_may_be_arrays() -> None:
    """As NumPy takes them."""
    w = leaf(2, 3)

    def f(x: Any) -> Any:
        y = (w * x).reshape(np.array([3, 2])) @ (w * x).transpose(np.array([0, 1]))
        return (
            tg.sum(y, axis=np.array(0)).sum(np.int64(0)) + y.max(np.array(1)).sum(),
            tg.stack([y.transpose(np.array([1, 0])).reshape(np.array([9])) for _ in "ab"]),
            tg.broadcast_to(y.sum(), np.array([2, 2])),
            tg.stack([y, y], np.array(0))[1],
            tg.concatenate([y, y], np.array(0)),
        )

    agree(f, [w], *[[normal(2, 3, seed=k)] for k in range(2)])


def impostor(name: str, inputs: int, elementwise: bool) -> Op:
    """An op of the user's, of this name: the sum of squares of its inputs, and 1."""
    args = "xyz"[:inputs]
    forward = eval(f"lambda {', '.join(args)}: {' + '.join(f'{x} * {x}' for x in args)} + 1")
    forward.__name__ = name
    rules = {x: lambda g, z, *xs, k=k: g * (2 * xs[k]) for k, x in enumerate(args)}
    return op(elementwise=elementwise, **rules)(forward)


@pytest.mark.parametrize("name", sorted({x.name for x in OPS}))
def test_an_op_of_the_user_may_have_any_name(name: str) -> None:
    """It runs its own forward pass, wide or small, also at every step of many, and as the last."""
    w = leaf(2, 3)
    calls = [[normal(9, 2, 3, seed=seed)] for seed in range(2)]
    for inputs, elementwise in ((1, True), (2, True), (2, False), (3, False)):
        own = impostor(name, inputs, elementwise)

        def f(x: Any, own: Op = own, inputs: int = inputs) -> Any:
            every = sum(own(*[x_t * w] * inputs) for x_t in x)
            part = own(*[(x[0] * w)[:, :2]] * inputs) + own(*[(x[0] * w)[:, 1:]] * inputs)
            return every.sum() + part.sum(), own(*[np.ones(2)] * inputs), own(*[x[0]] * inputs)

        agree(f, [w], *calls)


def test_an_op_of_the_user_may_have_any_settings() -> None:
    """Also some called as those of ours, in blocks too."""

    @op(elementwise=True, x=lambda g, z, x, shape: g * shape[0])
    def times(x: Any, *, shape: Any) -> Any:
        """x times the first number."""
        return x * shape[0]

    w = leaf(3)
    calls = [[normal(150, 3, seed=seed)] for seed in range(2)]
    agree(lambda x: times(x * w, shape=(5, 7)).sum(), [w], *calls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygrad_rnn.program.workers.CACHED", 1)
        agree(lambda x: times(x * w, shape=(5, 7)).sum(), [w], *calls, batch_axis=0)


def test_the_state_is_carried_without_its_past() -> None:
    """Returned and given again, also as a tuple of two; None is another trace."""
    model = Model(nn.LSTM(I, H, rng=0))
    step = tg.compile(model)
    state = None
    for seed in range(3):
        _, state = compare(model, step, *data(seed), state)
    assert step.traces == 2


def test_each_shape_and_dtype_has_its_trace() -> None:
    """Kept up to cache_size; a leaf that requires no gradient any more is another trace too."""
    model = Model(nn.RNN(I, H, rng=0))
    step = tg.compile(model, cache_size=2)
    for steps in (3, 4, 3, 4):
        compare(model, step, *data(0, steps))
    assert step.traces == 2
    compare(model, step, *data(0, 6))
    assert (step.traces, len(step.programs)) == (3, 2)
    model.linear.bias.requires_grad = False
    step(*data(0, 6))
    assert step.traces == 4
    assert model.linear.bias.grad is None


def test_verify_compares_with_the_step_itself() -> None:
    """What depends on values in Python behind the tracer's back is found."""
    w, factor = tg.Tensor([1.0, 2.0], requires_grad=True), [2.0]
    step = tg.compile(lambda x: (w * x * factor[0]).sum(), verify=True)
    assert step(np.ones(2)).item() == 6
    factor[0] = 3.0
    with pytest.raises(AssertionError, match="output 0 of 2"):
        step(np.ones(2))


def test_a_decorator_may_have_options() -> None:
    """@compile(backward=False) gives a function of numbers."""

    @tg.compile(backward=False)
    def double(x: Any) -> Any:
        """Twice."""
        return x * 2

    assert double(np.ones(2)).data.tolist() == [2, 2]
    assert double.__doc__ == "Twice."


WEIGHT = tg.Tensor([1.0, 2.0], requires_grad=True)
RNG = np.random.default_rng(0)
REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "if": (lambda x: (WEIGHT * x).sum() if x.sum() > 0 else WEIGHT.sum(), RuntimeError, "decision"),
    "item": (lambda x: WEIGHT.sum() * x.sum().item(), RuntimeError, r"item\(\)"),
    "data": (lambda x: WEIGHT.sum() * x.data, RuntimeError, r"\.data"),
    "numpy": (lambda x: WEIGHT.sum() * x.numpy(), RuntimeError, r"numpy\(\)"),
    "float": (lambda x: WEIGHT.sum() * float(x.sum()), RuntimeError, r"float\(\)"),
    "asarray": (lambda x: WEIGHT.sum() * np.asarray(x), RuntimeError, "an array made"),
    "backward": (lambda x: (WEIGHT * x).sum().backward(), RuntimeError, r"do not call backward"),
    "noise": (
        lambda x: (WEIGHT * x * RNG.normal(size=2)).sum(),
        RuntimeError,
        "make them an input",
    ),
    "a number at random": (
        lambda x: (WEIGHT * x * RNG.random()).sum(),
        RuntimeError,
        "make them an input",
    ),
    "a weight's data": (lambda x: (WEIGHT * x * WEIGHT.data).sum(), RuntimeError, "is used in the"),
    "a new Tensor": (lambda x: (WEIGHT * tg.Tensor(x * 1)).sum(), RuntimeError, "an array made"),
    "a new leaf": (
        lambda x: (tg.Tensor([1.0, 2.0], requires_grad=True) * x).sum(),
        RuntimeError,
        "outside",
    ),
    "a step within": (tg.compile(lambda x: (WEIGHT * x).sum()), RuntimeError, "call another"),
    "no scalar": (lambda x: WEIGHT * x, ValueError, r"shape \(2,\)"),
    "no weight": (lambda x: x.sum(), ValueError, "depends on no Tensor"),
    "a number": (lambda x: 1.0, ValueError, "depends on no Tensor"),
}


@pytest.mark.parametrize(("f", "kind", "words"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_freeze_values_is_refused(f: Any, kind: Any, words: str) -> None:
    """With what to do instead; nothing has changed."""
    with pytest.raises(kind, match=words):
        tg.compile(f)(np.ones(2))
    assert WEIGHT.grad is None


def test_inputs_that_require_gradients_are_refused() -> None:
    """They are data; what learns is closed over."""
    with pytest.raises(TypeError, match="requires a gradient"):
        tg.compile(lambda w: w.sum())(tg.Tensor([1.0], requires_grad=True))


def test_gradients_within_the_step_are_traced() -> None:
    """A penalty on the gradient: second order, on new inputs too."""
    w = tg.Tensor(np.random.default_rng(0).normal(size=(3, 2)), requires_grad=True)

    def penalised(x: Any) -> Any:
        loss = (tg.tanh(x @ w) ** 2).sum()
        (slope,) = tg.grad(loss, w, create_graph=True)
        return loss + (slope * slope).sum()

    step = tg.compile(penalised)
    for seed in range(2):
        x = np.random.default_rng(seed).normal(size=(4, 3))
        loss = step(x)
        found, w.grad = w.grad, None
        eager = penalised(x)
        eager.backward()
        assert_near(loss.data, eager.data, 1e-12)
        assert_near(found.data, w.grad.data, 1e-12)
        w.grad = None


# Programs and passes


def program_of(f: Callable[..., Any], *arrays: np.ndarray, backward: bool = True) -> Program:
    """The program as traced."""
    return trace(lambda *xs: [f(*xs)], arrays, backward)


def test_a_program_prints_as_equations() -> None:
    """Inputs, leaves and constants with shapes; then a line for each equation."""
    w = tg.Tensor([1.0, 2.0], name="w")
    program = program_of(lambda x: tg.tanh(x * w) + 1.0, np.ones(2), backward=False)
    assert str(program).splitlines() == [
        "x0: (2,) float64",
        "w: (2,) float64",
        "v0 = multiply(x0, w)  (2,) float64",
        "v1 = tanh(v0)  (2,) float64",
        "v2 = add(v1, 1.0)  (2,) float64",
        "return v2",
    ]


def test_a_program_that_is_not_well_formed_is_refused() -> None:
    """Used before it is there, assigned twice, never assigned, of another shape."""
    x, y = Var((2,), np.dtype(float)), Var((2,), np.dtype(float))
    once = Equation(tg.tanh, (x,), {}, y)
    good = Program((once,), (x,), (), (), (y,))
    assert good.check() is good
    wrong = {
        "before it is there": Program((once,), (), (), (), (y,)),
        "a second time": Program((once, once), (x,), (), (), (y,)),
        "never assigned": Program((), (x,), (), (), (y,)),
        "stands for": Program((once,), (x,), (), ((Var((3,), x.dtype), np.ones(2)),), (y,)),
    }
    for words, program in wrong.items():
        with pytest.raises(ValueError, match=words):
            program.check()


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a chain": lambda x: (tg.tanh(tg.tanh(x) * 2) + x).sum(),
    "equal parts": lambda x: (tg.exp(x) * tg.exp(x) + tg.exp(x)).sum(),
    "unused": lambda x: (tg.sin(x), tg.cos(x).sum())[1],
    "steps": lambda x: tg.stack([tg.tanh(row) * 2 for row in x]).sum(),
    "reversed steps": lambda x: (tg.stack([tg.tanh(row) for row in x][::-1]) * x).sum(),
    "products": lambda x: tg.concatenate([row[None] @ x.T for row in x]).sum(),
    "transposes": lambda x: (x.T.T @ x.T.T.T).sum(),
    "joins twice": lambda x: (
        tg.stack([tg.exp(row) for row in x]) * tg.stack([tg.exp(row) for row in x[::-1]])
    ).sum(),
    "one value in two places": lambda x: (lambda y: tg.stack([y, y, tg.sin(y)]).sum())(tg.exp(x)),
    "a ring": lambda x: (lambda a, b, c: (tg.stack([a, b, c]) * 2 + tg.stack([c, a, b])).sum())(
        tg.exp(x[0]), tg.sin(x[1]), tg.cos(x[2])
    ),
    "comparisons": lambda x: tg.where(x > 0.5, x, x * 3).sum(),
    "selection": lambda x: (tg.maximum(x, 0.2) + tg.sort(x, 0) + tg.relu(x)).sum(),
    "reductions": lambda x: (x.mean(0) * x.max(0) * x.std(1).sum() + tg.logsumexp(x)).sum(),
    "sigmoids": lambda x: sum(tg.sigmoid(row).sum() for row in x),
    "einsum": lambda x: tg.einsum("ij,kj->ik", x, tg.sigmoid(x)).sum(),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_every_pass_keeps_the_results(f: Callable[[Any], Any]) -> None:
    """On other inputs than were traced, of the function and of its gradient."""
    rng = np.random.default_rng(0)
    w = tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True)
    program = program_of(lambda x: f(x * w), rng.normal(size=(3, 3)))
    x = rng.normal(size=(3, 3))
    expected = [y.copy() for y in Runner(program)([x])]
    for one in PASSES:
        program = one(program).check()
        run = Runner(program)
        run([np.zeros((3, 3))])
        for found, right in zip(run([x]), expected, strict=True):
            assert_near(found, right, 1e-13)
    loss = f(tg.Tensor(x) * w)
    (slope,) = tg.grad(loss, w)
    assert_near(expected[0], loss.data, 1e-13)
    assert_near(expected[1], slope.data, 1e-13)


def test_steps_become_one_operation() -> None:
    """What is equal across time and there already is computed once, on the stack."""
    model = Model(nn.RNN(I, H, rng=0))
    x, y = data(steps=16)
    program = improved(trace(lambda x, y: [model(x, y)[0]], (x, y)))
    names = [equation.op.name for equation in program.equations]
    assert names.count("tanh") == 16
    assert names.count("subtract") == 3  # 1 - h² for all steps; two in the cross-entropy
    assert names.count("stack") <= 3


# Random steps


def same_compiled(
    seed: int, steps: int, batch: int, dtype: Any, rtol: float, **options: Any
) -> Any:
    """A random step compiled: loss, states and gradients on other inputs than were traced."""
    f, weights, _ = random_step(seed, dtype)
    step, rng = tg.compile(f, **options), np.random.default_rng(seed + 1)
    for _ in range(2):
        x, y = rng.normal(size=(2, steps, batch, H)).astype(dtype)
        h = rng.normal(size=(batch, H)).astype(dtype)
        results = step(x, y, h)
        found = [w.grad for w in weights]
        for w in weights:
            w.grad = None
        expected = f(tg.Tensor(x), y, tg.Tensor(h))
        expected[0].backward()
        assert_same([a.data for a in results], [b.data for b in expected], rtol)
        for w, g in zip(weights, found, strict=True):
            assert (g is None) == (w.grad is None)
            if g is not None:
                assert_same([g.data], [w.grad.data], 10 * rtol)
            w.grad = None
    assert step.traces == 1
    return step


@pytest.mark.parametrize("seed", range(80))
def test_ordinary_steps_are_the_same_compiled(seed: int) -> None:
    """Whatever is done, in whatever shapes and dtypes: results and gradients at three calls.

    After each pass every value has its shape and dtype. Every second step as if it were long.
    """
    check_ordinary(seed)


@pytest.mark.slow
@pytest.mark.skipif("SLOW_TESTS" not in os.environ, reason="takes minutes; runs with SLOW_TESTS=1")
def test_many_more_ordinary_steps_are_the_same_compiled() -> None:
    """As above, and in blocks of their batch."""
    for seed in range(1000, 6000):
        check_ordinary(seed)
        check_in_blocks(seed)


def check_in_blocks(seed: int) -> None:
    """The random step of this seed is right in blocks of a row, or as a whole."""
    step = ordinary_step(seed)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr("tinygrad_rnn.program.workers.CACHED", 1)
        patch.setattr("tinygrad_rnn.program.workers.FEWEST_ROWS", 1)
        warnings.simplefilter("ignore")  # most of them are run as a whole
        calls, rtol = map(step.inputs, range(3)), 2e-3 if step.single else 1e-9
        options = {"batch_axis": step.axes, "workers": 1 + seed % 2}
        agree(step.f, step.weights, *calls, rtol=rtol, **options)


def check_ordinary(seed: int) -> None:
    """The random step of this seed is right compiled, and its program after each pass."""
    step = ordinary_step(seed)
    calls = list(map(step.inputs, range(3)))
    with as_if_long() if seed % 2 else nullcontext(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of infinite values
        agree(step.f, step.weights, *calls, rtol=2e-3 if step.single else 1e-9)
        program = trace(lambda *xs: list(step.f(*xs)), calls[0])
        for one in PASSES:
            program = one(program)
            deep_check(program, calls[1])


SEEDS, STEPS, BATCHES = st.integers(0, 2**31), st.integers(1, 10), st.integers(1, 5)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(SEEDS, STEPS, BATCHES)
def test_random_steps_are_the_same_compiled(seed: int, steps: int, batch: int) -> None:
    """Several cells, shared weights, branches and both directions."""
    same_compiled(seed, steps, batch, np.float64, 1e-11)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(SEEDS, STEPS, BATCHES)
def test_random_steps_in_float32(seed: int, steps: int, batch: int) -> None:
    """All values have their dtype, and eager's values but for rounding."""
    same_compiled(seed, steps, batch, np.float32, 2e-4)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(SEEDS, st.integers(1, 6), st.integers(1, 9), st.sampled_from([1, 2]))
def test_random_steps_in_blocks(seed: int, steps: int, batch: int, workers: int) -> None:
    """Also where the batch is as large as another axis; what is refused is run as a whole."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr("tinygrad_rnn.program.workers.CACHED", 1)
        patch.setattr("tinygrad_rnn.program.workers.FEWEST_ROWS", 2)
        warnings.simplefilter("ignore")
        axes = (1, 1, 0)
        same_compiled(seed, steps, batch, np.float64, 1e-11, batch_axis=axes, workers=workers)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(SEEDS, st.integers(1, 12), BATCHES)
def test_random_programs_are_right_after_each_pass(seed: int, steps: int, batch: int) -> None:
    """Each value has its shape and dtype, is computed once, and before it is read."""
    f, _, _ = random_step(seed)
    rng = np.random.default_rng(seed + 1)
    inputs = [rng.normal(size=(steps, batch, H)) for _ in "xy"] + [rng.normal(size=(batch, H))]
    program = trace(f, inputs)
    expected = deep_check(program, inputs)
    for one in PASSES:
        program = one(program)
        for found, right in zip(deep_check(program, inputs), expected, strict=True):
            assert_near(found, right, 1e-11)
