"""The Jacobian of a recurrent step by its whole weight, as a Kronecker product, in both layouts.

You will see, for h = tanh(Wᵀe + Uᵀh_0) with two inputs and three units: the Jacobian as a formula
and as a matrix, by the tape and by hand; that the two layouts are transposes; and that vec, filled
back, is the gradient, and so is the sum over the entries of h.
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.calculus import by_entries, jacobian, kronecker_jacobian, unvec, vec
from tinygrad_rnn.manual import kronecker as by_hand

I, H = 2, 3


def agreement(a, b):
    """The largest difference."""
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


def main(folder=None):
    """Prints the factors and the matrices; returns the differences between the ways."""
    rng = np.random.default_rng(0)
    W, U, e, h_0, dh = (rng.normal(size=n) for n in [(I, H), (H, H), (I, 1), (H, 1), (H, 1)])

    def state(W_T):
        return tg.tanh(W_T @ e[:, 0] + U.T @ h_0[:, 0])

    h = state(W.T)[:, None]
    J = kronecker_jacobian(W, e, offset=U.T @ h_0, by="vec(W.T)")
    turned = kronecker_jacobian(W, e, offset=U.T @ h_0, by="vec(W.T)", layout="denominator")
    by_tape = jacobian(state, W.T, layout="numerator")
    print(f"∂h/∂vec(Wᵀ) = {J.formula()}, {J.dense().shape}, in numerator layout:")
    print(J.dense().round(3))
    print(f"dL/dvec(Wᵀ) = {turned.formula()} dL/dh, in denominator layout:")
    dvec = turned.apply(dh[:, 0])
    print(dvec.round(3))
    dW = unvec(dvec, (H, I)).T
    print(f"filled back column by column and turned, {dW.shape}: the gradient of W")
    print(dW.round(3))
    terms, total = by_entries(state, W.T, dh[:, 0])
    leaf = tg.Tensor(W, requires_grad=True)
    (state(leaf.T) * dh[:, 0]).sum().backward()
    differences = {
        "tape": agreement(J.dense(), by_tape),
        "hand": agreement(J.dense(), by_hand.state_by_weight_turned(h, e)),
        "layouts": agreement(J.dense().T, turned.dense()),
        "without the matrix": agreement(J.dense().T @ dh[:, 0], dvec),
        "vec by hand": agreement(by_hand.loss_by_weight_turned(h, e, dh)[:, 0], dvec),
        "backward": agreement(leaf.grad.data, dW),
        "entries": agreement(total, dW.T),
        "outer product": agreement(vec(by_hand.loss_by_weight(h, e, dh)), vec(dW)),
    }
    for name, difference in differences.items():
        print(f"  {name:20} differs by {difference:.1e}")
    return {"differences": differences, "terms": terms, "dW": dW}


if __name__ == "__main__":
    main()
