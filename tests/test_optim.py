"""Optimisers against their formulas, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg

GRADIENTS = np.random.default_rng(0).normal(size=(6, 4))
START = np.linspace(-1.0, 1.0, 4)


def run(kind: Callable[..., tg.optim.Optimizer], **settings: Any) -> np.ndarray:
    """The parameter after six steps with given gradients."""
    parameter = tg.nn.Parameter(START)
    optimizer = kind([parameter], **settings)
    for gradient in GRADIENTS:
        parameter.grad = tg.Tensor(gradient)
        optimizer.step()
    return parameter.data


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sgd_follows_its_formula(nesterov: bool, weight_decay: float) -> None:
    """v = momentum v + g, and p -= lr v, or lr (g + momentum v) for nesterov."""
    p, v = START.copy(), np.zeros(4)
    for g in GRADIENTS:
        g = g + weight_decay * p
        v = 0.9 * v + g
        p = p - 0.1 * (g + 0.9 * v if nesterov else v)

    found = run(tg.optim.SGD, lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=weight_decay)

    np.testing.assert_allclose(found, p, rtol=1e-14)


def test_dampening_weakens_all_but_the_first_gradient() -> None:
    """The first v is g itself, as in PyTorch."""
    p, v = START.copy(), None
    for g in GRADIENTS:
        v = g if v is None else 0.9 * v + 0.5 * g
        p = p - 0.1 * v

    np.testing.assert_allclose(
        run(tg.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5), p, rtol=1e-14
    )


def test_adagrad_follows_its_formula() -> None:
    """s += g², p -= lr/(1 + (step-1) lr_decay) g/(sqrt(s) + eps)."""
    p, s = START.copy(), np.full(4, 0.2)
    for step, g in enumerate(GRADIENTS):
        g = g + 0.1 * p
        s = s + g * g
        p = p - 0.1 / (1 + step * 0.3) * g / (np.sqrt(s) + 1e-10)

    found = run(
        tg.optim.Adagrad, lr=0.1, lr_decay=0.3, weight_decay=0.1, initial_accumulator_value=0.2
    )

    np.testing.assert_allclose(found, p, rtol=1e-14)


def test_adam_follows_its_formula() -> None:
    """Running means of g and g², both corrected for their start at 0."""
    p, m, v = START.copy(), np.zeros(4), np.zeros(4)
    for step, g in enumerate(GRADIENTS, start=1):
        g = g + 0.1 * p
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        p = p - 0.1 * (m / (1 - 0.8**step)) / (np.sqrt(v / (1 - 0.9**step)) + 1e-8)

    found = run(tg.optim.Adam, lr=0.1, betas=(0.8, 0.9), weight_decay=0.1)

    np.testing.assert_allclose(found, p, rtol=1e-13)


KINDS = [tg.optim.SGD, tg.optim.Adagrad, tg.optim.Adam]


@pytest.mark.parametrize("kind", KINDS)
def test_updates_happen_in_place_and_keep_the_dtype(kind: Any) -> None:
    """The parameter's array stays the same object, in float32 too; no gradient, no update."""
    moved, still = (tg.nn.Parameter(START, dtype=np.float32) for _ in range(2))
    array = moved.data
    optimizer = kind([moved, still], lr=0.1)
    moved.grad = tg.Tensor(np.ones(4), dtype=np.float32)

    optimizer.step()

    assert moved.data is array
    assert array.dtype == np.float32
    assert not np.array_equal(array, START.astype(np.float32))
    np.testing.assert_array_equal(still.data, START.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_named(kind: Any) -> None:
    """No parameters, a negative learning rate and things that are no leaves are refused."""
    parameter = tg.nn.Parameter(START)

    with pytest.raises(ValueError, match="no parameters"):
        kind([])
    with pytest.raises(ValueError, match="lr is -1"):
        kind([parameter], lr=-1.0)
    with pytest.raises(TypeError, match="not a leaf"):
        kind([parameter * 2])
    with pytest.raises(TypeError, match="not a leaf"):
        kind([np.ones(2)])


def test_options_that_exclude_each_other_are_refused() -> None:
    """nesterov needs momentum; betas lie in [0, 1)."""
    parameter = tg.nn.Parameter(START)

    with pytest.raises(ValueError, match="nesterov needs a momentum"):
        tg.optim.SGD([parameter], nesterov=True)
    with pytest.raises(ValueError, match=r"betas are \(1.0, 0.9\)"):
        tg.optim.Adam([parameter], betas=(1.0, 0.9))


def test_a_step_between_forward_and_backward_is_noticed() -> None:
    """The tape refuses gradients of a loss whose parameters have moved since."""
    parameter = tg.nn.Parameter(START)
    parameter.grad = tg.Tensor(np.ones(4))
    loss = (parameter * parameter).sum()

    tg.optim.SGD([parameter], lr=0.1).step()

    with pytest.raises(RuntimeError, match="written after it was recorded"):
        loss.backward()
    np.testing.assert_array_equal(parameter.grad.data, np.ones(4))
