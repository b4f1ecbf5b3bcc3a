"""Every pass makes another program of the same meaning: the rows of `EXAMPLES`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn.program import Program, trace

from ..deep import H, deep_check, random_step
from ..numeric import assert_near
from .found import assert_complete
from .passes import EXAMPLES, PASSES

every_pass = pytest.mark.parametrize("name", PASSES)
either_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def test_every_pass_has_a_row() -> None:
    """Each function in `PASSES` of the package."""
    table = "EXAMPLES of tests/tables/passes.py"
    assert_complete(table, PASSES, EXAMPLES, "a program that the pass changes")


def test_the_page_names_every_pass() -> None:
    """The table of docs/compile.md says what each does, in their order."""
    page = (Path(__file__).parents[2] / "docs" / "compile.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page.split("## The passes")[1], re.MULTILINE)
    assert_complete("The table in docs/compile.md", PASSES, rows, "what the pass does")
    assert rows == list(PASSES)


def _form(program: Program) -> list[str]:
    """The equations line by line, with the numbers of values."""
    return str(program).split("\n")


def _all_of(program: Program) -> list[Any]:
    """All that a pass could change of its argument."""
    values = [array.tobytes() for _, array in program.constants]
    settings = [repr(equation.settings) for equation in program.equations]
    return [program, _form(program), list(map(id, program.equations)), settings, values]


def _assert_same(result: Program, program: Program, dtype: Any) -> None:
    """Results and gradients of both, on inputs that were not traced."""
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=x.shape).astype(x.dtype) for x in program.inputs]
    rtol = 1e-12 if dtype is np.float64 else 2e-5
    pairs = zip(deep_check(result, inputs), deep_check(program, inputs), strict=True)
    for found, right in pairs:
        assert found.dtype == right.dtype
        assert_near(found, right, rtol)


@every_pass
@either_dtype
def test_a_pass_changes_its_example_and_not_its_meaning(name: str, dtype: Any) -> None:
    """The result is well formed and computes the same; the argument is as it was."""
    program = EXAMPLES[name].program(dtype)
    before = _all_of(program)

    result = PASSES[name](program)

    assert _form(result) != _form(program)
    assert _all_of(program)[1:] == before[1:]
    assert (result.inputs, result.gradients) == (program.inputs, program.gradients)
    _assert_same(result.check(), program, dtype)


@every_pass
def test_a_pass_comes_to_an_end(name: str) -> None:
    """On what it made, once that is simplified, it finds nothing more to do."""
    program = EXAMPLES[name].program()
    once = PASSES["simplified"](PASSES[name](program))
    twice = PASSES["simplified"](PASSES[name](once))
    assert _form(twice) == _form(once)


@every_pass
@either_dtype
@pytest.mark.parametrize("seed", range(4))
def test_a_pass_keeps_the_meaning_of_random_programs(name: str, dtype: Any, seed: int) -> None:
    """Alone, of cells, layers and losses drawn at random, and of their gradients."""
    f, _, _ = random_step(seed, dtype)
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=(7, 2, H)).astype(dtype) for _ in "xy"]
    program = trace(f, [*inputs, rng.normal(size=(2, H)).astype(dtype)], True)
    before = _all_of(program)
    _assert_same(PASSES[name](program).check(), program, dtype)
    assert _all_of(program)[1:] == before[1:]
