"""fit: batches, windows, validation, early stopping, checkpoints, and where it stops."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.training.fit import History, fit

X = np.random.default_rng(0).normal(size=(40, 2))
Y = X @ np.array([[1.0], [-2.0]]) + 0.5


class Net(nn.Module):
    """Two layers with dropout between them."""

    def __init__(self, p: float = 0.2) -> None:
        self.first = nn.Linear(2, 8, rng=0)
        self.dropout = nn.Dropout(p, rng=1)
        self.second = nn.Linear(8, 1, rng=2)

    def forward(self, x: Any) -> Any:
        """x: (N, 2). Result: (N, 1)."""
        return self.second(self.dropout(tg.tanh(self.first(x))))


class Sequence(nn.Module):
    """A recurrent layer with a prediction for each step; it carries its state."""

    def __init__(self) -> None:
        self.rnn = nn.LSTM(1, 6, rng=0)
        self.linear = nn.Linear(6, 1, rng=1)
        self.seen: Any = []

    def forward(self, x: Any, state: Any) -> Any:
        """x: (T, B, 1). Result: (T, B, 1) and the state."""
        output, state = self.rnn(x, state)
        self.seen.append(weakref.ref(output))
        return self.linear(output), state


def run(model: Any = None, epochs: int = 6, **options: Any) -> tuple[Any, History]:
    """A short training of a fresh Net; the model and the history."""
    model = model or Net()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
    options = {"batch_size": 8, "rng": 3, **options}
    return model, fit(model, (X, Y), tg.mse_loss, optimizer, epochs=epochs, **options)


def test_training_lowers_the_loss() -> None:
    """Each epoch has its mean loss, rate and time."""
    _, history = run(epochs=40)
    assert history.loss[-1] < 0.2 * history.loss[0]
    assert len(history.loss) == len(history.lr) == len(history.seconds) == 40
    assert history.stopped == "epochs"
    assert history.arrays()["loss"].shape == (40,)


def test_a_seed_repeats_a_training_and_another_does_not() -> None:
    """The order of the examples is drawn from rng."""
    same = [run(rng=seed)[1].loss for seed in (3, 3, 4)]
    assert same[0] == same[1] != same[2]


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples() -> None:
    """Also where the last batch is smaller: with lr 0 it is the loss of all data."""
    model = Net(p=0.0)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.0)
    history = fit(model, (X, Y), tg.mse_loss, optimizer, epochs=1, batch_size=12, validation=(X, Y))
    expected = tg.mse_loss(model(X), Y).item()
    np.testing.assert_allclose([history.loss[0], history.validation[0]], expected, rtol=1e-12)


def test_validation_is_without_dropout() -> None:
    """The model is evaluated, and trained again afterwards."""
    model = Net(p=0.9)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.0)
    history = fit(model, (X, Y), tg.mse_loss, optimizer, epochs=2, validation=(X, Y), rng=0)
    assert history.validation[0] == history.validation[1]
    assert history.loss[0] != history.loss[1]


def test_patience_stops_and_puts_the_best_back() -> None:
    """Where the validation loss rises, training ends; the parameters are those of the best."""
    model = Net(p=0.0)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.05)
    held_out = (X, -Y)
    history = fit(
        model, (X, Y), tg.mse_loss, optimizer, epochs=50, validation=held_out, patience=3, rng=0
    )
    assert history.stopped == "patience"
    assert len(history.loss) == history.best + 4
    found = tg.mse_loss(model(X), -Y).item()
    np.testing.assert_allclose(found, min(history.validation), rtol=1e-12)


def test_gradients_are_clipped() -> None:
    """By value and by norm: steps of plain descent are no longer than lr times the bound."""
    for options in ({"clip_value": 1e-3}, {"clip_norm": 1e-3}):
        model = Net(p=0.0)
        before = model.state_dict()
        optimizer = tg.optim.SGD(model.parameters(), lr=1.0)
        fit(model, (X, Y), tg.mse_loss, optimizer, epochs=1, batch_size=40, **options)
        moved = [np.abs(v - before[k]).max() for k, v in model.state_dict().items()]
        assert 0 < max(moved) <= 1.001e-3


def test_a_schedule_is_stepped_after_each_epoch() -> None:
    """With the loss where it wants one."""
    model = Net()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    schedule = tg.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    history = fit(model, (X, Y), tg.mse_loss, optimizer, epochs=3, schedule=schedule)
    np.testing.assert_allclose(history.lr, [0.1, 0.05, 0.025])
    plateau = tg.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10.0)
    fit(model, (X, Y), tg.mse_loss, optimizer, epochs=3, schedule=plateau)
    assert optimizer.lr < 0.01


# Truncated backpropagation through time


def series() -> tuple[np.ndarray, np.ndarray]:
    """A sine, (T, B, 1), and the same one step on."""
    t = np.arange(61)[:, None] * 0.3 + np.array([0.0, 1.0])
    wave = np.sin(t)[..., None]
    return wave[:-1], wave[1:]


@pytest.mark.parametrize("windows", [(10, 10), (5, 15), (7, 9), (60, 60)])
def test_windows_of_a_sequence_are_learnt_from(windows: tuple[int, int]) -> None:
    """With the state carried from one to the next, each step counted once."""
    model = Sequence()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
    history = fit(model, series(), tg.mse_loss, optimizer, epochs=15, tbptt=windows)
    assert history.loss[-1] < 0.5 * history.loss[0]


def test_the_state_is_that_of_the_whole_sequence() -> None:
    """With lr 0 the mean loss is that of one run over all steps."""
    x, y = series()
    for windows in [(10, 10), (5, 15), (7, 9), (8, 20)]:
        model = Sequence()
        optimizer = tg.optim.SGD(model.parameters(), lr=0.0)
        history = fit(model, (x, y), tg.mse_loss, optimizer, epochs=1, tbptt=windows)
        expected = tg.mse_loss(model(x, None)[0], y).item()
        np.testing.assert_allclose(history.loss[0], expected, rtol=1e-12)


def test_nothing_of_an_earlier_window_stays_alive() -> None:
    """Of 12 windows at most the last is there when the epoch ends."""
    model = Sequence()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.01)
    gc.disable()
    try:
        fit(model, series(), tg.mse_loss, optimizer, epochs=1, tbptt=(5, 5))
        assert len(model.seen) == 12
        assert sum(ref() is not None for ref in model.seen) == 0
    finally:
        gc.enable()


def test_memory_does_not_grow_with_the_number_of_windows() -> None:
    """Carrying the state through 40 times as many windows takes no more at its peak.

    Without the collector, whose moments would colour it: windows are freed by counting alone.
    """
    t = np.arange(2_001)[:, None, None] * 0.3
    peaks = []
    for steps in (51, 2_001):
        model = Sequence()
        model.seen = deque(maxlen=1)
        optimizer = tg.optim.SGD(model.parameters(), lr=0.01)
        wave = np.sin(t[:steps])
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            fit(model, (wave[:-1], wave[1:]), tg.mse_loss, optimizer, epochs=1, tbptt=(10, 10))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
            gc.enable()
    assert peaks[1] < 1.5 * peaks[0]


# Compiled


def test_a_compiled_training_is_the_same() -> None:
    """Of batches, and of windows of several kinds; validation is not compiled."""
    losses = []
    for compile in (False, True):
        _, history = run(Net(p=0.0), compile=compile, validation=(X, Y), clip_norm=1.0)
        losses.append([*history.loss, *history.validation])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-10)


@pytest.mark.parametrize("windows", [(10, 10), (5, 15), (7, 9)])
def test_compiled_windows_are_the_same(windows: tuple[int, int]) -> None:
    """The carried state is an input and an output of each."""
    losses = []
    for compile in (False, True):
        model = Sequence()
        model.seen = deque(maxlen=1)
        optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
        history = fit(
            model, series(), tg.mse_loss, optimizer, epochs=3, tbptt=windows, compile=compile
        )
        losses.append(history.loss)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-10)


def test_dropout_in_a_compiled_training_is_refused() -> None:
    """Its numbers are others at each step."""
    with pytest.raises(RuntimeError, match="fresh random ones"):
        run(Net(p=0.5), compile=True)


# Checkpoints


def test_a_resumed_training_is_bit_equal(tmp_path: Path) -> None:
    """Parameters, optimiser, order and dropout go on as if there had been no interruption."""
    whole, history = run(epochs=6)
    path = tmp_path / "run.safetensors"
    run(epochs=4, checkpoint=path)
    again, resumed = run(epochs=6, checkpoint=path, resume=True)
    assert resumed.loss == history.loss
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_resume_begins_anew_where_there_is_no_file(tmp_path: Path) -> None:
    """And a finished training is not trained on."""
    path = tmp_path / "run.safetensors"
    first, history = run(epochs=2, checkpoint=path, resume=True)
    second, same = run(epochs=2, checkpoint=path, resume=True)
    assert same.loss == history.loss
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_the_best_parameters_outlive_a_resume(tmp_path: Path) -> None:
    """They are kept in a file beside the checkpoint."""
    path = tmp_path / "run.safetensors"
    model = Net(p=0.0)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.05)
    held = {"validation": (X, -Y), "patience": 4, "checkpoint": path, "rng": 0}
    fit(model, (X, Y), tg.mse_loss, optimizer, epochs=2, **held)
    best = tmp_path / "run.best.safetensors"
    assert best.exists()
    again = Net(p=0.0)
    optimizer = tg.optim.SGD(again.parameters(), lr=0.05)
    history = fit(again, (X, Y), tg.mse_loss, optimizer, epochs=50, resume=True, **held)
    assert history.stopped == "patience"
    np.testing.assert_allclose(
        tg.mse_loss(again(X), -Y).item(), min(history.validation), rtol=1e-12
    )


def test_a_training_that_has_stopped_is_not_trained_on(tmp_path: Path) -> None:
    """Resumed after its patience was at an end, it stays there."""
    held = {"validation": (X, -Y), "patience": 2, "checkpoint": tmp_path / "run.safetensors"}
    lengths = []
    for resume in (False, True):
        _, history = run(Net(p=0.0), epochs=30, resume=resume, **held)
        assert history.stopped == "patience"
        lengths.append(len(history.loss))
    assert lengths[0] == lengths[1] < 30


class Interrupting(Net):
    """Presses Ctrl-C at a call."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def forward(self, x: Any) -> Any:
        """As Net's, until it does not."""
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().forward(x)


def test_ctrl_c_leaves_a_model_and_a_checkpoint(tmp_path: Path) -> None:
    """The history says so; going on from the file gives what an undisturbed training gives."""
    path = tmp_path / "run.safetensors"
    model, history = run(Interrupting(at=13), checkpoint=path)
    assert history.stopped == "interrupted"
    assert len(history.loss) == 2
    assert np.isfinite(model(X).data).all()
    undisturbed, _ = run()
    resumed, _ = run(checkpoint=path, resume=True)
    for a, b in zip(undisturbed.parameters(), resumed.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


# What is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((X[:0], Y[:0]), "at least one"),
        ((X, Y[:5]), r"\(5, 1\)"),
        ((X,), "inputs and targets"),
        ((X, 3.0), r"\(\)"),
    ],
    ids=["empty", "of different lengths", "without targets", "a number"],
)
def test_data_that_do_not_fit_are_refused(data: Any, words: str) -> None:
    """Before anything is trained, with the shapes."""
    model = Net()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=words):
        fit(model, data, tg.mse_loss, optimizer, epochs=1)


@pytest.mark.parametrize("options", [{"epochs": -1}, {"every": 0}, {"patience": 0}], ids=str)
def test_numbers_out_of_range_are_refused(options: dict[str, Any]) -> None:
    """With all three of them in the message."""
    with pytest.raises(ValueError, match="epochs is"):
        run(**options)


def test_resume_needs_a_file() -> None:
    """It is an argument."""
    with pytest.raises(ValueError, match="checkpoint=path"):
        run(resume=True)


def test_a_loss_that_is_not_finite_stops_before_the_step() -> None:
    """The parameters are as they were."""
    model = Net()
    before = model.state_dict()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        fit(model, (X * np.nan, Y), tg.mse_loss, optimizer, epochs=1)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


# What is shown


def test_a_bar_is_drawn_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """Not without a terminal, unless asked for."""
    run(epochs=1)
    assert capsys.readouterr().err == ""
    run(epochs=1, progress=True)
    assert "5/5" in capsys.readouterr().err


def test_a_history_is_drawn(tmp_path: Path) -> None:
    """Both losses, into a picture."""
    _, history = run(epochs=2, validation=(X, Y))
    history.plot(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
