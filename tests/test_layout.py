"""Values of a program lie where nothing need be copied, and memory is used again."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.engine.repeats import Repeat
from tinygrad_rnn.program import Program, Runner, Var
from tinygrad_rnn.program.code import FEWEST_CALLS, FEWEST_ROUNDS, LONGEST_BODY, _loops, function_of
from tinygrad_rnn.program.kernels import KernelCall
from tinygrad_rnn.program.layout import is_join, with_members_copied, with_transposes_copied
from tinygrad_rnn.program.passes import improved
from tinygrad_rnn.program.run import _Binding

from .deep import STEPS, H, I, V, data, deep_check, of, traced, weights
from .numeric import assert_near


def bound(program: Program) -> tuple[Program, _Binding]:
    """The program as it is run, and its arrays and calls."""
    program = with_transposes_copied(with_members_copied(program))
    arrays: dict[Var, np.ndarray] = {x: np.zeros(x.shape, x.dtype) for x in program.inputs}
    arrays |= dict(program.constants) | {var: x.data for var, x in program.leaves}
    return program, _Binding(program, arrays)


def base(array: Any) -> Any:
    """The array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def memory(program: Program) -> int:
    """The bytes of all buffers of a program."""
    ready, binding = bound(program)
    known = {id(base(binding.arrays[x])) for x in ready.known()}
    computed = [base(binding.arrays[e.output]) for e in ready.equations]
    return sum(x.nbytes for x in {id(x): x for x in computed}.values() if id(x) not in known)


def rnn_step(layer: Any = None) -> Callable[..., Any]:
    """The loss of a layer and a Linear."""
    layer = layer or nn.RNN(I, H, rng=0)
    linear = nn.Linear(H, V, rng=1)
    return lambda x, y: tg.cross_entropy(linear(layer(x)[0]), y)


def function_name(call: KernelCall) -> str:
    """The NumPy function of a call."""
    function = call.function.func if isinstance(call.function, partial) else call.function
    return function.__name__


# Stacks


def test_stacks_of_a_layer_cost_few_copies() -> None:
    """The states of all steps, and their gradients, are computed where the stack has them."""
    program, binding = bound(improved(traced(rnn_step(), *data("RNN"), backward=True)))
    calls = [function_name(call) for call in binding.calls]
    assert calls.count("concatenate") <= 1
    joins = [e for e in program.equations if e.output in binding._layout.joins]
    assert len(joins) >= 2
    for equation in joins:
        whole = binding.arrays[equation.output]
        for k, x in enumerate(equation.inputs):
            assert np.shares_memory(whole[k], binding.arrays[x])
            assert whole[k].ctypes.data == binding.arrays[x].ctypes.data


def test_members_of_a_stack_share_its_memory() -> None:
    """Two stacks with the same neighbours are parts of one row."""

    def f(x: Any) -> Any:
        hs = [tg.sin(row) for row in x]
        return tg.stack(hs) * 2, tg.stack(hs[1:3]) * 3, tg.stack(hs[:2]) + 1

    program, binding = bound(traced(f, np.ones((4, 3))))
    assert "concatenate" not in map(function_name, binding.calls)
    first, second, third = (binding.arrays[e.output] for e in of(program, "stack"))
    np.testing.assert_array_equal([np.shares_memory(first, y) for y in (second, third)], [1, 1])
    assert second.ctypes.data == first[1].ctypes.data


OTHERS: dict[str, Callable[[Any], Any]] = {
    "turned": lambda s: (tg.stack(s), tg.stack(s[::-1]) * 2),
    "a ring": lambda s: (tg.stack(s) * 2, tg.stack([s[2], s[0]]) * 3),
    "twice the same": lambda s: tg.stack([s[0], s[0], s[1]]),
    "an input too": lambda s: tg.stack([*s, s[0].reshape(3)]),
    "crossing": lambda s: (tg.stack([s[0], s[1]]), tg.stack([s[0], s[2]]), tg.stack([s[1], s[2]])),
    "along the last axis": lambda s: tg.stack(s, -1),
    "of stacks": lambda s: tg.stack([tg.stack(s[:2]), tg.stack(s[1:])]),
}


@pytest.mark.parametrize("f", OTHERS.values(), ids=list(OTHERS))
def test_stacks_that_cannot_all_be_in_place_are_right(f: Callable[[Any], Any]) -> None:
    """One is in place, or none; the others are copies."""
    x = np.random.default_rng(0).normal(size=(3, 3))
    program = traced(lambda x: f([tg.sin(row) for row in x]), x)
    for found, right in zip(Runner(program)([x]), deep_check(program, [x]), strict=True):
        np.testing.assert_array_equal(found, right)


def test_the_first_of_stacks_that_make_a_ring_is_in_place() -> None:
    """What the last one wants would put its end before its start."""
    program, binding = bound(
        traced(lambda x: OTHERS["a ring"]([tg.sin(row) for row in x]), np.ones((3, 3)))
    )
    first, _ = of(program, "stack")
    assert list(binding._layout.joins) == [first.output]
    assert list(map(function_name, binding.calls)).count("concatenate") == 1


def test_a_few_views_in_a_stack_are_copied_to_it() -> None:
    """As the first state, an input, before those that are computed."""
    f = lambda x, h: tg.stack([h, *[tg.sin(row) for row in x]]) * 2
    program, binding = bound(traced(f, np.ones((6, 3)), np.ones(3)))
    (joined,) = [e for e in program.equations if is_join(e)]
    assert joined.output in binding._layout.joins
    assert "concatenate" not in map(function_name, binding.calls)


def test_parts_are_computed_in_the_array_they_fill() -> None:
    """The gradients of gates, in the gradient of all."""
    (w,) = weights(1)

    def f(x: Any) -> Any:
        z = w * x
        return tg.sin(z[:, :1]).sum() + tg.exp(z[:, 1:]).sum()

    program, binding = bound(improved(traced(f, np.ones((4, 4)), backward=True)))
    put = of(program, "unslice")
    assert len(put) == 1
    for x in put[0].inputs:
        assert np.shares_memory(binding.arrays[x], binding.arrays[put[0].output])


# Memory


def test_a_chain_needs_few_arrays() -> None:
    """What nobody reads any more is written over."""

    def chain(x: Any) -> Any:
        for k in range(100):
            x = (tg.tanh, tg.sin, tg.exp, lambda x: x * 0.5)[k % 4](x)
        return x

    x = np.random.default_rng(0).normal(size=1000)
    program = traced(chain, x)
    assert len(program.equations) == 100
    assert memory(program) <= 3 * x.nbytes
    np.testing.assert_array_equal(Runner(program)([x])[0], deep_check(program, [x])[0])


def test_what_is_read_late_is_kept() -> None:
    """A value that the end needs is not written over by those between."""

    def f(x: Any) -> Any:
        kept = [tg.sin(x * k) for k in (1.0, 2.0, 3.0)]
        y = kept[0]
        for _ in range(10):
            y = tg.tanh(y) + kept[1].reshape(2, 3).reshape(6)
        return y * kept[2] + kept[0].reshape(3, 2).T.reshape(6)

    x = np.random.default_rng(0).normal(size=6)
    program = traced(f, x)
    run = Runner(program)
    for _ in range(2):
        np.testing.assert_allclose(run([x])[0], deep_check(program, [x])[0], rtol=1e-14)


def test_memory_grows_with_steps() -> None:
    """As states do: twice the steps, about twice the bytes."""
    sizes = [
        memory(improved(traced(rnn_step(), *data("RNN", steps=steps, batch=8), backward=True)))
        for steps in (20, 40, 80)
    ]
    assert 1.7 < (sizes[2] - sizes[1]) / (sizes[1] - sizes[0]) < 2.3
    assert sizes[2] < 4.2 * sizes[0]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "peepholes", "second order"])
def test_a_later_call_changes_no_results(kind: str) -> None:
    """Loss, states and gradients are arrays of their own; inputs stay as they were."""
    run = Runner(improved(traced(STEPS[kind], *data(kind), backward=True)))
    x, y = data(kind)
    inputs = x.copy(), y.copy()
    first = run([x, y])
    copies = [array.copy() for array in first]
    second = run(data(kind, seed=1))
    for a, b in zip((x, y, *first), (*inputs, *copies), strict=True):
        np.testing.assert_array_equal(a, b)
    arrays = [*first, *second]
    for k, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[:k])
    for a, b in zip(run([x, y]), copies, strict=True):
        np.testing.assert_array_equal(a, b)


def test_outputs_that_are_inputs_or_equal_are_copies() -> None:
    """Also where one is written last, into an array that is returned."""

    def f(x: Any) -> Any:
        y = tg.sin(x)
        return x, y, y, y.reshape(4), tg.cos(y), x[0]

    x = np.random.default_rng(0).normal(size=(2, 2))
    results = Runner(improved(traced(f, x)))([x])
    for k, (a, b) in enumerate(zip(results, deep_check(traced(f, x), [x]), strict=True)):
        np.testing.assert_array_equal(a, b)
        assert not any(np.shares_memory(a, other) for other in (x, *results[:k]))


def peak(step: Callable[..., Any], *inputs: Any) -> int:
    """The bytes that a call takes for a time."""
    step(*inputs)
    step(*inputs)
    tracemalloc.start()
    step(*inputs)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_a_call_makes_no_arrays_for_its_steps() -> None:
    """For 400 steps it takes what NumPy needs to walk through arrays, not one state of each."""
    step = tg.compile(rnn_step(nn.RNN(I, H, rng=0)))
    peaks = [peak(step, *data("RNN", steps=steps, batch=16)) for steps in (50, 400)]
    buffer, states = 8192 * 8, 400 * 16 * H * 8
    assert peaks[1] < peaks[0] + buffer < states


# Loops


def test_a_chain_in_one_array_is_a_loop() -> None:
    """All rounds make the same calls with the same arrays."""

    def chain(x: Any) -> Any:
        x = x * 2
        for _ in range(2 * FEWEST_CALLS):
            x = tg.sin(x)
        return x

    x = np.ones(3)
    np.testing.assert_array_equal(tg.compile(chain, backward=False)(x).data, chain(x))


def test_long_programs_are_loops() -> None:
    """All steps of a chain; what comes before and after is not in it."""
    x, y = np.ones(3), np.empty(3)
    before, after = [KernelCall(np.exp, (x, y))] * 2, [KernelCall(np.cos, (y, y))]
    step = [KernelCall(np.sin, (y, y)), KernelCall(np.add, (y, x, y)), KernelCall(np.tanh, (y, y))]
    calls = before + step * FEWEST_CALLS + after
    found = _loops(calls)
    assert found == [Repeat(2, 3, FEWEST_CALLS)]
    function_of(calls)()
    expected = np.exp(x)
    for _ in range(FEWEST_CALLS):
        expected = np.tanh(np.sin(expected) + x)
    np.testing.assert_array_equal(y, np.cos(expected))


def test_short_programs_have_no_loops() -> None:
    """Nor those with too few rounds, nor those whose period is too long."""
    x = np.ones(1)
    functions = [np.sin, np.cos, np.tan, np.exp, np.tanh]
    rng = np.random.default_rng(0)
    period = [KernelCall(functions[k], (x, x)) for k in rng.integers(0, 5, 3 * LONGEST_BODY)]
    assert _loops([KernelCall(np.sin, (x, x))] * (FEWEST_CALLS - 1)) == []
    assert len(_loops([KernelCall(np.sin, (x, x))] * FEWEST_CALLS)) == 1
    assert all(
        loop.size <= LONGEST_BODY and loop.rounds >= FEWEST_ROUNDS for loop in _loops(period * 20)
    )
    assert sum(loop.size * loop.rounds for loop in _loops(period * 20)) < 100 * 20


def test_a_loop_takes_other_arrays_in_each_round() -> None:
    """Each row its own; what is the same for all is not repeated."""
    rows, out = np.arange(FEWEST_CALLS * 2.0).reshape(FEWEST_CALLS, 2), np.empty((FEWEST_CALLS, 2))
    weight = np.array([2.0, 3.0])
    calls = [KernelCall(np.multiply, (row, weight, to)) for row, to in zip(rows, out, strict=True)]
    assert [loop.rounds for loop in _loops(calls)] == [FEWEST_CALLS]
    function_of(calls)()
    np.testing.assert_array_equal(out, rows * weight)


def test_methods_of_arrays_are_in_loops() -> None:
    """x_t.dot is another object at each step."""
    rows, out = np.ones((FEWEST_CALLS, 2)), np.empty((FEWEST_CALLS, 3))
    W = np.arange(6.0).reshape(2, 3)
    calls = [KernelCall(row.dot, (W, to)) for row, to in zip(rows, out, strict=True)]
    assert [loop.rounds for loop in _loops(calls)] == [FEWEST_CALLS]
    function_of(calls)()
    np.testing.assert_array_equal(out, rows @ W)


def test_a_long_program_is_the_step() -> None:
    """500 steps of an LSTM of small sizes: in loops, with the values of the step."""
    layer, linear = nn.LSTM(2, 3, rng=0), nn.Linear(3, V, rng=1)

    def f(x: Any, y: Any) -> Any:
        return tg.cross_entropy(linear(layer(x)[0]), y)

    step = tg.compile(f)
    parameters = [*layer.parameters(), *linear.parameters()]
    for seed in range(2):
        x, y = data("RNN", seed, batch=1, steps=500)
        loss = step(x, y)
        found = [p.grad.data.copy() for p in parameters]
        for p in parameters:
            p.grad = None
        eager = f(tg.Tensor(x), y)
        eager.backward()
        assert_near(loss.data, eager.data, 1e-12)
        for p, g in zip(parameters, found, strict=True):
            assert_near(g, p.grad.data, 1e-11)
            p.grad = None
    (program,) = step.programs
    _, binding = bound(program)
    loops = _loops(binding.calls)
    assert len(binding.calls) > FEWEST_CALLS
    assert sum(loop.size * loop.rounds for loop in loops) > 0.9 * len(binding.calls)
    assert max(loop.rounds for loop in loops) > 400
