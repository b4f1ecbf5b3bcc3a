"""Gradients vanish on their way back through a plain RNN, and reach much further in an LSTM.

You will see, for a loss at the last of sixty steps, how large dL/dh_t is at each step t: as text, a
character for each step, and as a picture; the same for the losses of twelve steps, each of which
reaches the states before it; and the norms of the products of Jacobians dh_T/dh_t.
Nothing is trained: both layers are as they start, but the LSTM's forget gates are opened.
"""

from pathlib import Path

import numpy as np

import tinygrad_rnn as tg

T, B, I, H = 60, 4, 3, 16


def run(layer, x):
    """The states h_1 to h_T of a layer on its tape, and a loss at the last of them."""
    output, _ = layer(x)
    states = tg.bptt.states(output)
    return states, tg.sum(states[-1] ** 2)


def lstm_pairs(lstm, x):
    """The states (h_t, c_t) of an LSTM, step by step."""
    state, pairs = None, []
    for t in range(len(x)):
        _, (h, c) = lstm(x[t : t + 1], state)
        state = h, c
        pairs.append((h, c))
    return pairs


def main(folder="build/demo"):
    """Measures both layers and draws; returns norms, Jacobians' products and the pictures."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(T, B, I))
    rnn, lstm = tg.nn.RNN(I, H, rng=0), tg.nn.LSTM(I, H, rng=0)
    tg.nn.init.forget_bias_(lstm, 4.0)
    states, losses = {}, {}
    for name, layer in {"RNN": rnn, "LSTM": lstm}.items():
        states[name], losses[name] = run(layer, x)
    rows = [tg.bptt.flow(losses[name], {name: several}) for name, several in states.items()]
    values = np.concatenate([row.values for row in rows])
    flow = tg.bptt.Heatmap("norm of dL/dh_t, loss at the last step", values, list(states))
    print(flow.text())

    few = states["RNN"][:12]
    triangle = tg.bptt.triangle([tg.sum(h**2) for h in few], few)
    print("\nRNN, the loss of each of twelve steps:\n" + triangle.text())

    products = {
        "RNN": tg.bptt.jacobians(states["RNN"]).products.mean(axis=1),
        "LSTM": tg.bptt.jacobians(lstm_pairs(lstm, x)).products.mean(axis=1),
    }
    print("\nSpectral norm of the derivative of the last state by that so many steps before:")
    for name, norms in products.items():
        print(f"  {name:4}", *(f"{steps}: {norms[-steps]:.1e}  " for steps in (1, 5, 10, 20, 50)))
    pictures = [Path(folder, f"11_{name}.png") for name in ("gradient_flow", "influence")]
    pictures[0].parent.mkdir(parents=True, exist_ok=True)
    for picture, chart in zip(pictures, (flow, triangle), strict=True):
        chart.plot(picture)
        print(f"A picture is {picture}")
    return {"norms": values, "products": products, "pictures": pictures}


if __name__ == "__main__":
    main()
