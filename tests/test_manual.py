"""The hand derivation is right: it is judged here by central differences and plain arithmetic."""

from __future__ import annotations

import ast
import io
import math
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn import manual
from tinygrad_rnn.manual import column, row

MANUAL = Path(manual.__file__).parent
PAGE = (MANUAL.parents[1] / "docs" / "derivation.md").read_text(encoding="utf-8")
TOPOLOGIES = [manual.many_to_one, manual.one_to_many, manual.many_to_many]
LAYOUTS = ["column", "row"]
LOSSES = [manual.softmax_cross_entropy, manual.squared_error]
SHAPES = {"column": column.SHAPES, "row": row.SHAPES}

every_topology = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda f: f.__name__)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)


def sizes(rng):
    """Random sizes by letter; T at least 2, so that there is a through-time."""
    return {"1": 1, "T": int(rng.integers(2, 5))} | {
        letter: int(rng.integers(1, 5)) for letter in "BIHO"
    }


def problem(rng, topology, layout, loss, known=None):
    """Arguments (parameters, x, targets, h_0) of a topology, of random sizes and values."""
    known = known or sizes(rng)

    def draw(name, *front):
        return rng.normal(size=(*front, *(known[letter] for letter in SHAPES[layout][name])))

    parameters = manual.Parameters(*(draw(name) for name in manual.Parameters._fields))
    inputs = () if topology is manual.one_to_many else (known["T"],)
    outputs = () if topology is manual.many_to_one else (known["T"],)
    if loss is manual.squared_error:
        targets = draw("y", *outputs)
    else:
        targets = rng.integers(known["O"], size=(*outputs, known["B"]))
    return parameters, draw("x", *inputs), targets, draw("h")


def differences(f: Callable[[], float], array: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """The gradient of f by the array's entries, by changing each in place, up and down."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + eps
        above = f()
        array[index] = value - eps
        below = f()
        array[index] = value
        gradient[index] = (above - below) / (2 * eps)
    return gradient


def assert_gradients_match_differences(topology, arguments, **settings):
    """Every gradient of the result equals central differences of the result's loss."""
    parameters, x, _, h_0 = arguments

    def loss():
        return float(topology(*arguments, **settings).loss)

    gradients = topology(*arguments, **settings).gradients
    x_gradient = np.reshape(gradients.x, x.shape)
    for name, array, gradient in zip(
        gradients._fields,
        (*parameters, x, h_0),
        gradients._replace(x=x_gradient),
        strict=True,
    ):
        assert gradient.shape == array.shape, name
        expected = differences(loss, array)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
@every_loss
@every_layout
@every_topology
def test_gradients_equal_central_differences(topology, layout, loss, seed):
    """For every parameter, every input and h_0, whatever the sizes and the scale."""
    rng = np.random.default_rng(seed)
    arguments = problem(rng, topology, layout, loss)
    assert_gradients_match_differences(
        topology, arguments, loss=loss, layout=layout, scale=rng.uniform(0.1, 2)
    )


@every_layout
def test_gradients_are_right_for_soft_targets(layout):
    """Targets of cross-entropy may be any weights over the classes, also all zero (masked)."""
    rng = np.random.default_rng(5)
    known = {"1": 1, "T": 3, "B": 4, "I": 2, "H": 3, "O": 3}
    parameters, x, _, h_0 = problem(rng, manual.many_to_many, layout, manual.squared_error, known)
    targets = rng.uniform(size=(3, 4, 3))
    targets /= targets.sum(axis=2, keepdims=True)
    targets[1, 2] = 0
    if layout == "column":
        targets = targets.transpose(0, 2, 1)
    assert_gradients_match_differences(
        manual.many_to_many,
        (parameters, x, targets, h_0),
        loss=manual.softmax_cross_entropy,
        layout=layout,
    )


def test_forward_pass_equals_plain_loops():
    """States, outputs and loss are those of the recurrence spelled out entry by entry."""
    rng = np.random.default_rng(6)
    known = {"1": 1, "T": 3, "B": 1, "I": 2, "H": 3, "O": 2}
    arguments = problem(rng, manual.many_to_many, "column", manual.squared_error, known)
    result = manual.many_to_many(*arguments, loss=manual.squared_error, scale=0.5)
    p, x, targets, h_0 = arguments
    h, loss = [h_0[i, 0] for i in range(3)], 0.0
    for t in range(3):
        z = [p.b_h[i, 0] + sum(p.W_xh[i, k] * x[t, k, 0] for k in range(2)) for i in range(3)]
        z = [z[i] + sum(p.W_hh[i, k] * h[k] for k in range(3)) for i in range(3)]
        h = [math.tanh(z[i]) for i in range(3)]
        y = [p.b_y[i, 0] + sum(p.W_hy[i, k] * h[k] for k in range(3)) for i in range(2)]
        loss += 0.5 * sum((y[i] - targets[t, i, 0]) ** 2 for i in range(2))
        np.testing.assert_allclose(result.h[t + 1][:, 0], h)
        np.testing.assert_allclose(result.y[t][:, 0], y)
    np.testing.assert_allclose(result.loss, loss)
    np.testing.assert_array_equal(result.h[0], h_0)


def test_absent_inputs_and_losses_are_zeros():
    """One-to-many is many-to-many with x_t = 0 after step 1; many-to-one has no early losses."""
    rng = np.random.default_rng(7)
    p, x, targets, h_0 = problem(rng, manual.many_to_many, "column", manual.squared_error)
    silent = np.concatenate([x[:1], np.zeros_like(x[1:])])
    settings = {"loss": manual.squared_error}
    narrow = manual.one_to_many(p, x[0], targets, h_0, **settings)
    wide = manual.many_to_many(p, silent, targets, h_0, **settings)
    np.testing.assert_array_equal(narrow.gradients.W_hh, wide.gradients.W_hh)
    assert len(narrow.gradients.x) == 1
    late = manual.many_to_one(p, x, targets[-1], h_0, **settings)
    assert [step.dy.any().item() for step in late.steps] == [False] * (len(x) - 1) + [True]
    assert len(late.y) == 1


@every_loss
@every_topology
def test_column_and_row_layouts_are_transposes(topology, loss):
    """The same problem in both layouts: equal losses, every gradient transposed."""
    p, x, targets, h_0 = problem(np.random.default_rng(8), topology, "column", loss)
    x_rows, h_rows = x.swapaxes(-1, -2), h_0.T
    target_rows = targets.swapaxes(-1, -2) if loss is manual.squared_error else targets
    p_rows = manual.Parameters(p.W_xh.T, p.W_hh.T, p.W_hy.T, p.b_h[:, 0], p.b_y[:, 0])
    columns = topology(p, x, targets, h_0, loss=loss)
    rows = topology(p_rows, x_rows, target_rows, h_rows, loss=loss, layout="row")
    np.testing.assert_allclose(rows.loss, columns.loss)
    for in_rows, in_columns in zip(
        [*rows.gradients[:3], *rows.gradients.x, rows.gradients.h_0, *rows.y, *rows.h],
        [
            *columns.gradients[:3],
            *columns.gradients.x,
            columns.gradients.h_0,
            *columns.y,
            *columns.h,
        ],
        strict=True,
    ):
        np.testing.assert_allclose(in_rows, in_columns.T)
    np.testing.assert_allclose(rows.gradients.b_h, columns.gradients.b_h[:, 0])
    np.testing.assert_allclose(rows.gradients.b_y, columns.gradients.b_y[:, 0])


@pytest.fixture(params=[(f, layout) for f in TOPOLOGIES for layout in LAYOUTS])
def solved(request):
    """A solved problem with five steps: (parameters, layout, result)."""
    topology, layout = request.param
    known = {"1": 1, "T": 5, "B": 3, "I": 2, "H": 4, "O": 3}
    loss = manual.softmax_cross_entropy
    arguments = problem(np.random.default_rng(9), topology, layout, loss, known)
    return arguments[0], layout, topology(*arguments, loss=loss, layout=layout, scale=1 / 3)


def test_terms_of_the_steps_add_up_to_the_gradients(solved):
    """One term per time step, and their sum is the gradient, for every parameter."""
    _, _, result = solved
    terms = list(result.terms())
    assert len(terms) == 5
    for name in manual.Parameters._fields:
        total = sum(getattr(term, name) for term in terms)
        np.testing.assert_allclose(total, getattr(result.gradients, name), atol=1e-15)


def test_terms_are_made_one_at_a_time(solved):
    """Asking for the terms computes none of them yet."""
    _, _, result = solved
    assert isinstance(result.terms(), Iterator)


def test_a_term_is_the_outer_product_of_dz_and_the_previous_state(solved):
    """Entry by entry, step t adds dz_t times h_(t-1) to dL/dW_hh, summed over the batch."""
    _, layout, result = solved
    for step, term in zip(result.steps, result.terms(), strict=True):
        dz, h = (step.dz, step.h_previous) if layout == "column" else (step.dz.T, step.h_previous.T)
        expected = [[sum(dz[i] * h[j]) for j in range(4)] for i in range(4)]
        np.testing.assert_allclose(
            term.W_hh if layout == "column" else term.W_hh.T, expected, atol=1e-15
        )


def test_dh_has_two_parts(solved):
    """dL/dh_t is what came through y_t plus what came through h_(t+1)."""
    p, layout, result = solved
    for step in result.steps:
        np.testing.assert_array_equal(step.dh, step.from_output + step.from_next)
        through = p.W_hy.T @ step.dy if layout == "column" else step.dy @ p.W_hy.T
        np.testing.assert_allclose(step.from_output, through)


def test_from_next_is_what_the_next_step_sends_back(solved):
    """Zero at the last step, W_hh^T dz_(t+1) before it, and for t = 0 all of dL/dh_0."""
    p, layout, result = solved
    assert not result.steps[-1].from_next.any()
    parts = [result.gradients.h_0] + [step.from_next for step in result.steps]
    for part, following in zip(parts, result.steps, strict=False):
        sent = p.W_hh.T @ following.dz if layout == "column" else following.dz @ p.W_hh.T
        np.testing.assert_allclose(part, sent)


def test_steps_name_their_states(solved):
    """Step t stands at index t - 1 and holds h_(t-1) and h_t of the result."""
    _, _, result = solved
    assert [step.t for step in result.steps] == [1, 2, 3, 4, 5]
    for t, step in enumerate(result.steps, 1):
        np.testing.assert_array_equal(step.h_previous, result.h[t - 1])
        np.testing.assert_array_equal(step.h, result.h[t])


def test_examples_add_up_to_the_output_weight_gradient(solved):
    """The matrix product over the batch sums what each example alone would give."""
    _, layout, result = solved
    shares = result.per_example_W_hy()
    assert shares.shape == ((3, 3, 4) if layout == "column" else (3, 4, 3))
    np.testing.assert_allclose(shares.sum(axis=0), result.gradients.W_hy)


def test_an_example_contributes_what_it_gives_alone():
    """Example b's share of dL/dW_hy is the gradient of a batch of that example only."""
    rng = np.random.default_rng(10)
    known = {"1": 1, "T": 3, "B": 4, "I": 2, "H": 3, "O": 2}
    loss = manual.softmax_cross_entropy
    p, x, targets, h_0 = problem(rng, manual.many_to_many, "row", loss, known)
    shares = manual.many_to_many(p, x, targets, h_0, loss=loss, layout="row").per_example_W_hy()
    for b in range(4):
        one = (p, x[:, b : b + 1], targets[:, b : b + 1], h_0[b : b + 1])
        alone = manual.many_to_many(*one, loss=loss, layout="row")
        np.testing.assert_allclose(shares[b], alone.gradients.W_hy)


@every_layout
def test_squaring_one_minus_h_is_noticed(layout, monkeypatch):
    """With (1 - h)**2 for 1 - h**2 all that passes the tanh is wrong, and the check says so."""
    equations = column if layout == "column" else row
    right = equations.backward_step

    def mistaken(p, h, dy, from_next):
        from_output, dh, _ = right(p, h, dy, from_next)
        return from_output, dh, dh * (1 - h) ** 2

    loss = manual.squared_error
    arguments = problem(np.random.default_rng(11), manual.many_to_one, layout, loss)
    truth = manual.many_to_one(*arguments, loss=loss, layout=layout).gradients
    monkeypatch.setattr(equations, "backward_step", mistaken)
    wrong = manual.many_to_one(*arguments, loss=loss, layout=layout).gradients
    for name in ("W_xh", "W_hh", "b_h", "h_0"):
        assert not np.allclose(getattr(wrong, name), getattr(truth, name), rtol=0.01), name
    np.testing.assert_array_equal(wrong.W_hy, truth.W_hy)
    with pytest.raises(AssertionError, match="W_xh"):
        assert_gradients_match_differences(manual.many_to_one, arguments, loss=loss, layout=layout)


def test_smallest_case_by_plain_arithmetic():
    """For target class 2 the loss is -log p_2 and its derivative by w_11 is p_1 h_1."""
    w = np.array([[0.3, -0.2, 0.5], [0.1, 0.4, -0.6]])
    b, z = [0.05, -0.1], [0.7, -0.4, 0.2]
    p = manual.Parameters(
        np.zeros((3, 1)), np.zeros((3, 3)), w, np.reshape(z, (3, 1)), np.reshape(b, (2, 1))
    )
    result = manual.many_to_one(
        p, np.zeros((1, 1, 1)), [1], np.zeros((3, 1)), loss=manual.softmax_cross_entropy
    )
    h_1, h_2, h_3 = (math.tanh(z_i) for z_i in z)
    y_1 = 0.3 * h_1 - 0.2 * h_2 + 0.5 * h_3 + 0.05
    y_2 = 0.1 * h_1 + 0.4 * h_2 - 0.6 * h_3 - 0.1
    p_1 = math.exp(y_1) / (math.exp(y_1) + math.exp(y_2))
    p_2 = math.exp(y_2) / (math.exp(y_1) + math.exp(y_2))
    assert result.loss == pytest.approx(-math.log(p_2), rel=1e-12)
    by_hand = [[p_1 * h_1, p_1 * h_2, p_1 * h_3], [(p_2 - 1) * h for h in (h_1, h_2, h_3)]]
    np.testing.assert_allclose(result.gradients.W_hy, by_hand, rtol=1e-12)
    np.testing.assert_allclose(result.gradients.b_y, [[p_1], [p_2 - 1]], rtol=1e-12)
    dz_1 = (0.3 * p_1 + 0.1 * (p_2 - 1)) * (1 - h_1 * h_1)
    assert result.gradients.b_h[0, 0] == pytest.approx(dz_1, rel=1e-12)


@pytest.mark.parametrize(("target", "expected"), [(0, 0.0), (1, 1000.0)])
@every_layout
def test_cross_entropy_is_exact_for_large_logits(layout, target, expected):
    """Logits 1000 and 0 cost 0 for the first class and 1000 for the second."""
    y = np.array([[1000.0, 0.0]])
    value, dy = manual.softmax_cross_entropy(
        y.T if layout == "column" else y, [target], layout=layout
    )
    assert value == expected
    one_hot = [1.0 - target, float(target)]
    np.testing.assert_array_equal(dy.ravel(), np.subtract([1.0, 0.0], one_hot))


def test_class_numbers_and_one_hot_targets_are_the_same():
    """A class number stands for the one-hot distribution of that class."""
    y = np.random.default_rng(12).normal(size=(4, 3))
    numbers = np.array([2, 0, 1, 1])
    by_number = manual.softmax_cross_entropy(y, numbers, layout="row")
    by_one_hot = manual.softmax_cross_entropy(y, np.eye(3, dtype=int)[numbers], layout="row")
    assert by_number[0] == by_one_hot[0]
    np.testing.assert_array_equal(by_number[1], by_one_hot[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@every_loss
@every_layout
def test_dtype_of_the_parameters_is_kept(layout, loss, dtype):
    """Loss, outputs, states, gradients and steps have the dtype of the parameters."""
    rng = np.random.default_rng(13)
    p, x, targets, h_0 = problem(rng, manual.many_to_many, layout, loss)
    p = manual.Parameters(*(array.astype(dtype) for array in p))
    one_hot = (x > 0).astype(int)
    result = manual.many_to_many(p, one_hot, targets, h_0, loss=loss, layout=layout, scale=1 / 3)
    gradients = [*result.gradients[:5], *result.gradients.x, result.gradients.h_0]
    steps = [array for step in result.steps for array in step[1:]]
    arrays = [result.loss, *result.y, *result.h, *gradients, *steps, result.per_example_W_hy()]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


def test_mixed_parameters_meet_in_their_common_dtype():
    """One float64 parameter among float32 ones makes every gradient float64."""
    loss = manual.squared_error
    p, x, targets, h_0 = problem(np.random.default_rng(16), manual.many_to_one, "row", loss)
    p = manual.Parameters(*(array.astype(np.float32) for array in p[:4]), p.b_y)
    gradients = manual.many_to_one(p, x, targets, h_0, loss=loss, layout="row").gradients
    assert {array.dtype.name for array in gradients[:5]} == {"float64"}


def test_arguments_are_neither_changed_nor_kept():
    """The arguments stay as they were, and changing them later changes no result."""
    loss = manual.squared_error
    p, x, targets, h_0 = problem(np.random.default_rng(14), manual.many_to_many, "row", loss)
    before = [array.copy() for array in (*p, x, targets, h_0)]
    result = manual.many_to_many(p, x, targets, h_0, loss=loss, layout="row")
    for array, copy in zip((*p, x, targets, h_0), before, strict=True):
        np.testing.assert_array_equal(array, copy)
        array.fill(7)
    total = sum(term.W_xh for term in result.terms())
    np.testing.assert_allclose(total, result.gradients.W_xh)


def test_thousand_steps_are_no_burden():
    """T = 1000 with H = 100 runs, and its terms can be summed without holding them all."""
    rng = np.random.default_rng(15)
    shapes = [(100, 3), (100, 100), (2, 100), (100, 1), (2, 1)]
    p = manual.Parameters(*(rng.normal(scale=0.05, size=shape) for shape in shapes))
    x, targets = rng.normal(size=(1000, 3, 1)), rng.integers(2, size=(1000, 1))
    h_0, loss = np.zeros((100, 1)), manual.softmax_cross_entropy
    result = manual.many_to_many(p, x, targets, h_0, loss=loss)
    total = np.zeros((100, 100))
    for term in result.terms():
        total += term.W_hh
    np.testing.assert_allclose(total, result.gradients.W_hh, rtol=1e-9, atol=1e-12)


WRONG = [
    ("W_hh", (4, 5), "W_hh has shape (4, 5), but column layout needs (H, H) = (4, 4), H = 4"),
    ("W_hy", (4, 2), "W_hy has shape (4, 2), but column layout needs (O, H) = (4, 4), O = 4"),
    ("b_h", (4,), "b_h has shape (4,), but column layout needs (H, 1) = (4, 1), H = 4 from W_xh"),
    ("b_y", (2, 2), "b_y has shape (2, 2), but column layout needs (O, 1) = (2, 1)"),
    ("x", (6, 5, 3), "x of step 1 has shape (5, 3), but column layout needs (I, B) = (3, "),
    ("h_0", (4, 1), "h_0 has shape (4, 1), but column layout needs (H, B) = (4, 5), H = 4"),
    ("x", (0, 3, 5), "x has no time steps"),
    ("target", (4,), "step 6: target has shape (4,), but column layout needs (B,) = (5,) or"),
    ("target", (5, 2), "step 6: target has shape (5, 2), but column layout needs (B,) = (5,)"),
]


@pytest.mark.parametrize(("name", "shape", "message"), WRONG, ids=[f"{w[0]}{w[1]}" for w in WRONG])
def test_wrong_shapes_are_named(name, shape, message):
    """The error names the argument, the shape that came and the shape that was needed."""
    right = {"W_xh": (4, 3), "W_hh": (4, 4), "W_hy": (2, 4), "b_h": (4, 1), "b_y": (2, 1)}
    right |= {"x": (6, 3, 5), "target": (5,), "h_0": (4, 5)}
    given = {key: np.zeros(size) for key, size in (right | {name: shape}).items()}
    p = manual.Parameters(*(given[field] for field in manual.Parameters._fields))
    target = given["target"].astype(int)
    with pytest.raises(ValueError, match=re.escape(message)):
        manual.many_to_one(p, given["x"], target, given["h_0"], loss=manual.softmax_cross_entropy)


def test_a_later_step_of_another_shape_is_named():
    """Row layout, third of three inputs too narrow: the error says which step."""
    p = manual.Parameters(*(np.zeros(n) for n in [(3, 4), (4, 4), (4, 2), 4, 2]))
    x = [np.zeros((5, 3)), np.zeros((5, 3)), np.zeros((5, 2))]
    message = "x of step 3 has shape (5, 2), but row layout needs (B, I) = (5, 3), B = 5 from x of"
    with pytest.raises(ValueError, match=re.escape(message)):
        manual.many_to_one(
            p, x, np.zeros((5, 2)), np.zeros((5, 4)), loss=manual.squared_error, layout="row"
        )


def test_other_misuse_is_named():
    """Counts, layouts, dtypes and class numbers that do not fit are refused with a reason."""
    p = manual.Parameters(*(np.zeros(n) for n in [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]))
    x, targets, h_0 = np.zeros((2, 3, 5)), np.zeros((2, 2, 5)), np.zeros((4, 5))
    entropy, squares = manual.softmax_cross_entropy, manual.squared_error
    with pytest.raises(ValueError, match="targets has 1 steps, but x has 2"):
        manual.many_to_many(p, x, targets[:1], h_0, loss=squares)
    with pytest.raises(ValueError, match="targets has no steps"):
        manual.one_to_many(p, x[0], [], h_0, loss=squares)
    with pytest.raises(ValueError, match="layout is 'rows', but 'column' or 'row' is needed"):
        manual.many_to_many(p, x, targets, h_0, loss=squares, layout="rows")
    with pytest.raises(ValueError, match="step 1: loss gives dy of shape"):
        manual.many_to_many(p, x, targets, h_0, loss=lambda y, q, layout: (y.sum(), y[:1]))
    whole = p._replace(W_hy=np.ones((2, 4), np.int64))
    with pytest.raises(TypeError, match="W_hy has dtype int64, but a real floating dtype"):
        manual.many_to_many(whole, x, targets, h_0, loss=squares)
    with pytest.raises(TypeError, match="complex128"):
        manual.many_to_many(p, x * 1j, targets, h_0, loss=squares)
    with pytest.raises(TypeError, match="class numbers are integers"):
        entropy(np.zeros((2, 5)), np.zeros(5))
    with pytest.raises(ValueError, match=re.escape("y has shape (2,), but column layout needs (O")):
        entropy(np.zeros(2), [1])
    with pytest.raises(ValueError, match=re.escape("target has shape (2,), but row layout needs")):
        squares(np.zeros((2, 1)), np.zeros(2), layout="row")
    for number in (-1, 2):
        classes = np.array([[0] * 5, [number] * 5])
        with pytest.raises(IndexError, match=f"step 2: target has class {number}, but classes go"):
            manual.many_to_many(p, x, classes, h_0, loss=entropy)


def test_referee_imports_only_numpy_and_the_standard_library():
    """Nothing of the engine reaches manual/: every import is numpy, standard, or its own."""
    for path in MANUAL.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1, f"{path.name} imports from outside manual/"
                continue
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] in {"numpy"} | sys.stdlib_module_names, (path.name, name)


def comments(name: str) -> dict[int, list[int]]:
    """The equation numbers that a module's comments cite, by line."""
    text = (MANUAL / name).read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        token.start[0]: [int(number) for number in re.findall(r"\((\d+)\)", token.string)]
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def cited(*names: str) -> set[int]:
    """All equation numbers that the comments of these modules cite."""
    return {number for name in names for line in comments(name).values() for number in line}


def tags(section: str = "") -> list[int]:
    """The numbers of the page's equations, or of the section whose heading starts like this."""
    parts = PAGE.split("\n## ")
    text = PAGE if not section else next(part for part in parts if part.startswith(section))
    return [int(number) for number in re.findall(r"\\tag\{(\d+)\}", text)]


def test_equations_of_the_page_are_numbered_in_order():
    """The page's equations are (1), (2), (3), ... without gap or repetition."""
    assert tags() == list(range(1, len(tags()) + 1))


def test_cited_equations_exist():
    """Comments and docstrings of manual/ cite only equations that the page has."""
    names = [path.name for path in MANUAL.glob("*.py")]
    assert cited(*names) <= set(tags())
    for name in names:
        text = (MANUAL / name).read_text(encoding="utf-8")
        for sentence in re.findall(r"[Ee]quations? ((?:\(\d+\)(?:, | to | and )?)+)", text):
            assert {int(number) for number in re.findall(r"\d+", sentence)} <= set(tags())


@pytest.mark.parametrize(
    ("section", "modules"),
    [
        ("1.", ["column.py", "topologies.py"]),
        ("4.", ["column.py", "topologies.py"]),
        ("5.", ["column.py", "row.py"]),
        ("6.", ["losses.py"]),
    ],
)
def test_equations_are_cited_in_the_code(section, modules):
    """Every equation of the recurrence, the backward pass, the rows and the losses is code."""
    assert tags(section)
    assert set(tags(section)) <= cited(*modules)


@pytest.mark.parametrize("name", ["column.py", "row.py"])
def test_every_line_of_a_step_cites_its_equation(name):
    """In column.py and row.py each computing line of each function carries a number."""
    lines = comments(name)
    for function in ast.parse((MANUAL / name).read_text(encoding="utf-8")).body:
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, (ast.BinOp, ast.Call)) and node.lineno not in lines:
                    assert ast.unparse(node).startswith("Parameters("), ast.unparse(node)


def test_one_function_per_equation_in_both_layouts():
    """column.py and row.py define the same functions with the same arguments."""
    outlines = [
        [
            (node.name, [argument.arg for argument in node.args.args])
            for node in ast.parse((MANUAL / name).read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)
        ]
        for name in ("column.py", "row.py")
    ]
    assert outlines[0] == outlines[1]


def test_window_count_of_the_series():
    """A series of 8327 elements has 8327 - 10 = 8317 windows of ten with an element after them."""
    windows = [i for i in range(8327) if i + 10 <= 8326]
    assert len(windows) == 8317
    assert windows[-1] == 8316
