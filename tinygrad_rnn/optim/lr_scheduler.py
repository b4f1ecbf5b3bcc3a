"""Schedules: what becomes of the learning rates of an optimiser's groups.

A schedule sets the rates when it is made, and again at each `step()`, after the optimiser's. Every
rate follows from the one before, as in PyTorch. So what is changed by hand stays changed, and
schedules of one optimiser multiply: a `LinearWarmup` and a `CosineAnnealingLR` that both step are a
cosine that is warmed up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from .optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "LRScheduler", "LinearWarmup", "ReduceLROnPlateau", "StepLR"]


class LRScheduler:
    """Sets the learning rates of an optimiser's groups; a subclass defines `next_lr`.

    optimizer: each group keeps its first rate as "initial_lr". last_epoch: -1 to start; to go on,
    how many steps have led to the rates that the groups have now.
    Afterwards last_epoch is the number of steps so far.
    Raises: ValueError where a group has no "initial_lr" to go on from.
    """

    counters: ClassVar[tuple[str, ...]] = ("last_epoch",)  # attributes that steps change

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: {optimizer!r:.60} is no optimiser")
        self.optimizer = optimizer
        self.last_epoch = last_epoch
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch != -1 and "initial_lr" not in group:
                raise ValueError(
                    f"{type(self).__name__}: group {k} has no 'initial_lr', which a schedule that "
                    "goes on needs; load the optimiser's state first"
                )
        LRScheduler.step(self)

    def next_lr(self, lr: float, initial_lr: float) -> float:
        """The rate after `last_epoch` steps. lr: the rate before. initial_lr: the first one."""
        return lr

    def step(self) -> None:
        """Sets the next learning rate of each group."""
        self.last_epoch += 1
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = self.next_lr(group["lr"], group["initial_lr"])

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """How far the schedule is: its counters, and the groups' first and present rates."""
        groups = self.optimizer.param_groups
        rates = {name: [float(group[name]) for group in groups] for name in ("initial_lr", "lr")}
        return {name: getattr(self, name) for name in self.counters} | rates

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on from where another schedule of this kind was; sets the groups' rates.

        state_dict: as `state_dict` gives it.
        Raises: ValueError that lists every difference; then nothing has changed.
        """
        groups, names = self.optimizer.param_groups, (*self.counters, "initial_lr", "lr")
        wrong = [f"{name} is missing" for name in names if name not in state_dict]
        wrong += [f"there is no {name!r}" for name in state_dict if name not in names]
        wrong += [
            f"{name} is of {len(state_dict[name])} groups, not {len(groups)}"
            for name in ("initial_lr", "lr")
            if name in state_dict and len(state_dict[name]) != len(groups)
        ]
        if wrong:
            raise ValueError(f"{type(self).__name__}: load_state_dict: {'; '.join(wrong)}")
        for name in self.counters:
            setattr(self, name, state_dict[name])
        rates = zip(groups, state_dict["initial_lr"], state_dict["lr"], strict=True)
        for group, initial_lr, lr in rates:
            group.update(initial_lr=float(initial_lr), lr=float(lr))


class StepLR(LRScheduler):
    """Multiplies the learning rates by gamma every step_size steps.

    optimizer, last_epoch: see `LRScheduler`. step_size: a whole number above 0.

    >>> from tinygrad_rnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor(1.0)], lr=0.1)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> optimizer.lr
    0.025
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        _check("StepLR", "step_size", step_size, _is_integer(step_size), "a whole number above 0")
        _check("StepLR", "gamma", gamma, _is_finite(gamma), FINITE)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, initial_lr: float) -> float:
        """gamma lr after every step_size steps, else lr."""
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return lr * self.gamma if due else lr


class CosineAnnealingLR(LRScheduler):
    """Leads the learning rates along half a cosine to eta_min in T_max steps, then back up.

    After t steps from initial_lr: eta_min + (initial_lr - eta_min) (1 + cos(π t / T_max)) / 2.
    optimizer, last_epoch: see `LRScheduler`. T_max: a whole number above 0.
    Source: Loshchilov & Hutter (2017), SGDR: stochastic gradient descent with warm restarts.

    >>> from tinygrad_rnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor(1.0)], lr=0.1)
    >>> schedule, rates = CosineAnnealingLR(optimizer, T_max=4), []
    >>> for _ in range(5):
    ...     rates.append(round(optimizer.lr, 4))
    ...     schedule.step()
    >>> rates
    [0.1, 0.0854, 0.05, 0.0146, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        _check("CosineAnnealingLR", "T_max", T_max, _is_integer(T_max), "a whole number above 0")
        _check("CosineAnnealingLR", "eta_min", eta_min, _is_finite(eta_min), FINITE)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, initial_lr: float) -> float:
        """lr with its distance from eta_min scaled as the cosine is; from eta_min itself a step."""
        if self.last_epoch == 0:
            return lr
        before, now = (
            1 + math.cos(math.pi * t / self.T_max) for t in (self.last_epoch - 1, self.last_epoch)
        )
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            return lr + (initial_lr - self.eta_min) * now / 2
        return self.eta_min + (lr - self.eta_min) * now / before


class LinearWarmup(LRScheduler):
    """Leads the learning rates up from start_factor times themselves, in equal parts, in `steps`.

    After t steps: (start_factor + (1 - start_factor) min(t, steps) / steps) times the first rate.
    As PyTorch's LinearLR with an end_factor of 1.
    optimizer, last_epoch: see `LRScheduler`. steps: a whole number above 0. start_factor: above 0,
    at most 1.

    >>> from tinygrad_rnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor(1.0)], lr=1.0)
    >>> schedule, rates = LinearWarmup(optimizer, steps=4, start_factor=0.2), []
    >>> for _ in range(6):
    ...     rates.append(round(optimizer.lr, 4))
    ...     schedule.step()
    >>> rates
    [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, steps: int, start_factor: float = 1 / 3, last_epoch: int = -1
    ) -> None:
        _check("LinearWarmup", "steps", steps, _is_integer(steps), "a whole number above 0")
        fine = _is_finite(start_factor) and 0 < start_factor <= 1
        _check("LinearWarmup", "start_factor", start_factor, fine, "above 0 and at most 1")
        self.steps = steps
        self.start_factor = start_factor
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, initial_lr: float) -> float:
        """lr times the new factor over the old one."""
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self.last_epoch > self.steps:
            return lr
        before, now = (self._factor(t) for t in (self.last_epoch - 1, self.last_epoch))
        return lr * now / before

    def _factor(self, t: int) -> float:
        return self.start_factor + (1 - self.start_factor) * t / self.steps


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rates by factor when a metric has not improved for long enough.

    optimizer: see `LRScheduler`. mode: whether the metric should fall, "min", or rise, "max".
    factor: from 0 to below 1. patience: how many steps in a row without improvement are fine.
    threshold: what counts as one: a share of the best value for threshold_mode "rel", a difference
    for "abs". cooldown: steps after a reduction in which nothing is counted. min_lr: no rate falls
    below; a number, or one for each group. eps: a smaller change of a rate is left out.
    Raises: ValueError for other values.

    >>> from tinygrad_rnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor(1.0)], lr=0.1)
    >>> schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.05
    """

    counters = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(optimizer)
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.eps = eps
        self.best: float = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._check_settings()

    def _check_settings(self) -> None:
        shapes = (), (len(self.optimizer.param_groups),)
        rates = np.shape(self.min_lr) in shapes and all(map(_is_finite, np.ravel(self.min_lr)))
        for name, fine, needed in (
            ("mode", self.mode in ("min", "max"), "'min' or 'max'"),
            ("factor", _is_finite(self.factor) and self.factor < 1, "from 0 to below 1"),
            ("patience", _is_integer(self.patience, 0), "a whole number, at least 0"),
            ("threshold", _is_finite(self.threshold), FINITE),
            ("threshold_mode", self.threshold_mode in ("rel", "abs"), "'rel' or 'abs'"),
            ("cooldown", _is_integer(self.cooldown, 0), "a whole number, at least 0"),
            ("eps", _is_finite(self.eps), FINITE),
            ("min_lr", rates, "a finite number, at least 0, or one for each group"),
        ):
            _check("ReduceLROnPlateau", name, getattr(self, name), fine, needed)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Takes the metric's new value, and reduces the learning rates where it is time.

        metrics: a number, or an array or Tensor of one entry.
        """
        self.last_epoch += 1
        value = float(metrics)
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            self._reduce()

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        best = sign * self.best
        if self.threshold_mode == "rel":
            return sign * value > best * (1 + sign * self.threshold)
        return sign * value > best + self.threshold

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        for group, least in zip(groups, np.broadcast_to(self.min_lr, len(groups)), strict=True):
            lr = max(group["lr"] * self.factor, float(least))
            if group["lr"] - lr > self.eps:
                group["lr"] = lr


FINITE = "a finite number, at least 0"


def _is_integer(value: Any, least: int = 1) -> bool:
    return isinstance(value, (int, np.integer)) and bool(value >= least)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and bool(0 <= value < math.inf)


def _check(kind: str, name: str, value: Any, fine: bool, needed: str) -> None:
    if not fine:
        raise ValueError(f"{kind}: {name} is {value!r}; it must be {needed}")
