"""Parts that learn, with PyTorch's names, shapes and returns."""

from . import init, utils
from .cells import GRUCell, LSTMCell, RNNCell
from .dropout import Dropout
from .embedding import Embedding
from .linear import Linear
from .module import Module, Parameter
from .normalization import LayerNorm
from .recurrent import GRU, LSTM, RNN
from .sequential import Sequential
from .topologies import EncoderDecoder, ManyToMany, ManyToOne, OneToMany

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Dropout",
    "Embedding",
    "EncoderDecoder",
    "GRUCell",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "ManyToMany",
    "ManyToOne",
    "Module",
    "OneToMany",
    "Parameter",
    "RNNCell",
    "Sequential",
    "init",
    "utils",
]
