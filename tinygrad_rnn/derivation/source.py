"""The pass as NumPy source: one function of inputs and parameters, with loops over time."""

from __future__ import annotations

import ast
import textwrap
from collections import defaultdict
from typing import Any

import numpy as np

from ..ops.parts import scatter, unslice
from ..ops.shape import broadcast_to
from .backward_pass import is_unsliced
from .expressions.expression import Call, Expression, Index, Quantity, Symbol, symbols
from .expressions.spelling import Speller
from .expressions.syntax import call, literal, variable
from .inline import blocks
from .names import Names
from .steps import Add, Assign, For, Statement, Steps, Zero

INDENT = "    "
LINE_LENGTH = 100  # characters of a line


class Source:
    """Writes a pass down. Each quantity of a loop has a form: one variable, or one per round."""

    def __init__(self, steps: Steps, names: Names, results: dict[str, Expression]) -> None:
        self.steps, self.names, self.results = steps, names, results
        self.rounds = max((s.rounds for s in steps.loops()), default=0)
        self.speller = Speller(self._spell, self.rounds)
        self.single = _single(steps, results)
        self.lines: list[str] = []
        self._begun: set[Quantity] = set()
        self._handed: set[Quantity] = set()  # gradients that a parameter's gradient is
        added = [s for block in blocks(steps) for s in block if isinstance(s, Add)]
        self.indexed = {s.target.quantity for s in added if is_unsliced(s.value)}

    def text(self, name: str, remark: str) -> str:
        """The function with this name, in front of it the functions that it calls."""
        self._write(1, f'"""The loss and its gradients.{remark}"""')
        used = read(self.steps)
        self._unpack("inputs", [q for q in self.steps.inputs if q in used])
        self._unpack("parameters", list(self.steps.parameters))
        if self.rounds:
            self._write(1, f"T = {self.rounds}")
        self._block(self.steps.forward, 1)
        loss = self.speller.text(self.steps.loss)
        self._block(self.steps.backward, 1)
        pairs = [f"{key!r}: {self.speller.text(value)}" for key, value in self.results.items()]
        self.lines += _returned(loss, pairs)
        trees = self.speller.functions.values()
        functions = [ast.unparse(ast.fix_missing_locations(tree)) for tree in trees]
        head = f"def {name}(inputs, parameters):"
        return (
            "\n\n\n".join(["import numpy as np", *functions, "\n".join([head, *self.lines])]) + "\n"
        )

    def _write(self, depth: int, line: str) -> None:
        self.lines.append(INDENT * depth + line)

    def _unpack(self, where: str, quantities: list[Quantity]) -> None:
        for quantity in quantities:
            key = self.names.key(quantity)
            self._write(1, f"{self.names.of(quantity)} = {where}[{key!r}]")

    def _spell(self, symbol: Symbol) -> ast.expr:
        base = variable(self.names.of(symbol.quantity))
        if symbol.at is None or symbol.quantity in self.single:
            return base
        return ast.Subscript(value=base, slice=self.speller.round(symbol.at), ctx=ast.Load())

    def _block(self, statements: list[Statement], depth: int) -> None:
        for statement in statements:
            if isinstance(statement, For):
                self._loop(statement, depth)
            elif isinstance(statement, Zero):
                self._zero(statement.target.quantity, depth)
            elif isinstance(statement, Assign):
                self._assign(statement, depth)
            else:
                self._add(statement, depth)

    def _loop(self, loop: For, depth: int) -> None:
        for statement in loop.body:
            quantity = statement.target.quantity  # type: ignore[union-attr]
            by_round = isinstance(statement, Assign) and statement.target.at is not None
            if by_round and quantity not in self.single and quantity not in self._begun:
                self._write(depth, f"{self.names.of(quantity)} = {{}}")
                self._begun.add(quantity)
        rounds = ast.unparse(self.speller.range_of(loop.rounds))
        rounds = f"reversed({rounds})" if loop.backward else rounds
        self._write(depth, f"for t in {rounds}:")
        self._block(loop.body, depth + 1)

    def _zero(self, quantity: Quantity, depth: int) -> None:
        name, of = self.names.of(quantity), quantity.of
        shape = (quantity.rounds, *quantity.shape) if quantity.rounds else quantity.shape
        if of is not None and of.kind == "parameter":
            zeros = call("np.zeros_like", [variable(self.names.of(of))], [])
        elif not shape and quantity.dtype == np.float64 and quantity not in self.indexed:
            zeros = ast.Constant(value=0.0)  # type: ignore[assignment]
        else:
            dtype = [] if quantity.dtype == np.float64 else [literal(quantity.dtype)]
            zeros = call("np.zeros", [literal(shape), *dtype], [])
        self._write(depth, f"{name} = {ast.unparse(zeros)}")

    def _assign(self, statement: Assign, depth: int) -> None:
        target, quantity = statement.target, statement.target.quantity
        value = self.speller.text(statement.value) + self._copied(statement)
        by_round = target.at is not None and quantity not in self.single
        if by_round and target.at is not None and not target.at.times:
            name = self.names.of(quantity)
            self._write(depth, f"{name} = {{{target.at.plus}: {value}}}")
            self._begun.add(quantity)
            return
        self._write(depth, f"{self.speller.text(target)} = {value}")

    def _copied(self, statement: Assign) -> str:
        """`.copy()` where a gradient would share memory with another result or an input."""
        value, of = statement.value, statement.target.quantity.of
        if of is None or of.kind != "parameter":
            return ""
        repeats = isinstance(value, Call) and value.op is broadcast_to and any(symbols(value))
        if not isinstance(value, Symbol):
            return ".copy()" if repeats else ""
        shared = value.quantity in self._handed or value.quantity.of is None
        self._handed.add(value.quantity)
        return ".copy()" if shared and value.shape else ""

    def _add(self, statement: Add, depth: int) -> None:
        value, target = statement.value, self.speller.text(statement.target)
        if isinstance(value, Call) and value.op is unslice:
            index = self.speller.literal(value.settings["indices"][0], index=True)
            place = ast.Subscript(variable(target), index, ast.Load())
            self._write(depth, f"{ast.unparse(place)} += {self.speller.text(value.inputs[0])}")
        elif isinstance(value, Call) and value.op is scatter:
            g, *places = [self.speller.text(x) for x in value.inputs]
            where = places[0] if len(places) == 1 else f"({', '.join(places)})"
            self._write(depth, f"np.add.at({target}, {where}, {g})")
        else:
            self._write(depth, f"{target} += {self.speller.text(value)}")


def _returned(loss: str, pairs: list[str]) -> list[str]:
    """The return statement, in lines of at most 100 characters."""
    line = f"{INDENT}return {loss}, {{{', '.join(pairs)}}}"
    if len(line) <= LINE_LENGTH:
        return [line]
    filled: list[str] = textwrap.wrap(", ".join(pairs), LINE_LENGTH - 8, break_long_words=False)
    return [
        f"{INDENT}return {loss}, {{",
        *(f"{INDENT * 2}{part}" for part in filled),
        f"{INDENT}}}",
    ]


def read(steps: Steps) -> set[Quantity]:
    """The quantities that a statement or a result reads."""
    values = [s.value for b in blocks(steps) for s in b if isinstance(s, (Assign, Add))]
    values += [steps.loss, *steps.gradients.values()]
    return {symbol.quantity for value in values for symbol in symbols(value)}


def _single(steps: Steps, results: dict[str, Expression]) -> set[Quantity]:
    """The quantities of loops that one variable holds: nobody reads an earlier round's value."""
    indexed: set[Quantity] = set(steps.inputs)
    defined: dict[Quantity, Any] = {}
    uses: dict[Quantity, list[tuple[Any, int, Symbol]]] = defaultdict(list)
    for block in blocks(steps):
        for place, statement in enumerate(block):
            if isinstance(statement, For):
                continue
            quantity = statement.target.quantity
            if isinstance(statement, Assign):
                defined[quantity] = (block, place)
            elif quantity.rounds:
                indexed.add(quantity)
            if not isinstance(statement, Zero):
                for symbol in symbols(statement.value):
                    uses[symbol.quantity].append((block, place, symbol))
    for expression in (steps.loss, *results.values()):
        for symbol in symbols(expression):
            uses[symbol.quantity].append((None, 0, symbol))
    single = set()
    for quantity, (block, place) in defined.items():
        current = all(_reads_current(use, block, place, quantity) for use in uses[quantity])
        if quantity.rounds and quantity not in indexed and current:
            single.add(quantity)
    return single


def _reads_current(
    use: tuple[Any, int, Symbol], block: Any, place: int, quantity: Quantity
) -> bool:
    """Whether a use finds its round's value in the one variable."""
    where, at, symbol = use
    if where is block:
        return symbol.at == Index(1, 0) or (symbol.at == Index(1, -1) and at <= place)
    return symbol.at == Index(0, quantity.rounds - 1)
