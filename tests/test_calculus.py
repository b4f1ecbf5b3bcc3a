"""Jacobians in both layouts, vec, and Kronecker products, beside the tape and the hand's forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.calculus import (
    ACTIVATIONS,
    by_entries,
    commutation_matrix,
    jacobian,
    kronecker_jacobian,
    unvec,
    vec,
)
from tinygrad_rnn.manual import kronecker as by_hand

from .numeric import assert_near

I, H, B, O = 2, 3, 4, 5
RNG = np.random.default_rng(0)
W, U, e, h_0, dh = (RNG.normal(size=n) for n in [(I, H), (H, H), (I, 1), (H, 1), (H, 1)])
sizes = st.integers(1, 4)


def state(W_T: Any) -> Any:
    """h = tanh(Wᵀe + Uᵀh_0), of Wᵀ."""
    return tg.tanh(W_T @ e[:, 0] + U.T @ h_0[:, 0])


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**31))
def test_identities_of_vec(m: int, n: int, k: int, l: int, seed: int) -> None:
    """vec(A X C) = (Cᵀ ⊗ A) vec(X), K vec(A) = vec(Aᵀ), and unvec undoes vec."""
    rng = np.random.default_rng(seed)
    A, X, C = rng.normal(size=(m, n)), rng.normal(size=(n, k)), rng.normal(size=(k, l))
    assert_near(vec(A @ X @ C), np.kron(C.T, A) @ vec(X), 1e-12)
    assert_near(vec(A @ X @ C, "C"), np.kron(A, C.T) @ vec(X, "C"), 1e-12)
    np.testing.assert_array_equal(commutation_matrix(m, n) @ vec(A), vec(A.T))
    for order in ("F", "C"):
        np.testing.assert_array_equal(unvec(vec(A, order), A.shape, order), A)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(sizes, sizes, st.integers(0, 2**31))
def test_layouts_are_transposes(m: int, n: int, seed: int) -> None:
    """And both hold the whole tensor's entries, in the order of vec."""
    rng = np.random.default_rng(seed)
    X, A = rng.normal(size=(m, n)), rng.normal(size=(3, m))
    f = lambda X: tg.sin(A @ X)
    whole = jacobian(f, X)
    assert whole.shape == (3, n, m, n)
    for order in ("F", "C"):
        numerator = jacobian(f, X, layout="numerator", vec=order)
        np.testing.assert_array_equal(jacobian(f, X, layout="denominator", vec=order), numerator.T)
        rows = [vec(whole[i, j], order) for i, j in unvec_indices((3, n), order)]
        np.testing.assert_array_equal(numerator, rows)
    slopes = np.diag(vec(np.cos(A @ X)))
    found = jacobian(f, X, layout="numerator")
    assert_near(found, slopes @ np.kron(np.eye(n), A), 1e-12)  # (53)


def unvec_indices(shape: tuple[int, int], order: str) -> list[tuple[int, int]]:
    """The indices of a matrix in the order of vec."""
    rows, columns = map(range, shape)
    if order == "F":
        return [(i, j) for j in columns for i in rows]
    return [(i, j) for i in rows for j in columns]


def test_n3_a_product_over_the_batch_sums_the_examples() -> None:
    """dL/dW_hy = dy h_Tᵀ in column layout, dyᵀ h in rows: the sum of one outer product each."""
    dy, h_T = RNG.normal(size=(O, B)), RNG.normal(size=(H, B))
    W_hy = tg.Tensor(RNG.normal(size=(O, H)), requires_grad=True)
    ((W_hy @ h_T) * dy).sum().backward()
    each = [np.outer(dy[:, b], h_T[:, b]) for b in range(B)]
    assert_near(W_hy.grad.data, sum(each), 1e-12)
    assert_near(W_hy.grad.data, dy @ h_T.T, 1e-12)
    rows = jacobian(lambda V: ((h_T.T @ V.T) * dy.T).sum(), W_hy.data)
    assert_near(rows, sum(each), 1e-12)


def test_n4_the_transpose_is_an_outer_product_collected() -> None:
    """∂y_i/∂w_ij = h_j and 0 in other rows; with dy it is dy hᵀ."""
    V, h, dy = RNG.normal(size=(O, H)), RNG.normal(size=H), RNG.normal(size=O)
    whole = jacobian(lambda V: V @ h, V)
    for k, i, j in np.ndindex(O, O, H):
        assert whole[k, i, j] == (h[j] if k == i else 0)
    _, total = by_entries(lambda V: V @ h, V, dy)
    assert_near(total, dy[:, None] @ h[None, :], 1e-12)


def test_n5_kronecker_products_are_the_jacobians() -> None:
    """Of Wᵀe and of a step of the network, by vec(W) and vec(Wᵀ), beside the hand's forms."""
    linear = lambda V: V.T @ e[:, 0]
    identity = {"activation": "identity"}
    for by, expected in [
        ("vec(W)", by_hand.product_by_weight(e, H)),
        ("vec(W.T)", by_hand.product_by_weight_turned(e, H)),
    ]:
        np.testing.assert_array_equal(kronecker_jacobian(W, e, by=by, **identity).dense(), expected)
    assert_near(
        jacobian(linear, W, layout="numerator"),
        kronecker_jacobian(W, e, **identity).dense(),
        1e-12,
    )
    h = state(W.T)[:, None]
    turned = kronecker_jacobian(W, e, offset=U.T @ h_0, by="vec(W.T)")
    assert_near(turned.dense(), by_hand.state_by_weight_turned(h, e), 1e-12)
    assert_near(turned.dense(), jacobian(state, W.T, layout="numerator"), 1e-12)
    dvec = by_hand.loss_by_weight_turned(h, e, dh)
    assert_near(turned._replace(layout="denominator").apply(dh), dvec[:, 0], 1e-12)
    assert_near(unvec(dvec, (H, I)).T, by_hand.loss_by_weight(h, e, dh), 1e-12)
    terms, total = by_entries(state, W.T, dh[:, 0])
    assert_near(terms.transpose(0, 2, 1), by_hand.terms_of_entries(h, e, dh), 1e-12)
    assert_near(total.T, by_hand.loss_by_weight(h, e, dh), 1e-12)


def test_n6_a_forward_pass_entry_by_entry() -> None:
    """y_1 = w_11 h_1 + ... + b_1, p_1 = e^y1 / (e^y1 + e^y2); of -log p_2: ∂l/∂w_11 = p_1 h_1."""
    V, b, h = RNG.normal(size=(2, 3)), RNG.normal(size=2), RNG.normal(size=3)
    y = [sum(V[i, j] * h[j] for j in range(3)) + b[i] for i in (0, 1)]
    p = np.exp(y) / (np.exp(y[0]) + np.exp(y[1]))
    loss = lambda V: tg.cross_entropy(V @ h + b, np.array(1))
    assert_near(loss(V), -np.log(p[1]), 1e-12)
    slopes = jacobian(loss, V)
    assert_near(slopes[0, 0], p[0] * h[0], 1e-12)
    assert_near(slopes, np.outer(p - [0, 1], h), 1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("by", ["vec(W)", "vec(W.T)"])
@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_factors_are_the_tapes_jacobian(
    activation: str, transposed: bool, by: str, layout: str
) -> None:
    """Dense and applied, for every activation, layout and vec; the derivative is the op's rule."""
    function = getattr(tg, activation, lambda z: z)
    V, offset = (W if transposed else W.T), RNG.normal(size=H)
    J = kronecker_jacobian(
        V, e, offset=offset, activation=activation, transposed=transposed, by=by, layout=layout
    )
    turn = by == "vec(W.T)"
    flip = transposed != turn  # whether what f gets is turned before the product
    f = lambda X: function((X.T if flip else X) @ e[:, 0] + offset)
    expected = jacobian(f, V.T if turn else V, layout=layout)
    assert_near(J.dense(), expected, 1e-12)
    v = RNG.normal(size=J.dense().shape[1])
    assert_near(J.apply(v), J.dense() @ v, 1e-12)


def test_formulas() -> None:
    """As they are written; in denominator layout factors are transposed and in other order."""
    J = kronecker_jacobian(W, e)
    assert J.formula() == "diag(tanh'(z)) (I_3 ⊗ eᵀ)"
    assert J._replace(layout="denominator").formula() == "(I_3 ⊗ e) diag(tanh'(z))"
    linear = kronecker_jacobian(W, e, activation="identity", by="vec(W.T)")
    assert linear.formula() == "(eᵀ ⊗ I_3)"


def test_float32_stays_float32() -> None:
    """Jacobians, factors and terms."""
    V, x = W.astype(np.float32), e.astype(np.float32)
    f = lambda V: tg.tanh(V.T @ x[:, 0])
    J = kronecker_jacobian(V, x)
    found = [jacobian(f, V), J.dense(), J.apply(np.ones(I * H, np.float32))]
    found += by_entries(f, V, np.ones(H, np.float32))
    assert {x.dtype for x in found} == {np.dtype(np.float32)}


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "layout": (lambda: jacobian(state, W.T, layout="rows"), ValueError, "'numerator'"),
    "vec": (lambda: jacobian(state, W.T, vec="K"), ValueError, "vec is 'K'"),
    "order": (lambda: vec(W, "A"), ValueError, "order is 'A'"),
    "sizes": (lambda: unvec(np.ones(3), (2, 2)), ValueError, "3 entries"),
    "numbers": (lambda: jacobian(lambda x: 1.0, W), TypeError, "not differentiable"),
    "values": (lambda: jacobian(lambda x: tg.Tensor(x.data) * 2, W), TypeError, "not different"),
    "integers": (lambda: jacobian(lambda x: x * 2, np.arange(3)), TypeError, "float"),
    "activation": (lambda: kronecker_jacobian(W, e, activation="gelu"), ValueError, "'tanh'"),
    "by": (lambda: kronecker_jacobian(W, e, by="W"), ValueError, "'vec"),
    "shapes": (lambda: kronecker_jacobian(W, h_0), ValueError, "W must have as many rows"),
    "g": (lambda: by_entries(state, W.T, np.ones(2)), ValueError, r"g has shape \(2,\)"),
}


@pytest.mark.parametrize(("call", "kind", "words"), WRONG.values(), ids=list(WRONG))
def test_what_does_not_fit_is_refused(call: Any, kind: Any, words: str) -> None:
    """With what was needed."""
    with pytest.raises(kind, match=words):
        call()
