"""fit: the training loop with batches, progress, validation, early stopping and checkpoints."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import batches, bptt_windows
from ..engine.mode import no_grad
from ..engine.tensor import Tensor
from ..nn import Module, utils
from ..ops import concatenate
from ..ops.op import Array
from ..optim import Optimizer
from ..program import compile as compile_step
from . import checkpoint as files
from .history import History, extra

Data = Sequence[npt.ArrayLike]
Loss = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class _Run:
    """What stays the same from step to step."""

    model: Module
    loss: Loss
    optimizer: Optimizer
    clip_norm: float | None
    clip_value: float | None
    compile: bool
    steps: dict[Any, Any] = field(default_factory=dict)  # compiled, by what is the same in them

    def call(self, kind: Any, f: Callable[..., Any], *inputs: Any) -> Any:
        """What f gives for the inputs; where it is compiled, the gradients are there too."""
        if not (self.compile and self.model.training):
            return f(*inputs)
        if kind not in self.steps:
            self.steps[kind] = compile_step(f)
        self.optimizer.zero_grad()
        return self.steps[kind](*inputs)

    def step(self, loss: Tensor) -> float:
        """Backward, clipping and the update; the loss as a number."""
        value = float(loss.item())
        if not np.isfinite(value):
            raise FloatingPointError(
                f"fit: the loss is {value}; the parameters are as they were before this step: "
                "lower lr, clip the gradients, or look for the cause with tg.anomaly_mode()"
            )
        if not self.compile:
            self.optimizer.zero_grad()
            loss.backward()
        parameters = list(self.model.parameters())
        if self.clip_norm is not None:
            utils.clip_grad_norm_(parameters, self.clip_norm)
        if self.clip_value is not None:
            utils.clip_grad_value_(parameters, self.clip_value)
        self.optimizer.step()
        return value


def fit(
    model: Module,
    data: Data,
    loss: Loss,
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int = 32,
    tbptt: tuple[int, int] | None = None,
    validation: Data | None = None,
    patience: int | None = None,
    schedule: Any = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    checkpoint: str | Path | None = None,
    every: int = 1,
    resume: bool = False,
    rng: np.random.Generator | int | None = None,
    progress: bool | None = None,
    compile: bool = False,
) -> History:
    """Trains a model, in place.

    data: arrays, the last one the targets; `loss(model(*inputs), targets)` is minimised. Their
    first axis counts examples: each epoch goes through them in a new order, batch_size at a time.
    With tbptt=(k1, k2) it counts time steps instead, in order: after every k1 steps gradients go
    back through k2; `model(*inputs, state)` returns (prediction, state), state None at first, and
    predictions have the time steps first.
    validation: data whose loss is taken after each epoch. patience: stop after so many epochs
    without a new lowest loss, and put the best parameters back. schedule: its `step()` is called
    after each epoch (with the loss, if it takes one). clip_norm, clip_value: of the gradients.
    checkpoint: a file that holds model, optimizer, history and random states, written at the start
    and after every `every` epochs; resume: go on from it, if it is there, to the same end as
    without an interruption. rng: of the order. progress: a bar; by default at a terminal.
    compile: whether the step is traced and replayed; it then must not draw random numbers, as
    Dropout does.
    Result: the History. Ctrl-C ends training; the model can be used.
    Raises: ValueError for empty data or data of different lengths, FloatingPointError for a loss
    that is NaN or infinite.

    >>> import tinygrad_rnn as tg
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> model = tg.nn.Linear(1, 1, rng=0)
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    >>> history = fit(model, (x, 3 * x), tg.mse_loss, optimizer, epochs=50, rng=0)
    >>> model.weight.data.round(2), len(history.loss), history.stopped
    (array([[3.]]), 50, 'epochs')
    """
    arrays = _checked(data, "data")
    held_out = None if validation is None else _checked(validation, "validation")
    if epochs < 0 or every < 1 or (patience is not None and patience < 1):
        raise ValueError(
            f"fit: epochs is {epochs}, every {every}, patience {patience}; they must be at least "
            "0, 1 and 1"
        )
    rng = np.random.default_rng(rng)
    run = _Run(model, loss, optimizer, clip_norm, clip_value, compile)
    record = _Record(checkpoint, model, optimizer, schedule, rng)
    history = record.read() if resume else History()
    if not history.loss:
        record.write(history)
    reads = _Batches(batch_size) if tbptt is None else _Windows(tbptt)
    epochs_left = range(len(history.loss), epochs)
    try:
        with _bar(len(epochs_left) * reads.count(arrays), progress) as advance:
            for epoch in epochs_left:
                if patience is not None and history.stale >= patience:
                    break
                _epoch(run, reads, arrays, held_out, history, schedule, rng, advance)
                if patience is not None and history.best == epoch:
                    record.keep_best()
                if (epoch + 1) % every == 0:
                    record.write(history)
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    if patience is not None and history.stopped != "interrupted":
        if history.stale >= patience:
            history.stopped = "patience"
        record.put_best_back()
    return history


def _checked(data: Data, name: str) -> list[Array]:
    """Arrays of one length. Raises: ValueError where there are less than two, or no examples."""
    arrays = [np.asarray(getattr(array, "_array", array)) for array in data]
    sizes = [len(array) if array.ndim else 0 for array in arrays]
    if len(arrays) < 2 or len(set(sizes)) != 1 or not sizes[0]:
        raise ValueError(
            f"fit: {name} has arrays of shapes {[a.shape for a in arrays]}; it must be inputs and "
            "targets with the same number of examples (or steps), at least one"
        )
    return arrays


def _epoch(
    run: _Run,
    reads: _Batches | _Windows,
    arrays: list[Array],
    held_out: list[Array] | None,
    history: History,
    schedule: Any,
    rng: np.random.Generator,
    advance: Callable[[float], None],
) -> None:
    """One pass through the data, and what is written down of it."""
    start, lr = time.perf_counter(), float(run.optimizer.param_groups[0]["lr"])
    run.model.train()
    total = 0.0
    for loss, share in reads.losses(run, arrays, rng):
        value = run.step(loss)
        total += value * share
        advance(value)
    if held_out is not None:
        history.validation.append(_evaluated(run, reads, held_out))
    history.loss.append(total)
    history.lr.append(lr)
    history.seconds.append(time.perf_counter() - start)
    if schedule is not None:
        _step_schedule(schedule, history.watched[-1])


@no_grad()
def _evaluated(run: _Run, reads: _Batches | _Windows, arrays: list[Array]) -> float:
    """The mean loss, without training."""
    run.model.eval()
    mean = sum(float(loss.item()) * share for loss, share in reads.losses(run, arrays, None))
    run.model.train()
    return mean


def _step_schedule(schedule: Any, loss: float) -> None:
    """One step; ReduceLROnPlateau's wants the loss."""
    parameters = inspect.signature(schedule.step).parameters.values()
    wanted = any(p.default is p.empty for p in parameters)
    schedule.step(loss) if wanted else schedule.step()


@dataclass(frozen=True)
class _Batches:
    """Examples in mini-batches."""

    size: int

    def count(self, arrays: list[Array]) -> int:
        """How many steps an epoch has."""
        return -(-len(arrays[0]) // self.size)

    def losses(
        self, run: _Run, arrays: list[Array], rng: np.random.Generator | None
    ) -> Iterator[tuple[Tensor, float]]:
        """The loss of each batch and its share of the examples; in a new order if there is rng."""
        for *inputs, targets in batches(*arrays, batch_size=self.size, rng=rng):
            loss = run.call("batch", partial(_batch_loss, run), *inputs, targets)
            yield loss, len(targets) / len(arrays[0])


def _batch_loss(run: _Run, *arrays: Any) -> Tensor:
    *inputs, targets = arrays
    return run.loss(run.model(*inputs), targets)


@dataclass(frozen=True)
class _Windows:
    """Time steps in the windows of truncated backpropagation."""

    steps: tuple[int, int]

    def count(self, arrays: list[Array]) -> int:
        """How many steps an epoch has."""
        return -(-len(arrays[0]) // self.steps[0])

    def losses(
        self, run: _Run, arrays: list[Array], rng: np.random.Generator | None
    ) -> Iterator[tuple[Tensor, float]]:
        """The loss of each window's fresh steps and their share of all."""
        *inputs, targets = arrays
        T, state = len(targets), None
        for start, carry, fresh, end in bptt_windows(T, *self.steps):
            within = carry - start, fresh - start
            given = [*(x[start:end] for x in inputs), targets[fresh:end]]
            loss, carried = run.call(within, partial(_window_loss, run, *within), *given, state)
            state = utils.detach(carried)
            yield loss, (end - fresh) / T


def _window_loss(run: _Run, carry: int, fresh: int, *given: Any) -> tuple[Tensor, Any]:
    """The loss of a window's steps from `fresh` on, and the state at `carry`."""
    *inputs, targets, state = given
    pieces, carried = [], state
    for part in (slice(carry), slice(carry, None)):
        if len(inputs[0][part]):
            prediction, state = run.model(*(x[part] for x in inputs), state)
            pieces.append(prediction)
        carried = state if part.start is None else carried
    prediction = pieces[0] if len(pieces) == 1 else concatenate(pieces)
    return run.loss(prediction[fresh:], targets), carried


@dataclass
class _Record:
    """The checkpoint file, and the best parameters so far."""

    path: str | Path | None
    model: Module
    optimizer: Optimizer
    schedule: Any
    rng: np.random.Generator
    best: dict[str, Array] | None = None

    def keep_best(self) -> None:
        """Copies the parameters."""
        self.best = self.model.state_dict()

    def put_best_back(self) -> None:
        """The model has its best parameters again."""
        if self.best is not None:
            self.model.load_state_dict(self.best)

    def write(self, history: History) -> None:
        """The whole state after an epoch, so that training can go on from it.

        The best parameters are in a file beside it.
        """
        if self.path is None:
            return
        if self.best is None:
            self._best_path().unlink(missing_ok=True)
        else:
            files.save(self._best_path(), self.best)
        state = {"history": asdict(history), "random": self._random()}
        if self.schedule is not None:
            state["schedule"] = self.schedule.state_dict()
        files.save(self.path, self.model, self.optimizer, fit=state)

    def read(self) -> History:
        """The state as it was written; a new History where there is no file."""
        if self.path is None:
            raise ValueError("fit: resume needs the file to go on from; give checkpoint=path")
        if not Path(self.path).exists():
            return History()
        state = files.load(self.path, self.model, self.optimizer)["fit"]
        for name, generator in self._generators().items():
            generator.bit_generator.state = state["random"][name]
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if self._best_path().exists():
            self.best = {}
            files.load(self._best_path(), self.best)
        return History(**state["history"])

    def _best_path(self) -> Path:
        path = Path(str(self.path))
        return path.with_name(f"{path.stem}.best{path.suffix}")

    def _generators(self) -> dict[str, np.random.Generator]:
        """The random generators of the order and of the modules, such as Dropout's."""
        found = [getattr(module, "_rng", None) for module in self.model.modules()]
        inner = {
            f"module {k}": g for k, g in enumerate(found) if isinstance(g, np.random.Generator)
        }
        return {"order": self.rng, **inner}

    def _random(self) -> dict[str, Any]:
        return {name: g.bit_generator.state for name, g in self._generators().items()}


@contextmanager
def _bar(total: int, progress: bool | None) -> Iterator[Callable[[float], None]]:
    """What to call after each step with its loss; draws a bar where one is wanted."""
    if progress is None:
        progress = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    if not progress:
        yield lambda loss: None
        return
    with extra("tqdm", "fit").tqdm(total=total) as bar:

        def advance(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            bar.update()

        yield advance
