"""Schedules beside each other and in use; their formulas are in tests/tables/schedules.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.optim import lr_scheduler

STEPS = 25


def optimiser(*rates: float) -> tg.optim.Optimizer:
    """One group for each learning rate."""
    return tg.optim.SGD([{"params": [tg.nn.Parameter(1.0)], "lr": rate} for rate in rates])


def rates(optimizer: tg.optim.Optimizer) -> list[float]:
    """The groups' learning rates."""
    return [group["lr"] for group in optimizer.param_groups]


def test_a_long_cosine_keeps_its_precision() -> None:
    """After 20,000 steps, a minimum among them, the rate is that of the formula."""
    schedule = lr_scheduler.CosineAnnealingLR(optimiser(1.0), T_max=9000)

    for _ in range(20_000):
        schedule.step()

    assert schedule.optimizer.lr == pytest.approx((1 + math.cos(math.pi * 20 / 9)) / 2, rel=1e-7)


def test_the_optimiser_steps_with_the_scheduled_rate() -> None:
    """A schedule changes what the next step does."""
    parameter = tg.nn.Parameter([1.0])
    optimizer = tg.optim.SGD([parameter], lr=0.5)
    schedule = lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    parameter.grad = tg.Tensor([1.0])

    optimizer.step()
    schedule.step()
    optimizer.step()

    assert parameter.item() == 0.25
    assert schedule.get_last_lr() == [0.25]


def test_schedules_of_one_optimiser_multiply() -> None:
    """A warm-up and a cosine that both step are a cosine that is warmed up."""
    optimizer = optimiser(0.1)
    warmup = lr_scheduler.LinearWarmup(optimizer, 5, start_factor=0.1)
    cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    found = [optimizer.lr]
    for _ in range(STEPS):
        warmup.step()
        cosine.step()
        found.append(optimizer.lr)

    expected = [
        0.1 * (0.1 + 0.9 * min(t, 5) / 5) * (1 + math.cos(math.pi * t / 30)) / 2
        for t in range(STEPS + 1)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_rate_that_is_changed_by_hand_stays_changed() -> None:
    """The next rates follow from it."""
    optimizer = optimiser(1.0)
    schedule = lr_scheduler.StepLR(optimizer, 2, gamma=0.5)

    optimizer.lr = 0.8
    schedule.step()
    schedule.step()

    assert optimizer.lr == 0.4


def test_a_group_added_later_is_scheduled_too() -> None:
    """From its own rate on."""
    optimizer = optimiser(1.0)
    schedule = lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    schedule.step()

    optimizer.add_param_group({"params": [tg.nn.Parameter(1.0)], "lr": 8.0})
    schedule.step()

    assert rates(optimizer) == [0.25, 4.0]


# A metric that no longer improves


def test_a_plateau_lowers_the_rates() -> None:
    """More than `patience` values without improvement in a row, then it starts to count anew."""
    optimizer = optimiser(1.0, 2.0)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)

    found = []
    for loss in (3.0, 2.0, 2.5, 2.1, 2.2, 1.0, 2.0, 2.0, 2.0, 2.0):
        schedule.step(loss)
        found.append(optimizer.param_groups[0]["lr"])

    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert optimizer.param_groups[1]["lr"] == 0.25
    assert schedule.best == 1.0
    assert schedule.last_epoch == 10


@pytest.mark.parametrize(
    ("settings", "start", "better", "worse"),
    [
        ({"threshold": 0.1}, 10.0, 8.9, 9.1),
        ({"threshold": 0.1, "threshold_mode": "abs"}, 10.0, 9.8, 9.95),
        ({"threshold": 0.1, "mode": "max"}, 10.0, 11.1, 10.9),
        ({"threshold": 0.1, "mode": "max", "threshold_mode": "abs"}, 10.0, 10.2, 10.05),
        ({"threshold": 0.0}, 10.0, 9.999, 10.0),
        ({}, 10.0, 9.9, math.nan),
    ],
    ids=str,
)
def test_what_counts_as_an_improvement(
    settings: dict[str, Any], start: float, better: float, worse: float
) -> None:
    """By the threshold, as a share or a difference, downward or upward."""
    for value, reduced in ((better, False), (worse, True)):
        optimizer = optimiser(1.0)
        schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, **settings)
        schedule.step(start)
        schedule.step(tg.Tensor(value))

        assert (optimizer.lr < 1) is reduced


def test_after_a_reduction_comes_a_cooldown() -> None:
    """So many steps count nothing."""
    optimizer = optimiser(1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, cooldown=2)

    found = []
    for _ in range(8):
        schedule.step(1.0)
        found.append(optimizer.lr)

    assert found == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_no_rate_falls_below_its_least() -> None:
    """One for all groups or one for each; a change of eps or less is left out."""
    for min_lr, expected in ((0.3, [0.3, 0.3]), ([0.5, 0.0], [0.5, 0.125])):
        optimizer = optimiser(1.0, 2.0)
        schedule = lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=0, min_lr=min_lr, eps=0.05
        )
        for _ in range(5):
            schedule.step(1.0)
        assert rates(optimizer) == expected

    optimizer = optimiser(1e-3)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, eps=0.9e-3)
    schedule.step(1.0)
    schedule.step(1.0)
    assert optimizer.lr == 1e-3


def test_a_state_that_does_not_fit_changes_nothing_and_names_every_difference() -> None:
    """Missing, unknown and of another number of groups."""
    schedule = lr_scheduler.StepLR(optimiser(1.0, 2.0), 3)
    state = {**schedule.state_dict(), "lr": [5.0], "best": 1.0}
    del state["last_epoch"]

    with pytest.raises(ValueError, match="StepLR: load_state_dict: ") as caught:
        schedule.load_state_dict(state)

    assert str(caught.value).endswith(
        "last_epoch is missing; there is no 'best'; lr is of 1 groups, not 2"
    )
    assert rates(schedule.optimizer) == [1.0, 2.0]
