"""Between backward and the next step: clipping gradients, cutting the state's past off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.tree import rebuilt, values_of

__all__ = ["clip_grad_norm_", "clip_grad_value_", "detach"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scales all gradients down together so that their common norm is at most max_norm.

    norm_type: 2.0, or another p of a p-norm, or inf. error_if_nonfinite: whether a norm that is not
    finite is an error. Result: the norm before; 0.0 without gradients.
    Raises: RuntimeError for such a norm; then nothing has changed. TypeError for what is no Tensor.
    Source: Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent networks.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_norm_([w], 1.0), np.round(w.grad.numpy(), 6)
    (10.0, array([0.6, 0.8]))
    """
    gradients = _gradients(parameters)
    norms = [np.linalg.norm(g.data.ravel(), norm_type) for g in gradients]
    norm = float(np.linalg.norm(np.array(norms), norm_type)) if norms else 0.0
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(f"clip_grad_norm_: the norm is {norm}; a gradient is not finite")
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:
        for g in gradients:
            g.data *= g.dtype.type(factor)
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Holds every entry of every gradient between -clip_value and clip_value.

    >>> w = Tensor([3.0, -4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_value_([w], 7.0)
    >>> w.grad
    Tensor([ 6., -7.])
    """
    for g in _gradients(parameters):
        np.clip(g.data, -clip_value, clip_value, out=g.data)
        g.data = g.data


def detach(state: Any) -> Any:
    """The state without its past: every Tensor in it as a new leaf.

    state: a Tensor, None, or nested tuples, lists and dicts of such. Result: of the same structure.

    >>> h = Tensor([1.0], requires_grad=True) * 2
    >>> detach((h, {"c": h}))[1]["c"].is_leaf
    True
    """
    parts = values_of(state).values()
    return rebuilt(state, [x.detach() if isinstance(x, Tensor) else x for x in parts])


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in parameters:
        if not isinstance(p, Tensor):
            raise TypeError(f"clip_grad: {p!r:.60} is a {type(p).__name__}, and must be a Tensor")
    return [p.grad for p in parameters if p.grad is not None]
