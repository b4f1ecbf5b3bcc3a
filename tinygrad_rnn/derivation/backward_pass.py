"""The backward pass of rerolled ops: rules run on names, and loops in reverse.

What a round of a loop hands to the one before it in time is a quantity of its own, which hand
derivations call dh_next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.tensor import Tensor, leaf
from ..engine.totals import Node
from ..ops.parts import getitem_, scatter, unslice
from ..ops.shape import broadcast_to
from .expressions.expression import Call, Expression, Index, Quantity, Symbol, symbols
from .expressions.recorder import Recorder, rules_of
from .expressions.simpler import after, moved_index, total
from .loops import Carried, Fixed, From, Local, Loop, Slot
from .steps import (
    VIEWS,
    Add,
    Assign,
    For,
    QuantityTable,
    Statement,
    Steps,
    Zero,
    carried,
    family,
    forward,
)

PARTS = (unslice, scatter)
MOST_TERMS = 6  # terms of a sum in one line


def steps_of(
    items: Sequence[Node | Loop], loss: Node, wrt: Collection[Node], useful: Collection[Node]
) -> Steps:
    """The statements of a pass.

    items: results of ops and loops, in recorded order. wrt: leaves whose gradients are wanted.
    useful: the nodes whose gradients lead to them.
    """
    values = QuantityTable(items)
    there = forward(items, values)
    start = values.expression(loss)
    backward = _Backward(items, values, loss, wrt, useful)
    gradients = backward.run()
    return Steps(
        there, backward.statements, start, gradients, values.inputs, values.parameters, values.of
    )


class _Backward:
    """Walks the items in reverse; gradients gather as terms until all of them have come.

    terms: what straight results and leaves have got. totals: quantities that are added to in
    loops. starts: what outside gives to the last round of a carried value. families: what outside
    gives to each round. stores: what outside has added up for single rounds.
    """

    def __init__(
        self,
        items: Sequence[Node | Loop],
        values: QuantityTable,
        loss: Node,
        wrt: Collection[Node],
        useful: Collection[Node],
    ) -> None:
        self.items, self.values, self.loss = items, values, loss
        self.wrt, self.useful = wrt, useful
        self.statements: list[Statement] = []
        self.terms: dict[Any, list[Expression]] = defaultdict(list)
        self.totals: dict[Any, Quantity] = {}
        self.starts: dict[Any, list[Expression]] = defaultdict(list)
        self.families: dict[Any, list[Expression]] = defaultdict(list)
        self.stores: dict[Any, Quantity] = {}
        self.carried = {item: carried(item) for item in items if isinstance(item, Loop)}

    def run(self) -> dict[Node, Expression]:
        """Writes the statements; the gradient of each wanted leaf."""
        ones = leaf(np.ones(self.loss.shape, self.loss.dtype))
        self.send({0: self.loss}, [(0, _one(ones), ones)], self.statements)
        for item in reversed(self.items):
            if isinstance(item, Loop):
                _LoopBackward(self, item).run()
            else:
                self._node(item)
        found = {}
        for x in self.wrt:
            if x in self.terms or x in self.totals:
                g = self.gathered(self.terms.pop(x, []), self.values.of.get(x), x, self.statements)
                found[x] = g
        return found

    def _node(self, node: Node) -> None:
        if node not in self.terms and node not in self.totals:
            return
        out = self.statements
        g = self.gathered(self.terms.pop(node, []), self.values.of[node], node, out)
        inputs = {place: x for place, x in enumerate(node.inputs) if x is not None}
        known = {
            x: self.values.expression(x) for x in (node, *node.inputs) if isinstance(x, Tensor)
        }
        self.send(inputs, self.rules(node, g, known), out)

    def rules(
        self, node: Node, g: Expression, known: dict[Any, Expression]
    ) -> list[tuple[int, Expression, Tensor]]:
        """What the node's rules give: place, expression, value.

        known: what Tensors print as, and arrays by their ids.
        """
        seed = leaf(np.ones(node.shape, node.dtype))
        tensors = {x: known[x] for x in known if isinstance(x, Tensor)}

        def constant(x: Any) -> Expression:
            return known[id(x)] if id(x) in known else self.values.expression(x)

        recorder = Recorder({**tensors, seed: g}, constant)
        with np.errstate(all="ignore"):
            sent = rules_of(node, seed, recorder)
        return [part for part in sent if node.inputs[part[0]] in self.useful]

    def gathered(
        self,
        terms: list[Expression],
        of: Quantity | None,
        key: Any,
        out: list[Statement],
        at: Index | None = None,
    ) -> Expression:
        """The gradient: the sum of the terms, and of what was added up already."""
        shape, dtype, rounds = (of.shape, of.dtype, of.rounds if at else 0) if of else ((), None, 0)
        begun = self.totals.get(key)
        if begun is None and len(terms) <= MOST_TERMS and not any(map(is_unsliced, terms)):
            target = Symbol(Quantity("gradient", shape, dtype, of, rounds), at)  # type: ignore[arg-type]
            out.append(Assign(target, total(terms)))
            return target
        if begun is None:
            begun = Quantity("total", shape, dtype, of)  # type: ignore[arg-type]
            out.append(Zero(Symbol(begun)))
        out += [Add(Symbol(begun), term) for term in terms]
        return Symbol(begun)

    def send(
        self,
        inputs: dict[int, Any],
        sent: list[tuple[int, Expression, Any]],
        out: list[Statement],
    ) -> None:
        """Hands expressions from outside of loops to what they are the gradients of."""
        by_result: dict[Any, list[tuple[int, Expression]]] = defaultdict(list)
        for place, expression, _ in sent:
            x, expression = self.through_views(inputs[place], expression)
            if x in self.values.places:
                loop, k, r = self.values.places[x]
                by_result[loop, k].append((r, expression))
            else:
                self.terms[x].append(expression)
        for (loop, k), several in by_result.items():
            self._to_loop(loop, k, several, out)

    def through_views(self, x: Node, expression: Expression) -> tuple[Node, Expression]:
        """What is sent to a view goes on at once to what it is a view of."""
        while x.op in VIEWS and x not in self.values.places and not is_unsliced(expression):
            known = {y: self.values.expression(y) for y in (x, x.inputs[0])}
            ((_, expression, _),) = self.rules(x, expression, known)
            x = x.inputs[0]
        return x, expression

    def _to_loop(
        self, loop: Loop, k: int, several: list[tuple[int, Expression]], out: list[Statement]
    ) -> None:
        """Expressions for single rounds: for all in one, for the last, or for each alone."""
        rounds = len(loop.rounds)
        several = sorted(several, key=lambda pair: pair[0])
        if [r for r, _ in several] == list(range(rounds)):
            form = family([expression for _, expression in several])
            if form is not None:
                self.families[loop, k].append(form)
                return
        for r, expression in several:
            if r == rounds - 1 and k in self.carried[loop]:
                self.starts[loop, k].append(expression)
            else:
                target = Symbol(self.store(loop, k, out), Index(0, r))
                out.append(Add(target, expression))

    def store(self, loop: Loop, k: int, before: list[Statement]) -> Quantity:
        """Where gradients of a loop's result are added up, round by round, before it runs."""
        if (loop, k) not in self.stores:
            of = self.values.of[loop, k]
            self.stores[loop, k] = Quantity("total", of.shape, of.dtype, of, of.rounds)
            before.append(Zero(Symbol(self.stores[loop, k])))
        return self.stores[loop, k]

    def total_of(self, x: Node) -> Quantity:
        """Where gradients of a leaf or a straight result are added up in loops."""
        if x not in self.totals:
            of = self.values.expression(x).quantity
            self.totals[x] = Quantity("total", of.shape, of.dtype, of)
            self.statements.append(Zero(Symbol(self.totals[x])))
        return self.totals[x]


class _LoopBackward:
    """One loop in reverse."""

    def __init__(self, whole: _Backward, loop: Loop) -> None:
        self.whole, self.loop, self.values = whole, loop, whole.values
        self.body: list[Statement] = []
        self.local: dict[int, list[Expression]] = defaultdict(list)
        self.handed: dict[int, list[Expression]] = defaultdict(list)
        self.next: dict[int, Quantity] = {}

    def run(self) -> None:
        """Writes what is before the loop, the loop, and what it hands on to initial values."""
        out = self.whole.statements
        self._start()
        for k in reversed(range(self.loop.size)):
            self._result(k)
        for k, terms in self.handed.items():
            if k in self.next:
                self._hand_on(k, terms)
        if self.body:
            out.append(For(len(self.loop.rounds), True, self.body))
        for k, initial in self.whole.carried[self.loop].items():
            useful = isinstance(initial, Tensor) and initial in self.whole.useful
            if k in self.handed and k in self.next and useful:
                sent = [(0, Symbol(self.next[k]), None)]
                self.whole.send({0: initial}, sent, out)

    def _start(self) -> None:
        """What the last round gets in the place of what a next one would hand to it."""
        for k in self.whole.carried[self.loop]:
            of = self.values.of[self.loop, k]
            if self.loop.rounds[-1][k] not in self.whole.useful:
                continue
            self.next[k] = Quantity("next", of.shape, of.dtype, of)
            terms = self.whole.starts.pop((self.loop, k), [])
            target = Symbol(self.next[k])
            out = self.whole.statements
            out.append(Assign(target, total(terms)) if terms else Zero(target))

    def _result(self, k: int) -> None:
        """The gradient of the k-th result, and what its op's rules send on."""
        key, of = (self.loop, k), self.values.of[self.loop, k]
        node = self.loop.rounds[-1][k]
        if node not in self.whole.useful:
            return
        terms = [Symbol(self.next[k])] if k in self.next else []
        terms += self.whole.families.pop(key, [])
        if key in self.whole.stores:
            terms.append(Symbol(self.whole.stores[key], Index(1, 0)))
        terms += self.local.pop(k, [])
        if not terms:
            return
        g = self._unchanged(k, terms)
        if g is None:
            g = self.whole.gathered(terms, of, None, self.body, Index(1, 0))
        for place, expression, _ in self.whole.rules(node, g, self._known(k)):
            if node.op is getitem_:
                expression = _at(expression, self.values.settings(self.loop, k)["index"])
            self._send(self.loop.slots[k][place], node.inputs[place], expression)

    def _known(self, k: int) -> dict[Any, Expression]:
        node = self.loop.rounds[-1][k]
        known = {node: Symbol(self.values.of[self.loop, k], Index(1, 0))}
        for x, slot in zip(node.inputs, self.loop.slots[k], strict=True):
            key = x if isinstance(x, Tensor) else id(x)
            known[key] = self.values.of_slot(self.loop, slot)
        return known

    def _unchanged(self, k: int, terms: list[Expression]) -> Expression:
        """The gradient of a running sum, which is the same in every round; None for all else."""
        if k not in self.next or terms != [Symbol(self.next[k])]:
            return None
        readers = [
            (j, place)
            for j, several in enumerate(self.loop.slots)
            for place, slot in enumerate(several)
            if isinstance(slot, Carried) and slot.k == k
        ]
        if [j for j, _ in readers] != [k]:
            return None
        sent = self.whole.rules(self.loop.rounds[-1][k], terms[0], self._known(k))
        back = {place: expression for place, expression, _ in sent}
        return terms[0] if back.get(readers[0][1]) == terms[0] else None

    def _send(self, slot: Slot, x: Node, expression: Expression) -> None:
        if isinstance(slot, Local):
            self.local[slot.k].append(expression)
        elif isinstance(slot, Carried):
            self.handed[slot.k].append(expression)
        elif isinstance(slot, From):
            self._to_other(slot, expression)
        else:
            self._to_outside(*self.whole.through_views(x, expression))

    def _to_outside(self, x: Node, expression: Expression) -> None:
        if x in self.values.places:
            loop, k, r = self.values.places[x]
            store = self.whole.store(loop, k, self.whole.statements)
            self.body.append(Add(Symbol(store, Index(0, r)), expression))
        else:
            self.body.append(Add(Symbol(self.whole.total_of(x)), expression))

    def _to_other(self, slot: From, expression: Expression) -> None:
        """To another loop's result: at once for all rounds where it is the same in all."""
        node, source = slot.loop.rounds[-1][slot.k], slot.loop.slots[slot.k][0]
        if node.op in VIEWS and isinstance(source, (Fixed, From)) and not is_unsliced(expression):
            self._through_view(node, slot, source, expression)
            return
        same = len(self.loop.rounds) == len(slot.loop.rounds)
        if same and not any(_varies(symbol) for symbol in symbols(expression)):
            self.whole.families[slot.loop, slot.k].append(expression)
            return
        store = self.whole.store(slot.loop, slot.k, self.whole.statements)
        self.body.append(Add(Symbol(store, slot.at), expression))

    def _through_view(
        self, node: Node, slot: From, source: Fixed | From, expression: Expression
    ) -> None:
        """To what the other loop's result is a view of."""
        known = {x: self.values.expression(x) for x in (node, node.inputs[0])}
        ((_, expression, _),) = self.whole.rules(node, expression, known)
        if node.op is getitem_:
            index = moved_index(self.values.settings(slot.loop, slot.k)["index"], slot.at)
            expression = _at(expression, index)
        if isinstance(source, From):
            source = From(source.loop, source.k, after(source.at, slot.at))
        self._send(source, node.inputs[0], expression)

    def _hand_on(self, k: int, terms: list[Expression]) -> None:
        """At the end of a round: what the round before it in time gets."""
        target = Symbol(self.next[k])
        if terms == [target]:
            return  # a running sum's gradient stays
        of = self.values.of[self.loop, k]
        if any(map(is_unsliced, terms)):
            terms = [self.whole.gathered(terms, of, None, self.body)]
        self.body.append(Assign(target, total(terms)))


def _one(ones: Tensor) -> Expression:
    """dL/dL, the number 1 in the loss's shape."""
    if not ones.ndim:
        return 1.0
    return Call(broadcast_to, (1.0,), {"shape": ones.shape}, ones.shape, ones.dtype)


def _at(expression: Expression, index: Any) -> Expression:
    """Zeros with something at another index; another expression as it is."""
    if not isinstance(expression, Call) or expression.op is not unslice:
        return expression
    return replace(expression, settings={**expression.settings, "indices": (index,)})


def is_unsliced(term: Expression) -> bool:
    """Whether it is an array of zeros with something at an index."""
    return isinstance(term, Call) and term.op in PARTS


def _varies(symbol: Symbol) -> bool:
    return symbol.at is not None and symbol.at.times != 0
