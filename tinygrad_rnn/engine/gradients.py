"""Gradients of chosen results by chosen inputs, as values rather than as `.grad`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

from .tape import pullback
from .tensor import Tensor, as_tensor, seed
from .totals import copy_of


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    *,
    create_graph: bool = False,
    allow_unused: Literal[False] = False,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    *,
    create_graph: bool = False,
    allow_unused: bool,
) -> tuple[Tensor | None, ...]: ...
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of sum(grad_outputs * outputs) by the inputs; `.grad` stays as it is.

    outputs, inputs: a Tensor or several. grad_outputs: for each output an array of its shape, or
    None for an output of one entry. create_graph: gradients are recorded and can be differentiated
    again. Result: for each input a Tensor of its shape and dtype; None where allow_unused and the
    outputs do not depend on it.
    Raises: TypeError for what is no Tensor, RuntimeError where an input needs no gradient or was
    not used.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> grad((x * x).sum(), x)
    (Tensor([2., 4.]),)
    """
    sources = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    results = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    for x in (*results, *sources):
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: {x!r:.60} is a {type(x).__name__}, and must be a Tensor")
    seeds = [grad_outputs] if isinstance(outputs, Tensor) else grad_outputs or [None] * len(results)
    if len(seeds) != len(results):
        raise ValueError(f"grad: {len(results)} outputs, but grad_outputs has {len(seeds)} arrays")
    for k, x in enumerate(sources):
        if not x._requires_grad:
            raise RuntimeError(f"grad: {x.name or f'input {k}'} does not require a gradient")
    seeds = [seed(y, g, create_graph) for y, g in zip(results, seeds, strict=True)]
    found = pullback(results, seeds, wanted=set(sources), create_graph=create_graph)
    for k, x in enumerate(sources):
        if x not in found and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on {x.name or f'input {k}'}; "
                "allow_unused=True gives None for it"
            )
    gradients: list[Tensor | None] = []
    for k, x in enumerate(sources):
        g = found.get(x)
        again = g is not None and x in set(sources[:k])
        gradients.append(None if g is None else as_tensor(copy_of(g) if again else g))
    return tuple(gradients)
