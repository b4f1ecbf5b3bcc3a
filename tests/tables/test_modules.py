"""Every layer, cell and topology of `tg.nn` meets the same checks: the rows of `MODULES`."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.nn.cells import Cell
from tinygrad_rnn.nn.recurrent import Recurrent

from ..numeric import EPS, assert_near
from .found import assert_complete, assert_options_tried, assert_public, public_kinds
from .modules import MODULES, Row
from .recurrences import HANDS, B, H, I, T

every_row = pytest.mark.parametrize("row", MODULES, ids=str)
every_input = pytest.mark.parametrize(
    "row", [row for row in MODULES if any(isinstance(x, tuple) for x in row.inputs)], ids=str
)
LEARNING = [row for row in MODULES if row.kind is not nn.Dropout and row.label != "plain"]


# The tables


def test_every_module_has_a_row() -> None:
    """Each public class that derives from Module, and no other."""
    assert_public(nn.Module)
    rows = [row.kind.__name__ for row in MODULES]
    row = "how to build it, inputs, its outputs in NumPy, and inputs that it refuses"
    assert_complete("MODULES of tests/tables/modules.py", public_kinds(nn.Module), rows, row)


@pytest.mark.parametrize("kind", public_kinds(nn.Module).values(), ids=lambda kind: kind.__name__)
def test_every_option_is_tried(kind: type[nn.Module]) -> None:
    """A row of its class has another value than the default for it."""
    rows = [_settings(row, float, 0) for row in MODULES if row.kind is kind]
    table = "MODULES of tests/tables/modules.py"
    assert_options_tried(table, kind.__name__, kind, rows, but={"proj_size"})


def test_every_recurrence_has_a_referee() -> None:
    """Each cell and each recurrent layer is compared with a derivation by hand."""
    found = {**public_kinds(Cell), **public_kinds(Recurrent)}
    row = "its gradients by hand, of tg.manual or written there"
    rows = [name for name, *_ in HANDS]
    assert_complete("HANDS of tests/tables/recurrences.py", found, rows, row)


# Running a row


class Run(NamedTuple):
    """A module, what gradients are taken of, and what it gave."""

    module: nn.Module
    leaves: list[tg.Tensor]
    outputs: list[tg.Tensor]


def _settings(row: Row, dtype: Any, rng: int) -> Mapping[str, Any]:
    return row.settings(dtype=dtype, rng=rng) if callable(row.settings) else row.settings


def made(row: Row, dtype: Any = float, rng: int = 0) -> nn.Module:
    """The row's module; its parameters are of the dtype and drawn from the seed."""
    given = dict(_settings(row, dtype, rng))
    known = inspect.signature(row.kind).parameters
    own = {"dtype": dtype, "rng": rng}
    given |= {name: value for name, value in own.items() if name in known}
    module: nn.Module = row.kind(*given.pop("parts", ()), **given)
    return module


def drawn(row: Row, dtype: Any = float) -> list[np.ndarray]:
    """The row's inputs."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=x).astype(dtype) if isinstance(x, tuple) else x for x in row.inputs]


def run(row: Row, values: list[np.ndarray] | None = None, dtype: Any = float) -> Run:
    """A fresh module on the row's inputs; values: those of parameters and inputs instead."""
    module, arrays = made(row, dtype), drawn(row, dtype)
    inputs = [tg.Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x for x in arrays]
    leaves = [*module.parameters(), *(x for x in inputs if isinstance(x, tg.Tensor))]
    for leaf, value in zip(leaves, values or [], strict=False):
        leaf.data = value
    return Run(module, leaves, flat(row.call(module, *inputs)))


def flat(result: Any) -> list[Any]:
    """All Tensors of a result, one after the other."""
    if not isinstance(result, (tuple, list)):
        return [result]
    return [x for part in result for x in flat(part)]


def weighted(outputs: list[Any], seed: int = 2) -> Any:
    """A number that depends on every entry: the outputs times random cotangents, added up."""
    rng = np.random.default_rng(seed)
    return sum((y * rng.normal(size=y.shape).astype(y.dtype)).sum() for y in outputs)


def gradients(row: Row, values: list[np.ndarray] | None = None, **options: Any) -> list[Any]:
    """Of the weighted outputs, by parameters and inputs."""
    now = run(row, values)
    return list(tg.grad(weighted(now.outputs), now.leaves, **options))


def assert_slopes(
    f: Callable[[list[np.ndarray]], float], values: list[np.ndarray], found: list[Any]
) -> None:
    """Along a random direction in each array, f changes as its gradient says."""
    rng = np.random.default_rng(3)
    for k, (x, gradient) in enumerate(zip(values, found, strict=True)):
        direction = rng.normal(size=x.shape)
        ends = [f([*values[:k], x + s * direction, *values[k + 1 :]]) for s in (EPS, -EPS)]
        assert_near(np.vdot(gradient, direction), (ends[0] - ends[1]) / (2 * EPS), 1e-6)


# The checks


@every_row
def test_outputs_are_those_of_numpy(row: Row) -> None:
    """In training, with the numbers of seed 0 where some are random."""
    now = run(row)
    expected = row.right(now.module.state_dict(), *drawn(row))
    for y, right in zip(now.outputs, expected, strict=True):
        assert_near(y.data, right, 1e-13)


@every_row
def test_gradients_equal_differences(row: Row) -> None:
    """By every parameter and input, with random cotangents."""
    values = [leaf.data.copy() for leaf in run(row).leaves]
    found = [g.data for g in gradients(row)]
    assert_slopes(lambda xs: weighted(run(row, xs).outputs).item(), values, found)


@every_row
def test_gradients_of_gradients_equal_differences(row: Row) -> None:
    """Of the gradients times random numbers, by every parameter and input."""
    now = run(row)
    values = [leaf.data.copy() for leaf in now.leaves]
    first = tg.grad(weighted(now.outputs), now.leaves, create_graph=True)
    slope = weighted(list(first), 4)
    second: Any = [None] * len(values)
    if slope.requires_grad:
        second = tg.grad(slope, now.leaves, allow_unused=True)
    found = [0 * x if g is None else g.data for x, g in zip(values, second, strict=True)]
    assert_slopes(lambda xs: weighted(gradients(row, xs), 4).item(), values, found)


@every_row
def test_float32_stays_float32(row: Row) -> None:
    """Results and gradients, equal to those of float64 but for rounding."""
    wide, single = run(row), run(row, dtype=np.float32)
    values = [leaf.data.astype(np.float32) for leaf in wide.leaves]
    single = run(row, values, np.float32)
    found = tg.grad(weighted(single.outputs), single.leaves)
    for y, right in zip([*single.outputs, *found], [*wide.outputs, *gradients(row)], strict=True):
        assert y.dtype == np.float32
        assert_near(y.data, right.data, 2e-5)


@pytest.mark.parametrize("row", LEARNING, ids=str)
def test_every_parameter_learns(row: Row) -> None:
    """Each has a gradient that is not 0, in its dtype, and `zero_grad` forgets it."""
    now = run(row)
    weighted(now.outputs).backward()
    zero = {"weight_ih_l1"} if row.label == "dropout" else set()  # nothing gets through
    for name, parameter in now.module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == parameter.dtype
        assert bool(np.any(parameter.grad.data)) is (name not in zero), name
    now.module.zero_grad()
    assert all(parameter.grad is None for parameter in now.module.parameters())


@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
@every_row
def test_a_module_moves_whole(row: Row, way: str) -> None:
    """Its values, bit by bit, into one of its own, which shares nothing with it."""
    one = made(row)
    if way == "state_dict":
        other = made(row, rng=7)
        other.load_state_dict(one.state_dict())
    else:
        other = pickle.loads(pickle.dumps(one)) if way == "pickle" else copy.deepcopy(one)
    arrays = drawn(row)
    assert equal(_values(row, one.eval(), arrays), _values(row, other.eval(), arrays))
    before = one.state_dict()
    for parameter in other.parameters():
        parameter.data += 1
    for name, value in one.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def _values(row: Row, module: nn.Module, arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [np.array(getattr(y, "data", y)) for y in flat(row.call(module, *arrays))]


@every_row
def test_without_recording_values_are_the_same(row: Row) -> None:
    """Bit by bit, and no result requires a gradient."""
    with tg.no_grad():
        still = run(row)
    for y, right in zip(still.outputs, run(row).outputs, strict=True):
        assert not y.requires_grad
        np.testing.assert_array_equal(y.data, right.data)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("row", [row for row in LEARNING if not row.noisy], ids=str)
def test_compiled_it_is_the_same(row: Row, dtype: Any) -> None:
    """Results and gradients, at the first call and with other inputs at the second."""
    module, rtol = made(row, dtype), 1e-12 if dtype is np.float64 else 1e-5

    def step(*inputs: Any) -> Any:
        outputs = flat(row.call(module, *inputs))
        return weighted(outputs), *outputs

    compiled = tg.compile(step)
    for factor in (1, 0.5):
        arrays = [x * dtype(factor) if x.dtype.kind == "f" else x for x in drawn(row, dtype)]
        found = _step(module, compiled, arrays)
        for a, b in zip(found, _step(module, _eager(step), arrays), strict=True):
            assert a.dtype == b.dtype
            assert_near(a, b, rtol)


def _eager(step: Callable[..., Any]) -> Callable[..., Any]:
    def both(*inputs: Any) -> Any:
        loss, *outputs = step(*inputs)
        loss.backward()
        return loss, *outputs

    return both


def _step(module: nn.Module, step: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    module.zero_grad()
    results = [y.data for y in step(*arrays)]
    return [*results, *(p.grad.data for p in module.parameters())]


@every_row
def test_training_matters_to_noise_alone(row: Row) -> None:
    """After eval() two calls agree; what draws nothing gives the same in training."""
    module, arrays = made(row), drawn(row)
    first, again = (_values(row, module.train(), arrays) for _ in range(2))
    still, twice = (_values(row, module.eval(), arrays) for _ in range(2))
    assert equal(still, twice)
    assert equal(first, still) is not row.noisy
    assert row.noisy or equal(first, again)


def equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    """Bit by bit."""
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


@every_row
def test_a_seed_repeats_a_module(row: Row) -> None:
    """The same one the same parameters, bit by bit; another one others; weights are spread."""
    one, same, other = (made(row, rng=seed).state_dict() for seed in (5, 5, 6))
    for name, value in one.items():
        np.testing.assert_array_equal(value, same[name])
    random = [name for name, value in one.items() if np.unique(value).size > 2]
    assert all(not np.array_equal(one[name], other[name]) for name in random)
    assert random or row.kind in (nn.LayerNorm, nn.Dropout)


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e3, 1e100])
@every_input
def test_extreme_inputs_give_finite_numbers(row: Row, size: float) -> None:
    """Results and gradients."""
    count = sum(1 for _ in made(row).parameters())
    values = [leaf.data for leaf in run(row).leaves]
    now = run(row, [*values[:count], *(np.sign(x) * size for x in values[count:])])
    every = [*now.outputs, *tg.grad(weighted(now.outputs), now.leaves)]
    assert all(np.isfinite(y.data).all() for y in every)


@every_row
def test_inputs_that_do_not_fit_are_refused(row: Row) -> None:
    """By the name of the class; parameters and gradients stay, and the next call is right."""
    module = made(row)
    before = module.state_dict()
    with pytest.raises(
        (ValueError, TypeError, IndexError), match=rf"^{row.named or row.kind.__name__}:"
    ):
        row.call(module, *row.wrong)
    assert all(p.grad is None for p in module.parameters())
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert equal(_values(row, module, drawn(row)), [y.data for y in run(row).outputs])


# The referees


@pytest.mark.parametrize("hand", HANDS, ids=lambda hand: f"{hand[0]} {hand[1] or ''}".strip())
def test_recurrences_have_the_gradients_of_the_hand(hand: Any) -> None:
    """Of every parameter, the inputs and the first state, over some steps."""
    name, settings, count, by_hand = hand
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    state, ends = rng.normal(size=(2, count, B, H))
    module = getattr(nn, name)(I, H, rng=1, **settings)
    leaves = [tg.Tensor(a, requires_grad=True) for a in (x, *state)]

    outputs, last = (_by_cell if name.endswith("Cell") else _by_layer)(module, *leaves)
    loss = sum((y * g_t).sum() for y, g_t in zip(outputs, g, strict=True))
    (loss + sum((h * end).sum() for h, end in zip(last, ends, strict=True))).backward()

    weights = {n.removesuffix("_l0"): p for n, p in module.named_parameters()}
    p = {n: parameter.data for n, parameter in weights.items()}
    expected = by_hand(p, x, tuple(state), g, tuple(ends))
    found = {**weights, **dict(zip(("x", "h_0", "c_0"), leaves, strict=False))}
    for key, tensor in found.items():
        assert_near(tensor.grad.data, expected[key], 1e-12)


def _by_cell(cell: Any, x: Any, *state: Any) -> Any:
    outputs: list[Any] = []
    now: Any = state if len(state) > 1 else state[0]
    for x_t in x:
        now = cell(x_t, now)
        outputs.append(now[0] if len(state) > 1 else now)
    return outputs, now if len(state) > 1 else (now,)


def _by_layer(layer: Any, x: Any, *state: Any) -> Any:
    start = tuple(part[None] for part in state)
    output, last = layer(x, start if len(state) > 1 else start[0])
    return list(output), [part[0] for part in (last if len(state) > 1 else (last,))]
