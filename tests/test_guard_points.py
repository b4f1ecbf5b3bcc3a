"""Second derivatives are right at guards too: where a rule or a function has a choice."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops
from tinygrad_rnn.engine.tape import tape

from .cases import MODULES
from .guard_points import GUARDS, Guard
from .test_rules import parsed, reached, rules
from .test_special_points import NAMES

STEP = 2**-7
WEIGHTS = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}  # of eighth order
CHOICES = {
    "abs", "clip", "equal", "greater", "greater_equal", "less", "less_equal", "maximum", "minimum",
    "not_equal", "relu", "sign", "where",
}  # fmt: skip


def walked(guard: Guard, dtype: Any) -> tuple[list[Any], list[Any]]:
    """The inputs and a cotangent as leaves, and the recorded gradients by the inputs."""
    leaves = [tg.Tensor(x, dtype=dtype, requires_grad=True) for x in guard.inputs]
    y = eval(guard.call, NAMES | dict(zip("xyz", leaves, strict=False)))
    g = np.random.default_rng(0).uniform(0.5, 2, y.shape)
    cotangent = tg.Tensor(g, dtype=dtype, requires_grad=True)
    found = tg.grad(y, leaves, cotangent, create_graph=True)
    return [*leaves, cotangent], list(found)


def curvature(leaves: list[Any], slope: Any) -> list[np.ndarray]:
    """The derivatives of a gradient's entries by every leaf, an entry in a row."""
    rows = []
    for unit in np.eye(slope.size, dtype=slope.dtype):
        seconds = tg.grad(slope, leaves, unit.reshape(slope.shape), allow_unused=True)
        pairs = zip(leaves, seconds, strict=True)
        rows.append([np.zeros(x.size) if s is None else s.data.ravel() for x, s in pairs])
    return [np.array(column) for column in zip(*rows, strict=True)]


def by_differences(guard: Guard, arrays: list[np.ndarray], k: int, j: int) -> np.ndarray:
    """The derivatives of the slopes by input k, by array j (the last one is g)."""

    def slopes(index: tuple[int, ...], by: float) -> np.ndarray:
        moved = [x.copy() for x in arrays]
        moved[j][index] += by * STEP
        return np.ravel(np.asarray(guard.slopes(moved[-1], *moved[:-1])[k], float))

    with np.errstate(invalid="ignore"):
        columns = [
            sum(w * (slopes(index, n) - slopes(index, -n)) for n, w in WEIGHTS.items()) / STEP
            for index in np.ndindex(arrays[j].shape)
        ]
    return np.array(columns).T


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.call} {guard.what}")
def test_slopes_and_what_becomes_of_them_are_right_at_guards(guard: Guard, dtype: Any) -> None:
    """First derivatives, and all second ones, by every two inputs and by the cotangent."""
    leaves, found = walked(guard, dtype)
    arrays = [x.data.astype(float) for x in leaves]
    rtol = 1e-9 if dtype == np.float64 else 1e-5
    for k, expected in enumerate(guard.slopes(arrays[-1], *arrays[:-1])):
        np.testing.assert_allclose(found[k].data, expected, rtol, atol=rtol)
        for j, second in enumerate(curvature(leaves, found[k])):
            right = by_differences(guard, arrays, k, j)
            judged = np.isfinite(right)  # a NaN says nothing of its neighbourhood
            np.testing.assert_allclose(second[judged], right[judged], rtol, atol=10 * rtol)


# What is complete


def chooses(part: ast.AST, arrays: set[str]) -> bool:
    """Whether a part of the source calls a CHOICE, or compares one of these arrays."""
    for node in ast.walk(part):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CHOICES:
            return True
        if isinstance(node, ast.Compare) and not isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Name) and side.id in arrays for side in sides):
                return True
    return False


def with_choices(module: ModuleType) -> Iterator[str]:
    """The operations with a choice in a rule, and the functions with one in them."""
    for forward, _, rule in rules(parsed(module)):
        arrays = {a.arg for a in (*forward.args.posonlyargs, *forward.args.args)} | {"g", "z"}
        settings = {a.arg for a in forward.args.kwonlyargs}
        if any(chooses(part, arrays) for part in reached(rule, settings)):
            yield forward.name.strip("_")
    for function in parsed(module).body:
        if isinstance(function, ast.FunctionDef) and not _is_op(function):
            public = function.name in ops.__all__
            if public and any(chooses(part, set()) for part in reached(function, set())):
                yield function.name


def _is_op(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(d).startswith("op(") for d in function.decorator_list)


def named(guard: Guard) -> set[str]:
    """The functions that a row calls, and the operations of its gradients."""
    _, found = walked(guard, np.float64)
    return {node.op.name for node in tape(*found) if node.op} | set(re.findall(r"\w+", guard.call))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_choice_has_a_row(module: ModuleType) -> None:
    """A rule or a function with a choice in it is in the table of guards."""
    rows = set().union(*map(named, GUARDS))
    for name in with_choices(module):
        assert name in rows, (
            f"{name} has a choice ({', '.join(sorted(CHOICES))}) in its source, but no row in "
            "tests/guard_points.py: add one with inputs at which the choice turns, and its slopes"
        )


def test_choices_are_seen() -> None:
    """In rules, in what they call, and as comparisons of arrays; those of shapes are none."""
    seen = set().union(*map(set, map(with_choices, MODULES)))
    assert {"power", "norm", "p_norm", "huber_loss", "cross_entropy", "prod", "relu"} <= seen
    assert not seen & {"matmul", "multiply", "tanh", "sum", "reshape"}
    assert chooses(ast.parse("g * (x > 0)"), {"x"})
    assert not chooses(ast.parse("g if x.ndim > 0 else x"), {"x"})


def _is_of_a_rule(file: Path) -> bool:
    """Whether rules are written in a file: in those of ops/ but op.py, which calls operations."""
    return file.parent.name == "ops" and file.name != "op.py"


def test_every_where_turns_both_ways_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows stand at the guards: each `where` that they meet is met with True and False."""
    seen: defaultdict[tuple[str, int], set[bool]] = defaultdict(set)
    forward = ops.where.forward

    def looked_at(condition: Any, x: Any, y: Any) -> Any:
        frame: Any = sys._getframe(1)
        while frame and not _is_of_a_rule(Path(frame.f_code.co_filename)):
            frame = frame.f_back
        if frame:
            name = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            seen[name, frame.f_lasti] |= set(np.unique(condition).tolist())
        return forward(condition, x, y)

    monkeypatch.setattr(ops.where, "forward", looked_at)
    for guard in GUARDS:
        leaves, found = walked(guard, np.float64)
        for slope in found:
            curvature(leaves, slope)
    assert len(seen) > 20
    assert {where: sides for where, sides in seen.items() if len(sides) < 2} == {}


def test_differences_of_slopes_are_exact() -> None:
    """Of x³ the slope 3x² has the slope 6x, also by the cotangent."""
    guard = next(guard for guard in GUARDS if guard.call == "x**3.0")
    arrays = [np.array([-2.0, 0.0, 2.0]), np.array([1.0, 2.0, 3.0])]
    np.testing.assert_allclose(
        by_differences(guard, arrays, 0, 0), np.diag([-12, 0, 36]), atol=1e-11
    )
    np.testing.assert_allclose(
        by_differences(guard, arrays, 0, 1), np.diag([12, 0, 12]), atol=1e-11
    )
