"""SCHEDULES: the rates of each schedule in closed form; REFUSED: what it does not take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinygrad_rnn.optim import lr_scheduler
from tinygrad_rnn.optim.lr_scheduler import LRScheduler

METRICS = [3.0, 2.0, 2.5, 2.1, 1.0, 2.0, 2.0, 1.5, 1.2, 0.99, 1.0, 1.0, 1.0, 0.5, 0.4, 0.6, 0.6]


class Row(NamedTuple):
    """settings: all but the optimiser. rate: of a group's first rate and t steps so far.

    metrics: what `step` is given at each of them, if anything.
    """

    kind: type[LRScheduler]
    settings: dict[str, Any]
    rate: Callable[[float, int], float]
    metrics: Sequence[float] | None = None

    def __str__(self) -> str:
        return f"{self.kind.__name__} {self.settings}"

    def make(self, optimizer: Any, **given: Any) -> LRScheduler:
        """The schedule of an optimiser."""
        return self.kind(optimizer, **self.settings, **given)

    def advance(self, schedule: Any) -> None:
        """Its next step."""
        if self.metrics is None:
            schedule.step()
        else:
            schedule.step(self.metrics[schedule.last_epoch % len(self.metrics)])


def _cosine(T_max: int, eta_min: float = 0.0) -> Callable[[float, int], float]:
    return lambda lr, t: eta_min + (lr - eta_min) * (1 + math.cos(math.pi * t / T_max)) / 2


def _warmup(steps: int, start: float = 1 / 3) -> Callable[[float, int], float]:
    return lambda lr, t: lr * (start + (1 - start) * min(t, steps) / steps)


def _plateau(
    factor: float,
    patience: int,
    better: Callable[[float, float], bool],
    cooldown: int = 0,
    least: float = 0.0,
    eps: float = 1e-8,
    worst: float = math.inf,
) -> Callable[[float, int], float]:
    """Counts, from the first value on, those that are no improvement."""

    def rate(lr: float, t: int) -> float:
        best, bad, rest = worst, 0, 0
        for k in range(t):
            value = METRICS[k % len(METRICS)]
            bad = 0 if better(value, best) else bad + 1
            best = value if bad == 0 else best
            if rest:
                rest, bad = rest - 1, 0
            if bad > patience:
                new = max(lr * factor, least)
                lr, bad, rest = (new if lr - new > eps else lr), 0, cooldown
        return lr

    return rate


NO_NUMBERS = [-0.1, math.nan, math.inf, "0.1", None, [0.1], 1j]
STEP, COSINE = lr_scheduler.StepLR, lr_scheduler.CosineAnnealingLR
WARMUP, PLATEAU = lr_scheduler.LinearWarmup, lr_scheduler.ReduceLROnPlateau
SCHEDULES = [
    Row(STEP, {"step_size": 7}, lambda lr, t: lr * 0.1 ** (t // 7)),
    Row(STEP, {"step_size": 1, "gamma": 0.9}, lambda lr, t: lr * 0.9**t),
    Row(COSINE, {"T_max": 10}, _cosine(10)),
    Row(COSINE, {"T_max": 1}, _cosine(1)),
    Row(COSINE, {"T_max": 5, "eta_min": 0.02}, _cosine(5, 0.02)),
    Row(WARMUP, {"steps": 8, "start_factor": 0.2}, _warmup(8, 0.2)),
    Row(WARMUP, {"steps": 4}, _warmup(4)),
    Row(PLATEAU, {"patience": 1, "factor": 0.5},
        _plateau(0.5, 1, lambda x, best: x < best * (1 - 1e-4)), METRICS),
    Row(PLATEAU, {"patience": 0, "cooldown": 2, "min_lr": 0.02, "threshold": 0.3},
        _plateau(0.1, 0, lambda x, best: x < best * 0.7, 2, 0.02), METRICS),
    Row(PLATEAU, {"mode": "max", "patience": 2, "threshold_mode": "abs", "threshold": 0.5},
        _plateau(0.1, 2, lambda x, best: x > best + 0.5, worst=-math.inf), METRICS),
    Row(PLATEAU, {"patience": 0, "factor": 0.5, "eps": 0.04},
        _plateau(0.5, 0, lambda x, best: x < best * (1 - 1e-4), eps=0.04), METRICS),
]  # fmt: skip
# for each option, and each size that must be given: values that make no sense
REFUSED: dict[type[LRScheduler], dict[str, list[Any]]] = {
    STEP: {"step_size": [0, -1, 2.5, math.nan, "2", None], "gamma": NO_NUMBERS},
    COSINE: {"T_max": [0, -1, 2.5, math.nan, "2", None], "eta_min": NO_NUMBERS},
    WARMUP: {"steps": [0, -1, 2.5, math.nan, "2", None], "start_factor": [*NO_NUMBERS, 0, 1.5]},
    PLATEAU: {
        "mode": ["least", None, 1],
        "factor": [*NO_NUMBERS, 1.0],
        "patience": [*NO_NUMBERS, 0.5],
        "threshold": NO_NUMBERS,
        "threshold_mode": ["x", None, 0.1],
        "cooldown": [*NO_NUMBERS, 0.5],
        "min_lr": [[1, 2, 3], "0.1", None, [0.1, None], -0.1, [0.0, math.nan]],
        "eps": NO_NUMBERS,
    },
}
