"""A page to look at: forward and backward through two time steps, one node at a time.

You will see where the page is, to be opened in a browser; and the two terms of dL/dW_hh, the last
time step's first, whose sum is what backward() leaves in W_hh.grad. On the page they come one by
one, with everything in between.
Column layout: an example is a column. B batch, I input, H hidden, O output; T = 2 steps.
"""

from pathlib import Path

import numpy as np

import tinygrad_rnn as tg

B, I, H, O = 5, 2, 4, 3
SHAPES = {"W_xh": (H, I), "W_hh": (H, H), "W_hy": (O, H), "b_h": (H, 1), "b_y": (O, 1)}


def forward(W_xh, W_hh, W_hy, b_h, b_y, x_1, x_2, h_0, target):
    """The loss and what leads to it, by name. target: (O, B) one-hot."""
    with tg.scope("t=1"):
        z_1 = W_xh @ x_1 + W_hh @ h_0 + b_h
        h_1 = tg.tanh(z_1)
    with tg.scope("t=2"):
        z_2 = W_xh @ x_2 + W_hh @ h_1 + b_h
        h_2 = tg.tanh(z_2)
    y = W_hy @ h_2 + b_y
    loss = tg.sum(-target * tg.log_softmax(y, axis=0))
    return {"z_1": z_1, "h_1": h_1, "z_2": z_2, "h_2": h_2, "y": y, "loss": loss}


def main(folder="build/demo"):
    """Writes the page; returns its path and what dL/dW_hh is made of."""
    rng = np.random.default_rng(0)
    leaves = {
        name: tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)
        for name, shape in SHAPES.items()
    }
    given = {"x_1": (I, B), "x_2": (I, B), "h_0": (H, B)}
    inputs = {name: tg.Tensor(rng.normal(size=shape), name=name) for name, shape in given.items()}
    target = tg.Tensor(np.eye(O)[:, rng.integers(O, size=B)], name="target")
    values = forward(**leaves, **inputs, target=target)
    values["loss"].backward()

    page = Path(folder, "13_explore.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    tg.explore(values["loss"], page, names=values)
    print(f"Open {page} in a browser, and step with the right arrow key.\n")

    terms = tg.bptt.by_step(values["loss"], leaves["W_hh"])
    dW_hh = leaves["W_hh"].grad.data
    print("First row of each term of dL/dW_hh, in the order in which they come:")
    rows = {f"t={t}": terms[t] for t in sorted(terms, reverse=True)}
    for name, matrix in (rows | {"sum": sum(terms.values()), "W_hh.grad": dW_hh}).items():
        print(f"  {name:10}" + " ".join(f"{entry:7.4f}" for entry in matrix[0]))
    return {"page": page, "terms": terms, "dW_hh": dW_hh}


if __name__ == "__main__":
    main()
