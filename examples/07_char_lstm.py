"""An LSTM learns to write English from nine tenths of the Book of Genesis.

You will see what it writes, and how well it foretells the last tenth after each epoch; the same of
a plain RNN; and a picture of the losses beside the unigram entropy of the text.
It reads 32 pieces side by side, 25 characters at a time; gradients go back through these, and the
state is carried on: truncated backpropagation through time. Example 03 ends at 1.93 nats.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_rnn as tg
from tinygrad_rnn import nn

B, T, D, H = 32, 25, 32, 128  # strands, steps in a window, embedding, hidden units


def strands(ids):
    """Inputs and targets (N, B): each column a piece of the text, its targets one further."""
    N = (len(ids) - 1) // B
    return [part[: N * B].reshape(B, N).T for part in (ids, ids[1:])]


def train(layer, V, known, unseen, epochs):
    """A network with this layer, and the history of its losses; the rate is halved each epoch."""
    settings = {"dtype": "float32", "rng": np.random.default_rng(0)}
    recurrent, head = layer(D, H, **settings), nn.Linear(H, V, **settings)
    model = nn.ManyToMany(recurrent, head, embedding=nn.Embedding(V, D, **settings))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
    rate = tg.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    run = {"epochs": epochs, "tbptt": (T, T), "clip_norm": 1.0, "schedule": rate, "compile": True}
    return model, tg.fit(model, known, tg.cross_entropy, optimizer, validation=unseen, **run)


@tg.no_grad()
def sample(model, vocabulary, length, rng):
    """A text that the network writes: each character is drawn, then fed back in."""
    ids, state = list(vocabulary.encode("\n")), None
    for _ in range(length):
        scores, state = model(np.array([ids[-1:]]), state)
        p = tg.softmax(scores.astype(float) / 0.7).data.ravel()  # likely ones still more likely
        ids.append(rng.choice(len(p), p=p))
    return vocabulary.decode(ids[1:])


def plot(path, histories, entropy):
    """Losses on unseen text by epochs, those of training dashed, and the unigram entropy."""
    axes = Figure(figsize=(8, 4.5), layout="constrained").subplots()
    for (name, history), color in zip(histories.items(), ["#0072B2", "#E69F00"], strict=True):
        axes.plot(history.loss, "--o", color=color, label=f"{name}, while learning")
        axes.plot(history.validation, "-o", color=color, label=f"{name}, unseen text")
    axes.axhline(entropy, color="0.4", linestyle=":", label="unigram entropy")
    axes.set(title="The Book of Genesis", ylabel="nats per character")
    axes.set_xticks(range(n := len(history.loss)), [f"epoch {k + 1}" for k in range(n)])
    axes.legend()
    axes.figure.savefig(path, dpi=150)


def main(folder="build/demo", epochs=3, characters=None):
    """Trains both; returns histories, entropy and picture. characters: so many, or all."""
    text = tg.data.genesis()[:characters]
    vocabulary = tg.data.CharVocabulary(text)
    ids, histories = vocabulary.encode(text), {}
    entropy = np.mean(np.log(len(ids) / np.bincount(ids)[ids]))  # the mean of -log p
    known, unseen = (strands(part) for part in np.split(ids, [len(ids) * 9 // 10]))
    for name, layer in {"RNN": nn.RNN, "LSTM": nn.LSTM}.items():
        model, histories[name] = train(layer, len(vocabulary), known, unseen, epochs)
        print(f"{name} writes:\n{sample(model, vocabulary, 300, np.random.default_rng(0))}\n")
        print("Nats per unseen character, by epoch:", *np.round(histories[name].validation, 3))
    picture = Path(folder, "07_char_lstm.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot(picture, histories, entropy)
    print(f"The unigram entropy is {entropy:.3f}, the picture is {picture}")
    return {"histories": histories, "entropy": entropy, "picture": picture}


if __name__ == "__main__":
    main()
