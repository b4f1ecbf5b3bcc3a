"""How far gradients reach back in time: from losses to states, from state to state.

A state is a Tensor (B, H), (H,) or (1, B, H), or a tuple of them, as (h_t, c_t) of an LSTM, which
counts as one vector. Examples of a batch are taken to be independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..engine.tape import pullback, tape
from ..engine.tensor import Tensor
from ..ops.op import Array
from .pullback import check_on_tape, checked_loss, edited_pullback
from .time import recurrent_edges

State = Tensor | tuple[Tensor, ...]


class Jacobians(NamedTuple):
    """dh_t/dh_{t-1} for each t but the first, and how large they and their products are.

    each: T - 1 arrays (B, H, H), entry [b, i, j] is dh_t[b, i] / dh_{t-1}[b, j].
    norms: (T - 1, B), their spectral norms: below 1 a step shrinks every gradient.
    products: (T - 1, B), the spectral norm of dh_T/dh_t for t = 1 to T - 1: going to 0 towards
    the first ones the gradient vanishes, growing it explodes.
    """

    each: list[Array]
    norms: Array
    products: Array


class Partial(NamedTuple):
    """dh_t/dW, arrays of h_t's shape followed by W's.

    immediate: by the step's own uses of W, the state before it held fixed. total: by all uses.
    """

    immediate: Array
    total: Array


class Truncated(NamedTuple):
    """A truncated gradient beside the full one: the cosine between them, and |truncated|/|full|."""

    cosine: float
    ratio: float


def influence(losses: Sequence[Tensor], states: Sequence[Tensor]) -> Array:
    """The norm of dL_s/dh_t in row s, column t: zero where the state is later than the loss.

    losses: S Tensors of one entry, states: T Tensors. Result: (S, T). It takes a walk for each
    loss. Raises: as `contributions`, where no loss depends on a state.

    >>> h, states = Tensor([1.0], requires_grad=True), []
    >>> for _ in range(3):
    ...     h = h * 0.5
    ...     states.append(h)
    >>> influence([h.sum() for h in states], states)
    array([[1.  , 0.  , 0.  ],
           [0.5 , 1.  , 0.  ],
           [0.25, 0.5 , 1.  ]])
    """
    starts = [checked_loss("influence", loss) for loss in losses]
    known = set(tape(*losses))
    for k, h in enumerate(states):
        check_on_tape("influence", f"state {k + 1}", h, known)
    norms = np.zeros((len(losses), len(states)))
    for row, loss, start in zip(norms, losses, starts, strict=True):
        found = pullback((loss,), (start,), wanted=set(states))
        row[:] = [np.linalg.norm(found[h]) if h in found else 0 for h in states]
    return norms


def jacobians(states: Sequence[State]) -> Jacobians:
    """The Jacobian of each state by the one before it; see `Jacobians`.

    states: two or more, in order of time; of an LSTM tuples (h_t, c_t), since h_t also depends on
    c_{t-1}. A state is held fixed where a later one is differentiated by it.
    Raises: ValueError for less than two, TypeError for what is no Tensor, RuntimeError where a
    state does not depend on the one before it.

    >>> h_1 = Tensor([[1.0, 1.0]], requires_grad=True)
    >>> h_2 = h_1 * np.array([0.5, 3.0])
    >>> found = jacobians([h_1, h_2])
    >>> found.each[0][0], found.norms
    (array([[0.5, 0. ],
           [0. , 3. ]]), array([[3.]]))
    """
    if len(states) < 2:
        raise ValueError(f"jacobians: there are {len(states)} states; give two or more")
    parts = [state if isinstance(state, tuple) else (state,) for state in states]
    for t, state in enumerate(parts, 1):
        for h in state:
            _check_tensor("jacobians", f"state {t}", h)
    each = [_jacobian(t, new, old) for t, (old, new) in enumerate(pairwise(parts), 2)]
    products = [each[-1]]
    for J in reversed(each[:-1]):
        products.append(products[-1] @ J)
    return Jacobians(each, _spectral(each), _spectral(products[::-1]))


def _check_tensor(name: str, what: str, h: Any) -> None:
    if not isinstance(h, Tensor):
        raise TypeError(f"{name}: {what} must be a Tensor, not {type(h).__name__}")


def _jacobian(t: int, new: tuple[Tensor, ...], old: tuple[Tensor, ...]) -> Array:
    """(B, H, H): one walk for each entry of the new state, for all examples at once."""
    known = set(tape(*new))
    for h in old:
        check_on_tape("jacobians", f"the state before state {t}", h, known)
    rows = []
    for h in new:
        for i in range(h.shape[-1]):
            start = np.zeros(h.shape, h.dtype)
            start[..., i] = 1
            found = edited_pullback(h, start, held=set(old), wanted=set(old))
            row = [found.get(x, np.zeros(x.shape, x.dtype)) for x in old]
            rows.append(np.concatenate([part.reshape(-1, part.shape[-1]) for part in row], axis=-1))
    return np.stack(rows, axis=1)


def _spectral(matrices: list[Array]) -> Array:
    return np.array([np.linalg.norm(J, 2, axis=(1, 2)) for J in matrices])


def immediate(h: Tensor, W: Tensor, held: Iterable[Tensor] | None = None) -> Partial:
    """The partial derivative of a state by a weight with the state before held fixed; the total.

    h: a state h_t. W: a weight. held: what is held fixed, as [h_{t-1}, c_{t-1}]; None: what
    crosses from one step to the next, as the scopes tell, or what depends on the weight that it is
    multiplied by. Takes two walks for each entry of h.
    Raises: TypeError, RuntimeError as `contributions`.

    >>> W, h = Tensor([[0.5]], requires_grad=True), Tensor([[1.0]])
    >>> for _ in range(3):
    ...     h = h @ W  # h_3 = W³, by W: 3 W², and with h_2 = W² held fixed: W²
    >>> immediate(h, W).immediate.item(), immediate(h, W).total.item()
    (0.25, 0.75)
    """
    _check_tensor("immediate", "h", h)
    nodes = tape(h)
    check_on_tape("immediate", "W", W, set(nodes))
    fixed = set(held or ())
    cut = recurrent_edges(nodes) if held is None else ()
    parts = np.zeros((h.size, *W.shape), W.dtype), np.zeros((h.size, *W.shape), W.dtype)
    for k in range(h.size):
        start = np.zeros(h.size, h.dtype)
        start[k] = 1
        start = start.reshape(h.shape)
        parts[0][k] = edited_pullback(h, start, cut=cut, held=fixed).get(W, 0)
        parts[1][k] = edited_pullback(h, start).get(W, 0)
    shape = (*h.shape, *W.shape)
    return Partial(parts[0].reshape(shape), parts[1].reshape(shape))


def truncation(loss_fn: Callable[[int | None], Tensor], ks: Iterable[int]) -> dict[int, Truncated]:
    """For each k how the gradient that is cut off every k steps compares with the full one.

    loss_fn: loss_fn(k) gives the loss computed with the state detached every k steps, of one set
    of leaves; loss_fn(None) without. ks: the lengths to try. All leaves are taken as one vector.
    Raises: as `contributions` for a loss of several entries or without leaves.

    >>> w = Tensor(0.5, requires_grad=True)
    >>> def loss_fn(k):
    ...     h = w * 1.0
    ...     for t in range(1, 3):
    ...         h = (h.detach() if k and t % k == 0 else h) * w
    ...     return h
    >>> truncation(loss_fn, [1, 3])[1].ratio  # w² in place of 3 w²
    0.3333333333333333
    """
    full = _leaf_gradients(loss_fn(None))
    leaves = sorted(full, key=lambda leaf: leaf.serial)
    whole = _flat(full, leaves)
    result = {}
    for k in ks:
        part = _flat(_leaf_gradients(loss_fn(k)), leaves)
        lengths = float(np.linalg.norm(part)), float(np.linalg.norm(whole))
        both = lengths[0] * lengths[1]
        ratio = lengths[0] / lengths[1] if lengths[1] else np.nan
        result[k] = Truncated(float(part @ whole) / both if both else np.nan, ratio)
    return result


def _leaf_gradients(loss: Any) -> dict[Tensor, Array]:
    start = checked_loss("truncation", loss)
    leaves = {node for node in tape(loss) if node.op is None and node.requires_grad}
    return pullback((loss,), (start,), wanted=leaves)


def _flat(gradients: dict[Tensor, Array], leaves: list[Tensor]) -> Array:
    zeros = [np.zeros(leaf.shape) for leaf in leaves]
    pairs = zip(leaves, zeros, strict=True)
    return np.concatenate([np.ravel(gradients.get(leaf, zero)) for leaf, zero in pairs])
