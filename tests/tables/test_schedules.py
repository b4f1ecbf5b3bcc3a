"""Every schedule follows its closed form: the rows of `SCHEDULES`."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.optim.lr_scheduler import LRScheduler

from .found import assert_complete, assert_options_tried, assert_public, public_kinds
from .schedules import REFUSED, SCHEDULES, Row

KINDS = public_kinds(LRScheduler)
STEPS = 25
every_row = pytest.mark.parametrize("row", SCHEDULES, ids=str)


def test_every_schedule_has_a_row() -> None:
    """And is among those whose bad arguments are refused."""
    assert_public(LRScheduler)
    rows = [row.kind.__name__ for row in SCHEDULES]
    assert_complete("SCHEDULES of tests/tables/schedules.py", KINDS, rows, "its rates over time")
    names = {kind.__name__ for kind in REFUSED}
    row = "values of each option that it refuses"
    assert_complete("REFUSED of tests/tables/schedules.py", KINDS, names, row)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_option_is_tried(kind: Any) -> None:
    """With another value than the default, and with values that make no sense."""
    rows = [row.settings for row in SCHEDULES if row.kind is kind]
    table, but = "SCHEDULES of tests/tables/schedules.py", {"last_epoch"}
    assert_options_tried(table, kind.__name__, kind, rows, but)
    table = f"REFUSED[{kind.__name__}] of tests/tables/schedules.py"
    names = inspect.signature(kind).parameters.keys() - {"optimizer", *but}
    assert_complete(table, names, REFUSED[kind], "values that it refuses")


def optimiser(*rates: float) -> tg.optim.Optimizer:
    """One group for each learning rate."""
    return tg.optim.SGD([{"params": [tg.nn.Parameter(1.0)], "lr": rate} for rate in rates])


def followed(row: Row, schedule: LRScheduler, steps: int = STEPS) -> list[list[float]]:
    """The groups' learning rates, at the start and after each step."""
    found = [schedule.get_last_lr()]
    for _ in range(steps):
        row.advance(schedule)
        found.append(schedule.get_last_lr())
    return found


@every_row
def test_rates_are_those_of_the_closed_form(row: Row) -> None:
    """In each group, from its own first rate on; what is asked for is what the optimiser has."""
    optimizer = optimiser(0.1, 2.0)
    schedule = row.make(optimizer)
    expected = [[row.rate(lr, t) for lr in (0.1, 2.0)] for t in range(STEPS + 1)]
    np.testing.assert_allclose(followed(row, schedule), expected, rtol=1e-12, atol=1e-15)
    assert [group["lr"] for group in optimizer.param_groups] == schedule.get_last_lr()
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.1, 2.0]
    assert schedule.last_epoch == STEPS


@every_row
@pytest.mark.parametrize("optimiser_too", [False, True])
def test_a_schedule_goes_on_where_it_was_saved(row: Row, optimiser_too: bool) -> None:
    """After any number of steps, through text; also where the optimiser's own state is loaded."""
    for steps in range(13):
        schedule, other = row.make(optimiser(0.1, 2.0)), optimiser(0.5, 0.6)
        followed(row, schedule, steps)
        both = schedule.state_dict(), schedule.optimizer.state_dict()
        state, rates = (json.loads(json.dumps(x)) for x in both)
        if optimiser_too:
            other.load_state_dict(rates)
        resumed = row.make(other)
        resumed.load_state_dict(state)
        if optimiser_too:
            other.load_state_dict(rates)

        assert resumed.state_dict() == schedule.state_dict()
        assert followed(row, resumed) == followed(row, schedule)
        assert resumed.state_dict() == schedule.state_dict()


@every_row
def test_a_state_that_does_not_fit_changes_nothing(row: Row) -> None:
    """What is missing and what is too much is named."""
    schedule = row.make(optimiser(0.1, 2.0))
    before = schedule.state_dict()
    for name in before:
        rest = {key: value for key, value in before.items() if key != name}
        words = rf"^{row.kind.__name__}: load_state_dict: {name} is missing; there is no 'other'"
        with pytest.raises(ValueError, match=words):
            schedule.load_state_dict({**rest, "other": 1})
    assert schedule.state_dict() == before


@pytest.mark.parametrize("row", [row for row in SCHEDULES if row.metrics is None], ids=str)
def test_a_schedule_goes_on_from_a_number_of_steps(row: Row) -> None:
    """last_epoch says how many steps have led to the rates that the optimiser has now."""
    whole = row.make(optimiser(0.1))
    followed(row, whole, 9)
    other = optimiser(0.1)
    other.load_state_dict(whole.optimizer.state_dict())

    resumed = row.make(other, last_epoch=9)
    whole.step()

    assert resumed.last_epoch == 10
    assert followed(row, resumed) == followed(row, whole)
    with pytest.raises(ValueError, match="group 0 has no 'initial_lr'"):
        row.make(optimiser(0.1), last_epoch=9)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_arguments_that_make_no_sense_are_named(kind: Any) -> None:
    """By schedule, name and value; the optimiser's rates stay."""
    optimizer = optimiser(1.0, 2.0)
    fine = next(row.settings for row in SCHEDULES if row.kind is kind)
    for name, values in REFUSED[kind].items():
        for value in values:
            words = re.escape(f"{kind.__name__}: {name} is {value!r}; it must be")
            with pytest.raises(ValueError, match=rf"^{words}"):
                kind(optimizer, **{**fine, name: value})
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 2.0]


@every_row
def test_a_schedule_needs_an_optimiser(row: Row) -> None:
    """Parameters are none."""
    with pytest.raises(TypeError, match=rf"^{row.kind.__name__}: \[\] is no optimiser"):
        row.make([])
