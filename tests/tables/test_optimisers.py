"""Every optimiser follows its formula: the rows of `SETTINGS`. More of the same: test_optim.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.optim import Optimizer

from .found import assert_complete, assert_options_tried, assert_public, public_kinds
from .optimisers import FORMULAS, SETTINGS

KINDS = public_kinds(Optimizer)
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
every_setting = pytest.mark.parametrize(("kind", "settings"), SETTINGS, ids=str)


def test_every_optimiser_has_a_row() -> None:
    """A formula, and settings to try it with."""
    assert_public(Optimizer)
    row = "its update in NumPy"
    assert_complete("FORMULAS of tests/tables/optimisers.py", KINDS, FORMULAS, row)
    rows = [kind.__name__ for kind, _ in SETTINGS]
    assert_complete("SETTINGS of tests/tables/optimisers.py", KINDS, rows, "settings to try")


@every_kind
def test_every_setting_is_tried(kind: Any) -> None:
    """A row has another value than the default for it."""
    rows = [settings for one, settings in SETTINGS if one is kind]
    assert_options_tried("SETTINGS of tests/tables/optimisers.py", kind.__name__, kind, rows)


class Problem:
    """Two groups: a matrix, a number and one that gets no gradient; a vector of half the rate."""

    def __init__(self, kind: Any, settings: dict[str, Any], dtype: Any = float) -> None:
        rng = np.random.default_rng(0)
        self.starts = [rng.normal(size=shape) for shape in [(2, 3), (), (2,), (4,)]]
        self.gradients = [[rng.normal(size=x.shape) for x in self.starts] for _ in range(5)]
        self.parameters = [tg.nn.Parameter(x, dtype=dtype) for x in self.starts]
        first, last = {"params": self.parameters[:3]}, {"params": self.parameters[3:], "lr": 0.05}
        self.optimizer: Optimizer = kind([first, last], **settings)

    def step(self, k: int) -> None:
        """One step along the gradients drawn for it."""
        for j, (parameter, gradient) in enumerate(
            zip(self.parameters, self.gradients[k], strict=True)
        ):
            parameter.grad = None if j == 2 else tg.Tensor(gradient, dtype=parameter.dtype)
        self.optimizer.step()


@every_kind
def test_defaults_are_those_of_the_formula(kind: Any) -> None:
    """Without any setting, three steps of one parameter."""
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=3), rng.normal(size=(3, 3))
    parameter = tg.nn.Parameter(start)
    optimizer = kind([parameter])
    for g, right in zip(gradients, FORMULAS[kind.__name__](start, gradients), strict=True):
        parameter.grad = tg.Tensor(g)
        optimizer.step()
        np.testing.assert_allclose(parameter.data, right, rtol=1e-13)


@every_setting
def test_steps_follow_the_formula(kind: Any, settings: dict[str, Any]) -> None:
    """Each of five, in both groups; what has no gradient stays and has no state."""
    problem = Problem(kind, settings)
    expected = [
        FORMULAS[kind.__name__](x, [g[j] for g in problem.gradients], **settings | own)
        for j, (x, own) in enumerate(zip(problem.starts, [{}, {}, {}, {"lr": 0.05}], strict=True))
    ]
    for k in range(5):
        problem.step(k)
        for j, parameter in enumerate(problem.parameters):
            right = problem.starts[j] if j == 2 else next(expected[j])
            np.testing.assert_allclose(parameter.data, right, rtol=1e-12)
    assert problem.parameters[2] not in problem.optimizer.state


@every_setting
def test_single_precision_stays_single(kind: Any, settings: dict[str, Any]) -> None:
    """Parameters and all arrays of the state, which are those of float64 but for rounding."""
    one, other = Problem(kind, settings, np.float32), Problem(kind, settings)
    for k in range(5):
        one.step(k)
        other.step(k)
    for p, q in zip(one.parameters, other.parameters, strict=True):
        assert p.dtype == np.float32
        np.testing.assert_allclose(p.data, q.data, rtol=1e-4, atol=1e-5)
        arrays = [x for x in one.optimizer.state.get(p, {}).values() if np.ndim(x)]
        assert all(x.dtype == np.float32 for x in arrays)


@every_kind
def test_gradients_are_forgotten(kind: Any) -> None:
    """By zero_grad, in all groups; then a step moves nothing."""
    problem = Problem(kind, {"lr": 0.1})
    problem.step(0)
    before = [p.numpy() for p in problem.parameters]
    problem.optimizer.zero_grad()
    assert all(p.grad is None for p in problem.parameters)
    problem.optimizer.step()
    for p, value in zip(problem.parameters, before, strict=True):
        np.testing.assert_array_equal(p.data, value)


@every_kind
def test_settings_that_make_no_sense_are_named(kind: Any) -> None:
    """Each, of a wrong type or range, when the optimiser is made and when a group is added."""
    parameter, other = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0])
    optimizer = kind([parameter])
    for name in optimizer.defaults:
        for value in (-1, np.nan, np.inf, "0.1", None, [0.1], 1j):
            with pytest.raises(ValueError, match=rf"^{kind.__name__}: {name} (is|are) "):
                kind([parameter], **{name: value})
            with pytest.raises(ValueError, match=rf"^{kind.__name__}: {name} (is|are) "):
                optimizer.add_param_group({"params": [other], name: value})
    assert optimizer.parameters == [parameter]
    with pytest.raises((TypeError, ValueError), match="learning_rate"):
        kind([parameter], learning_rate=0.1)
