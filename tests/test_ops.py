"""Every operation is right: each row of `tests/cases.py` is judged by NumPy and by differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops
from tinygrad_rnn.engine.mode import Mode, in_mode
from tinygrad_rnn.engine.tape import tape
from tinygrad_rnn.ops.op import Op, door
from tinygrad_rnn.program.trace import DryRun

from .cases import CASES, ELEMENTWISE, INTERNAL, MODULES, Case
from .numeric import assert_near, differences, flat, parts

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_gradient = pytest.mark.parametrize("case", [c for c in CASES if c.by], ids=str)


def tensors(case: Case, arrays: list[Any], by: tuple[int, ...] | None = None) -> list[Any]:
    """The inputs with those at `by` as leaves; the others stay arrays."""
    by = case.by if by is None else by
    return [tg.Tensor(x, requires_grad=True) if k in by else x for k, x in enumerate(arrays)]


def cotangents(outputs: list[Any], seed: int = 1) -> list[np.ndarray]:
    """A random cotangent for each output, in its shape and dtype."""
    rng = np.random.default_rng(seed)
    return [np.array(rng.normal(size=y.shape)).astype(y.dtype) for y in outputs]


def gradients(case: Case, arrays: list[Any], gs: list[Any] | None = None) -> list[np.ndarray]:
    """What the tape gives for the inputs at `case.by` with random cotangents, or with `gs`."""
    inputs = tensors(case, arrays)
    outputs = parts(case.call(*inputs))
    found = tg.grad(outputs, [inputs[k] for k in case.by], gs or cotangents(outputs))
    return [g.data for g in found]


def in_dtype(arrays: list[Any], dtype: Any) -> list[Any]:
    """The same arrays with another dtype in place of float64."""
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays]


def single(arrays: list[Any]) -> list[Any]:
    """The same arrays with float32 in place of float64."""
    return in_dtype(arrays, np.float32)


# The table


def test_every_function_has_a_row() -> None:
    """Each public function and each internal operation is in the table, and nothing else."""
    assert {case.function for case in CASES} == set(ops.__all__) | INTERNAL


def test_rows_have_names_of_their_own() -> None:
    """A failing row is found by its name."""
    assert max(Counter(map(str, CASES)).values()) == 1


def test_every_operation_entry_by_entry_is_broadcast() -> None:
    """Each op marked elementwise but broadcast_to has a row whose inputs take any shape."""
    every = [x for module in MODULES for x in vars(module).values() if isinstance(x, Op)]
    marked = {op.name for op in every if op.elementwise}
    assert {case.function for case in ELEMENTWISE} == marked - {"broadcast_to"}


# Values


@every_case
def test_values_are_numpys_on_tensors_and_on_arrays(case: Case) -> None:
    """Value, shape and dtype equal NumPy's; the arrays may be read-only."""
    for arrays in (case.inputs(), single(case.inputs())):
        expected = parts(case.reference(*arrays))
        rtol = 1e-12 if arrays[0].dtype != np.float32 else 1e-5
        ours = parts(case.call(*tensors(case, arrays)))
        for x in arrays:
            x.flags.writeable = False
        plain = parts(case.call(*arrays))
        assert len(ours) == len(plain) == len(expected)
        for y, array, right in zip(ours, plain, expected, strict=True):
            assert isinstance(y, tg.Tensor) or not case.by
            assert y.dtype == np.asarray(array).dtype == right.dtype
            assert_near(np.asarray(array), right, rtol)
            assert_near(y.data if isinstance(y, tg.Tensor) else y, right, rtol)


@every_case
def test_results_of_constants_are_recorded_as_constants(case: Case) -> None:
    """Tensors that require no gradient give a leaf, which holds no other tensor alive."""
    for y in parts(case.call(*map(tg.Tensor, case.inputs()))):
        assert isinstance(y, tg.Tensor)
        assert not y.requires_grad
        assert y.is_leaf
        assert y.inputs == ()


@every_gradient
def test_inputs_and_cotangents_are_not_changed(case: Case) -> None:
    """Neither the call nor the walk back writes into what it was given."""
    arrays = case.inputs()
    inputs = tensors(case, arrays)
    outputs = parts(case.call(*inputs))
    gs = cotangents(outputs)
    before = [np.copy(x) for x in (*arrays, *gs)]
    values = [y.data.copy() for y in outputs]
    for y, g in zip(outputs, gs, strict=True):
        y.backward(g)
        y.backward(g)
    for x, kept in zip((*arrays, *gs), before, strict=True):
        np.testing.assert_array_equal(x, kept)
    for k, x in enumerate(inputs):
        np.testing.assert_array_equal(getattr(x, "data", x), before[k])
    for y, value in zip(outputs, values, strict=True):
        np.testing.assert_array_equal(y.data, value)


def test_decompositions_are_their_operations() -> None:
    """On the inputs of every row: value, shape and dtype, on arrays and as a Program has them."""
    seen = set()
    for case in CASES:
        for dtype in (np.float64, np.float32, np.float16):
            for op, given, settings in _steps(case, in_dtype(case.inputs(), dtype)):
                if op.decomposition is None:
                    continue
                with np.errstate(all="ignore"):
                    simpler = op.decomposition(*given, **settings)
                    expected = op.forward(*given, **settings)
                if simpler is None:
                    continue
                seen.add(op.name)
                assert np.shape(simpler) == np.shape(expected)
                assert np.asarray(simpler).dtype == np.asarray(expected).dtype
                rtol = {np.float64: 1e-12, np.float32: 1e-5, np.float16: 1e-2}
                assert_near(simpler, expected, rtol[np.asarray(expected).dtype.type])
    every = [x for module in MODULES for x in vars(module).values() if isinstance(x, Op)]
    assert seen == {op.name for op in every if op.decomposition is not None}


def _steps(case: Case, arrays: list[Any]) -> list[tuple[Op, list[Any], dict[str, Any]]]:
    """The operations of a case, with the arrays and the settings that they get."""
    watch = DryRun()
    with in_mode(Mode(True, (), watch)):
        case.call(*[watch.input(x) if x.dtype.kind == "f" else x for x in arrays])
    return [
        (op, [getattr(x, "_array", x) for x in inputs], settings)
        for op, inputs, settings in watch.steps
    ]


# Gradients


@every_gradient
def test_gradients_equal_central_differences(case: Case) -> None:
    """Whatever the cotangent; where the result is small, the whole Jacobian."""
    arrays = case.inputs()
    outputs = parts(case.call(*tensors(case, arrays)))
    gs = cotangents(outputs)
    jacobians = [differences(case.call, arrays, k) for k in case.by]
    for k, jacobian, gradient in zip(case.by, jacobians, gradients(case, arrays, gs), strict=True):
        assert_near(gradient, (flat(gs) @ jacobian).reshape(arrays[k].shape))
    size = sum(y.size for y in outputs)
    for row in range(size if size <= 24 else 0):
        at_row = _units(outputs, row)
        for jacobian, gradient in zip(jacobians, gradients(case, arrays, at_row), strict=True):
            assert_near(gradient.ravel(), jacobian[row])


def _units(outputs: list[Any], row: int) -> list[np.ndarray]:
    """Cotangents that are 1 at one entry of all outputs together, and else 0."""
    unit = np.zeros(sum(y.size for y in outputs))
    unit[row] = 1
    ends = np.cumsum([y.size for y in outputs])[:-1]
    pieces = zip(np.split(unit, ends), outputs, strict=True)
    return [piece.reshape(y.shape).astype(y.dtype) for piece, y in pieces]


@every_gradient
def test_gradients_of_gradients_equal_central_differences(case: Case) -> None:
    """<gradient, random> by the inputs and by the cotangents, as the recorded walk gives it."""
    arrays = case.inputs()
    gs = [g.astype(float) for g in cotangents(parts(case.call(*tensors(case, arrays))))]
    every = [*arrays, *gs]
    by = [*case.by, *range(len(arrays), len(every))]
    weights = cotangents([arrays[k] for k in case.by], seed=2)

    def weighted(*xs: Any) -> Any:
        found = gradients(case, list(xs[: len(arrays)]), list(xs[len(arrays) :]))
        return np.sum([np.sum(g * w) for g, w in zip(found, weights, strict=True)])

    leaves = [tg.Tensor(x, requires_grad=True) if k in by else x for k, x in enumerate(every)]
    outputs = parts(case.call(*leaves[: len(arrays)]))
    of, seeds = [leaves[k] for k in case.by], leaves[len(arrays) :]
    firsts = tg.grad(outputs, of, seeds, create_graph=True)
    for first, plain in zip(firsts, gradients(case, arrays, gs), strict=True):
        assert_near(first.data, plain, 1e-12)
    seconds = tg.grad(firsts, [leaves[k] for k in by], weights, allow_unused=True)
    for k, second in zip(by, seconds, strict=True):
        expected = differences(weighted, every, k).reshape(every[k].shape)
        assert_near(0 * expected if second is None else second.data, expected)


@every_gradient
def test_gradients_have_their_inputs_dtype(case: Case) -> None:
    """float32 stays float32, recorded or not, and gives float64's answer but for rounding."""
    inputs = tensors(case, single(case.inputs()))
    leaves = [inputs[k] for k in case.by]
    outputs = parts(case.call(*inputs))
    exact = gradients(case, case.inputs())
    for create_graph in (False, True):
        found = tg.grad(outputs, leaves, cotangents(outputs), create_graph=create_graph)
        for x, g, right in zip(leaves, found, exact, strict=True):
            assert (g.shape, g.dtype) == (x.shape, np.float32)
            assert_near(g.data, right, 1e-5)
    assert all(g.dtype == np.float64 for g in exact)


@every_gradient
def test_a_tensor_used_twice_gets_both_gradients(case: Case) -> None:
    """The gradient of f(x, ...) + f(x, ...) is exactly twice that of f(x, ...)."""
    arrays = case.inputs()
    inputs = tensors(case, arrays)
    outputs = parts(case.call(*inputs))
    gs = cotangents(outputs)
    twice = outputs + parts(case.call(*inputs))
    found = tg.grad(twice, [inputs[k] for k in case.by], gs + gs)
    for gradient, once in zip(found, gradients(case, arrays, gs), strict=True):
        assert_near(gradient.data, 2 * once, 1e-12)


def _of_one_shape(case: Case) -> bool:
    return len(case.by) == 2 and len({case.draws[k].shape for k in case.by}) == 1


@pytest.mark.parametrize("case", [c for c in CASES if _of_one_shape(c)], ids=str)
def test_a_tensor_as_both_inputs_gets_the_sum(case: Case) -> None:
    """The gradient of f(x, x) is that by the first input plus that by the second."""
    arrays = case.inputs()
    first, second = case.by
    arrays[second] = arrays[first]
    if case.function in ("maximum", "minimum"):
        arrays[second] = arrays[second].copy()
    inputs = tensors(case, arrays)
    inputs[second] = inputs[first]
    outputs = parts(case.call(*inputs))
    gs = cotangents(outputs)
    (both,) = tg.grad(outputs, inputs[first], gs)
    assert_near(both.data, sum(gradients(case, arrays, gs)), 1e-12)


# Work that is not done, memory that is not shared


@pytest.fixture
def rules_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Op], Counter[tuple[str, str]]]:
    """Counts each call of an op's rules by the names of op and input."""
    counts: Counter[tuple[str, str]] = Counter()

    def counting(op: Op, name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*values: Any, **settings: Any) -> Any:
            counts[op.name, name] += 1
            return rule(*values, **settings)

        return counted

    def watch(op: Op) -> Counter[tuple[str, str]]:
        named = zip(op.inputs, op.rules, strict=True)
        counted = tuple(rule and counting(op, name, rule) for name, rule in named)
        monkeypatch.setattr(op, "rules", counted)
        monkeypatch.setattr(op, "gradients", door(op))
        return counts

    return watch


@pytest.mark.parametrize(
    ("case", "k"), [(c, k) for c in CASES if len(c.by) > 1 for k in c.by], ids=str
)
def test_rules_of_constant_inputs_are_not_run(case: Case, k: int, rules_run: Any) -> None:
    """Where one input requires a gradient, each op runs the rules of what depends on it alone."""
    inputs = tensors(case, case.inputs(), by=(k,))
    outputs = parts(case.call(*inputs))
    nodes = [node for node in tape(*outputs) if node.op]
    for op in {node.op for node in nodes}:
        counts = rules_run(op)
    for y, g in zip(outputs, cotangents(outputs), strict=True):
        y.backward(g)
    needed = Counter(
        (node.op.name, name)
        for node in nodes
        for name, x in zip(node.op.inputs, node.inputs, strict=False)
        if node.op.variadic or getattr(x, "requires_grad", False)
    )
    assert counts == needed


@every_gradient
def test_gradients_share_no_memory(case: Case) -> None:
    """Each gradient is an array of its own; one that is not recorded can be written."""
    inputs = tensors(case, case.inputs())
    outputs = parts(case.call(*inputs))
    gs = cotangents(outputs)
    leaves = [inputs[k] for k in case.by]
    for create_graph in (False, True):
        found = [g.data for g in tg.grad(outputs, leaves, gs, create_graph=create_graph)]
        others = [*gs, *(t.data for t in leaves), *(y.data for y in outputs)]
        for k, gradient in enumerate(found):
            assert gradient.flags.writeable or create_graph
            for other in (*others, *found[:k]):
                assert not np.shares_memory(gradient, other)


def test_a_number_can_be_added_to_any_product() -> None:
    """addmm takes a Python number for c, also where the product is a number itself."""
    x = tg.Tensor([1.0, 2.0], requires_grad=True)

    y = tg.addmm(2.0, x, x)
    y.backward()

    assert y.item() == 7.0
    assert x.grad.data.tolist() == [2.0, 4.0]
    assert tg.addmm(2.0, x[None], x[:, None]).data.tolist() == [[7.0]]


# Layouts of memory

View = Callable[[Any], Any]
LAYOUTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], View]] = {
    "strided": (lambda a: np.repeat(a, 2, axis=-1), lambda t: t[..., ::2]),
    "reversed": (lambda a: a[::-1], lambda t: t[::-1]),
    "transposed": (lambda a: a.T, lambda t: t.T),
    "part": (lambda a: np.stack([a, a]), lambda t: t[1]),
    "fortran": (np.asfortranarray, lambda t: t),
}


@pytest.mark.parametrize("case", [c for c in CASES if any(c.draws[k].shape for k in c.by)], ids=str)
def test_views_of_any_layout_have_the_same_gradients(case: Case) -> None:
    """Steps, negative strides, Fortran order and parts change neither values nor gradients."""
    for stored, view in LAYOUTS.values():
        _check_layout(case, stored, view)


def _check_layout(case: Case, stored: Callable[[np.ndarray], np.ndarray], view: View) -> None:
    arrays = case.inputs()
    seen = [k for k in case.by if case.draws[k].shape]
    inputs = tensors(case, arrays)
    leaves = {k: tg.Tensor(stored(arrays[k]), requires_grad=True) for k in seen}
    for k in seen:
        inputs[k] = view(leaves[k])
    outputs = parts(case.call(*inputs))
    gs = cotangents(outputs)
    found = tg.grad(outputs, list(leaves.values()), gs)
    plain = dict(zip(case.by, gradients(case, arrays, gs), strict=True))
    for y, right in zip(outputs, parts(case.reference(*arrays)), strict=True):
        assert_near(y.data, right, 1e-12)
    for k, gradient in zip(seen, found, strict=True):
        assert_near(view(gradient.data), plain[k], 1e-12)


@every_gradient
def test_cotangents_may_be_one_repeated_number(case: Case) -> None:
    """A read-only cotangent of stride 0 gives what a full array of that number gives."""
    arrays = case.inputs()
    outputs = parts(case.call(*tensors(case, arrays)))
    repeated = [np.broadcast_to(y.dtype.type(1.5), y.shape) for y in outputs]
    full = [np.full(y.shape, 1.5, y.dtype) for y in outputs]
    for a, b in zip(gradients(case, arrays, repeated), gradients(case, arrays, full), strict=True):
        assert_near(a, b, 1e-12)


@pytest.mark.parametrize("case", [c for c in ELEMENTWISE if c.by], ids=str)
def test_inputs_may_be_one_repeated_number(case: Case) -> None:
    """An input broadcast from one entry (strides 0) gets the sum over all entries."""
    small = case.with_shapes(*[()] * len(case.draws)).inputs()
    large = [np.full((3, 2), x) for x in small]
    inputs = tensors(case, small)
    outputs = parts(case.call(*[tg.ops.broadcast_to(x, (3, 2)) for x in inputs]))
    gs = cotangents(outputs)
    found = tg.grad(outputs, [inputs[k] for k in case.by], gs)
    for gradient, each in zip(found, gradients(case, large, gs), strict=True):
        assert_near(gradient.data, each.sum(), 1e-12)


# Broadcasting

PAIRS = [
    ((), ()),
    ((), (3,)),
    ((1,), (3,)),
    ((1,), ()),
    ((2, 3), (3,)),
    ((2, 1), (3,)),
    ((3, 1), (1, 4)),
    ((5, 4), ()),
    ((5, 4), (1,)),
    ((3, 1, 2), (4, 2)),
    ((1, 1, 2), (2,)),
    ((2, 0), (1,)),
    ((0, 1), (1, 3)),
    ((1,), (0,)),
]
BOTH_WAYS = sorted({*PAIRS, *(pair[::-1] for pair in PAIRS)})


@pytest.fixture(params=BOTH_WAYS, ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast."""
    return request.param


def _spread(case: Case, pair: tuple[tuple[int, ...], tuple[int, ...]]) -> Iterator[Case]:
    """The case with the two shapes on every two of its inputs in turn; others are 0-d."""
    count = len(case.draws)
    for k in range(count - 1):
        shapes: list[tuple[int, ...]] = [()] * count
        shapes[k : k + 2] = pair
        yield case.with_shapes(*shapes)


@pytest.mark.parametrize("case", [c for c in ELEMENTWISE if len(c.draws) > 1], ids=str)
def test_shapes_that_broadcast_give_gradients_of_their_own_shape(case: Case, pair: Any) -> None:
    """What an input was broadcast over is summed; value and gradient are those of full inputs."""
    for spread in _spread(case, pair):
        arrays = spread.inputs()
        value = case.reference(*arrays)
        assert_near(np.asarray(case.call(*arrays)), value, 1e-12)
        if not case.by:
            continue
        g = np.random.default_rng(1).normal(size=value.shape)
        full = [np.broadcast_to(x, value.shape).copy() for x in arrays]
        each = gradients(case, full, [np.asarray(g)])
        for k, found, right in zip(
            case.by, gradients(spread, arrays, [np.asarray(g)]), each, strict=True
        ):
            assert found.shape == arrays[k].shape
            assert_near(found, _summed(right, arrays[k].shape), 1e-12)


def _summed(full: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The entries of a full gradient added up for each entry they were repeated from."""
    total = np.zeros(shape)
    source = np.broadcast_to(np.arange(total.size).reshape(shape), full.shape)
    np.add.at(total.ravel(), source.ravel(), full.ravel())
    return total


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("case", ELEMENTWISE, ids=str)
def test_any_shape_goes_through_entry_by_entry(case: Case, shape: tuple[int, ...]) -> None:
    """0-d, empty and other inputs keep their shape, and so do their gradients."""
    shaped = case.with_shapes(*[shape] * len(case.draws))
    arrays = shaped.inputs()
    (y,) = parts(case.call(*map(tg.Tensor, arrays)))
    assert y.shape == shape
    for gradient in gradients(shaped, arrays) if case.by else []:
        assert gradient.shape == shape


@pytest.mark.parametrize("case", [c for c in ELEMENTWISE if len(c.draws) > 1], ids=str)
def test_shapes_that_do_not_broadcast_are_refused(case: Case) -> None:
    """The error names the op and both shapes."""
    count = len(case.draws)
    wrong = case.with_shapes(*[(2, 3)] * (count - 1), (4,))
    with pytest.raises(ValueError, match=rf"^{case.function}: .*\(2, 3\) .*\(4,\)"):
        case.call(*map(tg.Tensor, wrong.inputs()))


# Lists and numbers


def _by_operator(case: Case) -> bool:
    return case.function == "getitem" or " a number" in case.label


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.function not in INTERNAL and not _by_operator(c)], ids=str
)
def test_lists_and_numbers_are_taken_for_arrays(case: Case) -> None:
    """As NumPy takes them: the same values as from arrays, in the arrays' dtype."""
    arrays = case.inputs()
    if not all(x.size for x in arrays):
        return
    listed = parts(case.call(*[x.tolist() for x in arrays]))
    for y, right in zip(listed, parts(case.call(*arrays)), strict=True):
        assert_near(np.asarray(y), np.asarray(right), 1e-12)
