"""The pictures of docs/gallery.md: `make gallery` draws them anew into docs/images/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_rnn as tg

IMAGES = Path(__file__).parent / "images"


def two_steps(**options: Any) -> Any:
    """An RNN of two time steps and two hidden units, after `backward`."""
    W_xh = tg.Tensor([[0.5], [-1.0]], requires_grad=True)
    W_hh = tg.Tensor([[0.8, -0.4], [0.3, 0.6]], requires_grad=True)
    W_hy = tg.Tensor([[1.0, 2.0]], requires_grad=True)
    x_1, x_2, h_0 = tg.Tensor([[1.0]]), tg.Tensor([[-0.5]]), tg.Tensor([[0.2], [0.1]])
    with tg.scope("t=1"):
        h_1 = tg.tanh(W_xh @ x_1 + W_hh @ h_0)
    with tg.scope("t=2"):
        h_2 = tg.tanh(W_xh @ x_2 + W_hh @ h_1)
    loss = tg.sum(tg.square(W_hy @ h_2))
    loss.backward()
    return tg.draw(loss, names=locals(), **options)


def values() -> Any:
    """Every number of two time steps."""
    return two_steps(show="values")


def backward() -> Any:
    """The rules by which the gradients of two time steps come about."""
    return two_steps(backward=True)


class CharacterRNN(tg.nn.Module):
    """A recurrent layer, and scores of the next character."""

    def __init__(self, V: int, H: int) -> None:
        self.rnn = tg.nn.RNN(V, H, rng=0)
        self.out = tg.nn.Linear(H, V, rng=1)

    def forward(self, x: Any) -> Any:
        """Scores (T, B, V)."""
        return self.out(self.rnn(x)[0])


def folded() -> Any:
    """A character RNN of 100 time steps, after `backward`."""
    T, B, V, H = 100, 1, 27, 50
    model = CharacterRNN(V, H)
    ids = np.random.default_rng(0).integers(V, size=(T + 1, B))
    loss = tg.cross_entropy(model(np.eye(V)[ids[:-1]]), ids[1:])
    loss.backward()
    return tg.draw(loss, names={"model": model, "loss": loss})


def stacked_lstm(T: int = 2, **options: Any) -> Any:
    """An LSTM of two layers, made of cells."""
    B, I, H = 2, 3, 4
    layer0, layer1 = tg.nn.LSTMCell(I, H, rng=0), tg.nn.LSTMCell(H, H, rng=1)
    h0 = c0 = h1 = c1 = tg.Tensor(np.zeros((B, H)), name="0")
    for t in range(1, T + 1):
        with tg.scope("layer 0"), tg.scope(f"t={t}"):
            x = tg.Tensor(np.ones((B, I)), name=f"x_{t}")
            h0, c0 = layer0(x, (h0, c0))
        with tg.scope("layer 1"), tg.scope(f"t={t}"):
            h1, c1 = layer1(h0, (h1, c1))
    loss = tg.sum(h1)
    names = {"layer0": layer0, "layer1": layer1, "loss": loss}
    return tg.draw(loss, names=names, **options)


def closed() -> Any:
    """The same over 50 time steps, each layer one box."""
    return stacked_lstm(50, depth=0)


def second_order() -> Any:
    """The slope of a tanh as a graph, whose own gradient can be asked for."""
    w, x = tg.Tensor(0.5, requires_grad=True), tg.Tensor(2.0)
    y = tg.tanh(w * x)
    (slope,) = tg.grad(y, w, create_graph=True)
    slope.backward()
    return tg.draw(slope, names={"w": w, "x": x, "y": y, "dy/dw": slope}, show="values")


PICTURES = [two_steps, values, backward, folded, stacked_lstm, closed, second_order]


def main(folder: Path = IMAGES) -> None:
    """Writes each picture, and its text in the DOT language beside it."""
    for picture in PICTURES:
        drawing = picture()
        path = folder / f"gallery_{picture.__name__}.svg"
        path.with_suffix(".gv").write_text(drawing.source, encoding="utf-8")
        tg.render(drawing, path)


if __name__ == "__main__":
    main()
