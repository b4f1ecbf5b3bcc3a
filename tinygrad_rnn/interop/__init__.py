"""Weights for PyTorch and Keras and from them, and whole models as ONNX; none is imported here."""

from .keras import keras_weights, load_keras_weights
from .onnx_graph import to_onnx
from .pytorch import load_torch_state_dict, torch_state_dict

__all__ = [
    "keras_weights",
    "load_keras_weights",
    "load_torch_state_dict",
    "to_onnx",
    "torch_state_dict",
]
