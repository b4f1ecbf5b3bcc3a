"""Backpropagation through time over two steps: the tape's gradients beside those made by hand.

You will see every gradient of a many-to-one RNN twice, as the tape finds it and as it is derived by
hand in docs/derivation.md (tg.manual), and how far they differ; then dL/dW_hh taken apart into one
term for each time step, which add up; and a drawing of the graph.
Column layout: an example is a column. B batch, I input, H hidden, O output; T = 2 steps.
"""

from pathlib import Path

import numpy as np

import tinygrad_rnn as tg

B, I, H, O = 5, 2, 4, 3
SHAPES = {"W_xh": (H, I), "W_hh": (H, H), "W_hy": (O, H), "b_h": (H, 1), "b_y": (O, 1)}
SHAPES |= {"x_1": (I, B), "x_2": (I, B), "h_0": (H, B)}


def forward(W_xh, W_hh, W_hy, b_h, b_y, x_1, x_2, h_0, target):
    """The loss and what leads to it, by name. target: (O, B) one-hot."""
    with tg.scope("t=1"):
        z_1 = W_xh @ x_1 + W_hh @ h_0 + b_h
        h_1 = tg.tanh(z_1)
    with tg.scope("t=2"):
        z_2 = W_xh @ x_2 + W_hh @ h_1 + b_h
        h_2 = tg.tanh(z_2)
    y = W_hy @ h_2 + b_y
    loss = -tg.sum(target * tg.log(tg.softmax(y, axis=0)))
    return {"z_1": z_1, "h_1": h_1, "z_2": z_2, "h_2": h_2, "y": y, "loss": loss}


def derive_by_hand(W_xh, W_hh, W_hy, b_h, b_y, x_1, x_2, h_0, target):
    """The loss, and the gradients by the names that SHAPES has."""
    p, loss = tg.manual.Parameters(W_xh, W_hh, W_hy, b_h, b_y), tg.manual.softmax_cross_entropy
    result = tg.manual.many_to_one(p, [x_1, x_2], target, h_0, loss=loss)
    *parameters, inputs, state = result.gradients
    return result.loss, dict(zip(SHAPES, [*parameters, *inputs, state], strict=True))


def compare(name, automatic, manual):
    """Prints the first entries of a gradient and how far the two differ, which it returns."""
    difference = np.abs(automatic - manual).max()
    few = [" ".join(f"{entry:7.4f}" for entry in g.ravel()[:3]) for g in (automatic, manual)]
    relative = difference / np.abs(manual).max()
    print(f"dL/d{name:6}{few[0]} …   {few[1]} …   {difference:.1e}     {relative:.1e}")
    return difference


def main(folder="build/demo"):
    """Compares, takes dL/dW_hh apart and draws; returns what it found and the drawing's path."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    target = np.eye(O)[:, rng.integers(O, size=B)]
    leaves = {name: tg.Tensor(a, requires_grad=True, name=name) for name, a in arrays.items()}
    values = forward(**leaves, target=tg.Tensor(target, name="target"))
    for value in values.values():
        value.retain_grad()
    values["loss"].backward()
    loss, by_hand = derive_by_hand(**arrays, target=target)
    print(f"loss by the tape {values['loss'].item():.15f}, by hand {loss:.15f}\n")
    print("gradient  by the tape, first entries   by hand                      differ by  relative")
    differences = {name: compare(name, leaves[name].grad.data, g) for name, g in by_hand.items()}

    dz_1, dz_2 = values["z_1"].grad.data, values["z_2"].grad.data
    terms = [dz_1 @ arrays["h_0"].T, dz_2 @ values["h_1"].data.T]
    dW_hh = leaves["W_hh"].grad.data
    rows = {"t=1": terms[0], "t=2": terms[1], "their sum": sum(terms), "dL/dW_hh": dW_hh}
    print("\nW_hh is used in both steps: dL/dW_hh = dL/dz_1 @ h_0.T + dL/dz_2 @ h_1.T. First rows:")
    for name, matrix in rows.items():
        print(f"{name:10}" + " ".join(f"{entry:7.4f}" for entry in matrix[0]))
    picture = Path(folder, "01_bptt_two_steps.svg")
    picture.parent.mkdir(parents=True, exist_ok=True)
    tg.render(tg.draw(values["loss"], names=values), picture)
    print(f"\nThe picture is {picture}")
    return {"differences": differences, "terms": terms, "dW_hh": dW_hh, "picture": picture}


if __name__ == "__main__":
    main()
