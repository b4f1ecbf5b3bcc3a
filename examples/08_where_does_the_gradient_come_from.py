"""A gradient through time is a sum: which step, and which way back, does each part come from?

You will see, for a many-to-many RNN of five steps, what each step contributes to dL/dW_hh and how
the contributions add up; then the two parts of every dL/dh_t: dh from the state's own output y_t,
and dh_next from the state after it, which is 0 at the last step.
Column layout: an example is a column. B batch, I input, H hidden, O output.
"""

import numpy as np

import tinygrad_rnn as tg

T, B, I, H, O = 5, 4, 3, 6, 2
SHAPES = {"W_xh": (H, I), "W_hh": (H, H), "W_hy": (O, H), "b_h": (H, 1), "b_y": (O, 1)}


def forward(W_xh, W_hh, W_hy, b_h, b_y, x, targets):
    """The loss and the states h_1 to h_T. x: T arrays (I, B); targets: T arrays (O, B)."""
    h, states, loss = np.zeros((H, B)), [], 0
    for t, (x_t, target) in enumerate(zip(x, targets, strict=True), 1):
        with tg.scope(f"t={t}"):
            h = tg.tanh(W_xh @ x_t + W_hh @ h + b_h)
            loss = loss + tg.sum((W_hy @ h + b_y - target) ** 2)
        states.append(h)
    return loss, states


def bar(array, largest):
    """The norm of an array, and a bar of up to 30 characters."""
    norm = np.linalg.norm(array)
    return f"{norm:8.3f} {'#' * round(30 * norm / largest)}"


def main(folder=None):
    """Takes both gradients apart; returns their parts. folder: nothing is written."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) / 2 for name, shape in SHAPES.items()}
    x, targets = rng.normal(size=(T, I, B)), rng.normal(size=(T, O, B))
    leaves = {name: tg.Tensor(a, requires_grad=True, name=name) for name, a in arrays.items()}
    loss, states = forward(**leaves, x=x, targets=targets)

    terms = tg.bptt.by_step(loss, leaves["W_hh"])
    loss.backward()
    dW_hh = leaves["W_hh"].grad.data
    difference = np.abs(sum(terms.values()) - dW_hh).max()
    largest = max(np.linalg.norm(term) for term in terms.values())
    print("dL/dW_hh is a sum over the time steps; norm of each step's contribution:")
    for t, term in terms.items():
        print(f"  t={t} {bar(term, largest)}")
    print(f"Their sum differs from the gradient by at most {difference:.0e}.")
    print("Step 1 gives 0: it multiplies by h_0 = 0.\n")

    print("dL/dh_t = dh (from y_t) + dh_next (from h_(t+1)); how often each was used, and norms:")
    parts = {}
    for t, h in enumerate(states, 1):
        uses = tg.bptt.contributions(loss, h)
        found = tg.bptt.by_step(loss, h)
        parts[t] = found[t], found.get(t + 1, np.zeros((H, B)))
        dh, dh_next = (np.linalg.norm(part) for part in parts[t])
        print(f"  h_{t}: {len(uses)}   dh {dh:7.3f}   dh_next {dh_next:7.3f}")
    return {"terms": terms, "dW_hh": dW_hh, "parts": parts, "states": states, "arrays": arrays}


if __name__ == "__main__":
    main()
