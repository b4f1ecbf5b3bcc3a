"""The backward pass of a character RNN, written for you as NumPy source.

You will see a function that computes loss and gradients: a loop forward, a loop back with dh_next
carried, as one writes them by hand; nobody wrote them, they are printed from the rules of the
recorded operations. Then it runs, without the tape, beside the formulas derived by hand
(those of min-char-rnn: docs/derivation.md, sections 4 and 6), and they agree to the last digits.
Column layout: a character is a column. T steps, H hidden, V characters.
"""

import numpy as np

import tinygrad_rnn as tg

T, H = 25, 100
TEXT = "to be, or not to be, that is the question"


def model(V, rng):
    """Parameters of the notes' sizes: W_xh (H, V), W_hh (H, H), W_hy (V, H), b_h, b_y columns."""
    shapes = {"W_xh": (H, V), "W_hh": (H, H), "W_hy": (V, H), "b_h": (H, 1), "b_y": (V, 1)}
    return {
        name: tg.Tensor(rng.normal(size=shape) * 0.1, requires_grad=True, name=name)
        for name, shape in shapes.items()
    }


def forward(p, x, targets):
    """The loss, -Σ_t log p_t[target_t]. x: (T, V, 1) one-hot. targets: (T,) int."""
    h, loss = np.zeros((H, 1)), 0.0
    for t in range(len(x)):
        h = tg.tanh(p["W_xh"] @ x[t] + p["W_hh"] @ h + p["b_h"])
        y = p["W_hy"] @ h + p["b_y"]
        prob = tg.softmax(y, axis=0)
        loss = loss - tg.log(prob[targets[t], 0])
    return loss


def main(folder=None):
    """Prints the source and runs it; returns it with the largest differences. Writes nothing."""
    rng = np.random.default_rng(0)
    letters = sorted(set(TEXT))
    ids = np.array([letters.index(letter) for letter in TEXT])
    V = len(letters)
    x, targets = np.eye(V)[ids[:T]][:, :, None], ids[1 : T + 1]
    parameters = model(V, rng)

    loss = forward(parameters, x, targets)
    derivation = tg.derive(loss, names={"x": x, "targets": targets})
    source = derivation.numpy_source()
    print(source)

    space = {}
    exec(source, space)
    value, gradients = space["loss_and_gradients"](derivation.inputs, derivation.parameters)

    p = tg.manual.Parameters(**{name: leaf.data for name, leaf in parameters.items()})
    by_hand = tg.manual.many_to_many(
        p, x, targets[:, None], np.zeros((H, 1)), loss=tg.manual.softmax_cross_entropy
    )
    print(f"loss: derived {value:.12f}, by hand {by_hand.loss:.12f}\n")
    print("gradient   largest entry   largest difference from the one by hand")
    differences = {}
    for name, found in gradients.items():
        expected = getattr(by_hand.gradients, name)
        differences[name] = np.abs(found - expected).max()
        print(f"d{name:8}   {np.abs(expected).max():13.6f}   {differences[name]:.1e}")
    return {"source": source, "loss": value, "by_hand": by_hand.loss, "differences": differences}


if __name__ == "__main__":
    main()
