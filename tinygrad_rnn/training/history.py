"""History: what happened in each epoch of a training."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..ops.op import Array


@dataclass
class History:
    """What happened in each epoch.

    loss, validation: means over the examples (validation is empty where there was none).
    lr: learning rate of the first group. seconds: of each epoch. best: the epoch, from 0, with the
    lowest validation loss, or training loss without validation. stopped: "epochs" where all were
    run, "patience" where the loss had stopped falling, "interrupted" after Ctrl-C.
    """

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: Literal["epochs", "patience", "interrupted"] = "epochs"

    @property
    def watched(self) -> list[float]:
        """The losses that decide: validation's, or else training's."""
        return self.validation or self.loss

    @property
    def best(self) -> int:
        """The epoch with the lowest loss of those that decide."""
        return int(np.argmin(self.watched))

    @property
    def stale(self) -> int:
        """How many epochs there have been since the best."""
        return len(self.watched) - 1 - self.best if self.watched else 0

    def arrays(self) -> dict[str, Array]:
        """The columns as arrays, one entry for each epoch."""
        columns = {"loss": self.loss, "validation": self.validation, "lr": self.lr}
        return {name: np.array(column) for name, column in columns.items()}

    def plot(self, path: str | Path) -> None:
        """Draws the losses by epoch into a file (PNG, SVG or PDF by its ending).

        Raises: ModuleNotFoundError without matplotlib: the extra `examples` has it.
        """
        figure = extra("matplotlib.figure", "History.plot").Figure(
            figsize=(8, 4.5), layout="constrained"
        )
        axes = figure.subplots()
        epochs = range(1, len(self.loss) + 1)
        axes.plot(epochs, self.loss, label="training")
        if self.validation:
            axes.plot(epochs, self.validation, "--", label="validation")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()
        figure.savefig(path)


def extra(module: str, wanted_by: str) -> Any:
    """An optional module. Raises: ModuleNotFoundError that names the extra."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{wanted_by}: needs {module.partition(".")[0]}: pip install "tinygrad_rnn[examples]"'
        ) from error
