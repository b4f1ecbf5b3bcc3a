r"""Expressions as LaTeX: operators where mathematics has one, else the op's name.

What is written down here is how an op is written, as `\odot` for multiply; what the rules do is in
the expressions.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ...ops import (
    abs,
    add,
    addmm,
    concatenate,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    less,
    less_equal,
    matmul,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    reshape,
    sigmoid,
    sqrt,
    square,
    stack,
    subtract,
    sum,
    transpose,
    where,
)
from ...ops.likelihood import likelihood_gradient, negative_log_likelihood
from ...ops.op import Op
from ...ops.parts import gather, getitem_
from ...ops.shape import broadcast_to, cast
from .expression import Call, Each, Expression, Index, Symbol, alike
from .syntax import literal

SUM, ENTRYWISE, PRODUCT, RAISED, ATOM = range(5)  # how tightly the parts of a formula hold
FUNCTIONS = ("arccos", "arcsin", "arctan", "cos", "cosh", "log", "sin", "sinh", "tan", "tanh")


class Written(NamedTuple):
    """A formula, and how tightly it holds together."""

    text: str
    binds: int


class Latex:
    """Writes expressions. name: what a symbol is called."""

    def __init__(self, name: Callable[[Symbol], str]) -> None:
        self._name = name

    def text(self, expression: Expression) -> str:
        """The expression as LaTeX."""
        return self.written(expression).text

    def written(self, x: Expression) -> Written:
        """The same with how tightly it holds."""
        if isinstance(x, Symbol):
            name = self._name(x)
            return Written(name, RAISED if "^" in name or name.startswith(r"\frac") else ATOM)
        if isinstance(x, Each):
            return Written(rf"{self.within(x.expression, ATOM)}", ATOM)
        if not isinstance(x, Call):
            return number(x)
        form = _FORMS.get(x.op)
        return form(self, x) if form is not None else self.function(x)

    def within(self, x: Expression, binds: int) -> str:
        """The expression, in parentheses where it holds less tightly than that."""
        text, own = self.written(x)
        return text if own >= binds else rf"\left({text}\right)"

    def in_brackets(self, index: Any) -> str:
        """An index as NumPy has it."""
        several = index if isinstance(index, tuple) else (index,)
        return rf"[{', '.join(_place(self, k) for k in several)}]"

    def function(self, x: Call) -> Written:
        """The op's name and its inputs."""
        name = x.op.name
        function = rf"\{name}" if name in FUNCTIONS else rf"\operatorname{{{plain(name)}}}"
        inputs = ", ".join(map(self.text, x.inputs))
        return Written(rf"{function}\left({inputs}\right)", ATOM)


def number(x: Any) -> Written:
    """A number as it is: 2 for 2.0; None and such as text."""
    if isinstance(x, bool) or not isinstance(x, (int, float)):
        return Written(rf"\text{{{plain(str(x))}}}", ATOM)
    text = str(int(x)) if -1e15 < x < 1e15 and x == int(x) else f"{x:.6g}"
    text = re.sub(r"e([+-])0*(\d+)", lambda m: rf" \cdot 10^{{{m[1].strip('+')}{m[2]}}}", text)
    return Written(text, SUM if x < 0 else ATOM)


def plain(text: str) -> str:
    r"""Text that means itself inside of \text."""
    return "".join(_SIGNS.get(c, c) for c in text)


_SIGNS = {c: f"\\{c}" for c in "_$%&#{}"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}


def letter(name: str, *below: str) -> str:
    r"""A name as a letter with an index: W_hh becomes W_{hh}.

    >>> letter("W_hh"), letter("h1"), letter("weight_hh_l0"), letter("h", "t - 1")
    ('W_{hh}', 'h_{1}', '\\mathrm{weight}_{hh,l0}', 'h_{t - 1}')
    """
    name = re.sub(r"^([A-Za-z])(\d+)$", r"\1_\2", name)
    first, *rest = [part for part in name.split("_") if part] or ["x"]
    head = first if len(first) == 1 and first.isascii() and first.isalpha() else _word(first)
    index = ",".join([_in_index(part) for part in rest] + list(below))
    return rf"{head}_{{{index}}}" if index else head


def _word(text: str) -> str:
    """A name of several letters, or of other signs."""
    return rf"\mathrm{{{text}}}" if re.fullmatch("[A-Za-z.]+", text) else rf"\text{{{plain(text)}}}"


def _in_index(text: str) -> str:
    return text if re.fullmatch("[A-Za-z0-9']+", text) else rf"\text{{{plain(text)}}}"


def _add(latex: Latex, x: Call) -> Written:
    a, b = x.inputs
    second = latex.written(b).text
    if second.startswith("-"):
        return Written(f"{latex.text(a)} - {second[1:].lstrip()}", SUM)
    return Written(f"{latex.text(a)} + {second}", SUM)


def _subtract(latex: Latex, x: Call) -> Written:
    a, b = x.inputs
    return Written(f"{latex.text(a)} - {latex.within(b, ENTRYWISE)}", SUM)


def _negative(latex: Latex, x: Call) -> Written:
    return Written(f"-{latex.within(x.inputs[0], ENTRYWISE)}", SUM)


def _multiply(latex: Latex, x: Call) -> Written:
    a, b = x.inputs
    if alike(a, b):
        return Written(f"{latex.within(a, ATOM)}^{{2}}", RAISED)
    for scalar, other in ((a, b), (b, a)):
        if not getattr(scalar, "shape", ()):
            bound = PRODUCT if isinstance(other, Call) and other.op is matmul else RAISED
            return Written(
                rf"{latex.within(scalar, PRODUCT)} \, {latex.within(other, bound)}", PRODUCT
            )
    return Written(rf"{_factor(latex, a)} \odot {_factor(latex, b)}", ENTRYWISE)


def _factor(latex: Latex, x: Expression) -> str:
    """A factor of an entry-wise product: a product of matrices stands in parentheses."""
    text, binds = latex.written(x)
    inside = isinstance(x, Call) and x.op is multiply and binds == ENTRYWISE
    return text if binds >= RAISED or inside else rf"\left({text}\right)"


def _matmul(latex: Latex, x: Call) -> Written:
    a, b = (latex.within(y, PRODUCT) for y in x.inputs)
    return Written(rf"{a} \, {b}", PRODUCT)


def _addmm(latex: Latex, x: Call) -> Written:
    c, a, b = x.inputs
    product = rf"{latex.within(a, PRODUCT)} \, {latex.within(b, PRODUCT)}"
    return Written(f"{product} + {latex.text(c)}", SUM)


def _divide(latex: Latex, x: Call) -> Written:
    a, b = map(latex.text, x.inputs)
    return Written(rf"\frac{{{a}}}{{{b}}}", RAISED)


def _power(latex: Latex, x: Call) -> Written:
    a, b = x.inputs
    return Written(f"{latex.within(a, ATOM)}^{{{latex.text(b)}}}", RAISED)


def _transpose(latex: Latex, x: Call) -> Written:
    return Written(rf"{latex.within(x.inputs[0], ATOM)}^{{\top}}", RAISED)


def _sum(latex: Latex, x: Call) -> Written:
    axis = x.settings["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    below = "" if axis is None else rf"_{{\text{{axis }} {', '.join(map(str, axes))}}}"
    return Written(rf"\sum{below} {latex.within(x.inputs[0], ENTRYWISE)}", ENTRYWISE)


def _identity(latex: Latex, x: Call) -> Written:
    """What changes no entry is not written."""
    return latex.written(x.inputs[0])


def _part(latex: Latex, x: Call) -> Written:
    inside = latex.within(x.inputs[0], ATOM)
    return Written(f"{inside}{latex.in_brackets(x.settings['index'])}", ATOM)


def _place(latex: Latex, k: Any) -> str:
    """A part of an index; steps of an array count from 0, time steps from 1."""
    if isinstance(k, Symbol):
        return latex.text(k)
    if isinstance(k, Index):
        return step(Index(k.times, k.plus - 1))
    text = ast.unparse(literal(k, index=True))
    return {"None": r"\text{None}", "...": r"\ldots"}.get(text, text)


def step(at: Index) -> str:
    """The time step of a round, counted from 1.

    >>> step(Index(1, 0)), step(Index(1, -1)), step(Index(-1, 6)), step(Index(0, 6))
    ('t', 't - 1', '8 - t', '7')
    """
    if not at.times:
        return str(at.plus + 1)
    if at.times < 0:
        return f"{at.plus + 2} - t"
    return "t" if not at.plus else f"t {'+' if at.plus > 0 else '-'} {builtins.abs(at.plus)}"


def _gathered(latex: Latex, x: Call) -> Written:
    source, *index = x.inputs
    return Written(f"{latex.within(source, ATOM)}[{', '.join(map(latex.text, index))}]", ATOM)


def _joined(latex: Latex, x: Call) -> Written:
    return Written(rf"\left[{', '.join(map(latex.text, x.inputs))}\right]", ATOM)


def _compared(sign: str) -> Callable[[Latex, Call], Written]:
    """A comparison in Iverson's brackets: 1 where it holds, else 0."""

    def written(latex: Latex, x: Call) -> Written:
        a, b = map(latex.text, x.inputs)
        return Written(rf"\left[{a} {sign} {b}\right]", ATOM)

    return written


def _where(latex: Latex, x: Call) -> Written:
    condition, a, b = x.inputs
    if isinstance(b, (int, float)) and b == 0:
        return Written(rf"{_factor(latex, a)} \odot {_factor(latex, condition)}", ENTRYWISE)
    return latex.function(x)


def _around(left: str, right: str) -> Callable[[Latex, Call], Written]:
    return lambda latex, x: Written(f"{left}{latex.text(x.inputs[0])}{right}", ATOM)


def _likelihood(latex: Latex, x: Call) -> Written:
    logits, targets = map(latex.text, x.inputs)
    return Written(rf"-\log \operatorname{{softmax}}\left({logits}\right)_{{{targets}}}", SUM)


def _likelihood_gradient(latex: Latex, x: Call) -> Written:
    scale, logits, targets = x.inputs
    error = (
        rf"\operatorname{{softmax}}\left({latex.text(logits)}\right) - "
        rf"\operatorname{{onehot}}\left({latex.text(targets)}\right)"
    )
    if isinstance(scale, (int, float)) and scale == 1:
        return Written(error, SUM)
    return Written(rf"{latex.within(scale, PRODUCT)} \, \left({error}\right)", PRODUCT)


_FORMS: dict[Op, Callable[[Latex, Call], Written]] = {
    abs: _around(r"\left|", r"\right|"),
    add: _add,
    addmm: _addmm,
    broadcast_to: _identity,
    cast: _identity,
    concatenate: _joined,
    divide: _divide,
    equal: _compared("="),
    exp: lambda latex, x: Written(f"e^{{{latex.text(x.inputs[0])}}}", RAISED),
    gather: _gathered,
    getitem_: _part,
    greater: _compared(">"),
    greater_equal: _compared(r"\ge"),
    less: _compared("<"),
    less_equal: _compared(r"\le"),
    likelihood_gradient: _likelihood_gradient,
    matmul: _matmul,
    multiply: _multiply,
    negative: _negative,
    negative_log_likelihood: _likelihood,
    not_equal: _compared(r"\ne"),
    power: _power,
    reciprocal: lambda latex, x: Written(rf"\frac{{1}}{{{latex.text(x.inputs[0])}}}", RAISED),
    reshape: _identity,
    sigmoid: _around(r"\sigma\left(", r"\right)"),
    sqrt: _around(r"\sqrt{", "}"),
    square: lambda latex, x: Written(f"{latex.within(x.inputs[0], ATOM)}^{{2}}", RAISED),
    stack: _joined,
    subtract: _subtract,
    sum: _sum,
    transpose: _transpose,
    where: _where,
}
