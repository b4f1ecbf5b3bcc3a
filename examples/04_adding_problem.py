"""An LSTM keeps two numbers in mind over fifty steps and adds them; a plain RNN does not.

You will see both losses while they learn from the same sequences, the errors on 1,000 others beside
that of always answering 1 (the variance of such sums, 1/6), and a picture.
The adding problem of Hochreiter & Schmidhuber (1997): each step shows a number from 0 to 1 and a
mark; two are marked, one in either half, and their sum is asked for at the end. The LSTM's gates
start as Tallec & Ollivier (2018) propose; without that it often needs more batches.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_rnn as tg

T, B, H, MEAN = 50, 32, 32, 20  # steps, batch, hidden units, batches that a mean is of


def sequences(B, rng):
    """Numbers and marks (T, B, 2), and the sums of the marked numbers (B, 1)."""
    numbers, marks = rng.random((T, B), "float32"), np.zeros((T, B), "float32")
    marks[rng.integers(T // 2, size=B), np.arange(B)] = 1
    marks[rng.integers(T // 2, T, size=B), np.arange(B)] = 1
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=0)[:, None]


def train(model, steps, rng):
    """Adam with a clipped norm, a rate that falls in the second half; the loss of each batch."""
    optimizer, losses = tg.optim.Adam(model.parameters()), []
    for step in range(steps):
        optimizer.lr = 0.02 * min(1, 2 * (1 - step / steps))
        x, sums = sequences(B, rng)
        loss = tg.mse_loss(model(x), sums)
        optimizer.zero_grad()
        loss.backward()
        tg.nn.utils.clip_grad_norm_(optimizer.parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return np.convolve(losses, np.full(MEAN, 1 / MEAN), "valid")


def plot(path, losses):
    """Both losses as they fall, or do not, and the baseline."""
    axes = Figure(figsize=(8, 4.5), layout="constrained").subplots()
    for name, values in losses.items():
        axes.semilogy(range(MEAN, MEAN + len(values)), values, label=f"{name}, mean of {MEAN}")
    axes.axhline(1 / 6, color="0.5", linestyle="--", label="always answering 1")
    axes.set(title=f"Adding two of {T} numbers", xlabel="batches read", ylabel="squared error")
    axes.legend()
    axes.figure.savefig(path, dpi=150)


def main(folder="build/demo", steps=600):
    """Trains both, tests both; returns losses, errors and picture. steps: batches of 32."""
    losses, errors, (x, sums) = {}, {}, sequences(1000, np.random.default_rng(1))
    for name, layer in {"RNN": tg.nn.RNN, "LSTM": tg.nn.LSTM}.items():
        rng = np.random.default_rng(0)
        recurrent = layer(2, H, dtype="float32", rng=rng)
        if name == "LSTM":  # its forget gates start at 1 - 1/τ, its input gates at 1/τ, 1 < τ < T
            b = np.log(rng.uniform(1, T - 1, size=H))
            recurrent.bias_ih_l0.data[: 2 * H] = np.concatenate([-b, b])  # gates i and f
        model = tg.nn.ManyToOne(recurrent, tg.nn.Linear(H, 1, dtype="float32", rng=rng))
        losses[name] = train(model, steps, np.random.default_rng(0))
        print(f"{name:4} loss", *(f"{part[-1]:.4f}" for part in np.array_split(losses[name], 6)))
        with tg.no_grad():
            errors[name] = tg.mse_loss(model(x), sums).item()
    errors["answering 1"] = np.mean((sums - 1) ** 2)
    print("Mean squared error on 1,000 other sequences:")
    print(*(f"  {name:11} {error:.4f}" for name, error in errors.items()), sep="\n")
    picture = Path(folder, "04_adding_problem.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot(picture, losses)
    print(f"The picture is {picture}")
    return {"losses": losses, "errors": errors, "picture": picture}


if __name__ == "__main__":
    main()
