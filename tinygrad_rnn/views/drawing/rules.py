"""The local rule of an edge as text, printed from the rule itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...derivation.expressions.expression import Expression, Symbol, named
from ...derivation.expressions.recorder import Recorder, rules_of
from ...derivation.expressions.spelling import Speller
from ...derivation.expressions.syntax import variable
from ...derivation.visits import ELLIPSIS, written_size
from ...engine.tensor import Tensor, leaf
from ...engine.totals import Node
from .labels import abbreviate, is_array

LONGEST_RULE = 60  # characters


def rule_text(node: Node, place: int, names: Mapping[Node, str] | None = None) -> str:
    """What the node's op computes for its input at this place, from g, the gradient of the node.

    names: what Tensors are called; other inputs go by the op's own names for them, the result by z.

    >>> import tinygrad_rnn as tg
    >>> W, h = (tg.Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(2))
    >>> z = W @ h
    >>> rule_text(z, 0), rule_text(z, 1, {W: "W"}), rule_text(tg.tanh(z), 0)
    ('g @ b.T', 'W.T @ g', 'g * (1 - z²)')
    """
    return rule_texts(node, names)[place]


def rule_texts(node: Node, names: Mapping[Node, str] | None = None) -> dict[int, str]:
    """The rules of all inputs that need a gradient, by place; see `rule_text`."""
    names = names or {}
    seed = leaf(np.ones(node.shape, node.dtype))
    known = {seed: _symbol(seed, "g"), node: _symbol(node, names.get(node, "z"))}
    arrays: dict[int, Symbol] = {}
    for k, x in enumerate(node.inputs):
        letter = node.op.input_name(k)
        if isinstance(x, Tensor):
            known.setdefault(x, _symbol(x, names.get(x, letter)))
        elif is_array(x):
            arrays[id(x)] = _symbol(x, letter)

    def constant(x: Any) -> Expression:
        return arrays.get(id(x), _symbol(x, "…")) if x.ndim else x.item()

    speller = Speller(lambda symbol: variable(symbol.quantity.name), plain=True)
    with np.errstate(all="ignore"):
        return {
            place: _written(speller, rule)
            for place, rule, _ in rules_of(node, seed, Recorder(known, constant))
        }


def _symbol(x: Any, name: str) -> Symbol:
    return Symbol(named(name, x))


def _written(speller: Speller, rule: Expression) -> str:
    """The rule as text; an ellipsis where it would be longer than anyone draws."""
    return abbreviate(
        speller.text(rule if written_size(rule) < LONGEST_RULE else ELLIPSIS), LONGEST_RULE
    )
