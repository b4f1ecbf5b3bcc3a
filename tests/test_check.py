"""gradcheck finds what is wrong, names it, and lets pass what is right."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.func import GradcheckError, NotDifferentiableError

rng = np.random.default_rng(7)
X, Y, ROW, COLUMN = (rng.normal(size=shape) for shape in ((2, 3), (2, 3), (3,), (2, 1)))
SQUARE = rng.normal(size=(3, 3))


def raw(x: Any) -> Any:
    """The array of a Tensor, as a careless rule takes it."""
    return x.data if isinstance(x, tg.Tensor) else x


def with_rule(rule: Callable[..., Any]) -> Any:
    """A sine with this rule for its input x."""

    def sine(x: Any) -> Any:
        return np.sin(x)

    return tg.op(elementwise=True, x=rule)(sine)


sine = with_rule(lambda g, z, x: g * cosine(x))


@tg.op(elementwise=True, x=lambda g, z, x: -(g * sine(x)))
def cosine(x: Any) -> Any:
    """cos x, whose rule is right."""
    return np.cos(x)


def error_of(f: Callable[..., Any], *inputs: Any, **options: Any) -> str:
    """The message of the error that f must lead to."""
    with pytest.raises(GradcheckError) as caught:
        tg.gradcheck(f, *inputs, **options)
    return str(caught.value)


# What is right


RIGHT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "a polynomial": (lambda x: x**3 - 2 * x, (X,)),
    "an op of one's own": (lambda x: sine(x) * cosine(x), (X,)),
    "broadcasting": (lambda x, row, column: (x * row + column) / (1 + row * row), (X, ROW, COLUMN)),
    "a number among arrays": (lambda x, a: tg.tanh(a * x), (X, 0.5)),
    "matmul": (lambda x, W: tg.tanh(x @ W) @ W.T, (X, SQUARE)),
    "softmax": (tg.softmax, (10 * X,)),
    "logsumexp": (lambda x: tg.logsumexp(x, axis=0), (100 * X,)),
    "indexing": (lambda x: x[:, ::2] * x[[1, 0], 1:], (X,)),
    "joining": (lambda x, y: tg.concatenate([x, tg.stack([y, x])[0]], axis=1), (X, Y)),
    "max and where away from ties": (lambda x: tg.where(x > 0, x * x, 0) + x.max(), (X,)),
    "an input used twice": (lambda x: x @ x + x, (SQUARE,)),
    "the identity": (lambda x: x, (X,)),
    "one result twice": (lambda x: (x, x), (X,)),
    "several results": (lambda x, y: (x * y, [x.sum(), tg.exp(y)]), (X, Y)),
    "results of integers and bools": (lambda x: (x * x, x > 0, tg.Tensor([1, 2])), (X,)),
    "a constant result": (lambda x: tg.Tensor(3.0), (X,)),
    "an unused input": (lambda x, y: x * x, (X, Y)),
    "0-d": (lambda x: tg.exp(x) * x, (0.3,)),
    "no entries": (lambda x: (x.sum(), x * 2), (np.zeros((0, 3)),)),
    "a NumPy function": (np.tanh, (X,)),
    "a callable of Python's own": (operator.methodcaller("tanh"), (X,)),
    "several arguments by position": (lambda *xs: tg.concatenate(xs, axis=0), (X, Y)),
    "a loss with a gradient in it": (
        lambda x, w: (tg.grad((w * x**3).sum(), x, create_graph=True)[0] ** 2).sum(),
        (X, Y),
    ),
    "flat places": (lambda x: x * x + x**4, (np.zeros(2),)),
    "x |x|, which bends but has a slope": (lambda x: x * x * tg.abs(x), (np.zeros(1),)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass(name: str) -> None:
    """First and second order, with broadcasting, parts, several results, and none."""
    f, inputs = RIGHT[name]
    assert tg.gradcheck(f, *inputs) is True


def test_a_recurrent_step_passes_by_input_state_and_weights() -> None:
    """A cell of tg.nn, and the same recurrence with its parameters as inputs."""
    cell = tg.nn.RNNCell(3, 2, rng=0)
    h, W, U = rng.normal(size=(2, 2)), rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    assert tg.gradcheck(cell, X, h)
    assert tg.gradcheck(lambda x, h, W, U, b: tg.tanh(x @ W.T + h @ U.T + b), X, h, W, U, ROW[:2])


def test_results_in_tuples_of_tuples_are_found() -> None:
    """An LSTM gives (output, (h, c))."""
    assert tg.gradcheck(tg.nn.LSTM(3, 2, rng=0), rng.normal(size=(2, 1, 3)))


STEEP: dict[str, tuple[Callable[..., Any], Any]] = {
    "exp(10 x)": (lambda x: tg.exp(10 * x), [-3.0, 0, 3]),
    "x**9": (lambda x: x**9, [-10.0, 0, 1e-3, 2]),
    "sin(50 x)": (lambda x: sine(50 * x), np.linspace(-3, 3, 19)),
    "1/x": (lambda x: 1 / x, [-0.1, 1e-2, 1e-3, 1e-4]),
    "log near 0": (lambda x: tg.log(x), [5e-6, 1e-3]),
    "sqrt near 0": (lambda x: tg.sqrt(x), [1e-9, 1e-6, 1e-3]),
    "a narrow peak": (lambda x: 1 / (x * x + 1e-4), [-0.02, 0, 0.005]),
    "saturated": (lambda x: tg.tanh(50 * x), [-0.5, 0.18045926, 9]),
    "large entries": (lambda x: x * x, [1e8, -3e6]),
    "small entries": (lambda x: x * x, [1e-8, -3e-7]),
    "fast at large entries": (lambda x: sine(50 * x), [1000.0, 1001]),
}


@pytest.mark.parametrize("name", STEEP)
def test_steep_functions_are_no_kinks(name: str) -> None:
    """Large derivatives of higher order are told from kinks, and the step is made to suit them."""
    f, x = STEEP[name]
    assert tg.gradcheck(f, np.array(x))


def test_what_rounding_spoils_is_judged_with_larger_steps() -> None:
    """x + c - c keeps few digits of x, and its slope is still 1."""
    for c in (1e4, 1e6, 1e8):
        assert tg.gradcheck(lambda x, c=c: (x + c) - c, X, order=1)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([tg.relu, tg.abs, tg.max, tg.softmax, tg.tanh, sine, lambda x: x * x[::-1]]),
    st.lists(st.integers(-60, 60), min_size=1, max_size=4, unique_by=abs),
    st.sampled_from([1e-3, 0.05, 1.0]),
)
def test_points_away_from_kinks_pass(f: Any, whole: list[int], unit: float) -> None:
    """Entries that differ from each other and from 0 in size by a thousandth suffice."""
    assert tg.gradcheck(f, (np.array(whole) + 0.25) * unit)


# What f is given


def test_float32_is_checked_in_float64() -> None:
    """Arrays and Tensors of float32 reach f in float64; the caller's Tensor stays as it is."""
    seen = []

    def f(x: tg.Tensor, w: tg.Tensor) -> tg.Tensor:
        seen.append((x.dtype, w.dtype))
        return tg.tanh(x * w)

    w = tg.Tensor(ROW, dtype=np.float32, requires_grad=True)
    assert tg.gradcheck(f, X.astype(np.float32), w)
    assert set(seen) == {(np.dtype(np.float64),) * 2}
    assert w.dtype == np.float32
    assert w.grad is None


def test_what_is_no_float_is_handed_on_as_it_is() -> None:
    """Integers, bools, integer Tensors and anything else."""
    ids, targets, mask, mode = np.array([1, 0, 1]), tg.Tensor([0, 2, 1]), X[:1] > 0, "mean"

    def f(W: tg.Tensor, *rest: Any) -> tg.Tensor:
        assert all(a is b for a, b in zip(rest, (ids, targets, mask, mode, None), strict=True))
        return tg.cross_entropy(tg.where(mask, W[ids], 0.5), targets, reduction=mode)

    assert tg.gradcheck(f, X, ids, targets, mask, mode, None)


def test_lists_of_numbers_are_arrays() -> None:
    """As where a Tensor is made."""
    assert tg.gradcheck(lambda x, y: x * y.sum(), [1.0, 2.0], [[3.0], [4.0]])


# What is wrong


def test_a_wrong_sign_is_found_and_named() -> None:
    """The message has the order, input, index, both numbers, their difference and how many."""
    text = error_of(with_rule(lambda g, z, x: -g * cosine(x)), np.array([0.0, 1.0]))
    assert text.startswith("order 1: the gradient by input 0 (x), index (0,) is ")
    slopes = [float(part.split()[0]) for part in text.split(" is ")[1].split(" and ")]
    assert slopes[0] == pytest.approx(-slopes[1])
    assert f"off by {2 * abs(slopes[0]):.2g} where" in text
    assert "is allowed; 2 of 2 entries are wrong" in text
    assert text.endswith("All are off by the factor -1.")


def test_a_factor_is_found_and_named() -> None:
    """Also where there is one entry alone, and at half a gradient."""
    double = with_rule(lambda g, z, x: 2 * g * cosine(x))
    assert "All are off by the factor 2." in error_of(double, X)
    assert "All are off by the factor 2." in error_of(double, 0.3)
    assert "All are off by the factor 0.5." in error_of(lambda x: x * x.detach(), X)


def test_a_missing_term_is_found_and_no_factor_is_named() -> None:
    """A small one in one entry is enough, and that entry is named."""
    late = with_rule(lambda g, z, x: g * (cosine(x) + 1e-5 * (x > 2)))
    text = error_of(late, np.array([[0.5, 1.0], [2.5, 1.5]]))
    assert "input 0 (x), index (1, 0) is" in text
    assert "1 of 4 entries are wrong" in text
    assert "factor" not in text


def test_wrong_gradients_of_small_functions_are_found() -> None:
    """The tolerance is not made for slopes of about 1 alone."""
    assert "factor 2" in error_of(lambda x: 1e-5 * with_rule(lambda g, z, x: 2 * g)(x), 0.0)


def test_every_input_that_is_wrong_is_named() -> None:
    """And no other one is."""

    @tg.op(elementwise=True, a=lambda g, z, a, b, c: g, b=lambda g, z, a, b, c: -g,
           c=lambda g, z, a, b, c: 0 * g)  # fmt: skip
    def total(a: Any, b: Any, c: Any) -> Any:
        return a + b + c

    text = error_of(total, X, X, ROW)
    assert "input 0" not in text
    assert "gradient by input 1 (b), index" in text
    assert "gradient by input 2 (c), index" in text


def test_a_wrong_broadcast_is_found() -> None:
    """A rule that takes the first row for the sum, and one that gives the whole array."""
    for rule, text in [
        (lambda g, z, x, b: g[0], "gradient by input 1 (b), index"),
        (lambda g, z, x, b: g, "order 1: the walk back fails: shifted: the rule gave a gradient of "
         "shape (2, 3) for input 1 (b) of shape (3,)"),
    ]:  # fmt: skip

        @tg.op(x=lambda g, z, x, b: g, b=rule)
        def shifted(x: Any, b: Any) -> Any:
            return x + b

        assert text in error_of(shifted, X, ROW)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: x * w.detach(),
        lambda x, w: x * w.data,
        lambda x, w: x * tg.Tensor(np.sin(w.numpy())),
    ],
    ids=["detach", ".data", "NumPy on raw values"],
)
def test_a_detached_input_is_named(f: Any) -> None:
    """No gradient arrives, but the result changes."""
    text = error_of(f, X, ROW)
    assert "gradient by input 1 (w), index" in text
    assert "The tape gives no gradient for it, but it changes the result" in text
    assert "input 0" not in text


def test_a_detached_result_is_found() -> None:
    """One result of two has no graph."""
    assert "gradient by input 0 (x)" in error_of(lambda x: (x * x, tg.exp(x.detach())), X)


# What is wrong in the second order alone


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, z, x: g * np.cos(raw(x)),
        lambda g, z, x: raw(g) * np.cos(raw(x)),
        lambda g, z, x: g * np.cos(np.asarray(x)),
        lambda g, z, x: g * (cosine(x).detach() if isinstance(x, tg.Tensor) else np.cos(x)),
        lambda g, z, x: g * with_rule(lambda g, z, x: g)(x + np.pi / 2),
    ],
    ids=["x.data", "g.data and x.data", "np.asarray", "detached", "a wrong rule inside"],
)
def test_a_rule_without_a_second_order_is_found(rule: Any) -> None:
    """The first order is right, and the message says what rules may be made of."""
    f = with_rule(rule)
    assert tg.gradcheck(f, X, order=1)
    text = error_of(f, X)
    assert text.startswith("order 2: ")
    assert "Does a rule use .data, or NumPy on raw values?" in text


def test_the_second_order_by_cotangents_is_compared() -> None:
    """A linear op has no other: its rule cuts g off."""
    tripled = tg.op(elementwise=True, x=lambda g, z, x: 3 * raw(g))(lambda x: 3 * x)
    assert tg.gradcheck(tripled, X, order=1)
    text = error_of(tripled, X)
    assert "gradient of the gradient by the cotangent of result 0, index" in text
    assert "gradient by input 0" not in text


def test_a_rule_that_treats_tensors_differently_is_found() -> None:
    """The recorded walk must give the numbers that the other walk gives."""
    text = error_of(with_rule(lambda g, z, x: g * cosine(x) * (2 - isinstance(g, np.ndarray))), X)
    assert text.startswith("order 2: gradients have other values when recorded.")


# Where there is no gradient


def kinked(f: Callable[..., Any], *inputs: Any, **options: Any) -> str:
    """The message of the NotDifferentiableError that f must lead to."""
    with pytest.raises(NotDifferentiableError) as caught:
        tg.gradcheck(f, *inputs, **options)
    return str(caught.value)


def slopes_in(text: str) -> list[float]:
    """The numbers in `the slope of … is … from the left and … from the right`."""
    words = text.rpartition(" is ")[2].split()
    assert words[1:5] == ["from", "the", "left", "and"]
    return [float(words[0]), float(words[5])]


KINKS: dict[str, tuple[Callable[..., Any], Any, str, float, float]] = {
    "relu": (tg.relu, [[1.0, 2], [3, 0]], "index (1, 1)", 0, 1),
    "abs": (tg.abs, [1.0, 0], "index (1,)", -1, 1),
    "abs, 0-d": (tg.abs, 0.0, "input 0 (x)", -1, 1),
    "a tie of max": (tg.max, [1.0, 3, 3], "index (1,)", 0, 1),
    "a bound of clip": (lambda x: tg.clip(x, 0.0, 1.0), [0.5, 1], "index (1,)", 1, 0),
    "a tie of maximum": (lambda x: tg.maximum(x, ROW), ROW, "index (0,)", 0, 1),
    "a tie of sorting": (tg.sort, [1.0, 2, 1], "index (0,)", 1, 0),
    "small": (lambda x: 1e-5 * tg.abs(x), [0.0], "index (0,)", -1e-5, 1e-5),
    "beside a slope": (lambda x: tg.exp(x) + 2 * tg.abs(x), [0.0], "index (0,)", -1, 3),
    "summed with others": (lambda x: (tg.relu(x) + x * x).sum(), [1.0, 0, -1], "index (1,)", 0, 1),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks_are_named_with_both_slopes(name: str) -> None:
    """Wherever the tape's convention lies between them, the mean included."""
    f, x, where, left, right = KINKS[name]
    text = kinked(f, np.array(x))
    assert text.startswith("f is not differentiable at input 0 (x)")
    assert where in text.split(":")[0]
    assert slopes_in(text) == pytest.approx([left, right], abs=1e-4 * max(abs(left), abs(right)))
    assert text.endswith("from the right; move the point")


@pytest.mark.parametrize("distance", [1e-14, 1e-10, 1e-8, 3e-7, 5e-7, 1e-6, 1.7e-6, 2e-6])
@pytest.mark.parametrize("x", [0.0, 0.3, -2.0])
def test_kinks_and_jumps_within_the_step_are_named(x: float, distance: float) -> None:
    """To the right and to the left of the point, however near."""
    for c in (x + distance * max(1, abs(x)), x - distance * max(1, abs(x))):
        text = kinked(lambda x, c=c: tg.tanh(x) + 2 * tg.relu(x - c), np.array([1, x]))
        slope = 1 - np.tanh(x) ** 2
        assert "input 0 (x), index (1,): the slope of result 0, index (1,) is" in text
        assert slopes_in(text) == pytest.approx([slope, slope + 2], abs=1e-3)
        jump = kinked(lambda x, c=c: tg.tanh(x) + 2 * (x > c), np.array(x))
        assert "input 0 (x): result 0 jumps by 2; move the point" in jump


@pytest.mark.parametrize("distance", [2.6e-6, 5e-6, 9.9e-6, 1.1e-5, 1e-4])
def test_kinks_farther_away_do_no_harm(distance: float) -> None:
    """Steps are made that do not reach them."""
    for c in (distance, -distance):
        assert tg.gradcheck(lambda x, c=c: tg.exp(x) + tg.relu(x - c), np.zeros(2))
        assert tg.gradcheck(lambda x, c=c: tg.exp(x) + (x > c) * 1.0, np.zeros(2))


def test_the_kink_of_one_result_is_named_with_that_result() -> None:
    """Results are looked at one by one, so none hides behind another."""
    text = kinked(lambda x: (tg.exp(x), tg.abs(x), x), np.array([1.0, 0]))
    assert "the slope of result 1, index (1,) is -1 from the left and 1 from the right" in text


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (tg.sign, "result 0 jumps by 2"),
        (lambda x: (x > 0) * 1.0 + x, "result 0 jumps by 1"),
        (lambda x: tg.where(x > 0, 3.0, 1 + x), "result 0 jumps by 2"),
        (lambda x: tg.sqrt(tg.abs(x)), "the slope of result 0 grows without end"),
        (lambda x: tg.sign(x) * tg.abs(x) ** (1 / 3), "the slope of result 0 grows without end"),
        (lambda x: x**0.5, "result 0 is not finite to the left of it"),
        (lambda x: tg.log(-x + 1e-20), "result 0 is not finite to the right of it"),
        (lambda x: x[None][(x > 0).data[None]], "the results have other shapes beside it"),
    ],
    ids=["sign", "a step", "where", "sqrt |x|", "cube root", "sqrt", "log", "shape"],
)
def test_jumps_and_infinite_slopes_are_named(f: Any, text: str) -> None:
    """What happens to f at 0 is in the message."""
    assert kinked(f, 0.0) == f"f is not differentiable at input 0 (x): {text}; move the point"


def test_results_that_are_not_finite_are_named() -> None:
    """At the point itself."""
    text = kinked(lambda x: 1 / x, np.array([1.0, 0]))
    assert text == "f is not finite here: result 0, index (1,) is inf; move the point"


def test_a_kink_of_the_gradient_is_one_of_the_second_order() -> None:
    """x |x| has a slope at 0, which has a kink; |x|**1.5 one that is infinitely steep."""
    for f in (lambda x: x * tg.abs(x), lambda x: tg.abs(x) ** 1.5):
        assert tg.gradcheck(f, np.array([0.0, 1]), order=1)
        text = kinked(f, np.array([0.0, 1]))
        assert text.startswith(
            "the gradient of f (order 2) is not differentiable at input 0 (x), index (0,): "
            "the slope of the gradient by input 0 (x), index (0,) "
        )


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(-14, -5.75), st.sampled_from([-1, 1]), st.floats(0.01, 5))
def test_no_kink_within_the_step_is_missed(x: float, power: float, side: int, size: float) -> None:
    """Whatever its size and distance."""
    c = x + side * 10.0**power * max(1, abs(x))
    left, right = slopes_in(kinked(lambda x: tg.tanh(x) + size * tg.abs(x - c), x, order=1))
    assert right - left == pytest.approx(2 * size, rel=0.1)


# What f must not do


def test_randomness_is_found() -> None:
    """Fresh noise in each call; noise that is an input passes."""
    noise = np.random.default_rng(0)
    assert "what is random or counted must be an input" in error_of(
        lambda x: x * noise.normal(size=x.shape), X
    )
    assert tg.gradcheck(lambda x, mask: x * mask, X, Y > 0)


def test_a_result_of_another_shape_in_the_second_call_is_found() -> None:
    """What is counted is no input."""
    calls = []

    def f(x: tg.Tensor) -> tg.Tensor:
        calls.append(x)
        return tg.stack(calls)

    assert "other results when it is called again" in error_of(f, X)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_changed_inputs_are_found_and_named(k: int) -> None:
    """Floats, arrays and Tensors that are handed on."""

    def f(x: tg.Tensor, ids: Any, mask: tg.Tensor) -> tg.Tensor:
        (x.data, ids, mask.data)[k][...] = 0
        return x[ids] * mask

    text = error_of(f, X, np.array([1, 0]), tg.Tensor(X < 9))
    label = f"input {k} ({('x', 'ids', 'mask')[k]})"
    assert text == f"f changes {label}; it must leave its inputs as they are"


def test_rules_that_change_inputs_are_found() -> None:
    """Also where the walk back does it."""

    def rule(g: Any, z: Any, x: Any) -> Any:
        raw(x)[...] = 1
        return g * cosine(x)

    assert "f changes input 0 (x)" in error_of(with_rule(rule), X)


def test_errors_of_f_are_its_own() -> None:
    """They come through as they are."""
    with pytest.raises(ValueError, match="matmul: "):
        tg.gradcheck(lambda x, y: x @ y, X, Y)


def test_less_than_float64_inside_f_is_refused() -> None:
    """Differences would see steps where f is smooth; constants may have any dtype."""
    for f in (lambda x: x.astype(np.float32), lambda x: x.astype(np.float32).astype(float) * 2):
        with pytest.raises(TypeError, match=r"f computes in float32 \(.*\), which is too coarse"):
            tg.gradcheck(f, X)
    W = tg.Tensor(SQUARE, dtype=np.float32, requires_grad=True)
    assert tg.gradcheck(lambda x: x @ W.T, X)


# How it is called


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.gradcheck(tg.exp, 1.0, order=3), ValueError, "order is 3; give 1 or 2"),
        (lambda: tg.gradcheck(lambda x: x, np.arange(3)), TypeError, "no input is a float"),
        (lambda: tg.gradcheck(lambda: tg.Tensor(1.0)), TypeError, "no input is a float"),
        (lambda: tg.gradcheck(lambda x: x.data, X), TypeError, "of type ndarray, no Tensor"),
        (lambda: tg.gradcheck(lambda x: (x, None), X), TypeError, "of type NoneType, no Tensor"),
        (lambda: tg.gradcheck(lambda x: x > 0, X), TypeError, "f gave no Tensor of floats"),
        (lambda: tg.gradcheck(tg.exp, np.inf), ValueError, r"input 0 \(x\) has entries that are"),
        (lambda: tg.no_grad()(tg.gradcheck)(tg.exp, X), RuntimeError, "call it outside"),
    ],
)
def test_calls_that_make_no_sense_are_refused(call: Any, error: Any, text: str) -> None:
    """Before anything is compared."""
    with pytest.raises(error, match=f"^gradcheck: .*{text}"):
        call()


def test_inputs_are_called_by_their_own_name_or_the_parameters() -> None:
    """A Tensor's name comes first; what has neither goes by its position."""
    wrong = with_rule(lambda g, z, x: g)
    one, named = np.array([1.0]), tg.Tensor([1.0], name="weight_ih")
    assert "by input 0 (weight_ih), index (0,)" in error_of(wrong, named)
    assert "by input 1 (h), index (0,)" in error_of(lambda x, h: x + wrong(h), one, one)
    assert "by input 1, index (0,)" in error_of(lambda *xs: xs[0] + wrong(xs[1]), one, one)


def test_checks_repeat_unless_told_otherwise() -> None:
    """The cotangents are random and fixed; rng draws others."""
    wrong = with_rule(lambda g, z, x: g * x)
    assert error_of(wrong, X) == error_of(wrong, X) == error_of(wrong, X, rng=0)
    assert error_of(wrong, X, rng=1) != error_of(wrong, X)
    assert error_of(wrong, X, rng=np.random.default_rng(1)) == error_of(wrong, X, rng=1)


def test_the_first_order_alone_costs_two_calls_an_entry() -> None:
    """And two for the point itself, where f bends little."""
    calls = []

    def f(x: tg.Tensor) -> tg.Tensor:
        calls.append(x)
        return 2 * x + tg.tanh(x)

    assert tg.gradcheck(f, X, order=1)
    assert len(calls) == 2 * X.size + 2


def test_tolerances_may_be_chosen() -> None:
    """A gradient that is off by a thousandth passes with rtol=1e-2 alone."""
    rough = with_rule(lambda g, z, x: 1.001 * g * cosine(x))
    assert tg.gradcheck(rough, X, order=1, rtol=1e-2)
    assert "where 0.0001 is allowed" in error_of(rough, X, order=1, atol=1e-4, rtol=0.0)


def test_the_errors_are_assertions() -> None:
    """So that a check in a test reads as a failure of the test."""
    assert issubclass(NotDifferentiableError, GradcheckError)
    assert issubclass(GradcheckError, AssertionError)
