"""The search for survivors finds them: rules are changed everywhere, and blind checks noticed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.totals import Totals

from . import mutants
from .cases import CASES
from .mutants import FIRST, SCALED, TIMES, Mutant, Site, result, sums, values
from .test_ops import test_gradients_equal_central_differences as slopes_are_right
from .test_rules import OPS

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of threads elsewhere


def lines(source: str, *changes: mutants.Change) -> set[str]:
    """What the changes make of the line that a function returns."""
    site = Site("op", "x", eval(source), ast.parse(source), changes)
    return {mutant.name.removeprefix("op.x: lambda g, z, x: ") for mutant in mutants.mutants(site)}


def looks_away() -> None:
    """A check that calls a rule, and judges nothing."""
    tg.exp.rules[0](1.0, 2.0, 3.0)


def checks(function: str) -> list[Callable[[], None]]:
    """The comparison with differences for an operation's rows."""
    return [partial(slopes_are_right, case=case) for case in CASES if case.function == function]


def of(owner: str) -> list[Mutant]:
    """The mutants of an operation."""
    return [m for site in mutants.sites() if site.owner == owner for m in mutants.mutants(site)]


# What is changed


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("g - z", {"g", "z", "g + z"}),
        ("g / (z + z)", {"g", "z + z", "g / z", "g / (z - z)"}),
        ("-g.T", {"g.T", "-g"}),
        ("exp(g)", {"g"}),
        ("unknown(g)", set()),
        ("where(x, g, 0)", {"where(x, 0, g)"}),
        ("g if z + 1 else x", set()),
    ],
)
def test_terms_factors_signs_functions_and_choices_are_changed(
    rule: str, expected: set[str]
) -> None:
    """One change at a time, equal ones once; conditions are left alone."""
    assert lines(f"lambda g, z, x: {rule}", values) == expected


def test_sums_lose_all_but_their_last_term() -> None:
    """+= and add.at become =; of several things that wait the last one is left."""

    def added(total: Any, several: Any, index: Any) -> Any:
        total += sum(several)
        total = total + 1
        np.add.at(total, index, 2)
        return max(*several)

    site = Site("f", "x", added, mutants.written(added), (sums,))
    assert {mutant.name.removeprefix("f.x: ") for mutant in mutants.mutants(site)} == {
        "total = sum(several)",
        "total += sum(several[-1:])",
        "total = 1",
        "total[index] = 2",
        "return max(*several[-1:])",
    }


def test_results_are_turned_and_enlarged() -> None:
    """Arrays, lists with None in them, and Terms; TIMES 1 changes nothing."""
    times = eval(TIMES)
    term = tg.Term(tg.matmul, (np.ones((1, 2)), np.ones((2, 1))), {})
    assert lines("lambda g, z, x: g", *SCALED) == {"times(g, -1)", "times(g, 1.01)"}
    assert times(3, -1) == -3
    assert times([2, None], 1) == [2, None]
    assert times(term, -1)().tolist() == [[-2]]


def test_what_is_not_summed_keeps_its_first_entries() -> None:
    """FIRST has the shape that the sum has, but for axes of size 1 before it."""
    unsummed = partial(result, function=FIRST, other="x")
    first = eval(FIRST)(np.arange(24).reshape(4, 3, 2), np.zeros((3, 1)))
    assert lines("lambda g, z, x: g", unsummed) == {"first(g, x)"}
    assert first.tolist() == [[[0], [2], [4]]]


# Where


def test_every_rule_has_mutants() -> None:
    """No rule of any operation is left out, nor what joins, turns and adds up."""
    tried = {m.function for site in mutants.sites() for m in mutants.mutants(site)}
    rules = {edge for op in OPS for edge in op.rules if edge}
    assert rules | {op.join for op in OPS if op.join} | {Totals.add} <= tried


def test_what_is_called_equivalent_is_a_mutant() -> None:
    """The list of what cannot be noticed has no name too many."""
    names = {m.name for site in mutants.sites() for m in mutants.mutants(site)}
    assert mutants.EQUIVALENT.keys() <= names


# Judging


def test_wrong_rules_are_noticed_and_undone() -> None:
    """Every mutant of tanh fails the comparison with differences; afterwards all is as before."""
    before = tg.tanh.rules[0].__code__
    judges = mutants.reaching(checks("tanh"))
    assert len(of("tanh")) > 5
    assert not any(mutants.survives(mutant, judges) for mutant in of("tanh"))
    assert tg.tanh.rules[0].__code__ is before


def test_a_change_without_effect_survives() -> None:
    """What kills a mutant is its change alone: the same rule, compiled anew, passes."""
    (site,) = (site for site in mutants.sites() if (site.owner, site.part) == ("tanh", "x"))
    same = site._replace(changes=(partial(result, function=TIMES, other=1),))
    (mutant,) = mutants.mutants(same)
    assert mutants.survives(mutant, mutants.reaching(checks("tanh")))


def test_checks_judge_what_they_run() -> None:
    """A check belongs to the rules that it reaches, in recorded walks too."""
    judges = mutants.reaching(checks("tanh"))
    assert judges[tg.tanh.rules[0].__code__]
    assert tg.sinh.rules[0].__code__ not in judges


def test_mutants_that_do_not_end_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After PATIENCE seconds."""
    monkeypatch.setattr(mutants, "PATIENCE", 0.1)

    def endless(g: Any, z: Any, x: Any) -> Any:
        while True:
            pass

    edge = tg.exp.rules[0]
    mutant = Mutant("exp", "", edge, endless.__code__)
    assert not mutants.survives(mutant, mutants.reaching([looks_away]))


def test_survivors_are_named_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the checks see, the search ends with 0; where they look away, with 1 and the names."""
    assert mutants.main(["exp"], checks("exp")) == 0
    assert "1 rules, 4 mutants, 4 killed, 0 equivalent, 0 survivors" in capsys.readouterr().out
    assert mutants.main(["exp"], [looks_away]) == 1
    assert "survived  exp.x: lambda g, z, x: times(g * z, -1)\n" in capsys.readouterr().out
