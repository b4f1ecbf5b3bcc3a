"""Competitors checked against each other, then timed in turn in one process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .workloads import Competitor

TOLERANCES = {"float64": 1e-9, "float32": 1e-3}
WARM_UPS = 2
BLOCK_SECONDS = 0.05


def agree(competitors: dict[str, Competitor], tolerance: float) -> None:
    """Raises: AssertionError where a loss or a gradient is not the first competitor's."""
    first, *_ = competitors
    loss, gradients = competitors[first].read(competitors[first].step())
    expected = [np.array(g) for g in gradients]
    for name, competitor in competitors.items():
        other, found = competitor.read(competitor.step()) if name != first else (loss, expected)
        pairs = [(np.asarray(loss), np.asarray(other)), *zip(expected, found, strict=True)]
        for k, (a, b) in enumerate(pairs):
            worst = np.max(np.abs(a - b)) / max(np.max(np.abs(a)), 1e-30)
            if a.shape != b.shape or not worst <= tolerance:
                what = f"gradient {k - 1}" if k else "the loss"
                raise AssertionError(f"{name}: {what} is {worst:.1e} away from that of {first}")


def measured(
    steps: dict[str, Callable[[], Any]], seconds: float, settling: float = 0.0
) -> dict[str, dict[str, Any]]:
    """Median, quartiles (s) and count of calls, for about so many seconds of each competitor.

    In a round each runs a block of calls, after two that do not count, or as many as take
    `settling` seconds: idle threads of the one before may still be waiting busily. Rounds start
    with another one each. What was there before is out of the garbage collector's sight.
    """
    calls = {name: _calls(step) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    names, rounds = list(steps), max(3, round(seconds / BLOCK_SECONDS))
    gc.collect()
    gc.freeze()
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            times[name] += _block(steps[name], calls[name], settling)
    gc.unfreeze()
    return {name: _summary(each) for name, each in times.items()}


def _calls(step: Callable[[], Any]) -> int:
    """How many calls fill a block."""
    step()
    (once,) = _block(step, 1)
    return int(min(400, max(1, BLOCK_SECONDS / once)))


def _block(step: Callable[[], Any], calls: int, settling: float = 0.0) -> list[float]:
    """Seconds of each of so many calls."""
    settled = time.perf_counter() + settling
    warm_ups = 0
    while warm_ups < WARM_UPS or time.perf_counter() < settled:
        step()
        warm_ups += 1
    found = []
    for _ in range(calls):
        start = time.perf_counter()
        step()
        found.append(time.perf_counter() - start)
    return found


def _summary(times: list[float]) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(times, n=4)
    return {"median": middle, "quartiles": [low, high], "calls": len(times)}
