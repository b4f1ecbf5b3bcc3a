"""Jacobians have the layout that is asked for, and Kronecker forms are what the tape finds."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.calculus import (
    by_entries,
    commutation_matrix,
    jacobian,
    kronecker_jacobian,
    unvec,
    vec,
)
from tinygrad_rnn.calculus.kronecker import ACTIVATIONS, BY
from tinygrad_rnn.calculus.layouts import LAYOUTS
from tinygrad_rnn.manual import kronecker

from .test_manual import PAGE, cited, tags

SIZES = st.integers(1, 4)
I, H, O, B = 3, 4, 2, 5
ATOL = 1e-12
few = settings(max_examples=25, deadline=None)


def close(left: Any, right: Any) -> None:
    """Equal up to rounding, with the same shape."""
    left, right = (np.asarray(x.data if isinstance(x, tg.Tensor) else x) for x in (left, right))
    assert left.shape == right.shape
    np.testing.assert_allclose(left, right, rtol=1e-10, atol=ATOL)


def drawn(*shapes: Any, seed: int = 0) -> list[np.ndarray]:
    """Random arrays of these shapes."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


# vec, unvec, the commutation matrix


def test_vec_stacks_columns_or_rows() -> None:
    """Column after column for "F", row after row for "C"."""
    A = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    np.testing.assert_array_equal(vec(A), [1, 4, 2, 5, 3, 6])
    np.testing.assert_array_equal(vec(A, "C"), [1, 2, 3, 4, 5, 6])


@few
@given(shape=st.lists(st.integers(0, 3), max_size=4), order=st.sampled_from("FC"))
def test_unvec_undoes_vec(shape: list[int], order: str) -> None:
    """For any number of axes, as NumPy ravels and reshapes."""
    (x,) = drawn(shape)
    v = vec(x, order)
    np.testing.assert_array_equal(v, x.ravel(order=order))
    np.testing.assert_array_equal(unvec(v, tuple(shape), order), x)


def test_vec_of_a_tensor_is_recorded() -> None:
    """A gradient passes through vec and unvec to where it belongs."""
    x, g = drawn((2, 3), 6)
    leaf = tg.Tensor(x, requires_grad=True)
    (vec(leaf) * g).sum().backward()
    close(leaf.grad, g.reshape((2, 3), order="F"))
    assert isinstance(unvec(vec(leaf), (2, 3)), tg.Tensor)


@few
@given(m=SIZES, n=SIZES, p=SIZES, q=SIZES, seed=st.integers(0, 9))
def test_vec_of_a_product_of_three(m: int, n: int, p: int, q: int, seed: int) -> None:
    """vec(A X C) = (Cᵀ ⊗ A) vec(X), and stacking rows (A ⊗ Cᵀ)."""
    A, X, C = drawn((m, n), (n, p), (p, q), seed=seed)
    close(vec(A @ X @ C), np.kron(C.T, A) @ vec(X))
    close(vec(A @ X @ C, "C"), np.kron(A, C.T) @ vec(X, "C"))
    close(jacobian(lambda X: A @ X @ C, X, layout="numerator"), np.kron(C.T, A))
    close(jacobian(lambda X: A @ X @ C, X, layout="numerator", vec="C"), np.kron(A, C.T))


@few
@given(m=st.integers(0, 4), n=st.integers(0, 4))
def test_commutation_matrix_transposes(m: int, n: int) -> None:
    """K vec(A) = vec(Aᵀ); K is a permutation, and its transpose that of the other way."""
    (A,) = drawn((m, n))
    K = commutation_matrix(m, n)
    close(K @ vec(A), vec(A.T))
    close(K @ K.T, np.eye(m * n))
    close(K.T, commutation_matrix(n, m))


# Jacobians


@few
@given(
    shape=st.lists(SIZES, max_size=3).map(tuple),
    rows=SIZES,
    order=st.sampled_from("FC"),
    seed=st.integers(0, 9),
)
def test_layouts_are_transposes_and_hold_the_slopes(
    shape: tuple[int, ...], rows: int, order: str, seed: int
) -> None:
    """Entry (i, j) in numerator layout is ∂vec(y)_i/∂vec(x)_j; denominator layout its transpose."""
    x, scale = drawn(shape, (rows, *shape), seed=seed)
    full = jacobian(lambda x: tg.sin(scale * x), x).data
    numerator = jacobian(lambda x: tg.sin(scale * x), x, layout="numerator", vec=order).data
    denominator = jacobian(lambda x: tg.sin(scale * x), x, layout="denominator", vec=order).data
    np.testing.assert_array_equal(numerator, denominator.T)
    assert full.shape == scale.shape + shape
    assert numerator.shape == (scale.size, x.size)
    eps, flat = 1e-6, vec(x, order)
    for j in range(x.size):
        above, below = (
            vec(np.sin(scale * unvec(flat + way * np.eye(x.size)[j], shape, order)), order)
            for way in (eps, -eps)
        )
        np.testing.assert_allclose(numerator[:, j], (above - below) / (2 * eps), atol=1e-7)


def test_jacobian_of_a_matrix_has_axes_of_result_then_input() -> None:
    """∂(W e)_i/∂W_jk is e_k where i = j, else 0."""
    W, e = drawn((H, I), I)
    close(jacobian(lambda W: W @ e, W), np.einsum("ij,k->ijk", np.eye(H), e))


def test_jacobian_of_a_jacobian_is_the_second_derivative() -> None:
    """The result is recorded as far as its argument is."""
    (x,) = drawn(3)
    cube = jacobian(lambda x: jacobian(lambda x: x**3, x, layout="numerator"), x)
    close(cube, np.einsum("i,ij,ik->ijk", 6 * x, np.eye(3), np.eye(3)))


# Kronecker forms


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@few
@given(rows=SIZES, columns=SIZES, seed=st.integers(0, 9))
def test_kronecker_form_is_the_tapes_jacobian(
    activation: str, transposed: bool, by: str, layout: str, rows: int, columns: int, seed: int
) -> None:
    """Dense, applied and transposed, by either vec, in either layout, for each activation."""
    (W,) = drawn((rows, columns), seed=seed)
    height, width = (columns, rows) if transposed else (rows, columns)
    e, offset, dh = drawn(width, height, height, seed=seed + 10)
    act = ACTIVATIONS[activation]

    def f(V: Any) -> Any:
        """h of what is stacked: of V itself where that is the matrix that multiplies e."""
        return act((V if transposed == (by == "vec(W.T)") else V.T) @ e + offset)

    J = kronecker_jacobian(
        W,
        e[:, np.newaxis],
        offset=offset,
        activation=activation,
        transposed=transposed,
        by=by,
        layout=layout,
    )
    dense, (diag, left, right) = J.dense(), J.factors
    x = W if by == "vec(W)" else W.T
    close(dense, jacobian(f, x, layout=layout))
    product = np.kron(left, right)
    close(dense, np.diag(diag) @ product if layout == "numerator" else product @ np.diag(diag))
    assert J.shape == dense.shape
    u, v = drawn(*dense.shape, seed=seed + 20)
    close(J.apply(v), dense @ v)
    close(J.transpose_apply(u), dense.T @ u)
    leaf = tg.Tensor(W, requires_grad=True)
    act((leaf.T if transposed else leaf) @ e + offset).backward(dh)
    close(J.gradient(dh), leaf.grad)


@pytest.mark.parametrize(
    ("options", "formula"),
    [
        ({}, "diag(1 - h²) (eᵀ ⊗ I_4)"),
        ({"by": "vec(W.T)"}, "diag(1 - h²) (I_4 ⊗ eᵀ)"),
        ({"layout": "denominator"}, "(e ⊗ I_4) diag(1 - h²)"),
        ({"by": "vec(W.T)", "layout": "denominator"}, "(I_4 ⊗ e) diag(1 - h²)"),
        ({"activation": "identity"}, "(eᵀ ⊗ I_4)"),
        ({"activation": "relu"}, "diag(where(z > 0, 1, 0)) (eᵀ ⊗ I_4)"),
        ({"activation": "sigmoid"}, "diag(h * (1 - h)) (eᵀ ⊗ I_4)"),
    ],
)
def test_formula_says_what_the_matrix_is(options: dict[str, str], formula: str) -> None:
    """The printed formula, read as NumPy, gives the dense matrix."""
    W, e, a = drawn((H, I), I, H)
    J = kronecker_jacobian(W, e, offset=a, **options)
    assert J.formula() == formula
    z = W @ e + a
    h = ACTIVATIONS[options.get("activation", "tanh")](z)
    code = formula.replace("²", "**2").replace(") (", ") @ (")
    code = re.sub(r"(\w+ᵀ?) ⊗ (\w+ᵀ?)", r"kron(\1, \2)", code).replace("eᵀ", "e.T")
    code = code.replace(") diag", ") @ diag")
    names = {"diag": np.diag, "kron": np.kron, "I_4": np.eye(4), "where": np.where}
    names["e"] = e[:, np.newaxis]
    close(J.dense(), eval(code, {}, names | {"h": h, "z": z}))


def test_large_forms_are_applied_without_their_matrix() -> None:
    """2000 units of 2000 inputs: the matrix would have 8e9 entries, apply needs none of them."""
    W, e, v, g = drawn((2000, 2000), 2000, 2000 * 2000, 2000)
    J = kronecker_jacobian(W / 50, e)
    left, right = g @ J.apply(v), J.transpose_apply(g) @ v
    np.testing.assert_allclose(left, right, rtol=1e-9)


def test_float32_stays_float32() -> None:
    """Jacobians, forms, terms and sums have the dtype of the weight; cotangents adapt."""
    W, e, g = (x.astype("float32") for x in drawn((H, I), I, H))
    for layout in (None, *LAYOUTS):
        assert jacobian(lambda W: tg.tanh(W @ e), W, layout=layout).dtype == "float32"
    for activation in ACTIVATIONS:
        J = kronecker_jacobian(W, e, activation=activation)
        given_back = [J.dense(), *J.factors, J.apply(vec(W)), J.transpose_apply(g), J.gradient(g)]
        assert {x.dtype.name for x in given_back} == {"float32"}
    terms, total = by_entries(lambda W: W @ e, W, g.astype(float))
    assert terms.dtype == total.dtype == "float32"
    assert vec(W).dtype == unvec(vec(W), (H, I)).dtype == "float32"
    assert commutation_matrix(2, 2, dtype="float32").dtype == "float32"


def test_float32_stays_float32_by_hand() -> None:
    """Every function of manual/kronecker.py gives the dtype that it gets."""
    h, e, dh, S, V = (x.astype("float32") for x in drawn((H, 1), (I, 1), (H, 1), (H, B), (O, H)))
    k, dy = kronecker, V @ S
    found = [k.vec(S), k.unvec(k.vec(S), (H, B)), k.product_by_vec_W(e, H), k.entries(h, e)]
    found += [k.product_by_vec_WT(e, H), *k.state_by_vec_W(h, e), *k.state_by_vec_WT(h, e)]
    found += [f(h, e, dh) for f in (k.gradient_by_vec_W, k.gradient_by_vec_WT, k.sum_over_entries)]
    found += [*k.batch_by_vec_W(S, V), *k.rows_by_vec_W(S.T, V.T)]
    found += [*k.examples_of_columns(S, dy), *k.examples_of_rows(S.T, dy.T)]
    assert {x.dtype.name for x in found} == {"float32"}


@few
@given(shape=st.lists(SIZES, min_size=1, max_size=3).map(tuple), seed=st.integers(0, 9))
def test_terms_of_the_entries_add_up_to_the_gradient(shape: tuple[int, ...], seed: int) -> None:
    """Also for results with several axes, whose entries come in NumPy's order."""
    x, g = drawn(shape, (2, *shape), seed=seed)
    terms, total = by_entries(lambda x: tg.stack([x * x, tg.sin(x)]), x, g)
    assert terms.shape == (g.size, *shape)
    close(total, g[0] * 2 * x + g[1] * np.cos(x))
    close(terms.data.sum(axis=0), total)
    first = np.zeros(x.size)
    first[0] = g.ravel()[0] * 2 * x.ravel()[0]
    close(terms.data[0].ravel(), first)


# What the learners ask


def test_n3_a_product_over_the_batch_sums_the_examples() -> None:
    """In columns and in rows: one Kronecker term per example; the tape's gradient is their sum."""
    W, h, dy = drawn((O, H), (H, B), (O, B))
    columns, rows = tg.Tensor(W, requires_grad=True), tg.Tensor(W.T, requires_grad=True)
    (columns @ h).backward(dy)
    (h.T @ rows).backward(dy.T)
    parts = kronecker.examples_of_columns(h, dy)
    assert len(parts) == B
    for b, part in enumerate(parts):
        close(part, vec(np.outer(dy[:, b], h[:, b]))[:, np.newaxis])
    close(sum(parts)[:, 0], vec(columns.grad))
    close(sum(kronecker.examples_of_rows(h.T, dy.T))[:, 0], vec(rows.grad))
    close(columns.grad, rows.grad.T)


def test_n3_both_jacobians_of_a_batch_are_kronecker_products() -> None:
    """vec(W h) and vec(h W) by the weight and by the state."""
    W, h = drawn((O, H), (H, B))
    by_weight, by_state = kronecker.batch_by_vec_W(h, W)
    close(jacobian(lambda W: W @ h, W, layout="numerator"), by_weight)
    close(jacobian(lambda h: W @ h, h, layout="numerator"), by_state)
    by_weight, by_state = kronecker.rows_by_vec_W(h.T, W.T)
    close(jacobian(lambda W: h.T @ W, W.T, layout="numerator"), by_weight)
    close(jacobian(lambda h: h @ W.T, h.T, layout="numerator"), by_state)


def test_n4_the_transpose_lays_the_state_down_as_a_row() -> None:
    """∂y/∂w_ij has h_j in row i alone; with dy = p - onehot collected it is the outer product."""
    W, h = drawn((O, H), H)
    full = jacobian(lambda W: W @ h, W).data
    for i, j in np.ndindex(O, H):
        close(full[:, i, j], h[j] * np.eye(O)[i])
    leaf = tg.Tensor(W, requires_grad=True)
    tg.cross_entropy(leaf @ h, 1).backward()
    dy = tg.softmax(W @ h) - np.eye(O)[1]
    close(np.einsum("kij,k->ij", full, dy), np.outer(dy, h))
    close(leaf.grad, np.outer(dy, h))


def test_n5_the_product_has_two_kronecker_forms() -> None:
    """f = Wᵀ e: eᵀ ⊗ I_H by vec(Wᵀ), I_H ⊗ eᵀ by vec(W); K turns one into the other."""
    W, e = drawn((I, H), (I, 1))
    by_WT, by_W = kronecker.product_by_vec_WT(e, H), kronecker.product_by_vec_W(e, H)
    close(jacobian(lambda V: V @ e, W.T, layout="numerator"), by_WT)
    close(jacobian(lambda V: V.T @ e, W, layout="numerator"), by_W)
    close(by_WT @ commutation_matrix(I, H), by_W)


@few
@given(width=SIZES, height=SIZES, seed=st.integers(0, 9))
def test_n5_the_step_in_both_layouts(width: int, height: int, seed: int) -> None:
    """tanh(Wᵀ e + Uᵀ h_0): tape, tg.calculus and the hand have the same four matrices."""
    W, U, e, h_0 = drawn((width, height), (height, height), (width, 1), (height, 1), seed=seed)
    offset = U.T @ h_0
    h = np.tanh(W.T @ e + offset)
    hand = {"vec(W)": kronecker.state_by_vec_W(h, e), "vec(W.T)": kronecker.state_by_vec_WT(h, e)}
    step = {
        "vec(W)": lambda V: tg.tanh(V.T @ e + offset),
        "vec(W.T)": lambda V: tg.tanh(V @ e + offset),
    }
    for by in BY:
        for layout, matrix in zip(LAYOUTS, hand[by], strict=True):
            form = kronecker_jacobian(W, e, offset=offset, transposed=True, by=by, layout=layout)
            close(form.dense(), matrix)
            close(jacobian(step[by], W if by == "vec(W)" else W.T, layout=layout), matrix)


def test_n5_three_ways_to_the_gradient() -> None:
    """By vec(Wᵀ), by vec(W) and by entries, all filled back to (I, H): what the tape gives."""
    W, U, e, h_0, dh = drawn((I, H), (H, H), (I, 1), (H, 1), (H, 1))
    leaf = tg.Tensor(W, requires_grad=True)
    h = tg.tanh(leaf.T @ e + U.T @ h_0)
    h.backward(dh)
    assert leaf.grad.shape == (I, H)
    for way in (
        kronecker.gradient_by_vec_WT,
        kronecker.gradient_by_vec_W,
        kronecker.sum_over_entries,
    ):
        close(way(h.data, e, dh), leaf.grad)
    terms, total = by_entries(lambda W: tg.tanh(W.T @ e + U.T @ h_0), W, dh)
    close(terms, kronecker.entries(h.data, e) * dh[:, :, np.newaxis])
    close(total, leaf.grad)


def test_n5_the_recurrent_weight_is_the_same_with_the_state_before() -> None:
    """For U put h_0 in the place of e."""
    W, U, e, h_0 = drawn((I, H), (H, H), (I, 1), (H, 1))
    form = kronecker_jacobian(U, h_0, offset=W.T @ e, transposed=True)
    close(form.dense(), jacobian(lambda U: tg.tanh(W.T @ e + U.T @ h_0), U, layout="numerator"))


def test_n6_the_whole_pass_entry_by_entry() -> None:
    """With target 2: ∂l/∂w_1j = p_1 h_j, ∂l/∂w_2j = (p_2 - 1) h_j, and on to each u_jk."""
    u, c, w, b, x = drawn((3, 2), 3, (2, 3), 2, 2)
    leaves = [tg.Tensor(value, requires_grad=True) for value in (u, c, w, b)]
    U, C, W, b_y = leaves
    loss = tg.cross_entropy(W @ tg.tanh(U @ x + C) + b_y, 1)
    loss.backward()
    h = [math.tanh(u[j, 0] * x[0] + u[j, 1] * x[1] + c[j]) for j in range(3)]
    y_1, y_2 = (w[i, 0] * h[0] + w[i, 1] * h[1] + w[i, 2] * h[2] + b[i] for i in range(2))
    p_1 = math.exp(y_1) / (math.exp(y_1) + math.exp(y_2))
    p_2 = math.exp(y_2) / (math.exp(y_1) + math.exp(y_2))
    dz = [(1 - h[j] ** 2) * (w[0, j] * p_1 + w[1, j] * (p_2 - 1)) for j in range(3)]
    assert loss.item() == pytest.approx(-math.log(p_2), rel=1e-12)
    assert W.grad.data[0, 0] == pytest.approx(p_1 * h[0], rel=1e-12)
    close(W.grad, [[p_1 * h_j for h_j in h], [(p_2 - 1) * h_j for h_j in h]])
    close(b_y.grad, [p_1, p_2 - 1])
    close(U.grad, [[dz_j * x[0], dz_j * x[1]] for dz_j in dz])
    close(C.grad, dz)


# The page and the code


def test_equations_of_the_kronecker_sections_are_code() -> None:
    """Each of section 11 is a line of manual/kronecker.py, and so are those of 8 that it needs."""
    assert len(tags("11.")) == 8
    assert {47, 48, 50, 51, 52, 53, *tags("11.")} <= cited("kronecker.py")


@pytest.mark.parametrize("section", ["11.", "12."])
def test_equations_are_checked_where_they_stand(section: str) -> None:
    """Each number of the section comes again in the code beneath it."""
    (text,) = [part for part in PAGE.split("\n## ") if part.startswith(section)]
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert {f"({number})" for number in tags(section)} <= set(re.findall(r"\(\d+\)", code))


def test_calculus_cites_equations_that_exist() -> None:
    """Its docstrings name no other numbers than the page has."""
    files = Path(str(tg.calculus.__file__)).parent.glob("*.py")
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    numbers = {
        int(n) for line in re.findall(r"Equations?: (.+)", text) for n in re.findall(r"\d+", line)
    }
    assert numbers
    assert numbers <= set(tags())


# What does not fit


W, E = np.ones((H, I)), np.ones(I)
WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda: jacobian(tg.tanh, W, layout="rows"), ValueError, "layout is 'rows'; give None, 'num"),
    (lambda: jacobian(tg.tanh, W, vec="K"), ValueError, "vec is 'K'; give 'F', 'C'"),
    (lambda: jacobian(tg.tanh, np.ones(2, int)), TypeError, "x has dtype int64, but only floats"),
    (lambda: jacobian(lambda x: np.ones(2), E), TypeError, "f returned (2,) float64 of type nda"),
    (lambda: jacobian(lambda x: x.data, E), TypeError, "made by operations"),
    (lambda: jacobian(lambda x: [x], E), TypeError, "of type list"),
    (lambda: jacobian(lambda x: x.detach(), E), ValueError, "depends on x by no recorded op"),
    (lambda: jacobian(lambda x: x > 0, E), ValueError, "depends on x by no recorded operation"),
    (
        lambda: jacobian(lambda x: tg.Tensor(1.0, requires_grad=True) * 2, E),
        ValueError,
        "depends on x by no recorded operation",
    ),
    (lambda: by_entries(tg.tanh, E, np.ones(4)), ValueError, "g has shape (4,), but f gives (3,)"),
    (lambda: by_entries(tg.tanh, [1], [1.0]), TypeError, "by_entries: x has dtype int64"),
    (lambda: vec(W, "A"), ValueError, "calculus.vec: order is 'A'; give 'F', 'C'"),
    (lambda: unvec(E, (3, 1), "A"), ValueError, "calculus.unvec: order is 'A'"),
    (lambda: unvec(E, (2, 2)), ValueError, "v has shape (3,), but shape (2, 2) needs (4,)"),
    (lambda: unvec(W, (3, 4)), ValueError, "v has shape (4, 3)"),
    (lambda: unvec(E, (-1, -3)), ValueError, "v has shape (3,), but shape (-1, -3)"),
    (lambda: commutation_matrix(-1, 2), ValueError, "m is -1 and n is 2"),
    (lambda: kronecker_jacobian(W, E, by="W"), ValueError, "by is 'W'; give 'vec(W)', 'vec(W.T)'"),
    (lambda: kronecker_jacobian(W, E, layout=None), ValueError, "layout is None; give 'numerator'"),
    (lambda: kronecker_jacobian(W, E, activation="exp"), ValueError, "activation is 'exp'; give"),
    (lambda: kronecker_jacobian(E, E), ValueError, "W has shape (3,); give a matrix"),
    (lambda: kronecker_jacobian(W.astype(int), E), TypeError, "W has dtype int64; it must be a fl"),
    (lambda: kronecker_jacobian(W, W.T), ValueError, "e has shape (3, 4), but (3,) or (3, 1) is"),
    (lambda: kronecker_jacobian(W, E, transposed=True), ValueError, "I = 4 from W (4, 3)"),
    (lambda: kronecker_jacobian(W, E, offset=E), ValueError, "offset has shape (3,), but (4,) or"),
    (lambda: kronecker_jacobian(W, E).apply(E), ValueError, "vector has shape (3,), but (12,) is"),
    (lambda: kronecker_jacobian(W, E).transpose_apply(E), ValueError, "but (4,) is needed, as man"),
    (lambda: kronecker_jacobian(W, E).gradient(E), ValueError, "gradient: the vector has shape"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG, ids=[w[2][:40] for w in WRONG])
def test_what_does_not_fit_is_named(call: Any, kind: type[Exception], message: str) -> None:
    """The error says which argument, what came, and what to give."""
    with pytest.raises(kind, match=re.escape(message)):
        call()
