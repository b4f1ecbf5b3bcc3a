"""Each pass does what it says on a small program, and leaves every program right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.program import Equation, Program, Runner, Var
from tinygrad_rnn.program.passes import PASSES, improved
from tinygrad_rnn.program.passes.align import aligned
from tinygrad_rnn.program.passes.batch import FEWEST_MEMBERS, batched
from tinygrad_rnn.program.passes.gates import gated
from tinygrad_rnn.program.passes.simplify import simplified, without_dead_code
from tinygrad_rnn.program.passes.sums import reassociated
from tinygrad_rnn.program.passes.widen import widened

from .deep import STEPS, data, deep_check, names, of, traced, weights
from .numeric import assert_near
from .steps import agree

T = FEWEST_MEMBERS


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def after(one: Callable[[Program], Program], program: Program, rtol: float = 1e-13) -> Program:
    """The program after a pass, which is well formed and gives the same on other inputs."""
    result = one(program)
    for seed in (1, 2):
        inputs = [random(*x.shape, seed=seed).astype(x.dtype) for x in program.inputs]
        for found, right in zip(
            deep_check(result, inputs), deep_check(program, inputs), strict=True
        ):
            assert found.dtype == right.dtype
            assert_near(found, right, rtol)
    return result


@pytest.mark.parametrize("kind", STEPS)
def test_every_pass_leaves_a_program_right(kind: str) -> None:
    """Shapes and dtypes of all values, single assignment, and results on other inputs."""
    program = traced(STEPS[kind], *data(kind), backward=True)
    inputs = data(kind, seed=1)
    expected = deep_check(program, inputs)
    rtol = 1e-5 if kind == "float32" else 1e-12
    for one in PASSES:
        program = one(program)
        for found, right in zip(deep_check(program, inputs), expected, strict=True):
            assert_near(found, right, rtol)
    for found, right in zip(Runner(program)(inputs), expected, strict=True):
        assert found.dtype == right.dtype
        assert_near(found, right, rtol)


# simplified

SIMPLER: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "equal equations are computed once": (
        lambda x: tg.exp(x) * tg.exp(x),
        ["exp", "multiply"],
    ),
    "equal settings are told apart": (
        lambda x: (x.sum(0), x.sum(1), x.sum(0)),
        ["sum", "sum"],
    ),
    "1 is not 1.0 and 0.0 is not -0.0": (
        lambda x: (x * 0.0, x * -0.0, x + 2, x + 2.0),
        ["multiply", "multiply", "add", "add"],
    ),
    "what nobody reads is left out": (lambda x: (tg.sin(x), tg.cos(x))[1], ["cos"]),
    "a transpose of a transpose is none": (lambda x: tg.sin(x.T.T), ["sin"]),
    "three transposes are one": (lambda x: tg.sin(x.T.T.T), ["transpose", "sin"]),
    "turns of three axes that come round are none": (
        lambda x: tg.sin(tg.transpose(tg.transpose(x.reshape(2, 2, 4), (1, 2, 0)), (2, 0, 1))),
        ["reshape", "sin"],
    ),
    "reshapes of reshapes are one": (
        lambda x: tg.sin(x.reshape(8, 2).reshape(2, 8)),
        ["reshape", "sin"],
    ),
    "a reshape to the same shape is none": (lambda x: tg.sin(x.reshape(4, 4)), ["sin"]),
    "a repeated number is repeated to the last shape": (
        lambda x: tg.broadcast_to(x.sum(), (2, 3)).reshape(6),
        ["sum", "broadcast_to"],
    ),
    "a sum without its axes of size 1": (
        lambda x: x.sum(1, keepdims=True).reshape(4),
        ["sum"],
    ),
    "a sum of a sum is one": (lambda x: x.sum(0).sum(0), ["sum"]),
    "sums of sums keep their axes apart": (
        lambda x: x.reshape(2, 2, 4).sum(1).sum(1),
        ["reshape", "sum"],
    ),
    "a sum that keeps its axes stays": (
        lambda x: x.reshape(2, 2, 4).sum(0, keepdims=True).sum(1),
        ["reshape", "sum", "sum"],
    ),
    "so does a sum of a sum that keeps its own": (
        lambda x: x.sum(0).sum(0, keepdims=True),
        ["sum", "sum"],
    ),
    "axes of size 1 that were summed over and others go together": (
        lambda x: x.reshape(4, 1, 4).sum(2).reshape(4),
        ["reshape", "sum"],
    ),
    "larger axes of a sum stay apart": (
        lambda x: x.reshape(2, 2, 4).sum(0).reshape(8),
        ["reshape", "sum", "reshape"],
    ),
    "a sum over an axis of size 1 is a reshape": (
        lambda x: x.reshape(4, 1, 4).sum(1) * 2,
        ["multiply"],
    ),
    "a step of a stack is what was put there": (
        lambda x: tg.stack([tg.sin(x), tg.cos(x)])[1],
        ["cos"],
    ),
    "a step of a stack along another axis is not": (
        lambda x: tg.stack([tg.sin(x), tg.cos(x)], 1)[1],
        ["sin", "cos", "stack", "getitem"],
    ),
    "a part that is all of an array is a reshape": (lambda x: x[None], ["reshape"]),
    "a turned array is not": (lambda x: x[::-1], ["getitem"]),
    "steps in a row are a part": (lambda x: tg.stack([x[1], x[2]]), ["getitem"]),
    "all steps in a row are the array": (
        lambda x: tg.sin(tg.stack([x[k] for k in range(4)])),
        ["sin"],
    ),
    "steps in another order are not": (
        lambda x: tg.stack([x[2], x[1]]),
        ["getitem", "getitem", "stack"],
    ),
    "a stack of transposes is a transpose of a stack": (
        lambda x: tg.stack([tg.sin(x).T, tg.cos(x).T]),
        ["sin", "cos", "stack", "transpose"],
    ),
    "a stack of parts is a part of a stack": (
        lambda x: tg.stack([tg.sin(x)[:, 1:], tg.cos(x)[:, 1:]]),
        ["sin", "cos", "stack", "getitem"],
    ),
    "a stack of reshapes is a reshape of a stack": (
        lambda x: tg.stack([tg.sin(x).reshape(16), tg.cos(x).reshape(16)]),
        ["sin", "cos", "stack", "reshape"],
    ),
    "arrays of one shape joined are a stack": (
        lambda x: tg.concatenate([tg.sin(x), tg.cos(x)]),
        ["sin", "cos", "stack", "reshape"],
    ),
    "arrays joined along another axis are not": (
        lambda x: tg.concatenate([tg.sin(x), tg.cos(x)], 1),
        ["sin", "cos", "concatenate"],
    ),
    "a product with 1 is the other operand": (lambda x: tg.sin(1.0 * x * 1 / 1.0), ["sin"]),
    "so is one with ones": (lambda x: tg.sin(x * np.ones((4, 4)) / np.ones(4)), ["sin"]),
    "but for those that make it larger": (
        lambda x: x.sum(0) * np.ones((4, 4)),
        ["sum", "multiply"],
    ),
    "1 divided is not the operand": (lambda x: 1.0 / x, ["divide"]),
    "a repeated operand is not repeated": (
        lambda x: x * tg.broadcast_to(x.sum(0), (4, 4)),
        ["sum", "multiply"],
    ),
    "unless it gives the shape": (
        lambda x: x.sum(0) * tg.broadcast_to(x.sum(), (4, 4)),
        ["sum", "sum", "broadcast_to", "multiply"],
    ),
}


@pytest.mark.parametrize(("f", "expected"), SIMPLER.values(), ids=list(SIMPLER))
def test_rules_of_simplified(f: Callable[[Any], Any], expected: list[str]) -> None:
    """Each leaves the operations that are needed, and the values as they are."""
    program = traced(f, random(4, 4))
    assert sorted(names(after(simplified, program, 1e-15))) == sorted(expected)


def test_ones_of_a_wider_dtype_widen() -> None:
    """A float32 times or divided by float64 ones is float64, and no detour."""
    ones = np.ones((4, 4))
    program = traced(lambda x: (x * ones, ones * x, x / ones), random(4, 4).astype("f4"))
    result = after(simplified, program)
    assert [x.dtype for x in result.outputs] == [np.dtype(float)] * 3


def test_sums_of_truths_over_an_axis_of_size_1_are_counts() -> None:
    """They are integers, so such a sum is no reshape."""
    program = traced(lambda x: (x > 0).reshape(4, 1, 4).sum(1), random(4, 4))
    assert len(of(after(simplified, program), "sum")) == 1


def test_parts_put_together_are_a_stack() -> None:
    """The gradient of all steps of a sequence, in whichever order they were taken."""
    (w,) = weights(1)
    f = lambda x: sum((w[t] * x[t] * (t + 1)).sum() for t in (2, 0, 3, 1))
    program = traced(f, random(4, 4), backward=True)
    assert len(of(program, "unslice")) == 1
    result = after(simplified, program)
    assert not of(result, "unslice")
    assert len(of(result, "stack")) == 1


def test_parts_that_are_not_all_stay() -> None:
    """A step without a gradient has zeros there."""
    (w,) = weights(1)
    program = traced(lambda x: (w[0] * x[0] + w[2] * x[2]).sum(), random(4, 4), backward=True)
    assert len(of(after(simplified, program), "unslice")) == 1


@pytest.mark.parametrize(("size", "count"), [(2**16, 0), (2**16 + 1, 1)])
def test_small_constants_are_computed_ahead(size: int, count: int) -> None:
    """Large ones would be kept beside what they were made of."""
    a, b = Var((size,), np.dtype(float)), Var((size,), np.dtype(float))
    array = np.arange(size) / size
    program = Program((Equation(tg.sin, (a,), {}, b),), (), (), ((a, array),), (b,))
    result = simplified(program)
    assert len(result.equations) == count
    np.testing.assert_array_equal(deep_check(result, [])[0], np.sin(array))


def test_live_keeps_what_outputs_need() -> None:
    """And the order."""
    program = traced(lambda x: (tg.sin(tg.exp(x)), tg.cos(x) + tg.tan(x))[0], random(2))
    assert names(without_dead_code(program)) == ["exp", "sin"]


# gated


def gates(x: Any) -> Any:
    """A sigmoid of the first and the last part, a tanh of the middle."""
    return tg.sigmoid(x[:, :2]) * tg.tanh(x[:, 2:4]) + tg.sigmoid(x[:, 4:])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gates_are_one_tanh(dtype: Any) -> None:
    """Halved before and after, where a sigmoid was; in the dtype that it was in."""
    program = traced(gates, random(3, 6).astype(dtype))
    result = after(gated, program, 1e-15 if dtype is np.float64 else 1e-6)
    assert len(of(result, "tanh")) == 1
    assert not of(result, "sigmoid")
    (curve,) = of(result, "tanh")
    assert curve.output.shape == (3, 6)
    assert [a.tolist() for _, a in result.constants] == [
        [0.5, 0.5, 1, 1, 0.5, 0.5],
        [0.5, 0.5, 0, 0, 0.5, 0.5],
    ]


def test_gates_of_all_steps_share_their_constants() -> None:
    """Two rows, however many arrays have parts."""
    result = after(gated, traced(lambda x: sum(gates(x * k) for k in (1, 2, 3)), random(3, 6)))
    assert len(result.constants) == 2
    assert len(of(result, "tanh")) == 3


NO_GATES: dict[str, Callable[[Any], Any]] = {
    "a column is left out": lambda x: tg.sigmoid(x[:, :2]) * tg.tanh(x[:, 2:4]),
    "parts overlap": lambda x: tg.sigmoid(x[:, :4]) + tg.tanh(x[:, 2:]),
    "sigmoids alone": lambda x: tg.sigmoid(x[:, :3]) * tg.sigmoid(x[:, 3:]),
    "tanhs alone": lambda x: tg.tanh(x[:, :3]) * tg.tanh(x[:, 3:]),
    "parts are rows": lambda x: tg.sigmoid(x[:1]) * tg.tanh(x[1:]),
    "both of one part": lambda x: tg.sigmoid(x[:, :3]) * tg.tanh(x[:, :3]) + tg.tanh(x[:, 3:]),
    "tanhs that overlap": lambda x: [tg.tanh(x[:, :4]), tg.tanh(x[:, 2:])],
    "a tanh of a part in two spellings": lambda x: [tg.tanh(x[:, k]) for k in SPELLINGS],
}


@tg.op(elementwise=True, x=lambda g, z, x: g / x)
def logarithm(x: Any) -> Any:
    """A logarithm that is no operation of ours."""
    return np.log(x)


STEEP: dict[str, Callable[[Any], Any]] = {
    "a logarithm": lambda s: tg.log(s),
    "a quotient": lambda s: 1 / s,
    "a power": lambda s: s**0.5,
    "a logarithm of a product and a part": lambda s: tg.log((s * 0.5 + s)[:, :1]),
    "a share": lambda s: s / s.sum(1, keepdims=True),
    "an operation of the user's": lambda s: logarithm(s),
}


@pytest.mark.parametrize("f", STEEP.values(), ids=list(STEEP))
def test_small_sigmoids_that_matter_are_no_gates(f: Callable[[Any], Any]) -> None:
    """Their logarithm is what it is, and its gradient too."""
    w = tg.Tensor([-300.0, -90.0, -40.0, 0.5, 1.0, 2.0], requires_grad=True)

    def step(x: Any) -> Any:
        z = x * w
        return (f(tg.sigmoid(z[:, :3])).sum() + tg.tanh(z[:, 3:]).sum()), f(tg.sigmoid(z[:, :3]))

    agree(step, [w], *[[1 + 0.1 * random(2, 6, seed=seed)] for seed in range(3)])


SPELLINGS = (slice(0, 3), slice(None, 3), slice(-3, None), slice(3, 6), slice(3, 9))


@pytest.mark.parametrize("f", NO_GATES.values(), ids=list(NO_GATES))
def test_other_parts_are_no_gates(f: Callable[[Any], Any]) -> None:
    """The program stays as it is."""
    program = traced(f, random(3, 6))
    assert after(gated, program) is program


def test_gates_may_overlap_parts_of_their_kind() -> None:
    """Sigmoids of the same columns, or of one part in two spellings, are one."""
    f = lambda x: [tg.sigmoid(x[:, :4]), tg.tanh(x[:, 4:]), tg.sigmoid(x[:, 2:4])]
    assert not of(after(gated, traced(f, random(3, 6))), "sigmoid")
    f = lambda x: [tg.tanh(x[:, k]) for k in SPELLINGS[:2]] + [tg.sigmoid(x[:, 3:])]
    assert len(of(after(gated, traced(f, random(3, 6))), "tanh")) == 1


# widened


def test_functions_of_parts_are_taken_of_the_whole() -> None:
    """One after another, also of two arrays."""
    f = lambda x, y: [tg.exp(tg.sin(x[:, k]) * y[:, k]) for k in (slice(2), slice(2, 4))]
    result = after(widened, traced(f, random(3, 4), random(3, 4)))
    for name in ("sin", "multiply", "exp"):
        (wide,) = of(result, name)
        assert wide.output.shape == (3, 4)


def test_few_parts_are_not_taken_of_the_whole() -> None:
    """Less than half of the array, one part alone, or parts at different places."""
    for f in (
        lambda x: [tg.sin(x[:, :1]), tg.sin(x[:, 1:2])],
        lambda x: tg.sin(x[:, :4]),
        lambda x: [x[:, :2] * x[:, 2:4], x[:, 4:] * x[:, :2]],
    ):
        program = traced(f, random(3, 6))
        assert after(widened, program) is program


# reassociated


def test_what_waits_is_added_last() -> None:
    """(x W + h U) + b becomes (b + x W) + h U."""
    W, U, b = weights(3)
    program = traced(lambda x, h: (x @ W + tg.tanh(tg.sin(h)) @ U) + b, random(4, 4), random(4, 4))
    result = after(reassociated, program)
    first, last = of(result, "add")
    of_x, of_h = of(result, "matmul")
    bias = next(var for var, tensor in result.leaves if tensor is b)
    assert set(first.inputs) == {bias, of_x.output}
    assert last.inputs == (first.output, of_h.output)
    assert last.output is result.outputs[0]


def test_factors_that_wait_come_last_too() -> None:
    """(sin(sin x) a) b is (a b) sin(sin x), and sums of other shapes are spread once."""
    program = traced(lambda x, a, b: tg.sin(tg.sin(x)) * a * b, random(3, 4), random(4), random(4))
    first, last = of(after(reassociated, program), "multiply")
    assert set(first.inputs) == {program.inputs[1], program.inputs[2]}
    assert first.output.shape == (4,)
    assert last.output.shape == (3, 4)


def test_a_sum_of_numbers_keeps_its_dtype() -> None:
    """float32, also where numbers meet first."""
    program = traced(lambda x: tg.sin(x) * 0.5 * 0.25 + 1.0 + 2.0, random(3).astype("f4"))
    assert deep_check(after(reassociated, program, 1e-6), [random(3).astype("f4")])[0].dtype == "f4"


@pytest.mark.parametrize("op", [tg.add, tg.multiply], ids=lambda op: op.name)
def test_terms_of_several_dtypes_stay_in_their_order(op: Any) -> None:
    """(sin h + x) + y with h alone in float64 is no h + (x + y), whose sum would be float32."""
    x, y = random(2, 3, 4).astype("f4")
    program = traced(lambda h, x, y: op(op(tg.sin(h), x), y), random(3, 4), x, y)
    result = after(reassociated, program, 1e-15)
    assert names(result) == names(program)


def test_partial_sums_that_are_read_stay() -> None:
    """They are results of their own."""
    f = lambda x: (lambda s: (s + tg.tanh(x), s))(x + tg.sin(x))
    assert names(after(reassociated, traced(f, random(3)))) == names(traced(f, random(3)))


def products(count: int) -> Callable[[Any], Any]:
    """A sum of so many products of matrices, of rows and columns of different numbers."""
    return lambda x: sum(
        tg.sin(x[: k + 1] * (k + 1)).T @ tg.cos(x[: k + 1] + k) for k in range(count)
    )


@pytest.mark.parametrize("count", [4, 5, 7])
def test_a_sum_of_products_is_one_product(count: int) -> None:
    """Of stacks, also where the operands are not of one shape."""
    result = after(lambda p: simplified(reassociated(p)), traced(products(count), random(8, 4)))
    assert len(of(result, "matmul")) == 1
    assert not of(result, "add") or all(len(e.output.shape) == 2 for e in of(result, "add"))


@pytest.mark.parametrize("shape", [(2, 4, 4), (4,)])
def test_sums_of_other_products_are_right(shape: tuple[int, ...]) -> None:
    """Of stacks of matrices, and of matrices and vectors."""
    f = lambda x, a: sum(tg.sin(x * k) @ tg.cos(a + k) for k in range(5))
    after(reassociated, traced(f, random(4, 4), random(*shape)))
    after(reassociated, traced(f, random(2, 4, 4), random(*shape)))


def test_a_sum_of_few_products_stays() -> None:
    """Three are not worth it."""
    assert len(of(after(reassociated, traced(products(3), random(8, 4))), "matmul")) == 3


def test_a_sum_of_large_products_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks should stay in the cache."""
    monkeypatch.setattr("tinygrad_rnn.program.passes.sums.LARGEST_TERM", 7 * 4 * 8 - 1)
    result = after(lambda p: without_dead_code(reassociated(p)), traced(products(7), random(8, 4)))
    assert len(of(result, "matmul")) == 2  # that of the largest, and the others in one


def test_equal_terms_are_a_sum_of_their_stack() -> None:
    """Four sines of arrays."""
    f = lambda x: sum(tg.sin(row * 2) for row in x[1:]) + tg.cos(x[0])
    result = after(reassociated, traced(f, random(6, 3)))
    (total,) = of(result, "sum")
    assert total.inputs[0].shape == (5, 3)


@pytest.mark.parametrize("dtype", ["i1", "i8", "?", "f4"])
def test_sums_of_other_dtypes_are_right(dtype: str) -> None:
    """Small integers and truths add up as they do one by one."""
    f = lambda x: sum(((tg.abs(row) for row in x[1:]) if dtype != "?" else x[1:]), x[0])
    x = (random(7, 3) * 90).astype(dtype)
    program = traced(f, x)
    result = reassociated(program)
    for found, right in zip(deep_check(result, [x]), deep_check(program, [x]), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-6)
    np.testing.assert_allclose(Runner(improved(program))([x])[0], f(tg.Tensor(x)).data, rtol=1e-6)


# aligned


def test_sums_take_stacks_in_the_order_that_is_there() -> None:
    """A sum of products over the steps of a stack, from the last to the first, is made of it."""

    def f(x: Any) -> Any:
        hs = [tg.sin(x[t] * 2) for t in range(6)]
        total = sum(hs[t].T @ (x[t] * x[t]) for t in reversed(range(6)))
        return total, tg.stack(hs)

    program = simplified(reassociated(traced(f, random(6, 3, 4))))
    assert [[e.output for e in of(program, "sin")]] != [
        list(e.inputs) for e in of(program, "stack") if e.inputs[0] is of(program, "sin")[-1].output
    ]
    result = simplified(after(aligned, program))
    sines = [e.output for e in of(result, "sin")]
    stacks = [list(e.inputs) for e in of(result, "stack") if set(e.inputs) <= set(sines)]
    assert stacks == [sines]


def test_sums_without_stacks_stay() -> None:
    """The same program."""
    program = traced(lambda x: x.sum(0) @ x, random(4, 4))
    assert aligned(program) is program


# batched


def test_products_with_one_weight_are_one_product() -> None:
    """Of T steps; of fewer they stay."""
    (W,) = weights(1)
    for steps, count in [(T, 1), (T - 1, T - 1), (3 * T, 1)]:
        f = lambda x: [tg.sin(x_t) @ W for x_t in x]
        result = after(batched, traced(f, random(steps, 3, 4)))
        assert len(of(result, "matmul")) == count
        assert len(of(result, "sin")) == count
    (product,) = of(result, "matmul")
    assert product.output.shape == (3 * T * 3, 4)


def test_a_weight_to_the_left_is_batched() -> None:
    """W x_t of matrices of columns, and of vectors."""
    (W,) = weights(1)
    for shape in [(T, 4, 3), (T, 4)]:
        result = after(batched, traced(lambda x: [W @ tg.sin(x_t) for x_t in x], random(*shape)))
        assert len(of(result, "matmul")) == 1


def test_outputs_of_all_steps_are_computed_after_the_loop() -> None:
    """h_t V waits for the loop, once; x_t W comes before it, once; h_t U stays."""
    W, U, V = weights(3)

    def f(x: Any) -> Any:
        h, outputs = x[0], []
        for x_t in x:
            h = tg.tanh(x_t @ W + h @ U)
            outputs.append(tg.exp(h @ V))
        return outputs

    result = after(batched, traced(f, random(T, 3, 4)))
    products = of(result, "matmul")
    assert len(products) == T + 2
    assert products[0].output.shape == products[-1].output.shape == (3 * T, 4)
    assert len(of(result, "exp")) == 1
    assert [e.output.shape for e in of(result, "tanh")] == [(3, 4)] * T


def test_a_chain_stays() -> None:
    """Each waits for the one before."""

    def f(x: Any) -> Any:
        for _ in range(3 * T):
            x = tg.tanh(x)
        return x

    program = traced(f, random(3))
    assert after(batched, program) is program


def test_chains_side_by_side_go_together() -> None:
    """T chains of tanh, one step of all at a time."""

    def f(x: Any) -> Any:
        rows = list(x)
        for _ in range(3):
            rows = [tg.tanh(row) for row in rows]
        return rows

    assert [e.output.shape for e in of(after(batched, traced(f, random(T, 2))), "tanh")] == [
        (T, 2)
    ] * 3


def crossed(x: Any) -> list[Any]:
    """Sines that wait for cosines, and as many the other way round."""
    found = []
    for k, row in enumerate(x):
        first, second = (tg.sin, tg.cos) if k % 2 else (tg.cos, tg.sin)
        found.append(second(-tg.exp(first(-tg.exp(row * 0.1)) * 0.1)))
    return found


def test_groups_that_wait_for_each_other_are_right() -> None:
    """None can be first as a whole: what is ready goes first."""
    program = traced(crossed, random(2 * T, 2))
    result = after(batched, program)
    assert 2 <= len(of(result, "sin")) < 2 * T


def test_losses_of_all_steps_are_one() -> None:
    """Cross-entropy of each step: one gathering of the targets' entries."""
    (W,) = weights(1)
    f = lambda x, y: sum(tg.cross_entropy(x_t @ W, y_t) for x_t, y_t in zip(x, y, strict=True))
    x, y = random(T, 3, 4), np.random.default_rng(0).integers(0, 4, (T, 3))
    program = simplified(traced(f, x, y, backward=True))
    result = batched(program)
    assert len(of(program, "picked")) == T
    assert len(of(result, "picked")) == len(of(result, "less_one")) == 1
    other = [x[::-1], y[::-1]]
    for found, right in zip(deep_check(result, other), deep_check(program, other), strict=True):
        assert_near(found, right, 1e-13)


def test_numbers_are_told_apart() -> None:
    """x_t + t is not one operation, x_t + 2 is."""
    many = after(
        batched, traced(lambda x: [x_t + float(t) for t, x_t in enumerate(x)], random(T, 2))
    )
    assert len(of(many, "add")) == T
    one = after(batched, traced(lambda x: [x_t + 2.0 for x_t in x], random(T, 2)))
    assert len(of(one, "add")) == 1


def test_operands_of_other_shapes_are_not_stacked() -> None:
    """(3, 4) + (4,) at each step, whose stacks would not fit."""
    f = lambda x: [tg.sin(x_t) + tg.cos(x_t[0]) for x_t in x]
    assert len(of(after(batched, traced(f, random(T, 3, 4))), "add")) == T


def test_large_values_are_not_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks should stay in the cache."""
    monkeypatch.setattr("tinygrad_rnn.program.passes.batch.LARGEST_STACKED", 8)
    f = lambda x: [tg.sin(x_t) for x_t in x]
    assert len(of(after(batched, traced(f, random(T, 2))), "sin")) == T
    assert len(of(after(batched, traced(f, random(T, 1))), "sin")) == 1


def test_reductions_of_steps_are_one() -> None:
    """Sums and extremes, over all axes, one or the last."""
    for axis in (None, 0, -1, (0, 1)):
        for keepdims in (False, True):
            f = lambda x: [
                g(tg.sin(x_t), axis, keepdims=keepdims)  # noqa: B023
                for g in (tg.sum, tg.max, tg.min)
                for x_t in x
            ]
            result = after(batched, traced(f, random(T, 3, 2)))
            assert [len(of(result, name)) for name in ("sum", "max", "min")] == [1, 1, 1]


# All


def test_inputs_and_outputs_stay() -> None:
    """As many, of the same shapes, whatever the passes do."""
    for kind, step in STEPS.items():
        program = traced(step, *data(kind), backward=True)
        result = improved(program)
        assert result.inputs == program.inputs
        assert result.gradients == program.gradients
        for a, b in zip(result.outputs, program.outputs, strict=True):
            assert isinstance(a, Var)
            assert (a.shape, a.dtype) == (b.shape, b.dtype)


@pytest.mark.parametrize("kind", STEPS)
def test_passes_make_no_more_work(kind: str) -> None:
    """Of what computes; views are free."""
    program = traced(STEPS[kind], *data(kind), backward=True)
    free = {"getitem", "reshape", "transpose", "stack", "positive", "concatenate", "checked"}
    work = [sum(name not in free for name in names(p)) for p in (program, improved(program))]
    assert work[1] < work[0]
