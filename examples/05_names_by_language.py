"""An LSTM reads a family name, letter by letter from both ends, and tells its language.

You will see the share of unseen names that it places right, beside the 1/8 of guessing, what it
says of eight names that you may know, and a picture of which language it takes for which.
Names differ in length: they are filled up to the longest, and `lengths` says where each one ends.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_rnn as tg
from tinygrad_rnn import nn

D, H, HELD_OUT = 32, 64, 480  # numbers that stand for a letter, hidden units, names to test with
KNOWN = "Huizinga Wordsworth Kaurismäki Beaumarchais Heisenberg Puccini Lewandowski Cervantes"


def padded(names, vocabulary):
    """Ids (B, T) of the letters, spaces behind them, and the lengths (B,)."""
    T = max(map(len, names))
    ids = [vocabulary.encode(name.lower().ljust(T)) for name in names]
    return np.stack(ids), np.array([len(name) for name in names])


def network(V, languages, rng):
    """Many-to-one: a score for each language, from the last states of both directions."""
    settings = {"dtype": "float32", "rng": rng}
    letters = nn.Sequential(nn.Embedding(V, D, **settings), nn.Dropout(0.25, rng=rng))
    lstm = nn.LSTM(D, H, batch_first=True, bidirectional=True, **settings)
    scores = nn.Sequential(nn.Dropout(0.5, rng=rng), nn.Linear(2 * H, languages, **settings))
    return nn.ManyToOne(lstm, scores, embedding=letters)


def plot(path, confusion, languages):
    """How many names of each language were taken for which."""
    axes = Figure(figsize=(6, 5.5), layout="constrained").subplots()
    axes.imshow(confusion, cmap="Blues")
    for (row, column), count in np.ndenumerate(confusion):
        color = "w" if count > confusion.max() / 2 else "k"
        axes.text(column, row, count, ha="center", va="center", color=color)
    axes.set_xticks(range(len(languages)), languages, rotation=45)
    axes.set_yticks(range(len(languages)), languages)
    axes.set(title="Names that were not trained on", xlabel="taken for", ylabel="language")
    axes.figure.savefig(path, dpi=150)


def main(folder="build/demo", epochs=15):
    """Trains on 1,920 names, tests on 480; returns accuracy, confusion, answers and picture."""
    by_language, rng = tg.data.names(), np.random.default_rng(0)
    languages, names = np.array(list(by_language)), np.concatenate(list(by_language.values()))
    labels = np.repeat(np.arange(len(languages)), [len(part) for part in by_language.values()])
    vocabulary = tg.data.CharVocabulary(" " + "".join(names).lower())
    ids, lengths = padded(names, vocabulary)
    test, rest = np.split(rng.permutation(len(names)), [HELD_OUT])
    model = network(len(vocabulary), len(languages), rng)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.005)
    train = ids[rest], lengths[rest], labels[rest]
    settings = {"epochs": epochs, "batch_size": 64, "rng": rng}
    history = tg.fit(model, train, tg.cross_entropy, optimizer, **settings)
    print(f"Mean loss of the epochs: {' '.join(f'{loss:.2f}' for loss in history.loss)}")
    model.eval()
    with tg.no_grad():
        found = model(ids[test], lengths[test]).data.argmax(axis=-1)
        chances = tg.softmax(model(*padded(KNOWN.split(), vocabulary))).data
    confusion = np.bincount(8 * labels[test] + found, minlength=64).reshape(8, 8)
    accuracy, answers = np.mean(found == labels[test]), languages[chances.argmax(axis=-1)]
    print(f"{accuracy:.1%} of {HELD_OUT} unseen names are placed right; by guessing, 12.5%")
    for name, answer, p in zip(KNOWN.split(), answers, chances.max(axis=-1), strict=True):
        print(f"  {name:12} {answer} ({p:.0%})")
    picture = Path(folder, "05_names_by_language.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot(picture, confusion, languages)
    print(f"The picture is {picture}")
    return {"accuracy": accuracy, "confusion": confusion, "answers": answers, "picture": picture}


if __name__ == "__main__":
    main()
