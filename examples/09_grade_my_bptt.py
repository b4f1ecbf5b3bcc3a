"""A derivation by hand with a mistake in it: the tape says which line is wrong, and why.

You will see the gradients of a many-to-one RNN worked out in NumPy as they stand in some notes,
with the derivative of tanh as (1 - h)²; the report on them, which goes through them in the order of
the backward pass and names that mistake; and the report once the line is put right.
Column layout: an example is a column. B batch, I input, H hidden, O output; T = 2 steps.
"""

import numpy as np

import tinygrad_rnn as tg

B, I, H, O = 5, 2, 4, 3
SHAPES = {"W_xh": (H, I), "W_hh": (H, H), "W_hy": (O, H), "b_h": (H, 1), "b_y": (O, 1)}
SHAPES |= {"x_1": (I, B), "x_2": (I, B), "h_0": (H, B)}


def forward(W_xh, W_hh, W_hy, b_h, b_y, x_1, x_2, h_0, target):
    """The loss, and the tensors by the names of their gradients. target: (O, B) one-hot."""
    z_1 = W_xh @ x_1 + W_hh @ h_0 + b_h
    h_1 = tg.tanh(z_1)
    z_2 = W_xh @ x_2 + W_hh @ h_1 + b_h
    h_2 = tg.tanh(z_2)
    y = W_hy @ h_2 + b_y
    loss = -tg.sum(target * tg.log(tg.softmax(y, axis=0)))
    names = {"dW_xh": W_xh, "dW_hh": W_hh, "dW_hy": W_hy, "db_h": b_h, "db_y": b_y}
    return loss, names | {"dz_1": z_1, "dh_1": h_1, "dz_2": z_2, "dh_2": h_2, "dy": y}


def derive_by_hand(slope, W_xh, W_hh, W_hy, b_h, b_y, x_1, x_2, h_0, target):
    """The gradients in NumPy. slope: the derivative of tanh as a function of h = tanh(z)."""
    h_1 = np.tanh(W_xh @ x_1 + W_hh @ h_0 + b_h)
    h_2 = np.tanh(W_xh @ x_2 + W_hh @ h_1 + b_h)
    y = W_hy @ h_2 + b_y
    d = {"dy": np.exp(y) / np.exp(y).sum(axis=0) - target}
    d["dh_2"] = W_hy.T @ d["dy"]
    d["dz_2"] = d["dh_2"] * slope(h_2)
    d["dh_1"] = W_hh.T @ d["dz_2"]
    d["dz_1"] = d["dh_1"] * slope(h_1)
    d["dW_hy"] = d["dy"] @ h_2.T
    d["db_y"] = d["dy"].sum(axis=1, keepdims=True)
    d["dW_hh"] = d["dz_2"] @ h_1.T + d["dz_1"] @ h_0.T
    d["dW_xh"] = d["dz_2"] @ x_2.T + d["dz_1"] @ x_1.T
    d["db_h"] = (d["dz_2"] + d["dz_1"]).sum(axis=1, keepdims=True)
    return d


def main(folder=None):
    """Grades the wrong derivation and the right one; returns both reports. Writes nothing."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    target = np.eye(O)[:, rng.integers(O, size=B)]
    leaves = {name: tg.Tensor(a, requires_grad=True, name=name) for name, a in arrays.items()}
    loss, names = forward(**leaves, target=target)

    print("As in the notes, dz = dh ⊙ (1 - h)²:\n")
    wrong = derive_by_hand(lambda h: (1 - h) ** 2, **arrays, target=target)
    first = tg.bptt.grade(wrong, loss, names)
    print(first)

    print("\nPut right, dz = dh ⊙ (1 - h²):\n")
    right = derive_by_hand(lambda h: 1 - h**2, **arrays, target=target)
    second = tg.bptt.grade(right, loss, names)
    print(second)
    return {"wrong": first, "right": second}


if __name__ == "__main__":
    main()
