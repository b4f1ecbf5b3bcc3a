"""The mistakes that hand derivations make, as data: what each would have given.

A mistake is an edit of what flows through some edges, a set of edges that are forgotten, or a wrong
way to add up the contributions. The gradient is found anew with it and compared with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from ..engine.tape import tape
from ..engine.tensor import Tensor
from ..engine.totals import Node
from ..ops.elementary import relu, sigmoid, tanh
from ..ops.likelihood import log_softmax, negative_log_likelihood, softmax
from ..ops.linalg import addmm, matmul
from ..ops.op import Array, Op
from .pullback import Edit, edited_pullback, gradient_array, node_vjp
from .time import PRODUCTS, Edge, is_node, recurrent_edges, source, step_of
from .uses import edge_gradients, through_views

Candidate = tuple[str, Array]
Rule = Callable[..., Array]


def _without_target(g: Any, z: Any, logits: Any, targets: Any, ignore_index: int) -> Any:
    return (g * (targets != ignore_index))[..., None] * softmax(logits)


_NO_TARGET = "softmax with cross-entropy: the one-hot target was not subtracted (dy = p - target)"
# For an op, the wrong rules of its first input: (g, z, *inputs, **settings) -> gradient.
WRONG_RULES: dict[Op, dict[str, Rule]] = {
    tanh: {
        "tanh' was taken as (1 - h)², it is 1 - h²": lambda g, z, x: g * (1 - z) ** 2,
        "tanh' was left out, dz = dh ⊙ (1 - h²)": lambda g, z, x: g,
        "tanh' was taken as 1 - z² of the pre-activation z, it is 1 - h²": lambda g, z, x: (
            g * (1 - x * x)
        ),
    },
    sigmoid: {
        "σ' was left out, it is s (1 - s)": lambda g, z, x: g,
        "σ' was taken as z (1 - z) of the pre-activation z, it is s (1 - s)": lambda g, z, x: (
            g * x * (1 - x)
        ),
    },
    relu: {"relu' was left out, it is 1 where z > 0, else 0": lambda g, z, x: g},
    softmax: {
        _NO_TARGET: lambda g, z, x, axis: -z * np.sum(g * z, axis=axis, keepdims=True),
    },
    log_softmax: {
        _NO_TARGET: lambda g, z, x, axis: -np.exp(z) * np.sum(g, axis=axis, keepdims=True),
    },
    negative_log_likelihood: {_NO_TARGET: _without_target},
}
FORGOTTEN = "dh_next was forgotten: what comes back from the next time step"


class Variants:
    """The right gradients of a loss, and variants of them with a mistake in the backward pass.

    right: {node: gradient}. uses: for each tensor the node, place and contribution of each use.
    """

    def __init__(self, loss: Tensor, tensors: Iterable[Tensor]) -> None:
        self.loss = loss
        self.start = np.ones(loss.shape, loss.dtype)
        self.nodes = tape(loss)
        self.right = edited_pullback(loss, self.start)
        self.uses = edge_gradients(loss, self.start, self.nodes, tensors)
        self._found: dict[str, dict[Node, Array]] = {}

    @cached_property
    def recurrent(self) -> set[Edge]:
        """The edges from a time step to the one before it."""
        return recurrent_edges(self.nodes)

    @cached_property
    def batch_sizes(self) -> set[int]:
        """The numbers of examples that products with weights have in their rows or columns."""
        found = set()
        for node in self.nodes:
            for place, x in enumerate(node.inputs):
                side = _side(node, place)
                if side is not None and is_node(x) and source(x).op is None and x.requires_grad:
                    found.add(node.shape[-1] if side == 0 else (1, 1, *node.shape)[-2])
        return found - {1}

    @cached_property
    def lengths(self) -> set[int]:
        """The numbers of time steps: how often a tensor is used, how many steps have scopes."""
        steps = {step_of(node.scope) for node in self.nodes} - {None}
        return {len(steps), *map(len, self.uses.values())} - {0, 1}

    def gradient(self, x: Node, name: str, **options: Any) -> Array:
        """The gradient of x found with the options of `edited_pullback`; one walk for each name."""
        if name not in self._found:
            self._found[name] = edited_pullback(self.loss, self.start, **options)
        return self._found[name].get(x, np.zeros(x.shape, x.dtype))

    def here(self, x: Node, edit: Edit) -> Array:
        """The gradient of x where its own uses alone are edited."""
        total = np.zeros(x.shape, x.dtype)
        for node, place, _ in self.uses[x]:
            total += self.use(x, node, place, edit)
        return total

    def use(self, x: Node, node: Node, place: int, edit: Edit) -> Array:
        """The contribution of one use of x, edited."""
        g = self.right[node]
        gradient = edit(node, place, g, node_vjp(node, g)[place])
        return through_views(gradient_array(gradient, node, place), node.inputs[place], x)


def candidates(variants: Variants, x: Node) -> Iterator[Candidate]:
    """The name of each mistake and the gradient of x that it gives."""
    if x in variants.uses:
        yield from _edited(variants, x)
        yield FORGOTTEN, variants.gradient(x, FORGOTTEN, cut=variants.recurrent)
        yield from _term_missing(variants, x)
        yield from _later_state(variants, x)
    if x.ndim > 1 and x in variants.right:
        yield "the answer is transposed", variants.right[x].T


def _edited(variants: Variants, x: Node) -> Iterator[Candidate]:
    """Wrong rules: everywhere, or in the uses of x alone."""
    ops = {node.op for node in variants.nodes if node.op is not None}
    for name, edit in _edits(ops):
        yield name, variants.gradient(x, name, edit=edit)
        yield name, variants.here(x, edit)


def _edits(ops: set[Op]) -> Iterator[tuple[str, Edit]]:
    by_name: dict[str, dict[Op, Rule]] = {}
    for op in ops & WRONG_RULES.keys():
        for name, rule in WRONG_RULES[op].items():
            by_name.setdefault(name, {})[op] = rule
    for name in sorted(by_name):
        yield name, _replacing(by_name[name])
    yield "a transpose is missing: W in place of Wᵀ in dh = Wᵀ dz", _untransposed(of_weight=True)
    yield "a transpose is missing: h in place of hᵀ in dW = dz hᵀ", _untransposed(of_weight=False)


def _replacing(rules: dict[Op, Rule]) -> Edit:
    """What the rules, by ops, give for the first input in place of the right ones."""

    def edit(node: Node, place: int, g: Array, gradient: Any) -> Any:
        rule = None if place else rules.get(node.op)
        return rule(g, node._array, *node.values, **node.settings) if rule else gradient

    return edit


def _untransposed(of_weight: bool) -> Edit:
    """The other factor of a product as it is, where that is square.

    of_weight: in what goes to a state, else in what goes to a weight.
    """

    def edit(node: Node, place: int, g: Array, gradient: Any) -> Any:
        side = _side(node, place)
        if side is None or (source(node.inputs[place]).op is None) == of_weight:
            return gradient
        other = node.values[place + 1 - 2 * side]
        if other.ndim != 2 or other.shape[0] != other.shape[1] or g.ndim != 2:
            return gradient
        return other @ g if side else g @ other

    return edit


def _side(node: Node, place: int) -> int | None:
    """0 for the left factor of a product of matrices, 1 for the right one, None for others."""
    if node.op is None or node.op not in (matmul, addmm):
        return None
    factors = PRODUCTS[node.op]
    return factors.index(place) if place in factors else None


def _term_missing(variants: Variants, x: Node) -> Iterator[Candidate]:
    """One contribution left out, or all others."""
    uses = variants.uses[x]
    if len(uses) < 2:
        return
    right = variants.right[x]
    recurrent = sum((node, place) in variants.recurrent for node, place, _ in uses)
    for k, (node, place, array) in enumerate(uses):
        t = step_of(node.scope)
        step = f"step {t}" if t is not None else f"use {len(uses) - k} of {len(uses)}"
        if x.op is None:
            yield f"the term of {step} is missing in the sum over time", right - array
            if len(uses) > 2:
                yield f"the answer is the term of {step} alone, not the sum over time", array
        elif (node, place) not in variants.recurrent:
            yield f"what comes back through {node.op.name} was forgotten ({step})", right - array
        elif recurrent == 1:
            yield FORGOTTEN, right - array
        else:
            yield f"dh_next is incomplete: without the part by {node.op.name}", right - array


def _later_state(variants: Variants, x: Node) -> Iterator[Candidate]:
    """h_t in place of h_{t-1} in dL/dW_hh, the sum of dz_t h_{t-1}ᵀ."""
    uses = [(node, place) for node, place, _ in reversed(variants.uses[x])]
    sides = [_side(node, place) for node, place in uses]
    if x.op is not None or not uses or None in sides:
        return
    others = [place + 1 - 2 * int(side or 0) for (_, place), side in zip(uses, sides, strict=True)]
    operands = [node.inputs[k] for (node, _), k in zip(uses, others, strict=True)]
    if any(
        (node, k) not in variants.recurrent
        for (node, _), k in zip(uses[1:], others[1:], strict=True)
    ):
        return
    last = _state_after(variants, uses[-1][0], uses, operands)
    if last is None:
        return
    total = np.zeros(x.shape, x.dtype)
    for (node, place), other, new in zip(uses, others, [*operands[1:], last], strict=True):
        values = list(node.values)
        if new.shape != values[other].shape:
            return
        values[other] = new._array
        rule = node.op.rules[place]
        edit = _constant(rule(variants.right[node], node._array, *values, **node.settings))
        total += variants.use(x, node, place, edit)
    yield "h_t in place of h_{t-1} in dW_hh, the sum of dz_t h_{t-1}ᵀ", total


def _constant(result: Any) -> Edit:
    return lambda node, place, g, gradient: result


def _state_after(variants: Variants, node: Node, uses: list[Edge], operands: list[Any]) -> Any:
    """The state that the last step's product leads to: as far along the tape as in the step before.

    Of a single step it is the first result of tanh or relu of the operand's shape.
    """
    place = {n: k for k, n in enumerate(variants.nodes)}
    if len(uses) > 1:
        k = place[node] + place[operands[-1]] - place[uses[-2][0]]
        return variants.nodes[k] if k < len(variants.nodes) else None
    later = variants.nodes[place[node] + 1 :]
    fits = (n for n in later if n.op in (tanh, relu) and n.shape == operands[0].shape)
    return next(fits, None)


def factors(variants: Variants, c: float) -> Iterator[str]:
    """What a factor c between the answer and the gradient may mean; nothing where it is odd."""
    if c == 0:
        yield "the answer is 0 everywhere"
        return
    named = {-1.0: "the sign is wrong", 0.5: "a factor 2 is missing", 2.0: "a factor 2 too much"}
    found = [text for number, text in named.items() if np.isclose(c, number, rtol=1e-5)]
    for sizes, what in ((variants.batch_sizes, "batch"), (variants.lengths, "time steps")):
        for size in sorted(sizes):
            if np.isclose(c, 1 / size, rtol=1e-5):
                found.append(f"a mean over the {what} in place of the sum: a factor 1/{size}")
            if np.isclose(c, size, rtol=1e-5):
                found.append(f"a sum over the {what} in place of the mean: a factor {size}")
    yield from found


def clipped(right: Array, answer: Array) -> Iterator[Candidate]:
    """The gradient clipped to ±c, where c is the largest entry of the answer."""
    c = np.abs(answer).max(initial=0)
    if 0 < c < np.abs(right).max(initial=0):
        yield f"clipped to ±{c:.6g} before it was compared", np.clip(right, -c, c)


def one_example(variants: Variants, x: Node) -> Iterator[Candidate]:
    """Of a leaf, the gradient of each example alone: its rows or columns of g in each use."""
    if x.op is not None:
        return
    for B in sorted(variants.batch_sizes):
        for axis in (-2, -1):
            grads = [variants.right[node] for node, _, _ in variants.uses.get(x, ())]
            if all(g.ndim >= -axis and g.shape[axis] == B for g in grads):
                for b in range(B):
                    yield (
                        f"of example {b} alone, not summed over the batch",
                        _of(variants, x, axis, b),
                    )


def _of(variants: Variants, x: Node, axis: int, b: int) -> Array:
    """Rules are linear in g: with the other examples' rows 0 they give one example's part."""
    total = np.zeros(x.shape, x.dtype)
    for node, place, _ in variants.uses[x]:
        g = np.zeros_like(variants.right[node])
        part = (..., b) if axis == -1 else (..., b, slice(None))
        g[part] = variants.right[node][part]
        array = gradient_array(node_vjp(node, g)[place], node, place)
        total += through_views(array, node.inputs[place], x)
    return total
