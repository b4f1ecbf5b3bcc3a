"""derive: the backward pass of a loss, printed from the rules that compute it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..bptt.pullback import check_on_tape, checked_loss, in_a_line
from ..bptt.time import step_of
from ..engine.tape import needs_of_wanted, tape
from ..engine.tensor import Tensor
from ..ops.op import Array
from .backward_pass import steps_of
from .entries import MOST_LINES, spelled_out
from .equations import equations
from .inline import shortened
from .loops import rerolled
from .names import FUNCTION, Given, Names, StepNames, give_names, step_names, take_names
from .report import report
from .source import Source, read
from .steps import Steps
from .visits import Formula, Rules, Visit, check_all_unwritten, visits

FEWEST_ROUNDS = 3  # rounds of a loop
MOST_UNROLLED = 3  # time steps that are written one by one


def derive(
    loss: Tensor, *, wrt: Iterable[Tensor] | None = None, names: Mapping[str, Any] | None = None
) -> Derivation:
    """The derivation of a loss's gradients: as text, equations, NumPy source, entries, steps.

    loss: a Tensor of one entry. wrt: the leaves whose gradients are wanted; None for each that
    requires one. names: {name: Tensor, array, list of them, or Module}, such as `locals()`; a
    Tensor that is not in it goes by its own `.name`, and the rest by letters.
    The tape is read and not changed; nothing is derived but by the rules of the recorded ops.
    Raises: TypeError for what is no Tensor, ValueError for a loss of several entries, RuntimeError
    for a loss that depends on nothing, or a tensor that it does not depend on.

    >>> import tinygrad_rnn as tg
    >>> W, h = tg.Tensor([[0.5]], requires_grad=True), np.array([[2.0]])
    >>> derivation = derive(tg.tanh(W @ h).sum(), names={"W": W, "h": h})
    >>> source = derivation.numpy_source().splitlines()
    >>> print(source[-2])
        dW = (1.0 - v * v) @ h.T
    """
    checked_loss("derive", loss)
    return Derivation(loss, wrt, names)


class Derivation:
    """What `derive` gives. loss: the Tensor. nodes: its tape, in recorded order."""

    def __init__(
        self, loss: Tensor, wrt: Iterable[Tensor] | None, names: Mapping[str, Any] | None
    ) -> None:
        self.loss = loss
        self.nodes: list[Tensor] = tape(loss)
        check_all_unwritten(self.nodes)
        self._given = Given(names)
        self.wrt: list[Tensor] = self._checked(wrt)
        self._useful = {*self.wrt, *needs_of_wanted(self.wrt, self.nodes)}

    def _checked(self, wrt: Iterable[Tensor] | None) -> list[Tensor]:
        if wrt is None:
            return [x for x in self.nodes if x.op is None and x.requires_grad]
        known, found = set(self.nodes), [wrt] if isinstance(wrt, Tensor) else list(wrt)
        for k, x in enumerate(found):
            check_on_tape("derive", f"wrt[{k}]", x, known)
            if x.op is not None:
                raise ValueError(
                    f"derive: wrt[{k}] is a result of {x.op.name}, and must be a leaf; walk() "
                    "shows the gradients of results"
                )
        return found

    def name(self, x: Tensor) -> str:
        """What a Tensor of the tape is called: h_2, W_hh."""
        keys = [x, id(x._array)] if isinstance(x, Tensor) else [id(x)]
        name = next((self._step_names[key].name for key in keys if key in self._step_names), "x")
        return in_a_line(name)

    def formula(self, node: Tensor) -> Formula:
        """How a Tensor of the tape is computed: text and LaTeX; of a leaf its name."""
        return Rules(self.name).forward(node)

    def walk(self) -> Iterator[Visit]:
        """The backward pass, one node at a time, in its order."""
        return visits(self.nodes, self._useful, Rules(self.name))

    def text(self) -> str:
        """The backward pass step by step: rules, shapes, what adds up, norms of gradients."""
        return report(self)

    def latex(self, *, unroll: bool | None = None) -> str:
        """The forward and the backward pass as numbered equations, for KaTeX and MathJax.

        In blocks of at most 24 equations, with an empty line between them.
        unroll: whether each time step has equations of its own; False: one for all t; None: where
        there are few.
        """
        few = unroll is None and all(
            loop.rounds <= MOST_UNROLLED for loop in self._source[0].loops()
        )
        return equations(*self._named(0 if unroll or few else FEWEST_ROUNDS - 1))

    def numpy_source(self, name: str = FUNCTION) -> str:
        """A module of Python source with a function `(inputs, parameters) -> loss, gradients`.

        name: the function's, an identifier. It imports NumPy only; `inputs` and `parameters` are
        what it takes. Time steps that are alike are loops; else its docstring says that they
        are not.
        Raises: ValueError for another name, or an op whose source is not to be had.
        """
        steps, names = self._source
        if not names.fits(name):
            raise ValueError(
                f"numpy_source: name is {name!r}; it must be an identifier that the source does "
                "not use otherwise"
            )
        keys = {x: q for q, x in steps.parameters.items()}
        results = {names.key(keys[x]): g for x, g in steps.gradients.items()}
        return Source(steps, names, results).text(name, self._remark(steps))

    def spell_out(self) -> str:
        """Every entry of every array as a formula of its own, for tiny sizes.

        Raises: ValueError for more than 300 entries, or an op that takes numbers only.
        """
        entries = sum(node.size for node in self.nodes)
        if entries > MOST_LINES:
            raise ValueError(
                f"spell_out: the pass has {entries} entries, which nobody would read; make it "
                f"smaller than {MOST_LINES}, with fewer units and steps, or use text() or latex()"
            )
        return spelled_out(*self._named(0))

    def _remark(self, steps: Steps) -> str:
        several = len({step_of(node.scope) for node in self.nodes} - {None}) >= FEWEST_ROUNDS
        if not list(steps.loops()) and (several or len(self.nodes) > 100):
            return " No time steps are alike, so all are written out."
        return ""

    @property
    def inputs(self) -> dict[str, Array]:
        """The arrays that the loss was computed from, by name, as the source takes them.

        What is another array at each time step is stacked, steps first.
        """
        steps, names = self._source
        used = read(steps)
        return {
            names.key(q): np.stack(x) if isinstance(x, list) else x
            for q, x in steps.inputs.items()
            if q in used
        }

    @property
    def parameters(self) -> dict[str, Array]:
        """The arrays of the leaves that require gradients, by name, as the source takes them."""
        steps, names = self._source
        return {names.key(q): x.data for q, x in steps.parameters.items()}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Notebooks show the equations; terminals the text."""
        blocks = [f"$$\n{block}\n$$" for block in self.latex().split("\n\n")]
        return {"text/markdown": "\n\n".join(blocks), "text/plain": self.text()}

    def __repr__(self) -> str:
        names = ", ".join(self.name(x) for x in self.wrt)
        return f"<derivation of the gradients of {self.name(self.loss)} by {names}>"

    @property
    def _results(self) -> list[Tensor]:
        return [node for node in self.nodes if node.op is not None]

    @cached_property
    def _source(self) -> tuple[Steps, Names]:
        return self._named(FEWEST_ROUNDS)

    def _named(self, fewest: int) -> tuple[Steps, Names]:
        """The pass, shortened, with names; fewest: rounds of a loop, 0 for no loops."""
        items = rerolled(self._results, fewest) if fewest else self._results
        steps = steps_of(items, self.loss, self.wrt, self._useful)
        give_names(steps, self._given)
        take_names(steps, self._step_names)
        names = Names(steps, self.loss)
        return shortened(steps, names.shows), names

    @cached_property
    def _step_names(self) -> StepNames:
        items = rerolled(self._results, 2)
        steps = steps_of(items, self.loss, self.wrt, self._useful)
        give_names(steps, self._given)
        return step_names(steps, self._given, Names(steps, self.loss))
