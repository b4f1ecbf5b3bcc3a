"""Schedules of learning rates against their formulas, step by step."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
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


def followed(schedule: lr_scheduler.LRScheduler, steps: int = STEPS) -> list[list[float]]:
    """The groups' learning rates, at the start and after each step."""
    found = [rates(schedule.optimizer)]
    for _ in range(steps):
        schedule.step()
        found.append(rates(schedule.optimizer))
    return found


Formula = Callable[[int], float]
SCHEDULES: list[tuple[Callable[..., Any], Formula]] = [
    (lambda x, **given: lr_scheduler.StepLR(x, 7, **given), lambda t: 0.1 ** (t // 7)),
    (lambda x, **given: lr_scheduler.StepLR(x, 1, gamma=0.9, **given), lambda t: 0.9**t),
    (
        lambda x, **given: lr_scheduler.CosineAnnealingLR(x, T_max=10, **given),
        lambda t: (1 + math.cos(math.pi * t / 10)) / 2,
    ),
    (
        lambda x, **given: lr_scheduler.CosineAnnealingLR(x, T_max=1, **given),
        lambda t: float(t % 2 == 0),
    ),
    (
        lambda x, **given: lr_scheduler.LinearWarmup(x, 8, start_factor=0.2, **given),
        lambda t: 0.2 + 0.8 * min(t, 8) / 8,
    ),
    (
        lambda x, **given: lr_scheduler.LinearWarmup(x, 4, **given),
        lambda t: (1 + 2 * min(t, 4) / 4) / 3,
    ),
]
every_schedule = pytest.mark.parametrize(("make", "factor"), SCHEDULES)


@every_schedule
def test_schedules_follow_their_formulas(make: Any, factor: Formula) -> None:
    """Each group's rate is its first rate times the schedule's factor."""
    optimizer = optimiser(0.1, 2.0)

    found = followed(make(optimizer))

    expected = [[0.1 * factor(t), 2.0 * factor(t)] for t in range(STEPS + 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.1, 2.0]


def test_a_cosine_goes_down_to_eta_min_and_back() -> None:
    """Between the first rate and eta_min, with a period of 2 T_max."""
    found = followed(lr_scheduler.CosineAnnealingLR(optimiser(1.0), T_max=5, eta_min=0.2))

    expected = [[0.6 + 0.4 * math.cos(math.pi * t / 5)] for t in range(STEPS + 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_long_cosine_keeps_its_precision() -> None:
    """After 20,000 steps, a minimum among them, the rate is that of the formula."""
    schedule = lr_scheduler.CosineAnnealingLR(optimiser(1.0), T_max=9000)

    (found,) = followed(schedule, 20_000)[-1]

    assert found == pytest.approx((1 + math.cos(math.pi * 20 / 9)) / 2, rel=1e-7)


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


# States


def carried(state: dict[str, Any]) -> dict[str, Any]:
    """Through a file of text."""
    loaded: dict[str, Any] = json.loads(json.dumps(state))
    return loaded


@every_schedule
@pytest.mark.parametrize("optimiser_too", [False, True])
def test_a_schedule_goes_on_where_it_was_saved(
    make: Any, factor: Formula, optimiser_too: bool
) -> None:
    """Whether or not the optimiser's own state is loaded as well, before or after."""
    schedule = make(optimiser(0.1, 2.0))
    followed(schedule, 9)
    saved = carried(schedule.state_dict())
    saved_optimiser = carried(schedule.optimizer.state_dict())

    other = optimiser(0.5, 0.6)
    if optimiser_too:
        other.load_state_dict(saved_optimiser)
    resumed = make(other)
    resumed.load_state_dict(saved)
    if optimiser_too:
        other.load_state_dict(saved_optimiser)

    assert followed(resumed) == followed(schedule)


def test_a_plateau_goes_on_where_it_was_saved() -> None:
    """The best value, what was counted, and the rates."""
    losses = [3.0, 2.0, 2.5, 2.1, 2.2, 1.0, 2.0, 2.0, 2.0, 2.0]
    settings = {"factor": 0.5, "patience": 1, "cooldown": 1}
    one, other = (lr_scheduler.ReduceLROnPlateau(optimiser(1.0), **settings) for _ in range(2))
    for loss in losses[:5]:
        one.step(loss)

    other.load_state_dict(carried(one.state_dict()))
    for loss in losses[5:]:
        one.step(loss)
        other.step(loss)

    assert one.state_dict() == other.state_dict()


@every_schedule
def test_a_schedule_goes_on_from_a_number_of_steps(make: Any, factor: Formula) -> None:
    """last_epoch says how many steps have led to the rates that the optimiser has now."""
    whole = make(optimiser(0.1))
    followed(whole, 9)
    other = optimiser(0.1)
    other.load_state_dict(whole.optimizer.state_dict())

    resumed = make(other, last_epoch=9)
    whole.step()

    assert resumed.last_epoch == 10
    assert followed(resumed) == followed(whole)
    with pytest.raises(ValueError, match="group 0 has no 'initial_lr'"):
        make(optimiser(0.1), last_epoch=9)


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


# Arguments


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: lr_scheduler.StepLR(x, 0), "StepLR: step_size is 0"),
        (lambda x: lr_scheduler.StepLR(x, 2.5), "StepLR: step_size is 2.5"),
        (lambda x: lr_scheduler.CosineAnnealingLR(x, -1), "CosineAnnealingLR: T_max is -1"),
        (lambda x: lr_scheduler.LinearWarmup(x, 0), "LinearWarmup: steps is 0"),
        (lambda x: lr_scheduler.LinearWarmup(x, 2, 0.0), "start_factor is 0.0"),
        (lambda x: lr_scheduler.LinearWarmup(x, 2, math.nan), "start_factor is nan"),
        (lambda x: lr_scheduler.ReduceLROnPlateau(x, "least"), "mode is 'least'"),
        (lambda x: lr_scheduler.ReduceLROnPlateau(x, factor=1.0), "factor is 1.0"),
        (lambda x: lr_scheduler.ReduceLROnPlateau(x, threshold_mode="x"), "threshold_mode is 'x'"),
        (
            lambda x: lr_scheduler.ReduceLROnPlateau(x, min_lr=[1, 2, 3]),
            "min_lr is .* or one for each",
        ),
    ],
)
def test_wrong_arguments_are_named(make: Any, words: str) -> None:
    """By schedule, name and value."""
    with pytest.raises(ValueError, match=words):
        make(optimiser(1.0, 2.0))


def test_a_schedule_needs_an_optimiser() -> None:
    """Parameters are none."""
    with pytest.raises(TypeError, match=r"StepLR: \[\] is no optimiser"):
        lr_scheduler.StepLR([], 3)
