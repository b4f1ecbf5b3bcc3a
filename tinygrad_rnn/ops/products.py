# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""Products over any axes: dot, inner, outer, Kronecker and tensor products, Einstein's sums."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from .linalg import diagonal, matmul
from .op import array, composed, op
from .reduce import sum, sum_to
from .shape import broadcast_to, normalized_axis, reshape, transpose

__all__ = ["dot", "einsum", "inner", "kron", "outer", "tensordot"]


@composed(2)
def dot(a: Any, b: Any) -> Any:
    """The sum of products over the last axis of a and the last but one of b (its only one if 1-D).

    Result: a.shape[:-1] + b.shape[:-2] + b.shape[-1:]; a number times an array where one is 0-d.
    Raises: ValueError where the two axes differ in size.

    >>> dot(np.ones((2, 3)), np.ones((4, 3, 5))).shape
    (2, 4, 5)
    """
    if not (a.ndim and b.ndim):
        return a * b
    if b.ndim < 3:
        return matmul(a, b)
    last = b.ndim - 1
    columns = transpose(b, axes=(last - 1, *range(last - 1), last))
    product = matmul(a, reshape(columns, shape=(columns.shape[0], math.prod(columns.shape[1:]))))
    return reshape(product, shape=(*a.shape[:-1], *columns.shape[1:]))


def outer(a: Any, b: Any) -> Any:
    """a_i b_j for all entries of a and b, flattened. Result: (a.size, b.size).

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return reshape(a, shape=(-1, 1)) * reshape(b, shape=(1, -1))


@composed(2)
def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axes of a and b; a product where one is a number.

    Raises: ValueError where the last axes differ in size.

    >>> inner(np.ones((2, 3)), np.ones((4, 3))).shape
    (2, 4)
    """
    return tensordot(a, b, axes=((-1,), (-1,))) if a.ndim and b.ndim else a * b


@composed(2)
def tensordot(a: Any, b: Any, axes: int | Sequence[Any] = 2) -> Any:
    """The sum of products over several axes of both.

    axes: how many, the last of a and the first of b; or (axes of a, axes of b).
    Result: the other axes of a, then those of b. Raises: ValueError where sizes differ.

    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), axes=((1, 2), (1, 0))).shape
    (2, 5)
    """
    if isinstance(axes, (int, np.integer)):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    of_a, of_b = (
        [normalized_axis("tensordot", x, k) for k in (several if np.ndim(several) else [several])]
        for x, several in zip((a, b), axes, strict=True)
    )
    sizes = [a.shape[k] for k in of_a]
    if sizes != [b.shape[k] for k in of_b]:
        raise ValueError(
            f"tensordot: axes {of_a} of a, shape {a.shape}, and {of_b} of b, shape {b.shape}, "
            "must have the same sizes"
        )
    rest_a = [k for k in range(a.ndim) if k not in of_a]
    rest_b = [k for k in range(b.ndim) if k not in of_b]
    shape_a, shape_b = [a.shape[k] for k in rest_a], [b.shape[k] for k in rest_b]
    inner = math.prod(sizes)
    rows = reshape(transpose(a, axes=(*rest_a, *of_a)), shape=(math.prod(shape_a), inner))
    columns = reshape(transpose(b, axes=(*of_b, *rest_b)), shape=(inner, math.prod(shape_b)))
    return reshape(matmul(rows, columns), shape=shape_a + shape_b)


@composed(2)
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: each entry of a times the whole of b, as blocks.

    >>> kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    ndim = max(a.ndim, b.ndim)
    of_a, of_b = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    blocks = reshape(a, shape=[n for size in of_a for n in (size, 1)]) * reshape(
        b, shape=[n for size in of_b for n in (1, size)]
    )
    return reshape(blocks, shape=[n * m for n, m in zip(of_a, of_b, strict=True)])


def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's sum: products over the letters that operands share, summed over those left out.

    subscripts: as np.einsum's, a letter for each axis: "ij,jk->ik"; "..." for further axes; without
    "->" the letters that occur once, sorted. Raises: ValueError where they do not fit.

    >>> einsum("ij,kj->ik", np.ones((2, 3)), np.ones((4, 3))).shape
    (2, 4)
    """
    if not isinstance(subscripts, str) or not operands:
        raise TypeError("einsum: give the subscripts as a text, then arrays: 'ij,jk->ik', a, b")
    operands = tuple(map(array, operands))
    np.einsum_path(subscripts, *(np.broadcast_to(0, x.shape) for x in operands), optimize=False)
    terms, result = _letters(subscripts, operands)
    x, letters = operands[0], terms[0]
    for k, (y, term) in enumerate(zip(operands[1:], terms[1:], strict=True), start=1):
        later = "".join(terms[k + 1 :]) + result
        x, letters = _reduced(x, letters, term + later)
        y, term = _reduced(y, term, letters + later)
        both = "".join(c for c in dict.fromkeys(letters + term) if c in later)
        x, letters = contract(x, y, subscripts=f"{letters},{term}->{both}"), both
    x, letters = _reduced(x, letters, result)
    return transpose(x, axes=tuple(letters.index(c) for c in result))


def _letters(subscripts: str, operands: Sequence[Any]) -> tuple[list[str], str]:
    """A letter for each axis of each operand, and of the result."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    free = [c for c in ascii_letters if c not in subscripts]
    rest = [x.ndim - len(t.replace("...", "")) for x, t in zip(operands, terms, strict=True)]
    most = free[: max(rest)]
    terms = [
        term.replace("...", "".join(most[len(most) - n :]))
        for term, n in zip(terms, rest, strict=True)
    ]
    once = (c for c, n in Counter(given).items() if n == 1 and c.isalpha())
    return terms, (result if arrow else "..." + "".join(sorted(once))).replace("...", "".join(most))


def _reduced(x: Any, letters: str, wanted: str) -> tuple[Any, str]:
    """x with each of its letters once, summed over those that nobody wants."""
    for c in [c for c, n in Counter(letters).items() for _ in range(n - 1)]:
        axes = letters.index(c), letters.rindex(c)
        x, letters = diagonal(x, 0, *axes), letters.replace(c, "", 2) + c
    unwanted = tuple(k for k, c in enumerate(letters) if c not in wanted)
    return sum(x, axis=unwanted), "".join(c for c in letters if c in wanted)


@op(
    a=lambda g, z, a, b, subscripts: _like(a, contract(g, b, subscripts=_by_first(subscripts))),
    b=lambda g, z, a, b, subscripts: _like(b, contract(a, g, subscripts=_by_second(subscripts))),
)
def contract(a: Any, b: Any, *, subscripts: str) -> Any:
    """Einstein's sum of two arrays; each letter is once in a term, and in two of the three.

    >>> contract(np.ones((2, 3)), np.ones((4, 3)), subscripts="ij,kj->ik").shape
    (2, 4)
    """
    return np.einsum(subscripts, a, b, optimize=True)


def _by_first(subscripts: str) -> str:
    """Of the gradient and b, for the gradient by a: "ik,jk->ij" where it was "ij,jk->ik"."""
    first, second, result = subscripts.replace("->", ",").split(",")
    return f"{result},{second}->{first}"


def _by_second(subscripts: str) -> str:
    """Of a and the gradient, for the gradient by b: "ij,ik->jk" where it was "ij,jk->ik"."""
    first, second, result = subscripts.replace("->", ",").split(",")
    return f"{first},{result}->{second}"


def _like(x: Any, gradient: Any) -> Any:
    """The gradient in x's shape: an axis of size 1 on either side stands for all of the other's."""
    sizes = [n if m != 1 else 1 for n, m in zip(gradient.shape, x.shape, strict=True)]
    return broadcast_to(sum_to(gradient, tuple(sizes)), shape=x.shape)
