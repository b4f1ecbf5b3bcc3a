"""INITS: a row or more for each function of `tg.nn.init` that fills a Tensor; OTHERS: the rest.

fan_in is what one output sums over, fan_out what one input goes to; further axes multiply both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.nn import init

SHAPE = (40, 30, 5)  # fan_in 150, fan_out 200


class Row(NamedTuple):
    """settings: all but the tensor and rng. kind: what its numbers are like.

    mean, std: of the numbers in a tensor of SHAPE; of a constant the mean alone, of an orthogonal
    matrix the std is the length of its rows or columns. axes: as many does a tensor need.
    """

    fill: Callable[..., Any]
    settings: dict[str, Any]
    kind: str
    mean: float
    std: float
    axes: int = 0

    def __str__(self) -> str:
        return f"{self.fill.__name__} {self.settings}"


INITS = [
    Row(init.uniform_, {}, "uniform", 0.5, 0.5 / math.sqrt(3)),
    Row(init.uniform_, {"a": -2.0, "b": 4.0}, "uniform", 1.0, 3 / math.sqrt(3)),
    Row(init.normal_, {}, "normal", 0.0, 1.0),
    Row(init.normal_, {"mean": 5.0, "std": 0.3}, "normal", 5.0, 0.3),
    Row(init.xavier_uniform_, {}, "uniform", 0.0, math.sqrt(2 / 350), 2),
    Row(init.xavier_uniform_, {"gain": 3.0}, "uniform", 0.0, 3 * math.sqrt(2 / 350), 2),
    Row(init.xavier_normal_, {}, "normal", 0.0, math.sqrt(2 / 350), 2),
    Row(init.xavier_normal_, {"gain": 3.0}, "normal", 0.0, 3 * math.sqrt(2 / 350), 2),
    Row(init.kaiming_uniform_, {}, "uniform", 0.0, math.sqrt(2 / 150), 2),
    Row(init.kaiming_uniform_, {"a": 1.0}, "uniform", 0.0, math.sqrt(1 / 150), 2),
    Row(init.kaiming_uniform_, {"mode": "fan_out", "nonlinearity": "linear"}, "uniform", 0.0,
        math.sqrt(1 / 200), 2),
    Row(init.kaiming_normal_, {}, "normal", 0.0, math.sqrt(2 / 150), 2),
    Row(init.kaiming_normal_, {"mode": "fan_out", "a": 1.0}, "normal", 0.0, math.sqrt(1 / 200), 2),
    Row(init.kaiming_normal_, {"nonlinearity": "tanh"}, "normal", 0.0, 5 / 3 / math.sqrt(150), 2),
    Row(init.orthogonal_, {}, "orthogonal", 0.0, 1.0, 2),
    Row(init.orthogonal_, {"gain": 2.0, "blocks": 4}, "orthogonal", 0.0, 2.0, 2),
    Row(init.constant_, {"val": -0.5}, "constant", -0.5, 0.0),
    Row(init.ones_, {}, "constant", 1.0, 0.0),
    Row(init.zeros_, {}, "constant", 0.0, 0.0),
]  # fmt: skip
OTHERS = {  # no such functions: where they are tested
    "calculate_gain": "test_init.py: test_gains",
    "forget_bias_": "test_init.py: Forget gates",
}


def assert_distributed(x: np.ndarray, row: Row) -> None:
    """Mean, spread and form of the numbers are those of the row."""
    if row.kind == "orthogonal":
        blocks = row.settings.get("blocks", 1)
        W = x.reshape(blocks, len(x) // blocks, -1)
        W = W if W.shape[1] <= W.shape[2] else W.swapaxes(1, 2)
        unit = row.std**2 * np.eye(W.shape[1])
        np.testing.assert_allclose(W @ W.swapaxes(1, 2), np.stack([unit] * blocks), atol=1e-13)
        return
    assert abs(x.mean() - row.mean) <= 0.05 * row.std
    if row.kind == "constant":
        assert np.all(x == row.mean)
        return
    assert abs(x.std() / row.std - 1) < 0.03
    largest = np.abs(x - row.mean).max() / row.std
    bound = math.sqrt(3) * (1 + 1e-12)
    assert bound * 0.99 < largest <= bound if row.kind == "uniform" else 3 < largest < 6
