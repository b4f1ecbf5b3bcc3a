"""What a user mistypes: a checker finds each line that is marked, and no other."""

from __future__ import annotations

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn

x = tg.Tensor(np.ones((4, 3)), requires_grad=True)


class Net(nn.Module):
    """A network of one layer."""

    def __init__(self) -> None:
        self.out = nn.Linear(3, 1)

    def forward(self, x: tg.Tensor, scale: float = 1.0) -> tg.Tensor:
        """The layer's result."""
        return self.out(x) * scale


@tg.op(elementwise=True, x=lambda g, z, x, factor: g * factor)
def scaled(x: np.ndarray, *, factor: float) -> np.ndarray:
    """x times a number."""
    return x * factor


@tg.compile
def step(x: tg.Tensor) -> tg.Tensor:
    """The sum of all squares."""
    return tg.sum(x * x)


model = Net()
loss = tg.mse_loss(model(x), np.zeros((4, 1)))
loss.bakward()  # wrong
model(x).sum().bakward()  # wrong
tg.tahn(x)  # wrong
tg.softmax(x, axs=1)  # wrong
x.sum(axes=0)  # wrong
tg.tanh()  # wrong
tg.matmul(x)  # wrong
tg.tanh("x")  # wrong
tg.sum(x, axis="0")  # wrong
tg.stack([x, "y"])  # wrong
tg.mse_loss(x, x, reduce="sum")  # wrong
tg.cross_entropy(x, None)  # wrong
model()  # wrong
model(x, 1.0, 2.0)  # wrong
model(x, scal=2.0)  # wrong
nn.RNN(3, 4)(x).shape  # wrong
nn.LSTM(3, 4)(x, x)  # wrong
nn.Linear(3)  # wrong
nn.Linear(3, 4, rgn=0)  # wrong
tg.grad(loss, x).data  # wrong
scaled(x, facto=2.0)  # wrong
step(x, x)  # wrong
step(x).bakward()  # wrong
tg.optim.Adam(model.parameters(), learning_rate=0.1)  # wrong
tg.fit(model, (x, x), tg.mse_loss, tg.optim.SGD(model.parameters(), lr=0.1))  # wrong
