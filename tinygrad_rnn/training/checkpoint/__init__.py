"""Checkpoints: a model, its optimiser and its random numbers in one safetensors file."""

from .container import CheckpointError
from .state import load, save

__all__ = ["CheckpointError", "load", "save"]
