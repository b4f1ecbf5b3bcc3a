"""FORMULAS: what each optimiser computes, in NumPy; SETTINGS: with which settings it is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import optim

Steps = Iterator[np.ndarray]
Gradients = Sequence[np.ndarray]


def sgd(
    p: np.ndarray,
    gradients: Gradients,
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> Steps:
    """v = momentum v + (1 - dampening) g, at first g; p -= lr v, or lr (g + momentum v)."""
    v = None
    for g in gradients:
        g = g + weight_decay * p
        v = g if v is None else momentum * v + (1 - dampening) * g
        p = p - lr * (g + momentum * v if nesterov else v)
        yield p


def adagrad(
    p: np.ndarray,
    gradients: Gradients,
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> Steps:
    """s += g², p -= lr / (1 + (step - 1) lr_decay) g / (sqrt(s) + eps)."""
    s = np.full(p.shape, initial_accumulator_value)
    for step, g in enumerate(gradients):
        g = g + weight_decay * p
        s = s + g * g
        p = p - lr / (1 + step * lr_decay) * g / (np.sqrt(s) + eps)
        yield p


def rmsprop(
    p: np.ndarray,
    gradients: Gradients,
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> Steps:
    """s: mean of g², less the squared mean of g if centered; steps go through momentum."""
    s = m = v = np.zeros(p.shape)
    for g in gradients:
        g = g + weight_decay * p
        s, m = alpha * s + (1 - alpha) * g * g, alpha * m + (1 - alpha) * g
        v = momentum * v + g / (np.sqrt(s - m * m if centered else s) + eps)
        p = p - lr * v
        yield p


def adam(
    p: np.ndarray,
    gradients: Gradients,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
) -> Steps:
    """Running means of g and g², corrected for their start at 0; amsgrad: the largest v so far."""
    m = v = largest = np.zeros(p.shape)
    for step, g in enumerate(gradients, start=1):
        g = g + weight_decay * p
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        root = np.sqrt((largest if amsgrad else v) / (1 - betas[1] ** step))
        p = p - lr * (m / (1 - betas[0] ** step)) / (root + eps)
        yield p


def adamw(
    p: np.ndarray,
    gradients: Gradients,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    amsgrad: bool = False,
) -> Steps:
    """p -= lr weight_decay p; then Adam's step, whose means are those of the bare gradients.

    Adam's step does not depend on p, so that of a run from 0 is added.
    """
    before = np.zeros(p.shape)
    for moved in adam(before, gradients, lr, betas, eps, 0.0, amsgrad):
        p = p * (1 - lr * weight_decay) + moved - before
        before = moved
        yield p


FORMULAS: dict[str, Callable[..., Steps]] = {
    "SGD": sgd,
    "Adagrad": adagrad,
    "RMSprop": rmsprop,
    "Adam": adam,
    "AdamW": adamw,
}
SETTINGS: list[tuple[type[optim.Optimizer], dict[str, Any]]] = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    (optim.Adagrad, {"lr": 0.1}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.1}),
    (optim.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-2}),
    (optim.RMSprop, {"lr": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "alpha": 0.8, "eps": 1e-3}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    (optim.Adam, {"lr": 0.1}),
    (optim.Adam, {"lr": 0.1, "betas": (0.8, 0.5), "amsgrad": True, "weight_decay": 0.1}),
    (optim.Adam, {"lr": 0.1, "betas": (0.0, 0.9), "eps": 1e-2}),
    (optim.AdamW, {"lr": 0.1}),
    (optim.AdamW, {"lr": 0.1, "betas": (0.8, 0.5), "amsgrad": True, "weight_decay": 0.3}),
    (optim.AdamW, {"lr": 0.1, "eps": 1e-2, "weight_decay": 0.0}),
]
