"""The walk back is right: what is added up, what is recorded, what is freed and what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tape import tape
from tinygrad_rnn.engine.totals import ENTRIES_THAT_WAIT, Totals
from tinygrad_rnn.ops.shape import transpose

from .numeric import assert_near


def leaf(values: Any, **settings: Any) -> tg.Tensor:
    """A tensor that requires a gradient."""
    return tg.Tensor(values, dtype=float, requires_grad=True, **settings)


def gradient(f: Callable[..., tg.Tensor], *values: Any) -> list[np.ndarray]:
    """The gradients of f's sum by its inputs."""
    leaves = [leaf(v) for v in values]
    f(*leaves).sum().backward()
    return [x.grad.data for x in leaves if x.grad is not None]


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Garbage is collected by nothing but reference counts."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# Accumulation


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: x * x, 3, 6),
        (lambda x: x + x, 3, 2),
        (lambda x: x - x, 3, 0),
        (lambda x: x / x, 3, 0),
        (lambda x: x @ x, [1, 2], [2, 4]),
        (lambda x: x @ x, [[1, 2], [3, 4]], [[7, 11], [9, 13]]),
        (lambda x: tg.stack([x, x, x]), [1, 2], [3, 3]),
        (lambda x: tg.where(x > 0, x, x), [-1, 2], [1, 1]),
    ],
    ids=["x*x", "x+x", "x-x", "x/x", "x@x", "X@X", "stack", "where"],
)
def test_a_tensor_used_twice_gets_the_sum(f: Any, x: Any, expected: Any) -> None:
    """Every use of a tensor in one operation adds its part."""
    np.testing.assert_allclose(gradient(f, x)[0], expected, atol=1e-15)


def test_a_diamond_is_walked_once_and_in_order() -> None:
    """z = x + x used twice: sum(z) + sum(z z) has the gradient 2 + 8 x."""
    (found,) = gradient(lambda x: (lambda z: z.sum() + (z * z).sum())(x + x), [1, 2])
    np.testing.assert_array_equal(found, [10, 18])


def test_paths_of_different_lengths_add_up() -> None:
    """b = a + 1, c = b + 1.5, d = a + b, e = d + c: a reaches e by three paths."""

    def f(a: tg.Tensor) -> tg.Tensor:
        b = a + 1
        return (a + b) + (b + 1.5)

    np.testing.assert_array_equal(gradient(f, [0.5, 2])[0], [3, 3])


def test_many_diamonds_are_walked_in_linear_time() -> None:
    """60 doublings have 2**60 paths and one walk of 60 steps."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_two_losses_accumulate() -> None:
    """backward adds to .grad; None empties it."""
    x = leaf([1, 2])
    (x * x).sum().backward()
    (3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [5, 7])
    x.grad = None
    (3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 3])


def test_a_second_backward_accumulates_in_leaves_alone() -> None:
    """Intermediate gradients are fresh in each walk: twice gives exactly twice."""
    x = leaf([1, 2])
    y = (x * x * x).sum()
    y.backward()
    once = x.grad.data.copy()
    y.backward()
    np.testing.assert_array_equal(x.grad.data, 2 * once)


def test_a_leaf_that_was_not_reached_has_no_gradient() -> None:
    """Its .grad stays None, which is not 0."""
    x, other = leaf([1, 2]), leaf([3, 4])
    (other * 2).sum()
    x.sum().backward()
    assert other.grad is None


def test_intermediate_gradients_are_kept_on_request_alone() -> None:
    """.grad of a result is None unless retain_grad was called."""
    x = leaf([1, 2])
    y, z = x * 2, x * 3
    y.retain_grad()
    (y * z).sum().backward()
    np.testing.assert_array_equal(y.grad.data, z.data)
    assert z.grad is None
    np.testing.assert_array_equal(x.grad.data, [12, 24])


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("extra", [0.0, 2.0], ids=["products alone", "and another use"])
def test_a_transposed_weight_has_a_gradient_on_request(extra: float, create_graph: bool) -> None:
    """Products that wait for it are added up there, before they go on to the weight itself."""
    rng = np.random.default_rng(0)
    W, xs = leaf(rng.normal(size=(7, 8))), [leaf(rng.normal(size=(2, 8))) for _ in range(5)]

    def loss(V: Any) -> Any:
        products = sum((tg.tanh(x @ V) * k).sum() for k, x in enumerate(xs))
        return products + extra * (V * V).sum() if extra else products

    V = W.T
    slopes = [k * (1 - np.tanh(x.data @ V.data) ** 2) for k, x in enumerate(xs)]
    right = sum(x.data.T @ s for x, s in zip(xs, slopes, strict=True)) + 2 * extra * V.data
    for chosen in (V, (V, W)):
        for found, x in zip(tg.grad(loss(V), chosen), (V, W), strict=False):
            assert_near(found.data, right if x is V else right.T, 1e-13)
    V.retain_grad()
    loss(V).backward(create_graph=create_graph)
    assert_near(V.grad.data, right, 1e-13)
    assert_near(W.grad.data, right.T, 1e-13)


def test_an_output_may_retain_its_gradient() -> None:
    """The gradient of the tensor that backward starts from is the cotangent, in an own array."""
    y = leaf([1, 2]) * 2
    y.retain_grad()
    g = np.array([5.0, 6.0])
    y.backward(g)
    np.testing.assert_array_equal(y.grad.data, g)
    assert not np.shares_memory(y.grad.data, g)


def test_a_leaf_is_its_own_output() -> None:
    """backward on a leaf of one entry gives it the gradient 1, of its own shape."""
    for shape in [(), (1,), (1, 1)]:
        x = leaf(np.ones(shape))
        x.backward()
        assert x.grad.shape == shape
        assert x.grad.item() == 1


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_are_arrays_of_their_own(create_graph: bool) -> None:
    """Writing into one gradient changes neither another, nor the cotangent, nor a later walk."""
    x, y = leaf([1, 2]), leaf([3, 4])
    z = x + y
    g = np.array([1.0, 1.0])
    z.backward(g, create_graph=create_graph)
    x.grad.data[:] = 10
    np.testing.assert_array_equal(y.grad.data, [1, 1])
    np.testing.assert_array_equal(g, [1, 1])
    z.backward(g)
    np.testing.assert_array_equal(x.grad.data, [11, 11])
    np.testing.assert_array_equal(y.grad.data, [2, 2])


def test_gradients_may_be_rescaled_by_assignment() -> None:
    """`x.grad *= 10` changes x's gradient alone."""
    x, y = leaf([1, 2]), leaf([3, 4])
    (x + y).sum().backward()
    x.grad *= 10
    np.testing.assert_array_equal(x.grad.data, [10, 10])
    np.testing.assert_array_equal(y.grad.data, [1, 1])


TERMS: dict[str, tuple[Callable[[tg.Tensor], tg.Tensor], Callable[[np.ndarray], Any]]] = {
    "sum": (lambda x: x.sum(), np.ones_like),  # a read-only gradient of stride 0
    "mean": (lambda x: x.mean(), lambda x: np.full(x.shape, 1 / x.size)),
    "square": (lambda x: (x * x).sum(), lambda x: 2 * x),
    "entry": (lambda x: x[1, 0] * 2, lambda x: np.array([[0.0, 0], [2, 0]])),
    "gathered": (lambda x: x[[0, 0]].sum(), lambda x: np.array([[2.0, 2], [0, 0]])),
    "product": (
        lambda x: (np.array([[1.0], [2]]) @ (np.array([[1.0, 3]]) @ x)).sum(),
        lambda x: np.array([[3.0, 3], [9, 9]]),
    ),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("names", list(itertools.permutations(TERMS, 3)), ids="-".join)
def test_contributions_of_every_kind_add_up(names: tuple[str, ...], create_graph: bool) -> None:
    """Borrowed, read-only, recorded, sliced, gathered: in any order, each taken twice."""
    x = leaf([[1, 2], [3, 4]])
    total: Any = 0.0
    for name in names * 2:
        total = total + TERMS[name][0](x)
    total.backward(create_graph=create_graph)
    expected = sum(2 * TERMS[name][1](x.data) for name in names)
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-14)


# The rules of one op


def test_cotangents_may_require_gradients_themselves() -> None:
    """Without create_graph a cotangent is but a number: nothing of the walk is recorded."""
    x, c = leaf([1, 2]), leaf([3, 4])
    (x * x).backward(c)
    np.testing.assert_array_equal(x.grad.data, [6, 16])
    (found,) = tg.grad(x * x, x, c)
    assert not found.requires_grad
    assert c.grad is None


def test_gradients_of_float32_are_float32() -> None:
    """A float64 cotangent, or a float64 partner, does not change a gradient's dtype."""
    x = tg.Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
    w = leaf([3, 4])
    y = x * w
    assert y.dtype == np.float64
    y.backward(np.ones(2))
    assert x.grad.dtype == np.float32
    assert w.grad.dtype == np.float64


def test_one_output_given_twice_counts_twice() -> None:
    """tg.grad adds the cotangents of equal outputs."""
    x = leaf([1, 2])
    y = x * x
    gs = [np.array([1.0, 1.0]), np.array([2.0, 3.0])]
    (found,) = tg.grad([y, y], x, gs)
    np.testing.assert_array_equal(found.data, [6, 16])
    np.testing.assert_array_equal(gs[0], [1, 1])


@tg.op(x=lambda g, z, x: (_ for _ in ()).throw(KeyboardInterrupt))
def interrupted(x: Any) -> Any:
    """x, with a rule that is interrupted."""
    return x + 0


@tg.op(x=lambda g, z, x: g[:1])
def misshaped(x: Any) -> Any:
    """x, with a rule whose gradient has a wrong shape."""
    return x + 0


@pytest.mark.parametrize(
    ("op", "error"), [(interrupted, KeyboardInterrupt), (misshaped, ValueError)], ids=str
)
def test_an_error_in_the_walk_changes_no_gradient(op: Any, error: type[BaseException]) -> None:
    """backward is all or nothing, also for leaves that were reached before."""
    first, x, last = leaf([1, 2]), leaf([1, 2]), leaf([5, 6])
    first.sum().backward()
    kept = first.grad
    loss = (op(x * first) * last).sum()
    with pytest.raises(error):
        loss.backward()
    assert first.grad is kept
    np.testing.assert_array_equal(kept.data, [1, 1])
    assert x.grad is last.grad is None


def test_an_error_in_a_recorded_walk_leaves_the_mode_alone() -> None:
    """After create_graph has failed, scope and recording are what they were."""
    x = leaf([1, 2])
    with tg.scope("inside"):
        loss = misshaped(x).sum()
    with tg.no_grad():
        with pytest.raises(ValueError, match="misshaped"):
            loss.backward(create_graph=True)
        assert not (x * 2).requires_grad
    assert (x * 2).scope == ()


# Writing after recording


@pytest.mark.parametrize("requires_grad", [True, False], ids=["parameter", "constant"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_write_after_recording_is_found(requires_grad: bool, create_graph: bool) -> None:
    """`p.data -= step` between forward and backward is an error and changes no gradient."""
    x = leaf([1, 2])
    p = tg.Tensor([3.0, 4.0], requires_grad=requires_grad, name="weights")
    loss = (x * p).sum()
    p.data -= 0.5
    with pytest.raises(RuntimeError, match=r"weights was written after .* backward\(\) before"):
        loss.backward(create_graph=create_graph)
    with pytest.raises(RuntimeError, match="weights"):
        tg.grad(loss, x, create_graph=create_graph)
    assert x.grad is p.grad is None
    (x * p).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2.5, 3.5])


@pytest.mark.parametrize("write", [lambda p: p.data, lambda p: p.data * 1, lambda p: [3, 4]])
def test_every_assignment_is_a_write(write: Any) -> None:
    """Also of the same values, and inside no_grad."""
    p = leaf([3, 4])
    loss = (p * p).sum()
    with tg.no_grad():
        p.data = write(p)
    with pytest.raises(RuntimeError, match=r"a tensor of shape \(2,\) was written"):
        loss.backward()


@pytest.mark.parametrize("write", [lambda t: t.data * 0, lambda t: np.multiply(t.data, 0, t.data)])
@pytest.mark.parametrize("use", ["condition", "index", "bound"])
def test_a_write_into_a_tensor_without_a_rule_gives_no_wrong_gradient(use: str, write: Any) -> None:
    """A condition, an index, a bound: written after recording, the walk fails or is right."""
    x = leaf([1, 2, 3])
    index, condition, bound = tg.Tensor([2, 2]), leaf([1, 0, 1]), tg.Tensor(2.0)
    uses = {
        "condition": (condition, lambda: tg.where(condition, x, 0.0), [1, 0, 1]),
        "index": (index, lambda: x[index], [0, 0, 2]),
        "bound": (bound, lambda: tg.clip(x, None, bound), [1, 1, 0]),
    }
    t, f, expected = uses[use]
    loss = f().sum()
    t.data = write(t)
    with contextlib.suppress(RuntimeError):
        loss.backward()
    if x.grad is not None:
        np.testing.assert_array_equal(x.grad.data, expected)


def test_writes_before_recording_and_after_backward_are_allowed() -> None:
    """As a training loop does: write, record, walk, write."""
    p, other = leaf([3, 4]), leaf([1, 1])
    for _ in range(3):
        p.grad = None
        loss = (p * p).sum()
        other.data -= 1
        loss.backward()
        p.data -= 0.25 * p.grad.data
    np.testing.assert_array_equal(p.data, [0.375, 0.5])


# Gradients of gradients


def test_third_derivatives_are_right() -> None:
    """x**4 has 4 x**3, 12 x**2, 24 x and 24."""
    x = leaf([1, -2, 0.5])
    y = x**4
    for expected in [4 * x.data**3, 12 * x.data**2, 24 * x.data, np.full(3, 24.0)]:
        (y,) = tg.grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.data, expected, rtol=1e-12)


def test_third_derivatives_of_a_composition_are_right() -> None:
    """exp(2 tanh(x)) against the formula, through products, sums and slices."""
    x = leaf(np.linspace(-1, 1, 5))
    y = tg.exp(2 * tg.tanh(x)[::-1])
    for _ in range(3):
        (y,) = tg.grad(y.sum(), x, create_graph=True)
    t = np.tanh(x.data)
    s = 1 - t**2
    inner = 2 * s, -4 * t * s, -4 * s**2 + 8 * t**2 * s
    expected = np.exp(2 * t) * (inner[0] ** 3 + 3 * inner[0] * inner[1] + inner[2])
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)


def test_a_loss_may_contain_a_gradient() -> None:
    """backward through sum(grad**2), the gradient penalty."""
    x, w = leaf([1, 2]), leaf([3, 4])
    (found,) = tg.grad((w * x * x).sum(), x, create_graph=True)
    (found * found).sum().backward()
    np.testing.assert_allclose(x.grad.data, 8 * w.data**2 * x.data)
    np.testing.assert_allclose(w.grad.data, 8 * w.data * x.data**2)


def test_backward_with_create_graph_gives_gradients_that_have_gradients() -> None:
    """.grad is then a recorded tensor; without it a leaf."""
    x = leaf([1, 2])
    (x * x * x).sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    first.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [6, 12])
    assert x.grad.is_leaf
    assert not x.grad.requires_grad


def test_the_recorded_walk_keeps_each_steps_scope() -> None:
    """What create_graph records for a node lies in that node's scope."""
    x = leaf([1, 2])
    with tg.scope("t=1"):
        y = tg.exp(x)
    (found,) = tg.grad(y, x, np.ones(2), create_graph=True)
    assert {node.scope for node in tape(found) if node.op} == {("t=1",)}
    assert (x * 2).scope == ()


# tg.grad


def test_grad_touches_no_grad() -> None:
    """It returns a tuple of tensors; .grad stays as it was, of leaves and of results."""
    x, w = leaf([1, 2]), leaf([3, 4])
    y = x * w
    y.retain_grad()
    found = tg.grad((y * y).sum(), (w, x))
    assert isinstance(found, tuple)
    np.testing.assert_array_equal(found[0].data, 2 * w.data * x.data**2)
    np.testing.assert_array_equal(found[1].data, 2 * x.data * w.data**2)
    assert x.grad is w.grad is y.grad is None


def test_grad_is_taken_by_results_too() -> None:
    """By an intermediate tensor, by the output itself, by one tensor twice."""
    x = leaf([1, 2])
    y = x * x
    loss = (y * y).sum()
    by_y, by_loss, by_x, again = tg.grad(loss, [y, loss, x, x])
    np.testing.assert_array_equal(by_y.data, 2 * y.data)
    np.testing.assert_array_equal(by_loss.data, 1)
    np.testing.assert_array_equal(by_x.data, again.data)
    assert not np.shares_memory(by_x.data, again.data)


def test_grad_of_several_outputs_weighs_each() -> None:
    """sum(g_k y_k) is what is differentiated; None is 1 for an output of one entry."""
    x = leaf([1, 2])
    (found,) = tg.grad([x * x, x.sum()], x, [np.array([1.0, 10.0]), None])
    np.testing.assert_array_equal(found.data, [3, 41])


def test_unused_inputs_are_refused_or_none() -> None:
    """allow_unused gives None for an input that the outputs do not depend on."""
    x, other = leaf([1, 2]), leaf([3, 4], name="spare")
    y = (x * 2).sum()
    with pytest.raises(RuntimeError, match="do not depend on spare; allow_unused=True"):
        tg.grad(y, [x, other])
    found = tg.grad(y, [x, other], allow_unused=True)
    np.testing.assert_array_equal(found[0].data, [2, 2])
    assert found[1] is None


def test_grad_runs_no_rule_that_leads_elsewhere() -> None:
    """Where only x is asked for, rules of other branches are not run, though they would fail."""
    x, w = leaf([1, 2]), leaf([3, 4])
    loss = (interrupted(w * w) * x).sum()
    (found,) = tg.grad(loss, x)
    np.testing.assert_array_equal(found.data, w.data**2)


def test_grad_stops_at_what_it_was_asked_for() -> None:
    """Rules of what lies behind the wanted tensors are not run."""
    x = leaf([1, 2])
    y = interrupted(x)
    (found,) = tg.grad((y * y).sum(), y)
    np.testing.assert_array_equal(found.data, [2, 4])


# Recording and scopes


def test_no_grad_records_nothing() -> None:
    """As a context, nested, and after an exception inside."""
    x = leaf([1, 2])
    with tg.no_grad():
        assert not (x * 2).requires_grad
        with pytest.raises(KeyError), tg.no_grad():
            raise KeyError
        y = x * 2
        assert not y.requires_grad
        assert y.is_leaf
    assert (x * 2).requires_grad


def test_no_grad_is_a_decorator() -> None:
    """Of functions, which keep their names and may call themselves."""
    x = leaf([1, 2])

    @tg.no_grad()
    def deeper(n: int) -> tg.Tensor:
        """Doubles n times."""
        return deeper(n - 1) * 2 if n else x * 1

    for _ in range(2):
        assert not deeper(3).requires_grad
        assert (x * 2).requires_grad
    assert deeper.__name__ == "deeper"


def test_leaves_made_inside_no_grad_may_require_gradients() -> None:
    """Only results are not recorded."""
    with tg.no_grad():
        x = leaf([1, 2])
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 4])


def test_the_mode_belongs_to_its_thread() -> None:
    """no_grad and scope in one thread change nothing in another."""
    x = leaf([1, 2])
    seen = []
    with tg.no_grad(), tg.scope("here"):
        thread = threading.Thread(target=lambda: seen.append(x * 2))
        thread.start()
        thread.join()
    assert seen[0].requires_grad
    assert seen[0].scope == ()


def test_the_mode_belongs_to_its_task() -> None:
    """Of two asynchronous tasks that take turns, one records and the other does not."""
    x = leaf([1, 2])

    async def recording(turns: int) -> list[bool]:
        seen = []
        for _ in range(turns):
            await asyncio.sleep(0)
            seen.append((x * 2).requires_grad)
        return seen

    async def silent(turns: int) -> list[bool]:
        with tg.no_grad(), tg.scope("silent"):
            return await recording(turns)

    async def both() -> list[list[bool]]:
        return await asyncio.gather(silent(4), recording(4))

    assert asyncio.run(both()) == [[False] * 4, [True] * 4]
    assert (x * 2).scope == ()


def test_scopes_nest_and_end() -> None:
    """Each tensor keeps the labels that were current when it was made, outermost first."""
    x = leaf([1, 2])
    with tg.scope("layer"):
        outer = x * 2
        with tg.scope("t=0"):
            inner, made = x * 2, leaf(1)
        with pytest.raises(KeyError), tg.scope("t=1"):
            raise KeyError
        again = x * 2
    assert outer.scope == again.scope == ("layer",)
    assert inner.scope == made.scope == ("layer", "t=0")
    assert (x * 2).scope == x.scope == ()


def test_one_scope_may_be_entered_inside_itself() -> None:
    """The object that scope gives holds no state that a second use would break."""
    label = tg.scope("again")
    with label, label:
        assert leaf(1).scope == ("again", "again")
    with label:
        assert leaf(1).scope == ("again",)
    assert leaf(1).scope == ()


# The tape


def test_the_tape_is_in_recorded_order_and_whole() -> None:
    """Every node once, inputs before what uses them, constants that are tensors included."""
    x, c = leaf([1, 2]), tg.Tensor([3.0, 4.0])
    y = x * c
    z, other = y + y, tg.exp(x)
    nodes = tape(z, other, z)
    assert set(nodes) == {x, c, y, z, other}
    assert len(nodes) == 5
    place = {node: k for k, node in enumerate(nodes)}
    assert all(place[i] < place[node] for node in nodes for i in node.inputs)


# Lifetime


@pytest.mark.usefixtures("no_collector")
def test_a_million_steps_go_backward_and_are_released() -> None:
    """No recursion anywhere: neither in the walk nor when the chain is freed."""
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = -y
    y.backward()
    assert x.grad.item() == 1
    first = weakref.ref(y)
    del y
    assert first() is None


@pytest.mark.usefixtures("no_collector")
def test_training_leaves_no_cycles() -> None:
    """1,000 steps with the collector off leave nothing that it would have to collect."""
    rng = np.random.default_rng(0)
    W, b, x = leaf(rng.normal(size=(3, 3))), leaf(np.zeros(3)), rng.normal(size=(2, 3))
    for _ in range(1_000):
        h = tg.tanh(x @ W + b)
        h = tg.concatenate(tg.tanh(h @ W + b).split(2), axis=0)
        loss = tg.cross_entropy(h[[0, 1, 1]], [0, 1, 2])
        W.grad = b.grad = None
        loss.backward()
        W.data -= 0.1 * W.grad.data
        b.data -= 0.1 * b.grad.data
    del h, loss
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_graph_is_freed_with_its_last_reference(create_graph: bool) -> None:
    """Results and their data go when the loss goes; the leaves' gradients hold none of them."""
    x = leaf([1, 2])
    y = tg.exp(x)
    node, array = weakref.ref(y), weakref.ref(y.data)
    loss = (y * y).sum()
    loss.backward(create_graph=create_graph)
    del y
    assert node() is not None
    del loss
    if create_graph:
        x.grad = None
    assert node() is None
    assert array() is None


@pytest.mark.usefixtures("no_collector")
def test_no_grad_holds_nothing() -> None:
    """Inputs of what was not recorded are free to go."""
    x = leaf([1, 2])
    with tg.no_grad():
        y = x * 2
        z = y * 2
    node = weakref.ref(y)
    del y
    assert node() is None
    assert z.inputs == ()


# Cost

PARTS: dict[str, Callable[[tg.Tensor], list[tg.Tensor]]] = {
    "getitem": lambda x: [x[t] for t in range(len(x))],
    "slices": lambda x: [x[t : t + 1] for t in range(len(x))],
    "gather": lambda x: [x[np.array([t])] for t in range(len(x))],
    "iteration": list,
    "unbind": tg.unbind,
    "split": lambda x: tg.split(x, len(x)),
}


def seconds(T: int, cut: Callable[[tg.Tensor], list[tg.Tensor]], order: int) -> float:
    """How long backward takes through T parts, cut and joined again, and backward through that."""
    x = leaf(np.ones((T, 500)))
    pieces = cut(x)
    loss = (tg.concatenate(pieces) ** 2).sum() + (tg.stack(pieces) ** 2).sum()
    start = time.process_time()
    if order == 1:
        loss.backward()
        np.testing.assert_array_equal(x.grad.data, np.full(x.shape, 4.0))
    else:
        (slope,) = tg.grad(loss, x, create_graph=True)
        (slope * slope).sum().backward()
        np.testing.assert_array_equal(x.grad.data, np.full(x.shape, 32.0))
    return time.process_time() - start


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("cut", PARTS.values(), ids=list(PARTS))
def test_backward_through_parts_is_linear_in_their_number(cut: Any, order: int) -> None:
    """10 times as many parts take about 10 times as long; 100 times would be quadratic."""
    seconds(100, cut, order)
    short = min(seconds(100, cut, order) for _ in range(5))
    long = min(seconds(1_000, cut, order) for _ in range(3))
    assert long < 40 * short


STEPS = {
    "one row": (30, 1, 8),
    "few rows": (30, 3, 16),
    "more rows than columns": (30, 20, 4),
    "more than waits at once": (12, 100, 300),
    "vectors": (30, 8),
    "sequences": (30, 3, 2, 16),
}


@pytest.mark.parametrize("extra", ["none", "before", "after", "both"])
@pytest.mark.parametrize("shape", STEPS.values(), ids=list(STEPS))
def test_the_gradient_of_a_weight_is_the_sum_over_its_uses(shape: Any, extra: str) -> None:
    """One weight used T times gets what T weights of its own would get together."""
    rng = np.random.default_rng(3)
    T, H = shape[0], shape[-1]
    x = rng.normal(size=shape)
    W = rng.normal(size=(H, H)) / H**0.5

    def loss(weights: list[tg.Tensor]) -> tg.Tensor:
        h, total = tg.Tensor(x[0]), tg.Tensor(0.0)
        if extra in ("before", "both"):
            total = total + (weights[0] * weights[0]).sum() + weights[0][1].sum()
        for t in range(T):
            h = tg.tanh(h @ weights[t] + x[t])
            total = total + (h * h).mean()
        if extra in ("after", "both"):
            total = total + weights[-1].T[0].sum() + weights[-1].mean()
        return total

    shared, own = leaf(W), [leaf(W) for _ in range(T)]
    one, many = loss([shared] * T), loss(own)
    assert one.item() == many.item()
    one.backward()
    many.backward()
    assert_near(shared.grad.data, np.sum([w.grad.data for w in own], axis=0), 1e-12)


def test_weights_wider_than_their_rows_are_multiplied_at_once() -> None:
    """The T products of a weight's gradient are one: the tape makes one array of its size."""
    rng = np.random.default_rng(4)
    W = leaf(rng.normal(size=(200, 200)) / 20)
    x, total = rng.normal(size=(50, 1, 200)), tg.Tensor(0.0)
    for t in range(50):
        total = total + (x[t] @ W).sum()
    (found,) = tg.grad(total, W)
    assert_near(found.data, np.outer(x.sum((0, 1)), np.ones(200)), 1e-12)


def test_a_recorded_walk_records_under_no_grad_too() -> None:
    """`create_graph` asks for it, whatever the mode: also where the result is a part."""
    x, u = leaf([1.0, 2.0]), leaf(2.0)
    part, product = x[0], (x * x)[0]
    with tg.no_grad():
        found = [tg.grad(y, x, u, create_graph=True)[0] for y in (part, product)]
    for g, slope in zip(found, (1.0, 2.0), strict=True):
        assert tg.grad(g.sum(), u)[0].item() == slope


def test_the_gradient_by_a_result_does_not_walk_what_lies_before_it() -> None:
    """T such gradients along a chain are linear in T; 10 times as many take far less than 100."""

    def seconds(T: int) -> float:
        y, start = leaf(1.0), time.process_time()
        for _ in range(T):
            z = +y
            (g,) = tg.grad(z * z * z, z, create_graph=True)
            y = y - 0.01 * g
        return time.process_time() - start

    seconds(50)
    long = min(seconds(1_000) for _ in range(2))
    assert long < 40 * min(seconds(100) for _ in range(3))


def test_what_lies_before_a_wanted_result_may_be_written() -> None:
    """No rule reads it any more."""
    x = leaf([1.0, 2.0])
    z = +x
    y = (z * z).sum()
    x.data = [5.0, 5.0]
    np.testing.assert_array_equal(tg.grad(y, z)[0].data, [2, 4])
    with pytest.raises(RuntimeError, match="was written"):
        tg.grad(y, x)


# Terms of an op of one's own


@tg.op(x=lambda g, z, x: tg.Term(same, (g,), {}))
def same(x: Any) -> Any:
    """Its value as a Term is the very array that another input may have got too."""
    return x


@tg.op(x=lambda g, z, x: tg.Term(backwards, (g,), {}))
def backwards(x: Any) -> Any:
    """Its value as a Term is a view of that array."""
    return x[::-1]


@pytest.mark.parametrize("op", [same, backwards])
def test_a_term_whose_value_is_its_input_leaves_that_alone(op: Any) -> None:
    """What else arrives is added to a copy: the array is the gradient of others as well."""
    a, b = leaf([1, 2]), leaf([1, 2])
    u = a * 1.0
    early, late = op(u), op(u)
    both = late + b
    loss = (both * np.array([3.0, 3.0])).sum() + early.sum()
    for x, slope in zip((a, b, both), tg.grad(loss, [a, b, both]), strict=True):
        np.testing.assert_array_equal(slope.data, [4, 4] if x is a else [3, 3])


def _halved(term: tg.Term, axes: Any) -> tg.Term:
    return tg.Term(half, (term.inputs[0].T,), {})


@tg.op(through={transpose: _halved}, x=lambda g, z, x: tg.Term(half, (g,), {}))
def half(x: Any) -> Any:
    """An op whose Terms go through a transpose, and cannot join."""
    return x / 2


@pytest.mark.parametrize("uses", [1, 2])
def test_terms_that_go_through_an_op_need_not_join(uses: int) -> None:
    """One goes through, several are added up before."""
    W, c = leaf([[1, 2, 3], [4, 5, 6]]), np.arange(6.0).reshape(3, 2)
    V = W.T
    loss = sum(((half(V) * c).sum() for _ in range(uses)), start=0.0)
    np.testing.assert_array_equal(tg.grad(loss, W)[0].data, uses * c.T / 2)


def test_a_term_of_a_number_is_named() -> None:
    """What it gives is no array of the input's shape."""
    wrong = tg.op(x=lambda g, z, x: tg.Term(half, (3.0,), {}))(lambda x: x * 2)
    with pytest.raises(TypeError, match=r"half: the rule gave 1\.5 for w; it must give an array"):
        wrong(leaf([1, 2], name="w")).sum().backward()


# What a node keeps


def test_a_node_keeps_its_inputs_and_gives_their_arrays() -> None:
    """An operand that is no Tensor is kept as the array it was; `values` are the arrays."""
    x, numbers = leaf([1, 2]), [3.0, 4.0]
    y, z = x * numbers, numbers - x
    numbers[0] = 9.0
    for node, place in [(y, 1), (z, 0)]:
        np.testing.assert_array_equal(node.inputs[place], [3, 4])
        assert node.values[place] is node.inputs[place]
        assert node.values[1 - place] is x.data
    (y + z).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 3])


@pytest.mark.parametrize("f", [lambda x, c: x * c, lambda x, c: c - x, lambda x, c: x + c])
def test_an_input_without_a_gradient_is_guarded_too(f: Any) -> None:
    """Written after it was recorded it is an error, whichever operand it was."""
    x, c = leaf([1, 2]), tg.Tensor([3.0, 4.0], name="c")
    y = f(x, c).sum()
    c.data += 1
    with pytest.raises(RuntimeError, match="c was written after it was recorded"):
        y.backward()
    assert x.grad is None


@tg.op(xs=lambda g, z, *xs: [None, g * xs[0]])
def scaled(*xs: Any) -> Any:
    """The product of two, of which the second alone has a gradient."""
    return xs[0] * xs[1]


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_input_to_which_a_rule_sends_nothing_is_guarded_too(create_graph: bool) -> None:
    """A rule of any number of inputs may give None for one, and still read it for another."""
    x, y = leaf([1, 2], name="x"), leaf([3, 4])
    z = scaled([x, y]).sum()
    x.data -= 9.0
    with pytest.raises(RuntimeError, match="x was written after it was recorded"):
        tg.grad(z, [y, x], create_graph=create_graph)
    with pytest.raises(RuntimeError, match="x was written after it was recorded"):
        z.backward()
    assert y.grad is None


@pytest.mark.parametrize("size", [1, 3])
def test_what_waits_is_joined_before_it_is_large(size: int) -> None:
    """Of many terms no more wait than hold a bound's entries, or those of the node itself."""
    totals, node = Totals(), leaf(np.zeros((size, 1)))
    wide = ENTRIES_THAT_WAIT // 4
    assert wide > node.size
    left, right = np.ones((size, wide)), np.ones((wide, 1))
    for _ in range(9):
        totals.receive(node, tg.Term(tg.matmul, (left, right), {}), tg.matmul)
        assert len(totals.waiting.get(node, ())) * left.size <= ENTRIES_THAT_WAIT
    np.testing.assert_array_equal(totals.take(node), np.full((size, 1), 9 * wide))


def test_a_term_has_inputs_and_an_operation() -> None:
    """What could not wait, since it has nothing that tells its size, or no op, is refused."""
    with pytest.raises(ValueError, match="Term: matmul is given no inputs"):
        tg.Term(tg.matmul, (), {})
    with pytest.raises(TypeError, match="Term: op is <ufunc 'tanh'>"):
        tg.Term(np.tanh, (np.ones(2),), {})  # type: ignore[arg-type]


@tg.op(y=lambda g, z, x, y: g * x)
def times(x: Any, y: Any) -> Any:
    """x y, with no gradient by x."""
    return x * y


def test_an_input_without_a_rule_is_guarded_too() -> None:
    """An input that has no rule, though it requires a gradient, may be read by another's rule."""
    x, y = leaf([1, 2], name="x"), leaf([3, 4])
    z = times(x, y).sum()
    x.data -= 9.0
    with pytest.raises(RuntimeError, match="x was written after it was recorded"):
        z.backward()
    assert y.grad is None
