"""Modules, Linear and gradient clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg


class Model(tg.nn.Module):
    """Two layers in a list, one by name, and a weight that is used under two names."""

    def __init__(self) -> None:
        self.layers = [tg.nn.Linear(2, 3, rng=0), tg.nn.Linear(3, 3, rng=1)]
        self.head = tg.nn.Linear(3, 1, bias=False, rng=2)
        self.tied = self.layers[1].weight


def test_parameters_are_found_once_under_dotted_names() -> None:
    """Own parameters come first, then those of lists and children; a shared one comes once."""
    names = [name for name, _ in Model().named_parameters()]

    assert names == ["tied", "layers.0.weight", "layers.0.bias", "layers.1.bias", "head.weight"]


def test_linear_is_x_times_w_transposed_plus_b() -> None:
    """Values and gradients are those of the formula."""
    layer = tg.nn.Linear(3, 2, rng=0)
    rng = np.random.default_rng(1)
    x, cotangent = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5, 2))

    y = layer(x)
    y.backward(cotangent)

    np.testing.assert_allclose(y.data, x @ layer.weight.data.T + layer.bias.data, rtol=1e-14)
    expected = np.einsum("abo,abi->oi", cotangent, x)
    np.testing.assert_allclose(layer.weight.grad.data, expected, rtol=1e-12)
    np.testing.assert_allclose(layer.bias.grad.data, cotangent.sum((0, 1)), rtol=1e-12)


def test_a_state_dict_moves_all_values() -> None:
    """Loading another model's state makes both equal; the state is a copy."""
    one, other = Model(), Model()
    for parameter in one.parameters():
        parameter.data = parameter.data + 1
    state = one.state_dict()

    other.load_state_dict(state)
    state["head.weight"][:] = 0

    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_state_that_does_not_fit_changes_nothing_and_names_every_difference() -> None:
    """Missing, unknown and misshapen entries come in one error."""
    model = Model()
    before = model.state_dict()
    state = {**before, "extra": np.ones(1), "head.weight": np.ones((2, 2))}
    del state["layers.0.bias"]

    with pytest.raises(ValueError, match=r"layers\.0\.bias.*missing.*extra.*head\.weight has"):
        model.load_state_dict(state)

    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.array(["2.5"]), np.array([1j])],
    ids=["object", "text", "complex"],
)
def test_a_state_of_other_things_than_numbers_changes_nothing(value: np.ndarray) -> None:
    """Objects, texts and complex numbers are refused before the first parameter is written."""
    layer = tg.nn.Linear(2, 1, rng=0)
    before = layer.weight.numpy()
    with pytest.raises(ValueError, match="bias has dtype"):
        layer.load_state_dict({"weight": np.ones((1, 2)), "bias": value})
    np.testing.assert_array_equal(layer.weight.data, before)


def test_train_and_eval_reach_every_module() -> None:
    """The mode is set here and inside."""
    model = Model().eval()

    assert not any(module.training for module in model.modules())
    assert all(module.training for module in model.train().modules())


def test_zero_grad_forgets_gradients() -> None:
    """After it `.grad` is None again."""
    model = Model()
    model.head(np.ones((1, 3))).sum().backward()

    model.zero_grad()

    assert all(parameter.grad is None for parameter in model.parameters())


def with_gradients(*gradients: list[float]) -> list[tg.Tensor]:
    """Leaves that have these gradients."""
    leaves = [tg.Tensor(np.zeros(len(g)), requires_grad=True) for g in gradients]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = tg.Tensor(gradient)
    return leaves


def test_clipping_by_norm_scales_all_gradients_together() -> None:
    """The norm over all parameters is returned and brought down to the bound."""
    leaves = with_gradients([3.0, 0.0], [4.0])

    norm = tg.nn.utils.clip_grad_norm_(leaves, 1.0)

    assert norm == 5.0
    np.testing.assert_allclose(leaves[0].grad.data, [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(leaves[1].grad.data, [0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("norm_type", "expected"), [(1.0, 7.0), (2.0, 5.0), (np.inf, 4.0)], ids=str
)
def test_clipping_knows_other_norms(norm_type: float, expected: float) -> None:
    """p-norms and the largest entry; a norm below the bound changes nothing."""
    leaves = with_gradients([3.0, 0.0], [-4.0])

    assert tg.nn.utils.clip_grad_norm_(leaves, 100.0, norm_type) == expected
    np.testing.assert_array_equal(leaves[1].grad.data, [-4.0])


def test_clipping_is_pytorchs_to_the_last_digit() -> None:
    """By max_norm / (norm + 1e-6); what is infinite becomes NaN, and NaN goes everywhere."""
    (leaf,) = with_gradients([3.0, 4.0])
    tg.nn.utils.clip_grad_norm_(leaf, 1.0)
    np.testing.assert_allclose(leaf.grad.data, np.array([3, 4]) / (5 + 1e-6), rtol=1e-15)
    with np.errstate(invalid="ignore"):
        for first, right in ((np.inf, [np.nan, 0.0]), (np.nan, [np.nan, np.nan])):
            (leaf,) = with_gradients([first, 1.0])
            tg.nn.utils.clip_grad_norm_(leaf, 1.0)
            np.testing.assert_array_equal(leaf.grad.data, right)


@pytest.mark.parametrize("clip", [tg.nn.utils.clip_grad_norm_, tg.nn.utils.clip_grad_value_])
def test_the_tape_notices_that_a_gradient_was_clipped(clip: Any) -> None:
    """What was computed from it before would have a wrong gradient."""
    w = tg.Tensor([3.0, 4.0], requires_grad=True)
    (w * w).sum().backward()
    loss = (w * w.grad).sum()

    clip([w], 0.5)

    with pytest.raises(RuntimeError, match="written after it was recorded"):
        loss.backward()


def test_clipping_zero_and_missing_gradients_is_harmless() -> None:
    """Zeros stay zeros, and no gradients have the norm 0."""
    leaves = with_gradients([0.0, 0.0])

    assert tg.nn.utils.clip_grad_norm_(leaves, 1.0) == 0.0
    assert tg.nn.utils.clip_grad_norm_([tg.Tensor(1.0, requires_grad=True)], 1.0) == 0.0
    np.testing.assert_array_equal(leaves[0].grad.data, [0.0, 0.0])


def test_a_norm_that_is_not_finite_is_refused_on_request() -> None:
    """The error leaves the gradients as they are."""
    leaves = with_gradients([np.inf, 1.0])

    with pytest.raises(RuntimeError, match="norm is inf"):
        tg.nn.utils.clip_grad_norm_(leaves, 1.0, error_if_nonfinite=True)

    np.testing.assert_array_equal(leaves[0].grad.data, [np.inf, 1.0])


def test_clipping_by_value_bounds_every_entry() -> None:
    """Entries beyond the bound become the bound, others stay."""
    leaves = with_gradients([-9.0, 2.0], [7.0])

    tg.nn.utils.clip_grad_value_(leaves, 5.0)

    np.testing.assert_array_equal(leaves[0].grad.data, [-5.0, 2.0])
    np.testing.assert_array_equal(leaves[1].grad.data, [5.0])
