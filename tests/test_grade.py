"""A hand derivation with a mistake in it: the mistake is named; a right one is never faulted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, manual
from tinygrad_rnn.bptt.mistakes import FORGOTTEN

T, B, I, H, O = 4, 5, 3, 6, 7
SHAPES = {"W_xh": (H, I), "W_hh": (H, H), "W_hy": (O, H), "b_h": (H, 1), "b_y": (O, 1)}


def numbers(seed: int = 0) -> dict[str, Any]:
    """Parameters, inputs x (T, I, B), the state h_0 (H, B) and one-hot targets (T, O, B)."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {name: rng.normal(size=s) * 0.6 for name, s in SHAPES.items()}
    values["x"], values["h_0"] = rng.normal(size=(T, I, B)), rng.normal(size=(H, B))
    values["target"] = np.moveaxis(np.eye(O)[rng.integers(O, size=(T, B))], 2, 1)
    return values


def model(v: dict[str, Any], *, scopes: bool = True, squared: bool = False) -> Any:
    """A many-to-many RNN in column layout: the loss, and the tensors by their gradients' names."""
    w = {name: tg.Tensor(v[name], requires_grad=True, name=name) for name in SHAPES}
    h, loss, names = v["h_0"], 0.0, {f"d{name}": leaf for name, leaf in w.items()}
    for t in range(1, T + 1):
        with tg.scope(f"t={t}" if scopes else "loop"):
            z = w["W_xh"] @ x_of(v, t) + w["W_hh"] @ h + w["b_h"]
            h = tg.tanh(z)
            y = w["W_hy"] @ h + w["b_y"]
            names |= {f"dz_{t}": z, f"dh_{t}": h, f"dy_{t}": y}
            loss = loss + loss_of(y, v["target"][t - 1], squared)
    return loss, names


def x_of(v: dict[str, Any], t: int) -> Any:
    """x_t (I, B)."""
    return v["x"][t - 1]


def loss_of(y: tg.Tensor, target: Any, squared: bool) -> Any:
    """The loss of one step, summed over the batch."""
    if squared:
        return ((y - target) ** 2).sum()
    return -tg.sum(target * tg.log(tg.softmax(y, axis=0)))


def by_hand(v: dict[str, Any], wrong: str = "", *, squared: bool = False) -> dict[str, Any]:
    """The derivation in NumPy, with one mistake planted where `wrong` names it."""
    states, zs = [v["h_0"]], [None]
    for t in range(1, T + 1):
        zs.append(v["W_xh"] @ x_of(v, t) + v["W_hh"] @ states[-1] + v["b_h"])
        states.append(np.tanh(zs[-1]))
    d: dict[str, Any] = {f"d{name}": np.zeros(shape) for name, shape in SHAPES.items()}
    dh_next = np.zeros((H, B))
    for t in range(T, 0, -1):
        h, target = states[t], v["target"][t - 1]
        y = v["W_hy"] @ h + v["b_y"]
        p = np.exp(y) / np.exp(y).sum(axis=0)
        dy = 2 * (y - target) if squared else p - target
        dy = y - target if wrong == "factor 2" else p if wrong == "one-hot" else dy
        dy = -dy if wrong == "sign" else dy
        dh = v["W_hy"].T @ dy + (0 if wrong == "dh_next" else dh_next)
        slopes = {"(1-h)^2": (1 - h) ** 2, "no slope": 1.0, "1-z^2": 1 - zs[t] ** 2}
        dz = dh * slopes.get(wrong, 1 - h * h)
        dh_next = (v["W_hh"] if wrong == "transpose" else v["W_hh"].T) @ dz
        before = states[t] if wrong == "h_t" else states[t - 1]
        d |= {f"dy_{t}": dy, f"dh_{t}": dh, f"dz_{t}": dz}
        d["dW_hh"] += dz @ before.T * (0 if wrong == f"without step {t}" else 1)
        d["dW_xh"] += dz @ x_of(v, t).T
        d["dW_hy"] += dy @ h.T
        d["db_h"] += dz.sum(axis=1, keepdims=True)
        d["db_y"] += dy.sum(axis=1, keepdims=True)
    return d


PLANTED = {
    "(1-h)^2": ("dz_4", r"tanh' was taken as \(1 - h\)²"),
    "no slope": ("dz_4", "tanh' was left out"),
    "1-z^2": ("dz_4", "1 - z² of the pre-activation"),
    "dh_next": ("dh_3", "dh_next was forgotten"),
    "transpose": ("dh_3", "W in place of Wᵀ in dh"),
    "h_t": ("dW_hh", "h_t in place of h_{t-1} in dW_hh"),
    "one-hot": ("dy_4", "the one-hot target was not subtracted"),
    "sign": ("dy_4", "the sign is wrong"),
    "without step 1": ("dW_hh", "the term of step 1 is missing"),
    "without step 3": ("dW_hh", "the term of step 3 is missing"),
}


def test_a_weight_and_its_transpose_are_each_judged_by_all_uses() -> None:
    """A term that is missing in both is named where it is missing first."""
    rng = np.random.default_rng(0)
    W, h = tg.Tensor(rng.normal(size=(H, H)), requires_grad=True), tg.Tensor(np.ones((B, H)))
    V = W.T
    for t in (1, 2, 3):
        with tg.scope(f"t={t}"):
            h = tg.tanh(h @ V + rng.normal(size=(B, H)))
    loss = (h * h).sum()
    missing = bptt.by_step(loss, W)[2]
    right = tg.grad(loss, W)[0].data
    answer = {"dW": right - missing, "dV": right.T - missing.T}
    report = bptt.grade(answer, loss, {"dW": W, "dV": V})
    assert [verdict.name for verdict in report.verdicts] == ["dV", "dW"]
    assert "matmul was forgotten (step 2)" in report.verdicts[0].mistakes[0]
    assert report.verdicts[1].follows
    alone = bptt.grade({"dW": answer["dW"]}, loss, {"dW": W})
    assert "the term of step 2 is missing" in str(alone.mistake)


@pytest.mark.parametrize("wrong", PLANTED)
def test_a_planted_mistake_is_named(wrong: str) -> None:
    """The first wrong one on the way back and its mistake, where the learner hands in all."""
    loss, names = model(numbers())
    report = bptt.grade(by_hand(numbers(), wrong), loss, names)
    first, mistake = PLANTED[wrong]
    assert report.first is not None
    assert report.first.name == first
    assert len(report.first.mistakes) == 1
    assert re.search(mistake, str(report.mistake))
    assert f"Look at {first} first" in str(report)


@pytest.mark.parametrize("scopes", [True, False])
@pytest.mark.parametrize("wrong", [w for w in PLANTED if not w.startswith("without")])
def test_a_planted_mistake_is_named_from_one_weight(wrong: str, scopes: bool) -> None:
    """dL/dW_hh alone tells it, whether or not the steps have scopes."""
    loss, names = model(numbers(), scopes=scopes)
    answer = {"dW_hh": by_hand(numbers(), wrong)["dW_hh"]}
    report = bptt.grade(answer, loss, names)
    assert re.search(PLANTED[wrong][1], str(report.mistake))
    assert not report.verdicts[0].right


def test_a_right_derivation_is_right() -> None:
    """All agree, in the order of the way back: latest first, leaves last."""
    loss, names = model(numbers())
    report = bptt.grade(by_hand(numbers()), loss, names)
    assert report.right
    assert report.first is report.mistake is None
    order = [verdict.name for verdict in report.verdicts]
    assert order[:6] == ["dy_4", "dh_4", "dz_4", "dy_3", "dh_3", "dz_3"]
    assert order[-5:] == [f"d{name}" for name in SHAPES]
    assert min(verdict.digits for verdict in report.verdicts) >= 13
    assert str(report).endswith("All 17 agree.")


def test_a_factor_2_is_missing() -> None:
    """The derivative of a squared error without its 2."""
    loss, names = model(numbers(), squared=True)
    answer = by_hand(numbers(), "factor 2", squared=True)
    report = bptt.grade(answer, loss, names)
    assert report.first == report.verdicts[0]
    assert report.mistake == "a factor 2 is missing"
    assert all(verdict.follows for verdict in report.verdicts[1:] if verdict.name == "dh_4")


def test_the_one_hot_target_is_missing_in_cross_entropy() -> None:
    """Of tg.cross_entropy and of log_softmax as of softmax."""
    rng = np.random.default_rng(0)
    y = tg.Tensor(rng.normal(size=(B, O)), requires_grad=True)
    ids = rng.integers(O, size=B)
    p = tg.softmax(y).data
    losses = [
        (tg.cross_entropy(y, ids), p / B),
        (tg.cross_entropy(y, np.eye(O)[ids], reduction="sum"), p),
    ]
    for loss, wrong in losses:
        assert "one-hot target" in str(bptt.grade({"dy": wrong}, loss, {"dy": y}).mistake)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wrong", PLANTED)
def test_one_mistake_is_not_taken_for_another(wrong: str, seed: int) -> None:
    """On other numbers too, dL/dW_hh and dL/dh_1 of a planted mistake have that mistake alone."""
    loss, names = model(numbers(seed + 10))
    answer = by_hand(numbers(seed + 10), wrong)
    for name in ("dW_hh", "dh_1"):
        verdict = bptt.grade({name: answer[name]}, loss, names).verdicts[0]
        assert verdict.right or len(verdict.mistakes) == 1
        assert verdict.right or re.search(PLANTED[wrong][1], verdict.mistakes[0])


def test_float32_needs_fewer_digits() -> None:
    """Of a float32 model three digits suffice, and a mistake is still one."""
    values = {name: value.astype("float32") for name, value in numbers().items()}
    loss, names = model(values)
    rough = {name: array * (1 + 1e-5) for name, array in by_hand(numbers()).items()}
    assert bptt.grade(rough, loss, names).right
    assert not bptt.grade(rough, *model(numbers())).right
    assert bptt.grade(rough, *model(numbers()), digits=4).right
    wrong = by_hand(numbers(), "(1-h)^2")
    assert "(1 - h)²" in str(bptt.grade(wrong, loss, names).mistake)


@pytest.mark.parametrize("wrong", ["slope", "transpose", "h_t", "mean"])
def test_mistakes_in_rows_are_named(wrong: str) -> None:
    """In row layout, with W.T made at each step, the same mistakes have the same names."""
    rng = np.random.default_rng(3)
    W = tg.Tensor(rng.normal(size=(H, H)) / 2, requires_grad=True)
    x, g = rng.normal(size=(2, T, B, H))
    h, loss, states, total = np.zeros((B, H)), 0.0, [np.zeros((B, H))], np.zeros((H, H))
    for t in range(T):
        h = tg.tanh(x[t] + h @ W.T)
        loss = loss + (h * g[t]).sum()
        states.append(h.data)
    dh_next = np.zeros((B, H))
    for t in range(T, 0, -1):
        slope = (1 - states[t]) ** 2 if wrong == "slope" else 1 - states[t] ** 2
        dz = (g[t - 1] + dh_next) * slope
        dh_next = dz @ (W.data.T if wrong == "transpose" else W.data)
        total += dz.T @ states[t if wrong == "h_t" else t - 1]
    found = graded(total / B if wrong == "mean" else total, loss, W)
    expected = {
        "slope": "(1 - h)²",
        "transpose": "W in place of Wᵀ",
        "h_t": "h_t in place of h_{t-1}",
        "mean": "a mean over the batch in place of the sum",
    }
    assert expected[wrong] in found


def test_a_state_that_is_not_transposed_is_named() -> None:
    """With as many examples as units dz h in place of dz hᵀ has the right shape."""
    W = tg.Tensor(np.random.default_rng(0).normal(size=(H, H)), requires_grad=True)
    x = np.random.default_rng(1).normal(size=(H, H))
    z = W @ x
    loss = (tg.tanh(z) ** 2).sum()
    (dz,) = tg.grad(loss, z)
    assert "h in place of hᵀ in dW" in graded(dz.data @ x, loss, W)


def test_h_t_for_h_0_is_named_of_a_single_step() -> None:
    """Where there is no step before to compare with, the state is the tanh of that product."""
    rng = np.random.default_rng(0)
    W, h_0 = tg.Tensor(rng.normal(size=(H, H)), requires_grad=True), rng.normal(size=(B, H))
    h = tg.tanh(h_0 @ W.T)
    loss = (h * h).sum()
    dz = 2 * h.data * (1 - h.data**2)
    assert "h_t in place of h_{t-1}" in graded(dz.T @ h.data, loss, W)


def test_a_part_of_dh_next_is_named() -> None:
    """In a cell that uses h twice, what comes back by one of the two is missing."""
    rng = np.random.default_rng(0)
    W, h = tg.Tensor(rng.normal(size=(H, H)), requires_grad=True), rng.normal(size=(B, H))
    states, loss = [], 0.0
    for t in (1, 2):
        with tg.scope(f"t={t}"):
            h = tg.tanh(h @ W) + 0.5 * h
            loss = loss + (h * h).sum()
            states.append(h)
    parts = bptt.contributions(loss, states[0])
    right = sum(part.array for part in parts)
    (product,) = [part.array for part in parts if part.op == "matmul"]
    assert graded(right - product, loss, states[0]) == (
        "dh_next is incomplete: without the part by matmul"
    )
    own = sum(part.array for part in parts if part.step == 1)
    assert graded(own, loss, states[0]) == FORGOTTEN


# What is wrong with one array


def mistaken(name: str, change: Any) -> list[str]:
    """The mistakes found where a function of the right array is handed in."""
    loss, names = model(numbers())
    right = by_hand(numbers())
    return bptt.grade({name: change(right[name])}, loss, names).verdicts[0].mistakes


def test_changes_of_one_array_are_named() -> None:
    """Transposed, averaged, clipped, scaled, of the wrong sign."""
    assert mistaken("dW_xh", np.transpose) == ["the answer is transposed"]
    assert mistaken("dW_hh", np.transpose) == ["the answer is transposed"]
    assert "mean over the batch" in mistaken("dW_hh", lambda g: g / B)[0]
    assert "mean over the time steps" in mistaken("dW_hh", lambda g: g / T)[0]
    assert "sum over the batch" in mistaken("dW_hh", lambda g: g * B)[0]
    assert mistaken("db_h", lambda g: -g) == ["the sign is wrong"]
    assert mistaken("db_h", lambda g: g / 2) == ["a factor 2 is missing"]
    assert mistaken("db_h", lambda g: g * 0) == ["the answer is 0 everywhere"]
    assert mistaken("db_h", lambda g: g * 0.3) == ["the answer is 0.3 times the gradient"]
    assert "clipped to ±0.5 before" in mistaken("dW_hh", lambda g: np.clip(g, -0.5, 0.5))[0]
    assert mistaken("dW_hh", lambda g: g + np.eye(H)) == []
    assert mistaken("dW_hh", lambda g: g * np.nan) == []


def test_sums_that_were_not_taken_are_named() -> None:
    """A batch axis, a time axis, one example, one step."""
    loss, names = model(numbers())
    v, d = numbers(), by_hand(numbers())
    each = np.einsum("tob,thb->boh", *(np.stack(s) for s in (dys(d), states(v))))
    assert "not summed over the batch" in graded(each, loss, names["dW_hy"])
    assert "of example 2 alone" in graded(each[2], loss, names["dW_hy"])
    steps = np.einsum("tob,thb->toh", *(np.stack(s) for s in (dys(d), states(v))))
    assert "not summed over the time steps" in graded(steps, loss, names["dW_hy"])
    assert "the term of step 4 alone" in graded(steps[3], loss, names["dW_hy"])
    dz = sum(d[f"dz_{t}"] for t in range(1, T + 1))
    assert "not summed over the batch" in graded(dz, loss, names["db_h"])
    assert "of example 0 alone" in graded(dz[:, :1], loss, names["db_h"])


def dys(d: dict[str, Any]) -> list[Any]:
    """dL/dy_t of all steps."""
    return [d[f"dy_{t}"] for t in range(1, T + 1)]


def states(v: dict[str, Any]) -> list[Any]:
    """h_t of all steps."""
    _, names = model(v)
    return [names[f"dh_{t}"].data for t in range(1, T + 1)]


def graded(array: Any, loss: tg.Tensor, tensor: tg.Tensor) -> str:
    """The mistake found in an array."""
    return str(bptt.grade({"g": array}, loss, {"g": tensor}).mistake)


def test_the_first_term_is_missing_without_scopes() -> None:
    """Then the uses are counted."""
    loss, names = model(numbers(), scopes=False)
    report = bptt.grade({"dW_hh": by_hand(numbers(), "without step 1")["dW_hh"]}, loss, names)
    assert report.mistake == "the term of use 1 of 4 is missing in the sum over time"


def test_what_comes_from_the_own_output_is_forgotten() -> None:
    """dh_t = dh_next alone."""
    v = numbers()
    loss, names = model(v)
    d = by_hand(v)
    answer = {"dh_2": v["W_hh"].T @ d["dz_3"]}
    mistake = bptt.grade(answer, loss, names).mistake
    assert mistake == "what comes back through matmul was forgotten (step 2)"


def test_what_follows_from_a_mistake_is_not_held_against_the_learner() -> None:
    """A strange dh_3 makes all before it wrong; they follow, and a second mistake is still seen."""
    v = numbers()
    loss, names = model(v)
    d, odd = by_hand(v), np.random.default_rng(5).normal(size=(H, B))
    h = {t: names[f"dh_{t}"].data for t in (1, 2, 3)}
    d["dh_3"] = d["dh_3"] + odd
    d["dz_3"] = d["dh_3"] * (1 - h[3] ** 2)
    d["dh_2"] = v["W_hy"].T @ d["dy_2"] + v["W_hh"].T @ d["dz_3"]
    d["dz_2"] = -d["dh_2"] * (1 - h[2] ** 2)
    chosen = {name: d[name] for name in ("dh_4", "dh_3", "dz_3", "dh_2", "dz_2")}
    report = bptt.grade(chosen, loss, names)
    assert [verdict.right for verdict in report.verdicts] == [True, False, False, False, False]
    assert [verdict.follows for verdict in report.verdicts] == [False, False, True, True, False]
    assert report.mistake is None
    assert "no known mistake gives this" in str(report)


def test_layers_are_graded_too() -> None:
    """dh_next forgotten in nn.LSTM, and h_t for h_{t-1} in nn.RNN, recorded whole or not."""
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    for unroll in (False, True):
        rnn = tg.nn.RNN(I, H, unroll=unroll, rng=0)
        output, _ = rnn(x)
        h, dh_next, wrong = output.data, np.zeros((B, H)), np.zeros((H, H))
        for t in range(T - 1, -1, -1):
            dz = (g[t] + dh_next) * (1 - h[t] ** 2)
            dh_next = dz @ rnn.weight_hh_l0.data
            wrong += dz.T @ h[t]
        loss = (output * g).sum()
        assert "h_t in place of h_{t-1}" in graded(wrong, loss, rnn.weight_hh_l0)
        lstm = tg.nn.LSTM(I, H, unroll=unroll, rng=0)
        output, _ = lstm(x)
        h_3 = bptt.states(output)[2]
        assert graded(g[2], (output * g).sum(), h_3) == FORGOTTEN


# Right answers are never faulted


def right_rnn(T: int, B: int, H: int, rng: np.random.Generator, layout: Any) -> Any:
    """A tanh RNN in either layout, many-to-one or many-to-many, with its states and z_t."""
    column, every = layout == "column", bool(rng.integers(2))
    shapes = [(H, I), (H, H), (O, H), (H, 1), (O, 1)]
    shapes = shapes if column else [(I, H), (H, H), (H, O), (H,), (O,)]
    p = manual.Parameters(*(rng.normal(size=shape) for shape in shapes))
    x = rng.normal(size=(T, I, B) if column else (T, B, I))
    h_0 = rng.normal(size=(H, B) if column else (B, H))
    target = rng.integers(O, size=(T, B) if every else B)
    run = manual.many_to_many if every else manual.many_to_one
    result = run(p, x, target, h_0, loss=manual.softmax_cross_entropy, layout=layout)
    w = {name: tg.Tensor(a, requires_grad=True) for name, a in p._asdict().items()}
    names: dict[str, Any] = dict(w)
    h, loss = tg.Tensor(h_0), 0.0
    for t in range(T):
        if column:
            z = w["W_xh"] @ x[t] + w["W_hh"] @ h + w["b_h"]
        else:
            z = x[t] @ w["W_xh"] + h @ w["W_hh"] + w["b_h"]
        h = tg.tanh(z)
        names |= {f"dz_{t + 1}": z, f"dh_{t + 1}": h}
        if every or t == T - 1:
            y = (w["W_hy"] @ h + w["b_y"]).T if column else h @ w["W_hy"] + w["b_y"]
            ids = target[t] if every else target
            loss = loss + tg.cross_entropy(y, ids, reduction="sum")
    answer = {name: getattr(result.gradients, name) for name in w}
    answer |= {f"dz_{step.t}": step.dz for step in result.steps}
    return answer | {f"dh_{step.t}": step.dh for step in result.steps}, loss, names


def right_layer(T: int, B: int, H: int, rng: np.random.Generator, kind: str) -> Any:
    """An LSTM or a GRU, recorded whole or not."""
    gates = 4 if kind == "lstm" else 3
    layer = (tg.nn.LSTM if kind == "lstm" else tg.nn.GRU)(
        I, H, unroll=bool(rng.integers(2)), rng=rng
    )
    x, g = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    output, _ = layer(x)
    names = {name: getattr(layer, f"{name}_l0") for name in NAMES}
    weights = manual.Weights(*(names[name].data for name in NAMES))
    assert len(weights.W_hh) == gates * H
    result = (manual.lstm if kind == "lstm" else manual.gru).run(weights, x, from_output=g)
    answer = dict(zip(NAMES, result.gradients[:4], strict=True))
    return answer, (output * g).sum(), names


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
KINDS = ("column", "row", "lstm", "gru")


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    some.integers(1, 7),
    some.integers(1, 4),
    some.integers(1, 5),
    some.integers(0, 2**20),
    some.sampled_from(KINDS),
)
def test_a_right_answer_is_never_faulted(T: int, B: int, H: int, seed: int, kind: str) -> None:
    """The referee's derivations of RNN, LSTM and GRU agree, for random sizes and values."""
    rng = np.random.default_rng(seed)
    right = right_layer if kind in ("lstm", "gru") else right_rnn
    answer, loss, names = right(T, B, H, rng, kind)
    report = bptt.grade(answer, loss, names)
    assert report.right, str(report)


# Bad input


def test_bad_input_is_named() -> None:
    """Unknown names, wrong shapes, other tapes, no numbers, no loss."""
    loss, names = model(numbers())
    with pytest.raises(ValueError, match="the answer has 'dW', but names has dW_xh, dW_hh"):
        bptt.grade({"dW": np.zeros(2)}, loss, names)
    with pytest.raises(ValueError, match=r"dW_hh has shape \(2,\), but its tensor \(6, 6\)"):
        bptt.grade({"dW_hh": np.zeros(2)}, loss, names)
    with pytest.raises(ValueError, match="there is no answer"):
        bptt.grade({}, loss, names)
    with pytest.raises(TypeError, match="g has dtype <U1"):
        bptt.grade({"g": "a"}, loss, {"g": names["dW_hh"]})
    with pytest.raises(RuntimeError, match=r"g, of shape \(1,\), is not on the tape"):
        bptt.grade({"g": [1.0]}, loss, {"g": tg.Tensor([1.0], requires_grad=True)})
    with pytest.raises(ValueError, match=r"the loss has shape \(6, 5\)"):
        bptt.grade({"dW_hh": np.zeros(2)}, names["dh_1"], names)
