"""Pictures of how gradients flow, each also as text that needs no other package."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..engine.tape import pullback, tape
from ..engine.tensor import Tensor
from ..ops.op import Array
from .influence import Truncated, influence
from .pullback import check_on_tape, checked_loss, in_a_line

SHADES = " .:-=+*#%@"  # from least to most


class Heatmap(NamedTuple):
    """Norms of gradients, a row for each name or loss, a column for each time step.

    title: what is seen. values: (rows, T). rows: their names.
    """

    title: str
    values: Array
    rows: list[str]

    def text(self) -> str:
        """A character for each value, from blank to @ over the powers of ten that occur.

        >>> print(Heatmap("norms", np.array([[1e-4, 1e-2, 1.0]]), ["h"]).text())
        norms, t = 1 to 3, from 1e-04 (.) to 1e+00 (@), blank: 0
        h |.+@|
        """
        logs, low, high = self._logs()
        levels = (logs - low) / ((high - low) or 1) * (len(SHADES) - 2)
        rows = [in_a_line(name) for name in self.rows]
        width = max(map(len, rows), default=0)
        lines = [
            f"{self.title}, t = 1 to {self.values.shape[1]}, from {10**low:.0e} ({SHADES[1]}) to "
            f"{10**high:.0e} ({SHADES[-1]}), blank: 0"
        ]
        for name, row in zip(rows, levels, strict=True):
            shades = [SHADES[1 + round(x)] if np.isfinite(x) else SHADES[0] for x in row.tolist()]
            lines.append(f"{name:{width}} |{''.join(shades)}|")
        return "\n".join(lines)

    def plot(self, path: str | Path) -> None:
        """Draws log10 of the values into a file (PNG, SVG or PDF by its ending).

        Raises: ModuleNotFoundError without matplotlib: the extra `examples` has it.
        """
        figure = _figure("Heatmap.plot", (9, 1.8 + 0.3 * min(len(self.rows), 20)))
        axes, T = figure.subplots(), self.values.shape[1]
        logs, low, high = self._logs()
        image = axes.imshow(
            np.ma.masked_invalid(logs),
            aspect="auto",
            vmin=low,
            vmax=high,
            extent=(0.5, T + 0.5, len(self.rows) - 0.5, -0.5),
        )
        every = range(0, len(self.rows), 1 + len(self.rows) // 20)
        names = [self.rows[k].encode(errors="replace").decode() for k in every]
        axes.set_yticks(list(every), names, parse_math=False)
        axes.set(title=self.title, xlabel="time step t")
        figure.colorbar(image, label="log10 of the norm")
        figure.savefig(path, dpi=150)

    def _logs(self) -> tuple[Array, float, float]:
        """log10 of the values, -inf for 0; the least and the largest that are finite."""
        with np.errstate(divide="ignore"):
            logs = np.log10(self.values)
        finite = logs[np.isfinite(logs)]
        ends = (finite.min(), finite.max()) if finite.size else (0, 0)
        return logs, float(ends[0]), float(ends[1])


class Curve(NamedTuple):
    """The cosine and the norm's ratio of truncated gradients, for each length k."""

    values: Mapping[int, Truncated]

    def text(self) -> str:
        """A line for each k, with a bar as long as the cosine, of 20 characters for 1.

        >>> print(Curve({5: Truncated(0.5, 0.8)}).text())
        k     cosine    ratio
        5     0.5000   0.8000 ##########
        """
        lines = ["k     cosine    ratio"]
        for k, (cosine, ratio) in self.values.items():
            bar = "#" * round(20 * max(cosine, 0)) if np.isfinite(cosine) else ""
            lines.append(f"{k:<4} {cosine:8.4f} {ratio:8.4f} {bar}")
        return "\n".join(lines)

    def plot(self, path: str | Path) -> None:
        """Draws both by k into a file (PNG, SVG or PDF by its ending).

        Raises: ModuleNotFoundError without matplotlib: the extra `examples` has it.
        """
        axes = _figure("Curve.plot", (8, 4.5)).subplots()
        for name in Truncated._fields:
            axes.plot(
                list(self.values),
                [getattr(x, name) for x in self.values.values()],
                "o-",
                label=name,
            )
        axes.set(title="Truncated beside full gradient", xlabel="steps until the cut, k")
        axes.legend()
        axes.figure.savefig(path, dpi=150)


def flow(loss: Tensor, states: Mapping[str, Sequence[Tensor]]) -> Heatmap:
    """How large dL/dh_t is, for each t in a column; a row for each name, as of a layer.

    loss: a Tensor of one entry. states: for each name T Tensors on its tape.
    Raises: as `contributions`; ValueError where the numbers of states differ.

    >>> h, states = Tensor([1.0], requires_grad=True), []
    >>> for _ in range(3):
    ...     h = h * 0.1
    ...     states.append(h)
    >>> print(flow(h.sum(), {"h": states}).text())
    norm of dL/dh_t, t = 1 to 3, from 1e-02 (.) to 1e+00 (@), blank: 0
    h |.+@|
    """
    start = checked_loss("flow", loss)
    counts = {name: len(several) for name, several in states.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"flow: the numbers of states are {counts}; give each row as many")
    known = set(tape(loss))
    for name, several in states.items():
        for k, h in enumerate(several):
            check_on_tape("flow", f"{name}, state {k + 1}", h, known)
    wanted = {h for several in states.values() for h in several}
    found = pullback((loss,), (start,), wanted=wanted)
    values = [
        [float(np.linalg.norm(found[h])) if h in found else 0.0 for h in several]
        for several in states.values()
    ]
    return Heatmap("norm of dL/dh_t", np.array(values), list(states))


def triangle(losses: Sequence[Tensor], states: Sequence[Tensor]) -> Heatmap:
    """`influence` as a picture: a row for each loss L_s, a column for each state h_t.

    >>> h, states = Tensor([1.0], requires_grad=True), []
    >>> for _ in range(3):
    ...     h = h * 0.1
    ...     states.append(h)
    >>> print(triangle([h.sum() for h in states], states).text())
    norm of dL_s/dh_t, t = 1 to 3, from 1e-02 (.) to 1e+00 (@), blank: 0
    s=1 |@  |
    s=2 |+@ |
    s=3 |.+@|
    """
    rows = [f"s={k + 1}" for k in range(len(losses))]
    return Heatmap("norm of dL_s/dh_t", influence(losses, states), rows)


def _figure(wanted_by: str, size: tuple[float, float]) -> Any:
    try:
        module = importlib.import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{wanted_by}: needs matplotlib: pip install "tinygrad_rnn[examples]"; text() needs '
            "nothing"
        ) from error
    return module.Figure(figsize=size, layout="constrained")
