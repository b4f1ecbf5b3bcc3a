"""The operations that are methods of a Tensor: `t.cumsum(0)` is `tg.cumsum(t, 0)`."""

from __future__ import annotations

from .. import ops


class Methods:
    """Each method is the function of its name, with the tensor as its first argument."""

    __slots__ = ()

    abs = ops.abs
    addmm = ops.addmm
    arccos = ops.arccos
    arccosh = ops.arccosh
    arcsin = ops.arcsin
    arcsinh = ops.arcsinh
    arctan = ops.arctan
    arctanh = ops.arctanh
    astype = ops.astype
    broadcast_to = ops.broadcast_to
    clip = ops.clip
    cos = ops.cos
    cosh = ops.cosh
    cumsum = ops.cumsum
    diagonal = ops.diagonal
    dot = ops.dot
    expand_dims = ops.expand_dims
    expm1 = ops.expm1
    flip = ops.flip
    inner = ops.inner
    log1p = ops.log1p
    log_softmax = ops.log_softmax
    logsumexp = ops.logsumexp
    matmul = ops.matmul
    max = ops.max
    maximum = ops.maximum
    mean = ops.mean
    min = ops.min
    minimum = ops.minimum
    moveaxis = ops.moveaxis
    norm = ops.norm
    outer = ops.outer
    pad = ops.pad
    prod = ops.prod
    ravel = ops.ravel
    reciprocal = ops.reciprocal
    repeat = ops.repeat
    roll = ops.roll
    sign = ops.sign
    sin = ops.sin
    sinh = ops.sinh
    softmax = ops.softmax
    softplus = ops.softplus
    sort = ops.sort
    split = ops.split
    square = ops.square
    squeeze = ops.squeeze
    std = ops.std
    sum = ops.sum
    swapaxes = ops.swapaxes
    take = ops.take
    take_along_axis = ops.take_along_axis
    tan = ops.tan
    tile = ops.tile
    trace = ops.trace
    tril = ops.tril
    triu = ops.triu
    unbind = ops.unbind
    var = ops.var
