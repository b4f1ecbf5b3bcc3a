"""An encoder reads a string of letters, and a decoder writes it backwards.

You will see the loss fall while the decoder is shown what is right (teacher forcing); the share of
strings that it writes without a fault when it is shown what it wrote itself (free running), strings
on which it was not trained; a few of them; and a picture.
The decoder knows of a string what the encoder's last state holds (Sutskever, Vinyals & Le, 2014).
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_rnn as tg

LETTERS = tg.data.CharVocabulary(".abcdefghijklmnopqrstuvwxyz")  # a dot, id 0, starts and ends
D, H, B, SHORTEST, LONGEST = 16, 96, 64, 5, 8


def strings(B, rng):
    """Random letters (T, B), dots behind them, the lengths (B,), and the letters backwards."""
    t, lengths = np.arange(LONGEST + 1)[:, None], rng.integers(SHORTEST, LONGEST + 1, size=B)
    x = np.where(t < lengths, rng.integers(1, len(LETTERS), size=(LONGEST + 1, B)), 0)
    return x, lengths, np.take_along_axis(x, (lengths - 1 - t) % len(t), axis=0)


def network(rng):
    """Two LSTMs, one embedding for both, and a score for each letter."""
    V, settings = len(LETTERS), {"dtype": "float32", "rng": rng}
    letters = tg.nn.Embedding(V, D, **settings)
    lstms, head = [tg.nn.LSTM(D, H, **settings) for _ in range(2)], tg.nn.Linear(H, V, **settings)
    return tg.nn.EncoderDecoder(*lstms, head, embedding=letters, target_embedding=letters)


def train(model, steps, rng, unseen):
    """Adam, with a rate that falls in the second half; ten losses and shares; the last words."""
    optimizer, losses, curve = tg.optim.Adam(model.parameters()), [], []
    for step in range(1, steps + 1):
        optimizer.lr = 0.01 * min(1, 2 - 2 * step / steps)
        x, lengths, y = strings(B, rng)
        shown = np.concatenate([np.zeros((1, B), int), y[:-1]])  # one late, behind a dot
        loss = tg.cross_entropy(model(x, shown, lengths=lengths), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % (steps // 10) == 0:
            with tg.no_grad():
                found = model.generate(unseen[0], LONGEST + 1, start=0, lengths=unseen[1])
            right = np.mean((found == unseen[2]).all(axis=0))
            curve.append((step, np.mean(losses[-steps // 10 :]), right))
            print("{:5} batches  loss {:.3f}  strings right {:6.1%}".format(*curve[-1]))
    return np.array(curve), found


def plot(path, curve):
    """Loss and share of right strings by batches."""
    axes = Figure(figsize=(8, 4.5), layout="constrained").subplots()
    axes.plot(curve[:, 0], curve[:, 1:], marker="o", label=["loss", "share of strings right"])
    axes.set(title=f"{SHORTEST} to {LONGEST} letters, written backwards", xlabel="batches read")
    axes.legend()
    axes.figure.savefig(path, dpi=150)


def main(folder="build/demo", steps=800):
    """Trains, tests; returns curve, pairs of strings and picture. steps: batches, at least 10."""
    rng, unseen = np.random.default_rng(0), strings(500, np.random.default_rng(1))
    curve, found = train(network(rng), steps, rng, unseen)
    shown = zip(unseen[0].T[:6], found.T, strict=False)
    pairs = [tuple(LETTERS.decode(ids).strip(".") for ids in pair) for pair in shown]
    print(*(f"  {given:>8} -> {found}" for given, found in pairs), sep="\n")
    picture = Path(folder, "06_reverse_a_string.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot(picture, curve)
    print(f"The picture is {picture}")
    return {"curve": curve, "pairs": pairs, "picture": picture}


if __name__ == "__main__":
    main()
