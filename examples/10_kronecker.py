"""The Jacobian of one recurrent step by its weight, in both layouts, as a Kronecker product.

You will see dh/dvec(W) and dh/dvec(W.T) of h = tanh(Wᵀ e + Uᵀ h_0) as a formula, with its shape and
how far it is from what the tape finds; the gradient of W in three ways that agree, one of them a
sum over the entries of h; and a picture of where the four matrices are not 0.
vec stacks columns. I input, H hidden. On paper: docs/derivation.md, sections 8 and 11.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_rnn as tg
from tinygrad_rnn import calculus

I, H = 3, 4
WAYS = [(by, to) for by in ("vec(W)", "vec(W.T)") for to in ("numerator", "denominator")]


def closed_form(W, e, a, by, layout):
    """dh/dvec of h = tanh(Wᵀ e + a) in Kronecker form. W: (I, H), e: (I,), a: (H,)."""
    settings = {"offset": a, "transposed": True, "by": by, "layout": layout}
    return calculus.kronecker_jacobian(W, e, **settings)


def by_tape(W, e, a, by, layout):
    """The same matrix as the tape finds it, by one walk for each entry of h."""
    if by == "vec(W)":
        return calculus.jacobian(lambda V: tg.tanh(V.T @ e + a), W, layout=layout).data
    return calculus.jacobian(lambda V: tg.tanh(V @ e + a), W.T, layout=layout).data


def gradients(W, e, a, dh):
    """dL/dW by the tape, by the matrix in denominator layout, by entries; the terms of the last."""
    leaf = tg.Tensor(W, requires_grad=True)
    tg.tanh(leaf.T @ e + a).backward(dh)
    flat = closed_form(W, e, a, "vec(W)", "denominator").dense() @ dh
    terms, total = calculus.by_entries(lambda V: tg.tanh(V.T @ e + a), W, dh)
    found = {"tape": leaf.grad, "matrix": calculus.unvec(flat, W.shape), "entries": total}
    return {name: np.asarray(gradient) for name, gradient in found.items()}, terms.data


def plot(path, forms):
    """The four matrices; white is 0."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    for place, ((by, layout), form) in zip(figure.subplots(2, 2).flat, forms.items(), strict=True):
        place.imshow(form.dense(), cmap="RdBu", vmin=-1, vmax=1)
        place.set(title=f"by {by}, {layout}:\n{form.formula()}", xticks=[], yticks=[])
    figure.savefig(path, dpi=150)


def main(folder="build/demo"):
    """Compares and draws; returns differences, gradients, terms and the picture's path."""
    rng = np.random.default_rng(0)
    W, U, e, h_0, dh = (rng.normal(size=n) for n in [(I, H), (H, H), I, H, H])
    a = U.T @ h_0
    forms = {way: closed_form(W, e, a, *way) for way in WAYS}
    print("by        layout       shape    formula                  differs from the tape by")
    differences = {way: np.abs(forms[way].dense() - by_tape(W, e, a, *way)).max() for way in WAYS}
    for (by, layout), form in forms.items():
        error = f"{differences[by, layout]:.1e}"
        print(f"{by:9} {layout:12} {form.shape!s:8} {form.formula():24} {error}")

    ways, terms = gradients(W, e, a, dh)
    print("\nFirst row of dL/dW by")
    for name, gradient in ways.items():
        print(f"  {name:8}" + " ".join(f"{entry:7.4f}" for entry in gradient[0]))
    print(f"By entries it is a sum of {len(terms)} terms, dL/dh_i times dh_i/dW.")
    picture = Path(folder, "10_kronecker.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot(picture, forms)
    print(f"\nThe picture is {picture}")
    return {"differences": differences, "gradients": ways, "terms": terms, "picture": picture}


if __name__ == "__main__":
    main()
