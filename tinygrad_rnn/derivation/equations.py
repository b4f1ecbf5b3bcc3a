r"""The pass as numbered equations in LaTeX, each with the time steps that it is for.

Time steps count from 1: round t of a loop is step t + 1, and h_0 is what the first step reads.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from ..ops.parts import unslice
from .expressions.expression import Call, Expression, Quantity, Symbol
from .expressions.latex import ENTRYWISE, SUM, Latex, letter, step
from .inline import blocks
from .names import Names
from .steps import Add, Assign, For, Statement, Steps, Zero

MOST_EQUATIONS = 24  # equations in one environment: KaTeX refuses long ones


def equations(steps: Steps, names: Names) -> str:
    r"""align* environments of at most 24 equations, each with a \tag."""
    lines = list(_EquationWriter(steps, names).lines())
    tagged = [rf"{line} \tag{{{k}}}" for k, line in enumerate(lines, start=1)]
    several = [tagged[k : k + MOST_EQUATIONS] for k in range(0, len(tagged), MOST_EQUATIONS)]
    return "\n\n".join(map(_aligned, several))


def _aligned(lines: list[str]) -> str:
    return "\n".join([r"\begin{align*}", " \\\\\n".join(lines), r"\end{align*}"])


class _EquationWriter:
    """Writes statements; what is added up in loops becomes one sum."""

    def __init__(self, steps: Steps, names: Names) -> None:
        self.steps, self.names = steps, names
        self.latex = Latex(self._symbol)
        self.terms: dict[Quantity, list[str]] = defaultdict(list)
        self.loop: For | None = None  # whose statements are being written
        every = [s for block in blocks(steps) for s in block]
        self.added = Counter(s.target.quantity for s in every if isinstance(s, Add))
        zeros = [s for loop in steps.loops() for s in loop.body if isinstance(s, Zero)]
        self.local = {zero.target.quantity for zero in zeros}  # those that start in each round

    def lines(self) -> Iterator[str]:
        """The equations in order, gradients that were added up last."""
        yield from self._block(self.steps.forward)
        yield from self._block(self.steps.backward)
        for quantity, terms in self.terms.items():
            yield f"{self._symbol(Symbol(quantity))} &= {' + '.join(terms)}"

    def _block(self, statements: list[Statement]) -> Iterator[str]:
        for statement in statements:
            if isinstance(statement, For):
                self.loop = statement
                yield from self._block(statement.body)
                self.loop = None
            elif isinstance(statement, Zero):
                yield from self._zero(statement)
            else:
                line = self._line(statement)
                if line is not None:
                    yield line + _steps(self.loop)

    def _zero(self, statement: Zero) -> Iterator[str]:
        """The start of what one round hands to the next."""
        if statement.target.quantity.kind == "next":
            yield f"{self._target(statement.target)} &= 0"

    def _line(self, statement: Assign | Add) -> str | None:
        target, value = statement.target, statement.value
        if isinstance(statement, Assign):
            left, right = self._target(target), self.latex.text(value)
            return None if left == right else f"{left} &= {right}"
        place = ""
        if isinstance(value, Call) and value.op is unslice:
            place, value = self.latex.in_brackets(value.settings["indices"][0]), value.inputs[0]
        if place or target.at is not None or target.quantity in self.local:
            sign = "&=" if self.added[target.quantity] == 1 else r"&\mathrel{+}="
            return f"{self._target(target)}{place} {sign} {self.latex.text(value)}"
        self._add(target.quantity, value)
        return None

    def _add(self, quantity: Quantity, value: Expression) -> None:
        text = self.latex.within(value, SUM if self.loop is None else ENTRYWISE)
        steps = "" if self.loop is None else rf"\sum_{{t=1}}^{{{self.loop.rounds}}} "
        self.terms[quantity].append(steps + text)

    def _target(self, symbol: Symbol) -> str:
        """What an equation is for; what is handed on is for the step before."""
        quantity = symbol.quantity
        if quantity.kind == "next":
            return self._next(quantity, "t - 1" if self.loop else str(quantity.of.rounds))
        return self._symbol(symbol)

    def _symbol(self, symbol: Symbol) -> str:
        quantity = symbol.quantity
        if quantity.kind == "next":  # outside of the loop: what the first step handed on
            return self._next(quantity, "t" if self.loop else "0")
        index = ("t",) if quantity in self.local else ()
        index = index if symbol.at is None else (step(symbol.at),)
        if quantity.of is None:
            return letter(self._name(quantity), *index)
        outside = quantity.kind == "total" and quantity.rounds  # more may come in the loop itself
        part = r"^{\text{outside}}" if outside else ""
        of = letter(self._name(quantity.of), *index)
        if quantity.of.shown or quantity.of.kind == "parameter":
            return rf"\frac{{\partial L}}{{\partial {of}}}{part}"
        return f"d{of}{part}"

    def _next(self, quantity: Quantity, step: str) -> str:
        return rf"d{letter(self._name(quantity.of), step)}^{{\text{{next}}}}"

    def _name(self, quantity: Any) -> str:
        return quantity.name or self.names.of(quantity)


def _steps(loop: For | None) -> str:
    """The steps that an equation is for."""
    if loop is None:
        return ""
    first, last = (loop.rounds, 1) if loop.backward else (1, loop.rounds)
    return rf" && t = {first}, \dots, {last}"
