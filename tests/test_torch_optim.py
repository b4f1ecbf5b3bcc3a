"""Optimisers, schedules and weighted losses agree with PyTorch's; skipped where it is missing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.nn import init
from tinygrad_rnn.optim import lr_scheduler

from .numeric import assert_near

torch = pytest.importorskip("torch")
F = torch.nn.functional
theirs = torch.optim.lr_scheduler

OF_VALUES, OF_GRADIENTS = 1e-12, 1e-9  # of the largest expected value, or of 1
STEPS = 20
SHAPES: list[tuple[int, ...]] = [(4,), (2, 3), ()]


def array(x: Any) -> np.ndarray:
    """The values of either's tensor."""
    return np.asarray(x.detach()) if isinstance(x, torch.Tensor) else np.asarray(x.data)


# Optimisers

OPTIMISERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "weight_decay": 0.1, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.01, "centered": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.5), "eps": 1e-2}),
    ("Adam", {"lr": 0.1, "betas": (0.9, 0.5), "amsgrad": True}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.5}),
    ("AdamW", {"lr": 0.1, "betas": (0.9, 0.5), "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.0}),
]
every_optimiser = pytest.mark.parametrize(("name", "settings"), OPTIMISERS, ids=str)


def optimised(name: str, settings: dict[str, Any], optim: Any, tensor: Any) -> list[Any]:
    """Parameters after 20 steps in two groups, whose rates change; one misses two gradients."""
    rng = np.random.default_rng(0)
    w, b, c = (tensor(rng.normal(size=shape), requires_grad=True) for shape in SHAPES)
    groups = [{"params": [w, b]}, {"params": [c], "lr": 0.05, "weight_decay": 0.2}]
    optimizer = getattr(optim, name)(groups, **settings)
    for k in range(STEPS):
        for parameter in (w, b, c):
            parameter.grad = tensor(rng.normal(size=tuple(parameter.shape)))
        if k in (0, 7):
            b.grad = None
        if k == 10:
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        optimizer.step()
    return [w, b, c]


@every_optimiser
def test_twenty_steps_are_pytorchs(name: str, settings: dict[str, Any]) -> None:
    """Along the same gradients, to the last digits."""
    expected = optimised(name, settings, torch.optim, torch.tensor)

    for x, y in zip(optimised(name, settings, tg.optim, tg.Tensor), expected, strict=True):
        assert_near(array(x), array(y), OF_VALUES)


@pytest.mark.parametrize("name", sorted({name for name, _ in OPTIMISERS}))
def test_optimisers_have_pytorchs_arguments(name: str) -> None:
    """The same names and defaults in the same order, as far as those with a meaning here go."""
    ours, others = (
        [(p.name, p.default) for p in inspect.signature(getattr(optim, name)).parameters.values()]
        for optim in (tg.optim, torch.optim)
    )

    assert [n for n, _ in ours] == [n for n, _ in others][: len(ours)]
    assert [x for _, x in ours] == [x for _, x in others][: len(ours)]


@every_optimiser
def test_states_have_pytorchs_names(name: str, settings: dict[str, Any]) -> None:
    """Each parameter's entries, by its position, and the groups' settings."""
    states = []
    for optim, tensor in ((tg.optim, tg.Tensor), (torch.optim, torch.tensor)):
        parameter = tensor(np.ones(3), requires_grad=True)
        optimizer = getattr(optim, name)([parameter], **settings)
        parameter.grad = tensor(np.ones(3))
        optimizer.step()
        states.append(optimizer.state_dict())
    ours, others = states

    entries = others["state"].get(0, {})
    expected = {key for key, value in entries.items() if value is not None}
    assert ours["state"].get(0, {}).keys() == expected
    for key in expected:
        assert_near(ours["state"][0][key], np.asarray(entries[key]), OF_VALUES)
    (own,), (other,) = ours["param_groups"], others["param_groups"]
    assert own == {key: other[key] for key in own}


# Schedules

SCHEDULES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 7}, "StepLR", {"step_size": 7}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}, "StepLR", {"step_size": 1, "gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 10}, "CosineAnnealingLR", {"T_max": 10}),
    ("CosineAnnealingLR", {"T_max": 60, "eta_min": 0.01},
     "CosineAnnealingLR", {"T_max": 60, "eta_min": 0.01}),
    ("LinearWarmup", {"steps": 8}, "LinearLR", {"total_iters": 8}),
    ("LinearWarmup", {"steps": 40, "start_factor": 0.01},
     "LinearLR", {"total_iters": 40, "start_factor": 0.01}),
]  # fmt: skip


def optimisers() -> list[Any]:
    """Ours and PyTorch's, with two groups."""
    return [
        optim.SGD([{"params": [tensor(1.0)]}, {"params": [tensor(1.0)], "lr": 2.0}], lr=0.1)
        for optim, tensor in ((tg.optim, tg.Tensor), (torch.optim, torch.tensor))
    ]


def rates(optimizer: Any) -> list[float]:
    """The groups' learning rates."""
    return [group["lr"] for group in optimizer.param_groups]


def compared(ours: list[Any], others: list[Any], optimizers: list[Any]) -> None:
    """Fifty steps of some schedules together."""
    for _ in range(50):
        np.testing.assert_allclose(rates(optimizers[0]), rates(optimizers[1]), 1e-12, 1e-15)
        optimizers[1].step()
        for schedule in ours + others:
            schedule.step()


@pytest.mark.parametrize(("name", "settings", "their_name", "their_settings"), SCHEDULES, ids=str)
def test_schedules_are_pytorchs(
    name: str, settings: Any, their_name: str, their_settings: Any
) -> None:
    """Over fifty steps."""
    ours, others = optimizers = optimisers()

    compared(
        [getattr(lr_scheduler, name)(ours, **settings)],
        [getattr(theirs, their_name)(others, **their_settings)],
        optimizers,
    )


def test_schedules_multiply_as_pytorchs_do() -> None:
    """A warm-up, a cosine and steps, of one optimiser."""
    ours, others = optimizers = optimisers()

    compared(
        [
            lr_scheduler.LinearWarmup(ours, 5),
            lr_scheduler.CosineAnnealingLR(ours, 30),
            lr_scheduler.StepLR(ours, 20),
        ],
        [
            theirs.LinearLR(others),
            theirs.CosineAnnealingLR(others, 30),
            theirs.StepLR(others, 20),
        ],
        optimizers,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"factor": 0.5, "patience": 2},
        {"mode": "max", "patience": 1, "threshold": 0.1},
        {"patience": 1, "threshold": 0.2, "threshold_mode": "abs", "cooldown": 2},
        {"mode": "max", "patience": 0, "threshold_mode": "abs", "min_lr": [1e-2, 0.5]},
        {"factor": 0.9, "patience": 0, "min_lr": 0.05, "eps": 1e-2},
    ],
    ids=str,
)
def test_plateaus_are_pytorchs(settings: dict[str, Any]) -> None:
    """Along fifty metrics that fall, rise and fall short of the best."""
    optimizers = optimisers()
    ours = lr_scheduler.ReduceLROnPlateau(optimizers[0], **settings)
    others = theirs.ReduceLROnPlateau(optimizers[1], **settings)
    for metric in 1 + np.cos(np.arange(50) / 5) * np.exp(-np.arange(50) / 20):
        ours.step(metric)
        others.step(metric)
        np.testing.assert_allclose(rates(optimizers[0]), rates(optimizers[1]), 1e-12)


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "ReduceLROnPlateau"])
def test_schedules_have_pytorchs_arguments(name: str) -> None:
    """Names and defaults."""
    ours, others = (
        [(p.name, p.default) for p in inspect.signature(getattr(module, name)).parameters.values()]
        for module in (lr_scheduler, theirs)
    )

    assert ours == others


# Losses

RNG = np.random.default_rng(0)
LOGITS, CLASSES = 3 * RNG.normal(size=(2, 6, 5)), RNG.integers(0, 5, (2, 6))
CLASSES[0, 2] = CLASSES[1, 5] = -100
SHARES = RNG.dirichlet(np.ones(5), (2, 6))
WEIGHT, POSITIVE = RNG.uniform(0.1, 3, (2, 5))
LARGE = np.array([[1000.0, -1000.0, 0.0], [-1000.0, 0.0, 1000.0]])


def assert_same_loss(ours: Callable[..., Any], others: Callable[..., Any], *inputs: Any) -> None:
    """The value, and the gradients of its product with random numbers by all inputs."""
    x = [tg.Tensor(a, requires_grad=True) for a in inputs]
    y = [torch.tensor(a, requires_grad=True) for a in inputs]
    loss, right = ours(*x), others(*y)
    g = np.random.default_rng(1).normal(size=loss.shape)
    loss.backward(g)
    right.backward(torch.tensor(g))

    assert_near(loss.data, array(right), OF_VALUES)
    for a, b in zip(x, y, strict=True):
        assert_near(array(a.grad), array(b.grad), OF_GRADIENTS)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_cross_entropy_is_pytorchs(weight: Any, label_smoothing: float, reduction: str) -> None:
    """Of classes, some ignored, and of probabilities."""
    given = {"label_smoothing": label_smoothing, "reduction": reduction}
    w = None if weight is None else torch.tensor(weight)

    assert_same_loss(
        lambda x: tg.cross_entropy(x, CLASSES, weight=weight, **given),
        lambda x: F.cross_entropy(x.movedim(-1, 1), torch.tensor(CLASSES), w, **given),
        LOGITS,
    )
    assert_same_loss(
        lambda x, t: tg.cross_entropy(x, t, weight=weight, **given),
        lambda x, t: F.cross_entropy(x.movedim(-1, 1), t.movedim(-1, 1), w, **given),
        LOGITS,
        SHARES,
    )


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_cross_entropy_of_large_logits_is_pytorchs(label_smoothing: float) -> None:
    """At ±1000, where exponentials overflow."""
    weight, classes = WEIGHT[:3], np.array([1, 2])
    assert_same_loss(
        lambda x: tg.cross_entropy(x, classes, weight=weight, label_smoothing=label_smoothing),
        lambda x: F.cross_entropy(
            x, torch.tensor(classes), torch.tensor(weight), label_smoothing=label_smoothing
        ),
        LARGE,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("pos_weight", [None, POSITIVE], ids=["even", "positive"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_binary_cross_entropy_is_pytorchs(weight: Any, pos_weight: Any, reduction: str) -> None:
    """With both weights, broadcast over the examples."""
    w, p = (None if x is None else torch.tensor(x) for x in (weight, pos_weight))

    assert_same_loss(
        lambda x, t: tg.binary_cross_entropy_with_logits(
            x, t, weight=weight, pos_weight=pos_weight, reduction=reduction
        ),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, w, reduction=reduction, pos_weight=p),
        LOGITS[0],
        SHARES[0],
    )


@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
def test_binary_cross_entropy_of_large_logits_is_pytorchs(target: float) -> None:
    """At ±1000, with a weight of the positive targets."""
    assert_same_loss(
        lambda x: tg.binary_cross_entropy_with_logits(
            x, np.full(x.shape, target), pos_weight=WEIGHT[:3]
        ),
        lambda x: F.binary_cross_entropy_with_logits(
            x, torch.full_like(x, target), pos_weight=torch.tensor(WEIGHT[:3])
        ),
        LARGE,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("delta", [1.0, 0.3, 10.0])
def test_errors_are_pytorchs(delta: float, reduction: str) -> None:
    """Absolute ones, and those that are square up to delta."""
    x, y = LOGITS
    given = {"delta": delta, "reduction": reduction}

    assert_same_loss(
        lambda x, y: tg.huber_loss(x, y, **given), lambda x, y: F.huber_loss(x, y, **given), x, y
    )
    assert_same_loss(
        lambda x, y: tg.l1_loss(x, y, reduction=reduction),
        lambda x, y: F.l1_loss(x, y, reduction=reduction),
        x,
        y,
    )


def test_errors_have_pytorchs_gradients_at_their_kinks() -> None:
    """At an error of 0 and of ±delta."""
    x = np.array([0.0, 0.5, -0.5, 2.0, -2.0])
    zeros = np.zeros(5)

    assert_same_loss(
        lambda x: tg.huber_loss(x, zeros, delta=0.5, reduction="none"),
        lambda x: F.huber_loss(x, torch.tensor(zeros), delta=0.5, reduction="none"),
        x,
    )
    assert_same_loss(
        lambda x: tg.l1_loss(x, zeros, reduction="none"),
        lambda x: F.l1_loss(x, torch.tensor(zeros), reduction="none"),
        x,
    )


# Initial values

FILLS: list[tuple[str, dict[str, Any]]] = [
    ("xavier_uniform_", {"gain": 2.0}),
    ("xavier_normal_", {}),
    ("kaiming_uniform_", {"a": 0.5}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("orthogonal_", {"gain": 0.5}),
]


@pytest.mark.parametrize(("name", "settings"), FILLS, ids=str)
def test_initial_values_are_as_large_as_pytorchs(name: str, settings: dict[str, Any]) -> None:
    """The same arguments, the same spread, the same largest value of uniform ones."""
    x = getattr(init, name)(tg.Tensor(np.zeros((60, 50, 4))), **settings, rng=0).data
    generator = torch.Generator().manual_seed(0)
    fill = getattr(torch.nn.init, name)
    y = array(fill(torch.zeros((60, 50, 4)), **settings, generator=generator))

    assert x.std() == pytest.approx(y.std(), rel=0.02)
    if "uniform" in name:
        assert np.abs(x).max() == pytest.approx(np.abs(y).max(), rel=1e-3)


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "selu"])
def test_gains_are_pytorchs(nonlinearity: str) -> None:
    """For each nonlinearity; that of a leaky relu with its slope."""
    assert init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)
    for slope in (None, 0.2):
        ours, right = (f("leaky_relu", slope) for f in (init.calculate_gain,
                                                      torch.nn.init.calculate_gain))  # fmt: skip
        assert ours == right
