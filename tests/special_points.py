"""What operations give where mathematics leaves a choice or numbers run out: one table.

`tests/test_special_points.py` runs it; `python -m tests.special_points` writes it into the page
docs/conventions.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"
COMMAND = "python -m tests.special_points"
BEGIN, END = f"<!-- table: {COMMAND} writes it -->", "<!-- end of the table -->"
COLUMNS = ("call", "at", "value", "gradient", "in words")
inf, nan = np.inf, np.nan


class Point(NamedTuple):
    """A call at a point, its value, and its gradients by x, y, z for a cotangent of ones.

    what: the truth it shows. call: Python, with the operations' names; x, y, z are the inputs.
    quiet: whether NumPy gives no warning there.
    """

    what: str
    call: str
    inputs: tuple[Any, ...]
    value: Any
    gradients: tuple[Any, ...]
    quiet: bool = True


KINKS = [
    Point("at 0 the slope is 0", "relu(x)", ([-1, 0, 2],), [0, 0, 2], ([0, 0, 1],)),
    Point("at 0 the slope is 0", "abs(x)", ([-1, 0, 2],), [1, 0, 2], ([-1, 0, 1],)),
    Point("the slope is 0 everywhere", "sign(x)", ([-1, 0, 2],), [-1, 0, 1], ([0, 0, 0],)),
    Point("on a bound the slope is 1", "clip(x, 0, 1)", ([-1, 0, 0.5, 1, 2],), [0, 0, 0.5, 1, 1],
          ([0, 1, 1, 1, 0],)),
    Point("x on a bound takes the whole gradient", "clip(x, y, z)", ([-1, 0, 0.5, 1, 2], 0, 1),
          [0, 0, 0.5, 1, 1], ([0, 1, 1, 1, 0], 1, 1)),
    Point("of crossed bounds the upper one holds", "clip(x, y, z)", ([-1, 0.5, 2], 1, 0),
          [0, 0, 0], ([0, 0, 0], 0, 3)),
    Point("equals share", "maximum(x, y)", ([2, 1], [2, 3]), [2, 3], ([0.5, 0], [0.5, 1])),
    Point("equals share", "minimum(x, y)", ([2, 1], [2, 3]), [2, 1], ([0.5, 1], [0.5, 0])),
    Point("equals share", "max(x)", ([1, 3, 3],), 3, ([0, 0.5, 0.5],)),
    Point("equals share, in each row", "max(x, axis=1)", ([[3, 3, 3, 3], [0, 1, 2, 2]],), [3, 2],
          ([[0.25, 0.25, 0.25, 0.25], [0, 0, 0.5, 0.5]],)),
    Point("infinities too are equals", "max(x)", ([inf, inf, 1],), inf, ([0.5, 0.5, 0],)),
    Point("equals share", "min(x)", ([1, 1, 3],), 1, ([0.5, 0.5, 0],)),
    Point("the NaN has the gradient", "max(x)", ([1, nan],), nan, ([0, 1],)),
    Point("the NaN has the gradient", "min(x)", ([1, nan],), nan, ([0, 1],)),
    Point("equals stay in order", "sort(x) * [1, 10, 100]", ([2, 2, 1],), [1, 20, 200],
          ([10, 100, 1],)),
    Point("NaN comes last", "sort(x) * [1, 10, 100]", ([nan, 2, 1],), [1, 20, nan],
          ([100, 10, 1],)),
    Point("at 0 the slope is 0", "norm(x)", ([0, 0],), 0, ([0, 0],)),
    Point("at 0 the slope is 0, in each row", "norm(x, axis=1)", ([[0, 0], [3, 4]],), [0, 5],
          ([[0, 0], [0.6, 0.8]],)),
    Point("at 0 the slope is 0", "norm(x, 3)", ([0, 0],), 0, ([0, 0],)),
    Point("an entry of 0 has slope 0", "norm(x, 3)", ([0, -2],), 2, ([0, -1],)),
    Point("an entry of 0 has slope 0", "norm(x, 1)", ([0, -3],), 3, ([0, -1],)),
    Point("the 0 is all that counts", "norm(x, -1)", ([0, 2],), 0, ([0, 0],)),
    Point("equals share", "norm(x, inf)", ([3, -3],), 3, ([0.5, -0.5],)),
    Point("the chain rule knows no norm: 0 times inf", "sqrt(sum(x * x))", ([0, 0],), 0,
          ([nan, nan],), False),
    Point("of a constant the slope is 0", "var(x)", ([2, 2, 2],), 0, ([0, 0, 0],)),
    Point("of a constant the slope is 0", "std(x)", ([2, 2, 2],), 0, ([0, 0, 0],)),
    Point("the chain rule knows no std: 0 times inf", "sqrt(var(x))", ([2, 2],), 0,
          ([nan, nan],), False),
]  # fmt: skip

POWERS = [
    Point("0 has no inverse, and by y it is as steep", "power(x, y)", (0, -1), inf, (-inf, -inf),
          False),
    Point("1 with slope 0, at 0 too", "x**0", ([0, 2],), [1, 1], ([0, 0],)),
    Point("1 with slope 0, at 0 too", "x**0.0", ([0, 2],), [1, 1], ([0, 0],)),
    Point("at 0 the slope is 1", "x**1", ([0, 2],), [0, 2], ([1, 1],)),
    Point("at 0 the slope is 0", "x**2", ([0, -2],), [0, 4], ([0, -4],)),
    Point("at 0 it is infinitely steep", "x**0.5", (0,), 0, (inf,), False),
    Point("0 has no inverse", "x**-1", (0,), inf, (-inf,), False),
    Point("negative numbers have whole powers only", "x**0.5", (-2,), nan, (nan,), False),
    Point("1, and both slopes are 0", "power(x, y)", (0, 0), 1, (0, 0)),
    Point("of 0 the slope by y > 0 is 0", "power(x, y)", (0, 2), 0, (0, 0)),
    Point("of 0 the slope by y >= 0 is 0", "0.0**x", ([0, 1],), [1, 0], ([0, 0],)),
    Point("of a negative number there is no slope by y", "power(x, y)", (-2, 2), 4, (-4, nan),
          False),
    Point("one 0 has the product of the others", "prod(x)", ([0, 2, 3],), 0, ([6, 0, 0],)),
    Point("its neighbours may be as large as they come", "prod(x)", ([1e30, 1e-30, 1e30, 1e-30],),
          1, ([1e-30, 1e30, 1e-30, 1e30],)),
    Point("of two zeros all slopes are 0", "prod(x)", ([0, 2, 0],), 0, ([0, 0, 0],)),
    Point("of three zeros too", "prod(x)", ([0, 0, 0],), 0, ([0, 0, 0],)),
]  # fmt: skip

ENDS = [
    Point("at 0 it is infinitely steep", "sqrt(x)", (0,), 0, (inf,), False),
    Point("outside there is nothing", "sqrt(x)", (-1,), nan, (nan,), False),
    Point("at 0 it is infinite and infinitely steep", "log(x)", (0,), -inf, (inf,), False),
    Point("outside only the slope 1/x has a value", "log(x)", (-2,), nan, (-0.5,), False),
    Point("at -1 it is infinite and infinitely steep", "log1p(x)", (-1,), -inf, (inf,), False),
    Point("outside only the slope 1/(1 + x) has a value", "log1p(x)", (-2,), nan, (-1,), False),
    Point("0 has no inverse", "1 / x", (0,), inf, (-inf,), False),
    Point("0 has no inverse", "reciprocal(x)", (0,), inf, (-inf,), False),
    Point("0/0 is NaN", "x / y", (0, 0), nan, (inf, nan), False),
    Point("at both ends it is infinitely steep", "arcsin(x)", ([-1, 1],), [-np.pi / 2, np.pi / 2],
          ([inf, inf],), False),
    Point("outside there is nothing", "arcsin(x)", (2,), nan, (nan,), False),
    Point("at both ends it is infinitely steep", "arccos(x)", ([-1, 1],), [np.pi, 0],
          ([-inf, -inf],), False),
    Point("outside there is nothing", "arccos(x)", (2,), nan, (nan,), False),
    Point("at its end it is infinitely steep", "arccosh(x)", (1,), 0, (inf,), False),
    Point("outside there is nothing", "arccosh(x)", ([0, -2],), [nan, nan], ([nan, nan],), False),
    Point("at both ends it is infinite and infinitely steep", "arctanh(x)", ([-1, 1],),
          [-inf, inf], ([inf, inf],), False),
    Point("outside only the slope 1/(1 - x²) has a value", "arctanh(x)", (2,), nan, (-1 / 3,),
          False),
]  # fmt: skip

CHOICES = [
    Point("what is not chosen gets exactly 0", "where([True, False], x, y)",
          ([1, inf], [nan, 2]), [1, 2], ([1, 0], [0, 1])),
    Point("an infinite slope comes through where: 0 times inf", "where(x > 0, sqrt(x), 0)",
          ([0, 4],), [0, 2], ([nan, 0.25],), False),
    Point("a where before the root keeps it out", "where(x > 0, sqrt(where(x > 0, x, 1)), 0)",
          ([0, 4],), [0, 2], ([0, 0.25],)),
    Point("what is cut off gets exactly 0", "tril(x)", ([[1, inf], [2, 3]],), [[1, 0], [2, 3]],
          ([[1, 0], [1, 1]],)),
    Point("what is cut off gets exactly 0", "triu(x)", ([[1, 2], [nan, 3]],), [[1, 2], [0, 3]],
          ([[1, 1], [0, 1]],)),
]  # fmt: skip

LARGE = [
    Point("it saturates", "sigmoid(x)", ([-800, 0, 800],), [0, 0.5, 1], ([0, 0.25, 0],)),
    Point("infinities are fine", "sigmoid(x)", ([-inf, inf],), [0, 1], ([0, 0],)),
    Point("it saturates", "tanh(x)", ([-800, 0, 800],), [-1, 0, 1], ([0, 1, 0],)),
    Point("infinities are fine", "tanh(x)", ([-inf, inf],), [-1, 1], ([0, 0],)),
    Point("infinities are fine", "arctan(x)", ([-inf, inf],), [-np.pi / 2, np.pi / 2],
          ([0, 0],)),
    Point("no overflow", "softplus(x)", ([-800, 0, 800],), [0, np.log(2), 800], ([0, 0.5, 1],)),
    Point("no overflow", "softplus(x)", ([-1000, 1000],), [0, 1000], ([0, 1],)),
    Point("infinities are fine", "softplus(x)", ([-inf, inf],), [0, inf], ([0, 1],)),
    Point("no overflow", "logaddexp(x, y)", ([1000, 1000], [1000, -1000]),
          [1000 + np.log(2), 1000], ([0.5, 1], [0.5, 0])),
    Point("-inf adds nothing", "logaddexp(x, y)", ([-inf, 3], [2, -inf]), [2, 3],
          ([0, 1], [1, 0])),
    Point("where all is -inf there is no slope", "logaddexp(x, y)", (-inf, -inf), -inf,
          (nan, nan), False),
    Point("it overflows, as NumPy's", "exp(x)", ([-1000, 1000],), [0, inf], ([0, inf],), False),
    Point("infinities are fine", "exp(x)", ([-inf, inf],), [0, inf], ([0, inf],)),
    Point("it saturates to the left", "expm1(x)", ([-1000, -inf],), [-1, -1], ([0, 0],)),
    Point("squares do not overflow", "norm(x)", ([3e30, 4e30],), 5e30, ([0.6, 0.8],)),
    Point("squares do not underflow", "norm(x)", ([3e-30, 4e-30],), 5e-30, ([0.6, 0.8],)),
    Point("nor do cubes", "norm(x, 3)", ([1e-30, 1e-30],), 2 ** (1 / 3) * 1e-30,
          ([2 ** (-2 / 3)] * 2,)),
    Point("an infinite entry has no slope", "norm(x)", ([inf, 1],), inf, ([nan, 0],), False),
    Point("squares do not overflow", "std(x)", ([1e30, 3e30],), 1e30, ([-0.5, 0.5],)),
    Point("squares do not underflow", "std(x)", ([1e-30, 3e-30],), 1e-30, ([-0.5, 0.5],)),
    Point("it saturates", "softmax(x)", ([1000, 0, -1000],), [1, 0, 0], ([0, 0, 0],)),
    Point("-inf gets nothing", "softmax(x) * [1, 0, 0]", ([0, -inf, 0],), [0.5, 0, 0],
          ([0.25, 0, -0.25],)),
    Point("-inf alone is NaN", "softmax(x)", ([-inf, -inf],), [nan, nan], ([nan, nan],)),
    Point("no overflow", "log_softmax(x)[2]", ([1000, 0, -1000],), -2000, ([-1, 0, 1],)),
    Point("-inf gets nothing", "log_softmax(x)[0]", ([0, -inf],), 0, ([0, 0],)),
    Point("-inf alone is NaN", "log_softmax(x)", ([-inf, -inf],), [nan, nan], ([nan, nan],)),
    Point("no overflow", "logsumexp(x)", ([1000, 1000],), 1000 + np.log(2), ([0.5, 0.5],)),
    Point("no underflow", "logsumexp(x)", ([-1000, -1000],), -1000 + np.log(2), ([0.5, 0.5],)),
    Point("-inf adds nothing", "logsumexp(x)", ([0, -inf],), 0, ([1, 0],)),
    Point("where all is -inf there is no slope", "logsumexp(x)", ([-inf, -inf],), -inf,
          ([nan, nan],)),
    Point("at inf there is no slope", "logsumexp(x)", ([inf, 0],), inf, ([nan, nan],)),
]  # fmt: skip

LOSSES = [
    Point("a sure mistake costs the difference", "cross_entropy(x, [1])", ([[1000, 0]],), 1000,
          ([[1, -1]],)),
    Point("the same for probabilities", "cross_entropy(x, [[0.0, 1.0]])", ([[1000, 0]],), 1000,
          ([[1, -1]],)),
    Point("a sure hit costs nothing", "cross_entropy(x, [0])", ([[1000, 0]],), 0, ([[0, 0]],)),
    Point("an offset costs no precision", "cross_entropy(x, [0])", ([[1000, 999]],),
          np.log1p(np.exp(-1)), ([[-1 / (1 + np.e), 1 / (1 + np.e)]],)),
    Point("a target at -inf costs inf", "cross_entropy(x, [1])", ([[0, -inf]],), inf,
          ([[1, -1]],)),
    Point("another class at -inf is fine", "cross_entropy(x, [0])", ([[0, -inf]],), 0,
          ([[0, 0]],)),
    Point("an ignored row has no gradient; the mean is over the others",
          "cross_entropy(x, [0, -100, 1])", ([[0, 0], [7, -7], [0, 0]],), np.log(2),
          ([[-0.25, 0.25], [0, 0], [0.25, -0.25]],)),
    Point("an ignored row may hold inf", "cross_entropy(x, [0, 9], ignore_index=9)",
          ([[0, 0], [inf, 0]],), np.log(2), ([[-0.5, 0.5], [0, 0]],)),
    Point("an ignored loss is 0", 'cross_entropy(x, [-100, 0], reduction="none")',
          ([[1, 0], [0, 0]],), [0, np.log(2)], ([[0, 0], [-0.5, 0.5]],)),
    Point("the mean over no target is NaN", "cross_entropy(x, [-100, -100])", ([[1, 0], [0, 0]],),
          nan, ([[0, 0], [0, 0]],), False),
    Point("the sum over no target is 0", 'cross_entropy(x, [-100], reduction="sum")', ([[1, 0]],),
          0, ([[0, 0]],)),
    Point("sure hits cost nothing",
          'binary_cross_entropy_with_logits(x, [0, 1], reduction="none")', ([-1000, 1000],),
          [0, 0], ([0, 0],)),
    Point("sure mistakes cost their logit",
          'binary_cross_entropy_with_logits(x, [1, 0], reduction="none")', ([-1000, 1000],),
          [1000, 1000], ([-1, 1],)),
    Point("infinitely sure hits cost nothing",
          'binary_cross_entropy_with_logits(x, [0, 1], reduction="none")', ([-inf, inf],),
          [0, 0], ([0, 0],)),
    Point("infinitely sure mistakes cost inf",
          'binary_cross_entropy_with_logits(x, [1, 0], reduction="none")', ([-inf, inf],),
          [inf, inf], ([-1, 1],)),
    Point("a weight of 0 has a slope",
          'binary_cross_entropy_with_logits(x, [1.0], pos_weight=y, reduction="none")', ([0], [0]),
          [0], ([0], [np.log(2)])),
    Point("half a target costs half",
          'binary_cross_entropy_with_logits(x, [0.5, 0.5], reduction="none")', ([-1000, 1000],),
          [500, 500], ([-0.5, 0.5],)),
]  # fmt: skip

PARTS = [
    Point("repeats add up", "x[[0, 0, 2]]", ([1, 2, 3],), [1, 1, 3], ([2, 0, 1],)),
    Point("so does one entry by two indices", "x[[0, -3]]", ([1, 2, 3],), [1, 1], ([2, 0, 0],)),
    Point("so does one entry by two indices", "take(x, [0, -3])", ([1, 2, 3],), [1, 1],
          ([2, 0, 0],)),
    Point("repeats add up", "take_along_axis(x, [[0, 0], [1, 0]], 1)", ([[1, 2], [3, 4]],),
          [[1, 1], [4, 3]], ([[2, 0], [1, 1]],)),
    Point("steps may be negative", "x[::-1] * [1, 10, 100]", ([1, 2, 3],), [3, 20, 100],
          ([100, 10, 1],)),
    Point("a part without entries", "x[[False, False]]", ([1, 2],), [], ([0, 0],)),
    Point("a part without entries", "x[2:1]", ([1, 2],), [], ([0, 0],)),
    Point("no copies", "repeat(x, 0)", ([1, 2],), [], ([0, 0],)),
    Point("no copies", "tile(x, 0)", ([1, 2],), [], ([0, 0],)),
    Point("copies add up", 'pad(x, 2, "edge")', ([1, 2],), [1, 1, 1, 2, 2, 2], ([3, 3],)),
    Point("what surrounds x has no gradient", "pad(x, 1, constant_values=nan)", ([1],),
          [nan, 1, nan], ([1],)),
    Point("a diagonal beside the matrix", "diagonal(x, 5)", ([[1, 2], [3, 4]],), [],
          ([[0, 0], [0, 0]],)),
]  # fmt: skip

NOTHING = [
    Point("of nothing: 0", "sum(x)", ([],), 0, ([],)),
    Point("of nothing: 1", "prod(x)", ([],), 1, ([],)),
    Point("of nothing: 0", "norm(x)", ([],), 0, ([],)),
    Point("of nothing: NaN", "mean(x)", ([],), nan, ([],), False),
    Point("of nothing: NaN", "var(x)", ([],), nan, ([],), False),
    Point("of nothing: NaN", "std(x)", ([],), nan, ([],), False),
    Point("of nothing: nothing", "cumsum(x)", ([],), [], ([],)),
    Point("of nothing: nothing", "sort(x)", ([],), [], ([],)),
    Point("the variance of one number is 0", "var(x)", ([3],), 0, ([0],)),
    Point("one number is too few: NaN", "var(x, ddof=1)", ([3],), nan, ([nan],), False),
    Point("one number is too few: NaN", "std(x, ddof=1)", ([3],), nan, ([nan],), False),
    Point("no axes: nothing is added up, as NumPy's", "sum(x, axis=())", ([2, 0],), [2, 0],
          ([1, 1],)),
    Point("no axes", "mean(x, axis=())", ([2, 0],), [2, 0], ([1, 1],)),
    Point("no axes", "max(x, axis=())", ([2, 0],), [2, 0], ([1, 1],)),
    Point("no axes", "prod(x, axis=())", ([2, 0],), [2, 0], ([1, 1],)),
    Point("no axes", "var(x, axis=())", ([2, 0],), [0, 0], ([0, 0],)),
    Point("products over nothing are 0", "matmul(x, y)", (np.zeros((2, 0)), np.zeros((0, 3))),
          np.zeros((2, 3)), (np.zeros((2, 0)), np.zeros((0, 3)))),
    Point("products over nothing are 0", 'einsum("ij,jk->ik", x, y)',
          (np.zeros((2, 0)), np.zeros((0, 3))), np.zeros((2, 3)),
          (np.zeros((2, 0)), np.zeros((0, 3)))),
    Point("products over nothing are 0", "dot(x, y)", ([], []), 0, ([], [])),
    Point("nothing joins on", "concatenate([x, y])", ([], [1, 2]), [1, 2], ([], [1, 1])),
    Point("there is room around nothing", "pad(x, 1)", ([],), [0, 0], ([],)),
    Point("the axis of the classes alone must have entries", "softmax(x)", (np.zeros((0, 3)),),
          np.zeros((0, 3)), (np.zeros((0, 3)),)),
    Point("of no examples there is no mean", "cross_entropy(x, zeros(0, int))",
          (np.zeros((0, 3)),), nan, (np.zeros((0, 3)),), False),
    Point("of no examples there is no mean", "mse_loss(x, zeros(0))", ([],), nan, ([],), False),
]  # fmt: skip

GROUPS = {
    "Kinks and ties": KINKS,
    "Powers and products": POWERS,
    "Ends of domains": ENDS,
    "Values not chosen": CHOICES,
    "Large arguments": LARGE,
    "Losses": LOSSES,
    "Parts": PARTS,
    "Nothing, and no axes": NOTHING,
}
POINTS = [point for points in GROUPS.values() for point in points]


def with_table(page: str) -> str:
    """The text of a page with this table between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    parts = [part for title, points in GROUPS.items() for part in (f"### {title}", _table(points))]
    return "\n\n".join([before + BEGIN, *parts, END + after])


def _table(points: list[Point]) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_cells, points)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(point: Point) -> tuple[str, ...]:
    what = point.what if point.quiet else f"{point.what} †"
    numbers = map(_each, (point.inputs, (point.value,), point.gradients))
    return f"`{point.call}`", *numbers, what


def _each(values: tuple[Any, ...]) -> str:
    """The values; several with the names of their inputs."""
    named = zip("xyz", map(_shown, values), strict=False)
    return ", ".join(f"{name}: {x}" for name, x in named) if len(values) > 1 else _shown(values[0])


def _shown(values: Any) -> str:
    """Numbers as one writes them, arrays without entries by their shape."""
    array = np.asarray(values, float) + 0.0  # no -0
    if array.ndim > 1 and not array.size:
        return f"shape {array.shape}"
    return "[" + ", ".join(map(_shown, array)) + "]" if array.ndim else f"{array.item():.6g}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
