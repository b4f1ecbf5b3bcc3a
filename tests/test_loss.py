"""Losses with weights: exact for any logits, and wrong arguments named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

inf = np.inf


def value_and_gradient(loss: Any, x: Any) -> tuple[Any, Any]:
    """Of loss(x), as lists."""
    leaf = tg.Tensor(x, dtype=float, requires_grad=True)
    y = loss(leaf)
    y.sum().backward()
    assert leaf.grad is not None
    return y.data.tolist(), leaf.grad.data.tolist()


def test_weighted_classes_are_counted_by_their_weights() -> None:
    """The mean of one class's losses is free of its weight; over two classes it is weighted."""
    x = np.array([[0.0, np.log(3)], [0.0, 0.0]])

    one_class = tg.cross_entropy(x, [1, 1], weight=[5.0, 0.25])
    both = tg.cross_entropy(x, [1, 0], weight=[5.0, 0.25])

    assert one_class == pytest.approx((np.log(4 / 3) + np.log(2)) / 2)
    assert both == pytest.approx((0.25 * np.log(4 / 3) + 5 * np.log(2)) / 5.25)


def test_ignored_rows_may_hold_anything() -> None:
    """Their losses and gradients are 0, with weights and smoothing too."""
    x = [[inf, 0.0], [0.0, 0.0], [np.nan, 1.0]]
    for label_smoothing in (0.0, 0.2):
        losses, gradient = value_and_gradient(
            lambda x, smoothing=label_smoothing: tg.cross_entropy(
                x, [9, 1, 9], weight=[2.0, 3.0], label_smoothing=smoothing,
                reduction="none", ignore_index=9,
            ),
            x,
        )  # fmt: skip

        assert losses[0] == losses[2] == 0
        assert losses[1] == pytest.approx((3 - label_smoothing / 2) * np.log(2))
        assert gradient[0] == gradient[2] == [0, 0]
        assert np.isfinite(gradient[1]).all()


def test_an_ignored_index_may_be_a_class() -> None:
    """Neither its examples nor, in the mean, its weight count."""
    x = np.zeros((3, 2))

    loss = tg.cross_entropy(x, [0, 1, 0], weight=[7.0, 3.0], ignore_index=0, label_smoothing=0.5)

    assert loss == pytest.approx((0.5 * 3 + 0.25 * 10) * np.log(2) / 3)


def test_smoothed_losses_of_large_logits_are_exact() -> None:
    """At ±1000."""
    loss = lambda x: tg.cross_entropy(x, [0, 1], label_smoothing=0.5, reduction="none")

    losses, gradient = value_and_gradient(loss, [[1000.0, -1000.0]] * 2)

    assert losses == [500.0, 1500.0]
    assert gradient == [[0.25, -0.25], [0.75, -0.75]]


@pytest.mark.parametrize("pos_weight", [0.1, 0.3, 3.0])
def test_weighted_binary_losses_are_exact_for_any_logits(pos_weight: float) -> None:
    """At ±1000 and ±inf: nothing for a sure hit, the weighted logit for a sure mistake."""
    for large in (1000.0, inf):
        losses, gradient = value_and_gradient(
            lambda x: tg.binary_cross_entropy_with_logits(
                x, [1.0, 0.0, 0.0, 1.0], pos_weight=pos_weight, reduction="none"
            ),
            [large, -large, large, -large],
        )

        assert losses == [0, 0, large, pos_weight * large]
        assert gradient == [0, 0, 1, -pos_weight]


def test_positive_targets_may_weigh_nothing() -> None:
    """Then they cost nothing; the others cost what they did."""
    losses, gradient = value_and_gradient(
        lambda x: tg.binary_cross_entropy_with_logits(
            x, [1, 0], pos_weight=[0.0, 0.0], reduction="none"
        ),
        [2.0, 0.0],
    )

    assert losses == [0, pytest.approx(np.log(2))]
    assert gradient == [0, 0.5]


def test_targets_have_a_gradient_where_positive_ones_weigh_nothing() -> None:
    """With pos_weight 0 it is -log(1 + exp(x)), also at the targets 0 and 1."""
    targets = tg.Tensor([0.0, 0.5, 1.0], requires_grad=True)
    x = np.array([1.0, 2.0, 3.0])

    tg.binary_cross_entropy_with_logits(x, targets, pos_weight=0.0, reduction="sum").backward()

    assert targets.grad is not None
    np.testing.assert_allclose(targets.grad.data, -np.logaddexp(0, x), rtol=1e-14)


def test_whole_numbers_are_logits_too() -> None:
    """Integer logits do not round the targets, and have a softmax like others."""
    for function in (tg.softmax, tg.log_softmax, tg.logsumexp):
        np.testing.assert_array_equal(function([2, 0]), function([2.0, 0.0]))
    expected = tg.binary_cross_entropy_with_logits([2.0, 0.0], [0.5, 0.25])

    assert tg.binary_cross_entropy_with_logits([2, 0], [0.5, 0.25]) == expected
    assert tg.cross_entropy([[2, 0]], [1], weight=[0.5, 0.25], label_smoothing=0.5) == (
        pytest.approx(tg.cross_entropy([[2.0, 0.0]], [1], weight=[0.5, 0.25], label_smoothing=0.5))
    )


def test_weights_take_the_logits_dtype() -> None:
    """float64 weights, as a list makes them, do not widen float32 logits."""
    x = np.ones((2, 3), np.float32)
    weight = [1.0, 2.0, 3.0]

    assert tg.cross_entropy(x, [0, 2], weight=weight, label_smoothing=0.1).dtype == np.float32
    for targets in (x, x > 0, x.astype(int)):
        loss = tg.binary_cross_entropy_with_logits(x, targets, weight=weight, pos_weight=weight)
        assert loss.dtype == np.float32


def test_large_errors_do_not_overflow() -> None:
    """A Huber loss beyond delta is a straight line, up to inf."""
    losses, gradient = value_and_gradient(
        lambda x: tg.huber_loss(x, np.zeros(3), reduction="none"), [1e200, -1e200, inf]
    )

    assert losses == [1e200, 1e200, inf]
    assert gradient == [1, -1, 1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: tg.cross_entropy(x, [0, 1], weight=[1.0, 2.0]),
         r"cross_entropy: weight has shape \(2,\), but logits \(2, 3\)"),
        (lambda x: tg.cross_entropy(x, [0, 1], weight=2.0), r"weight has shape \(\)"),
        (lambda x: tg.cross_entropy(x, [0, 1], label_smoothing=1.5), "label_smoothing is 1.5"),
        (lambda x: tg.cross_entropy(x, [0, 1], label_smoothing=np.nan), "label_smoothing is nan"),
        (lambda x: tg.cross_entropy(x, x, weight=[1.0]), r"weight has shape \(1,\)"),
        (lambda x: tg.binary_cross_entropy_with_logits(x, x, weight=[1.0, 2.0]),
         r"binary_cross_entropy_with_logits: weight has shape \(2,\)"),
        (lambda x: tg.binary_cross_entropy_with_logits(x, x, pos_weight=np.ones((4, 2, 3))),
         r"pos_weight has shape \(4, 2, 3\)"),
        (lambda x: tg.huber_loss(x, x, delta=0.0), "huber_loss: delta is 0.0"),
        (lambda x: tg.huber_loss(x, x[0]), "huber_loss: prediction has shape"),
        (lambda x: tg.l1_loss(x, x[0]), "l1_loss: prediction has shape"),
        (lambda x: tg.l1_loss(x, x, reduction="all"), "l1_loss: reduction is 'all'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call: Any, words: str) -> None:
    """By loss, name and value, for arrays and Tensors."""
    x = np.ones((2, 3))
    for given in (x, tg.Tensor(x, requires_grad=True)):
        with pytest.raises(ValueError, match=words):
            call(given)
