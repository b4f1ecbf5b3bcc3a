"""What a user writes, with no fault in it; after each reveal_type, what a checker must call it."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn

Array = np.ndarray[Any, np.dtype[Any]]

rng = np.random.default_rng(0)
a = rng.normal(size=(4, 3))
x = tg.Tensor(a, requires_grad=True, name="x")


class Net(nn.Module):
    """A recurrent network with a head."""

    def __init__(self) -> None:
        self.rnn = nn.RNN(3, 5, rng=0)
        self.blocks = [nn.Linear(5, 5, rng=k) for k in range(2)]
        self.head = nn.Sequential(nn.Dropout(0.0), nn.Linear(5, 2, rng=2))

    def forward(self, x: tg.Tensor | Array, scale: float = 1.0) -> tg.Tensor:
        """The head of the last state."""
        output, _ = self.rnn(x)
        for block in self.blocks:
            output = tg.tanh(block(output))
        return self.head(output[-1]) * scale


@tg.op(elementwise=True, x=lambda g, z, x, power: g * power * x ** (power - 1))
def raised(x: Array, *, power: int = 2) -> Array:
    """x to a whole power."""
    return x**power


reveal_type(x + 1)  # Tensor
reveal_type(2.0 - x @ a.T)  # Tensor
reveal_type(tg.tanh(x))  # Tensor
reveal_type(tg.tanh(a))  # Array
reveal_type(tg.tanh([[1.0, 2.0], [3.0, 4.0]]))  # Array
reveal_type(tg.sum(x, axis=0))  # Tensor
reveal_type(tg.sum(a, 1, keepdims=True))  # Array
reveal_type(x.sum(axis=(0, 1), keepdims=True))  # Tensor
reveal_type(x.tanh().exp())  # Tensor
reveal_type(x.softmax(-1).norm("fro", keepdims=True))  # Tensor
reveal_type(x.split(2))  # list[Tensor]
reveal_type(tg.unbind(a))  # list[Array]
reveal_type(tg.stack([x, x], axis=1))  # Tensor
reveal_type(tg.stack([a, a]))  # Array
reveal_type(tg.concatenate([x, np.zeros((1, 3))]))  # Tensor
reveal_type(tg.where(a > 0, x, 0.0))  # Tensor
reveal_type(tg.einsum("ti,tj->ij", a, x))  # Tensor
reveal_type(tg.clip(x, 0.0).reshape(-1))  # Tensor
reveal_type(raised(x, power=3))  # Tensor
reveal_type(raised(a))  # Array
reveal_type(tg.tanh.name)  # str
reveal_type(nn.Linear(3, 2)(a))  # Tensor
reveal_type(nn.RNN(3, 2)(x))  # tuple[Tensor, Tensor]
reveal_type(nn.LSTM(3, 2)(a))  # tuple[Tensor, tuple[Tensor, Tensor]]
reveal_type(nn.LSTMCell(3, 2)(x))  # tuple[Tensor, Tensor]
reveal_type(nn.Sequential(nn.Linear(3, 2), tg.tanh)(x))  # Tensor
reveal_type(nn.ManyToOne(nn.GRU(3, 2), nn.Linear(2, 1))(x))  # Tensor

model = Net().train()
optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
reveal_type(model)  # Net
reveal_type(model(a))  # Tensor
reveal_type(model(x, scale=2.0))  # Tensor
loss = tg.mse_loss(model(a), [0.5, 0.1])
reveal_type(loss)  # Tensor
reveal_type(tg.cross_entropy(x, np.array([0, 1, 2, 0])))  # Tensor
reveal_type(tg.grad(loss, [*model.parameters()]))  # tuple[Tensor, ...]
reveal_type(tg.derive(loss).latex())  # str
loss.backward()
nn.utils.clip_grad_norm_(model.parameters(), 1.0)
optimizer.step()
reveal_type(model.rnn.weight_hh_l0.grad)  # Tensor | None


@tg.compile
def step(x: Array, y: Array) -> tuple[tg.Tensor, tg.Tensor]:
    """A loss, and what it is of."""
    prediction = model(x)
    return tg.mse_loss(prediction, y), prediction


reveal_type(step(a, np.ones(2)))  # tuple[Tensor, Tensor]
reveal_type(step.traces)  # int
with tg.no_grad(), tg.scope("outside"):
    reveal_type(model.eval()(x))  # Tensor
data = a[None], np.ones((1, 4, 2))
history = tg.fit(model, data, lambda y, t: tg.mse_loss(y, t[0]), optimizer, epochs=1)
reveal_type(history.loss)  # list[float]
