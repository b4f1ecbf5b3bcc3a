"""A network learns to write English, one character at a time, from the Book of Genesis.

You will see what it writes before, while and after it learns, how far its loss falls, and a picture
of the loss beside that of knowing only how frequent each character is: their unigram entropy.
The recipe is Andrej Karpathy's min-char-rnn (2015): one-hot characters, windows of 25, 100 hidden
units, gradients clipped to ±5, Adagrad, and the state carried from window to window.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

import tinygrad_rnn as tg

T, H, MEAN = 25, 100, 200  # steps in a window, hidden units, windows that a mean is of


def train(rnn, linear, vocabulary, ids, steps, rng):
    """Reads a window a step; returns the losses in nats per character, smoothed: means of 200."""
    optimizer = tg.optim.Adagrad([*rnn.parameters(), *linear.parameters()], lr=0.1)
    losses, h = [], None
    for step in tqdm(range(steps), disable=None):
        if step % (steps // 5) == 0:
            tqdm.write(f"{step:4} windows read: {sample(rnn, linear, vocabulary, 70, rng)!r}")
        window = ids[step * T : step * T + T + 1, None]  # each character's target is the next one
        output, h = rnn(vocabulary.one_hot(window[:-1], "float32"), h)
        loss = tg.cross_entropy(linear(output), window[1:], reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        tg.nn.utils.clip_grad_value_(optimizer.parameters, 5)
        optimizer.step()
        losses.append(loss.item() / T)
        h = h.detach()
    return np.convolve(losses, np.full(MEAN, 1 / MEAN), "valid")


@tg.no_grad()
def sample(rnn, linear, vocabulary, length, rng):
    """A text that the network writes: each character is drawn, then fed back in."""
    ids, h = list(vocabulary.encode("\n")), None
    for _ in range(length):
        output, h = rnn(vocabulary.one_hot([ids[-1:]], "float32"), h)
        p = tg.softmax(linear(output).astype(float)).data.ravel()
        ids.append(rng.choice(len(p), p=p))
    return vocabulary.decode(ids[1:])


def plot(path, losses, entropy):
    """The loss as it falls, and the unigram entropy as a line."""
    axes = Figure(figsize=(8, 4.5), layout="constrained").subplots()
    axes.plot(range(MEAN, MEAN + len(losses)), losses, label=f"RNN, mean of {MEAN} windows")
    axes.axhline(entropy, color="#D55E00", linestyle="--", label="unigram entropy of the text")
    axes.set(title="Loss of a character RNN", xlabel="windows read", ylabel="nats per character")
    axes.legend()
    axes.figure.savefig(path, dpi=150)


def main(folder="build/demo", steps=4000):
    """Trains, writes, plots; returns losses, entropy and picture. steps: windows, from 200 on."""
    text = tg.data.genesis()
    vocabulary = tg.data.CharVocabulary(text)
    ids, V = vocabulary.encode(text), len(vocabulary)
    entropy = np.mean(np.log(len(ids) / np.bincount(ids)[ids]))  # the mean of -log p
    rng = np.random.default_rng(0)
    rnn = tg.nn.RNN(V, H, dtype="float32", rng=rng)
    linear = tg.nn.Linear(H, V, dtype="float32", rng=rng)
    losses = train(rnn, linear, vocabulary, ids, steps, rng)
    print(f"{steps} windows read:\n{sample(rnn, linear, vocabulary, 400, rng)}\n")
    print(f"nats per character: {losses[-1]:.3f}, unigram entropy {entropy:.3f}")
    picture = Path(folder, "03_loss.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot(picture, losses, entropy)
    print(f"The picture is {picture}")
    return {"losses": losses, "entropy": entropy, "picture": picture}


if __name__ == "__main__":
    main()
