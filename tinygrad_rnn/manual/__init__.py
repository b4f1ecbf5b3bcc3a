"""Backpropagation through time written out by hand: the referee of the automatic gradients.

A tanh RNN in three topologies and two layouts, and the LSTM and the GRU as layers (`lstm.run` and
`gru.run`), forward and backward, in plain NumPy; one layer by Kronecker products (`kronecker`).
Nothing here uses the engine, and every line of the backward pass cites its equation in
docs/derivation.md.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> shapes = [(4, 3), (4, 4), (2, 4), (4, 1), (2, 1)]
>>> p = Parameters(*(rng.normal(size=shape) for shape in shapes))
>>> x = rng.normal(size=(6, 3, 5))
>>> result = many_to_one(p, x, np.array([0, 1, 1, 0, 1]), np.zeros((4, 5)),
...                      loss=softmax_cross_entropy, scale=1 / 5)
>>> result.gradients.W_hh.shape
(4, 4)
>>> terms = [term.W_hh for term in result.terms()]
>>> len(terms), np.allclose(sum(terms), result.gradients.W_hh)
(6, True)
"""

from . import gru, kronecker, lstm
from .losses import softmax_cross_entropy, squared_error
from .lstm import Weights
from .records import Gradients, Layout, Parameters, Step
from .topologies import Loss, Result, many_to_many, many_to_one, one_to_many

__all__ = [
    "Gradients",
    "Layout",
    "Loss",
    "Parameters",
    "Result",
    "Step",
    "Weights",
    "gru",
    "kronecker",
    "lstm",
    "many_to_many",
    "many_to_one",
    "one_to_many",
    "softmax_cross_entropy",
    "squared_error",
]
