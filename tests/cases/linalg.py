"""Rows of ops/linalg.py and ops/products.py."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn import ops
from tinygrad_rnn.ops.products import contract

from .rows import Draw, normal, row

PRODUCTS = [
    ((3,), (3,)),
    ((0,), (0,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((1, 3), (3, 4)),
    ((2, 3), (3, 1)),
    ((4, 1), (1, 5)),  # rules give a Term: the result is larger than the operands
    ((5, 2), (2, 3)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 2)),
    ((3,), (5, 3, 2)),
    ((5, 2, 3), (3,)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (1, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (4, 3, 2)),
    ((4, 2, 3), (2, 1, 3, 2)),
    ((2, 2, 2, 3), (3, 2)),
    ((2, 2, 2, 3), (3,)),
    ((3,), (2, 2, 3, 2)),
    ((0, 2, 3), (3, 4)),
    ((5, 2, 0), (0, 3)),
    ((5, 2, 0), (5, 0, 3)),
]
LINALG = [
    *(row("matmul", np.matmul, Draw(normal, a), Draw(normal, b)) for a, b in PRODUCTS),
    *(
        row("addmm", lambda c, a, b: c + a @ b, *(Draw(normal, shape) for shape in shapes))
        for shapes in [
            ((2, 4), (2, 3), (3, 4)),
            ((4,), (2, 3), (3, 4)),
            ((), (2, 3), (3, 4)),
            ((1, 4), (5, 2, 3), (3, 4)),
            ((5, 2, 4), (5, 2, 3), (3, 4)),
            ((5, 1, 1), (5, 2, 3), (5, 3, 4)),
            ((), (3,), (3,)),
            ((2,), (2, 3), (3,)),
        ]
    ),
    *(
        row("dot", np.dot, Draw(normal, a), Draw(normal, b))
        for a, b in [
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((2, 3), (3, 4)),
            ((5, 2, 3), (3, 4)),
            ((), (2, 3)),
            ((2, 3), ()),
            ((2, 3), (4, 3, 5)),
            ((3,), (4, 3, 5)),
            ((6, 2, 3), (7, 4, 3, 5)),
        ]
    ),
    row("outer", np.outer, Draw(normal, (3,)), Draw(normal, (2,))),
    row("outer", np.outer, Draw(normal, (2, 2)), Draw(normal, (3,))),
    row("outer", np.outer, Draw(normal, ()), Draw(normal, (3,))),
    *(
        row("inner", np.inner, Draw(normal, a), Draw(normal, b))
        for a, b in [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((5, 2, 3), (4, 3)),
                     ((), (2, 3)), ((2,), ())]
    ),
    *(
        row("tensordot", np.tensordot, Draw(normal, a), Draw(normal, b), axes=axes)
        for a, b, axes in [
            ((2, 3, 4), (3, 4, 5), 2), ((2, 3), (3, 4), 1), ((2, 3), (4,), 0), ((2, 3), (2, 3), 2),
            ((2, 3, 4), (4, 3, 5), ((1, 2), (1, 0))), ((2, 3, 4), (5, 3), (1, 1)),
            ((2, 3, 4), (5, 3), ([-2], [-1])), ((0, 3), (3, 2), 1), ((2, 0), (0, 3), 1),
        ]
    ),
    *(
        row("kron", np.kron, Draw(normal, a), Draw(normal, b))
        for a, b in [((2,), (3,)), ((2, 3), (3, 2)), ((2,), (2, 3)), ((2, 2, 2), (3,)), ((), (3,)),
                     ((2, 3), ()), ((0,), (2,))]
    ),
    *(
        row("einsum", lambda *xs, s=subscripts: np.einsum(s, *xs),
            *(Draw(normal, shape) for shape in shapes), label=f"{subscripts} {shapes}",
            call=lambda *xs, s=subscripts: ops.einsum(s, *xs))
        for subscripts, *shapes in [
            ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij->ji", (2, 3)),
            ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ji", (2, 3)), ("ii", (3, 3)),
            ("ii->i", (3, 3)), ("iij->ji", (2, 2, 3)), ("i,i", (3,), (3,)), ("i,j->ij", (2,), (3,)),
            ("i,j->ji", (2,), (3,)), ("ij,j", (2, 3), (3,)), ("bij,bjk->bik", (2, 3, 2), (2, 2, 4)),
            ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("...i,i", (2, 3), (3,)),
            ("...i->...", (2, 3)), ("i...->...i", (2, 3, 4)), ("ij,kj->ik", (2, 3), (4, 3)),
            ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("i,ij,j", (2,), (2, 3), (3,)),
            ("ij,ij->i", (1, 3), (2, 3)), ("ij,ij", (2, 1), (2, 3)), ("ij,ik->i", (2, 3), (2, 4)),
            ("iij,j->i", (2, 2, 3), (3,)), (",ij->ij", (), (2, 3)), ("i,i,i->i", (3,), (3,), (3,)),
            ("ij , jk -> ik", (2, 0), (0, 3)), ("...,...", (3,), (2, 3)), ("iii->i", (2, 2, 2)),
            ("bthd,bshd->bhts", (1, 2, 2, 3), (1, 4, 2, 3)),
        ]
    ),
    row("contract", lambda a, b: np.einsum("ij,kj->ik", a, b), Draw(normal, (2, 3)),
        Draw(normal, (4, 3)), call=lambda a, b: contract(a, b, subscripts="ij,kj->ik")),
    *(
        row(name, reference, Draw(normal, shape), offset=offset, axis1=axis1, axis2=axis2)
        for name, reference in [("diagonal", np.diagonal), ("trace", np.trace)]
        for shape, offset, axis1, axis2 in [
            ((3, 3), 0, 0, 1), ((2, 4), 1, 0, 1), ((4, 2), 1, 0, 1), ((4, 2), -2, 0, 1),
            ((2, 3, 4), 0, 0, 1), ((2, 3, 4), 0, 2, 0), ((2, 3, 4), -1, -1, 1), ((2, 2), 5, 0, 1),
            ((0, 3), 0, 0, 1),
        ]
    ),
    *(
        row(name, reference, Draw(normal, shape), k=k)
        for name, reference in [("tril", np.tril), ("triu", np.triu)]
        for shape, k in [((3, 3), 0), ((2, 4), 1), ((4, 2), -1), ((2, 3, 3), 0), ((3,), 0),
                         ((2, 2), 9), ((0, 2), 0)]
    ),
]  # fmt: skip
