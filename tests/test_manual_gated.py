"""The LSTM and the GRU: the tape's gradients, those by hand, and differences are the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import manual, nn
from tinygrad_rnn.manual import gru, lstm

from .numeric import assert_near, differences
from .test_manual import MANUAL, cited, comments, tags

I, H = 3, 5
KINDS = ("LSTM", "GRU", "GRU reset before")
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
every_kind = pytest.mark.parametrize("kind", KINDS)


class Problem(NamedTuple):
    """A gated layer of one direction, its inputs, and what reaches it from outside."""

    kind: str
    weights: manual.Weights
    x: np.ndarray
    start: list[np.ndarray]  # h_0, and c_0 of an LSTM
    d_output: np.ndarray
    d_last: list[np.ndarray]  # dh_n, and dc_n of an LSTM


def drawn(kind: str, T: int, B: int, bias: bool = True, seed: int = 0) -> Problem:
    """Random weights that remember some dozens of steps; random cotangents of every output."""
    rng = np.random.default_rng(seed)
    G = 4 if kind == "LSTM" else 3
    W_ih, W_hh = rng.normal(size=(G * H, I)), rng.uniform(-1, 1, (G * H, H)) / np.sqrt(H)
    b_ih, b_hh = rng.normal(size=(2, G * H)) / 2
    b_ih[H : 2 * H] += 3  # the forget gate, or the update gate: about 0.95
    biases = (b_ih, b_hh) if bias else (np.zeros(G * H), np.zeros(G * H))
    states = rng.normal(size=(2, 2 if kind == "LSTM" else 1, B, H))
    x, d_output = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    return Problem(
        kind, manual.Weights(W_ih, W_hh, *biases), x, list(states[0]), d_output, list(states[1])
    )


def by_hand(problem: Problem) -> Any:
    """The referee's answer."""
    given = dict(zip(("h_0", "c_0"), problem.start, strict=False))
    given |= dict(zip(("dh_n", "dc_n"), problem.d_last, strict=False))
    given["from_output"] = problem.d_output
    if problem.kind == "LSTM":
        return lstm.run(problem.weights, problem.x, **given)
    return gru.run(problem.weights, problem.x, reset_after=problem.kind == "GRU", **given)


def layer_of(problems: list[Problem], bias: bool = True, **settings: Any) -> nn.Module:
    """The layer with the weights of one problem, or of one in each direction."""
    kind = problems[0].kind
    if kind != "LSTM":
        settings["reset_after"] = kind == "GRU"
    both = len(problems) == 2
    layer = {"LSTM": nn.LSTM}.get(kind, nn.GRU)(I, H, bias=bias, bidirectional=both, **settings)
    state = {
        f"{name}_l0{suffix}": array
        for problem, suffix in zip(problems, ("", "_reverse"), strict=False)
        for name, array in zip(NAMES, problem.weights, strict=True)
    }
    layer.load_state_dict({name: state[name] for name in layer.state_dict()})
    return layer


class Run(NamedTuple):
    """What a layer gives: its output, its last states, and the gradients by name."""

    output: np.ndarray
    last: list[np.ndarray]
    gradients: dict[str, np.ndarray]


def by_tape(
    layer: Any,
    x: np.ndarray,
    start: list[np.ndarray],
    d_output: np.ndarray,
    d_last: Any,
    **more: Any,
) -> Run:
    """The layer over x and the tape's gradients; start and d_last have the layer's shapes."""
    leaf = tg.Tensor(x, requires_grad=True)
    states = [tg.Tensor(part, requires_grad=True) for part in start]
    pair = len(states) == 2
    output, last = layer(leaf, tuple(states) if pair else states[0], **more)
    ends = list(last) if pair else [last]
    loss = (output * d_output).sum()
    for end, cotangent in zip(ends, d_last, strict=True):
        loss = loss + (end * cotangent).sum()
    loss.backward()
    leaves = dict(layer.named_parameters()) | {"x": leaf}
    leaves |= dict(zip(("h_0", "c_0"), states, strict=False))
    gradients = {name: tensor.grad.data for name, tensor in leaves.items()}
    return Run(output.data, [end.data for end in ends], gradients)


def named(gradients: Any, suffix: str = "_l0") -> dict[str, np.ndarray]:
    """The hand's gradients by the names of the layer's parameters."""
    renamed = dict(zip(manual.Weights._fields, NAMES, strict=True))
    return {
        renamed[name] + suffix if name in renamed else name: array
        for name, array in gradients._asdict().items()
    }


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Each array that was found is the expected one to 1e-12 of its largest entry."""
    for name, array in found.items():
        atol = 1e-12 * np.abs(expected[name]).max()
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=atol, err_msg=name)


def assert_layer_is_the_derivation(kind: str, T: int, B: int, bias: bool, unroll: bool) -> None:
    """States, last states and all gradients are the same."""
    problem = drawn(kind, T, B, bias)
    layer = layer_of([problem], bias, unroll=unroll)

    run = by_tape(
        layer,
        problem.x,
        [part[None] for part in problem.start],
        problem.d_output,
        [part[None] for part in problem.d_last],
    )

    result = by_hand(problem)
    states = {"output": result.h[1:], "h_n": result.h[-1:]}
    if kind == "LSTM":
        states["c_n"] = result.c[-1:]
    assert_same(dict(zip(states, [run.output, *run.last], strict=True)), states)
    expected = named(result.gradients)
    initial = {name: expected[name][None] for name in ("h_0", "c_0") if name in expected}
    assert set(run.gradients) == {name for name in expected if bias or "bias" not in name}
    assert_same(run.gradients, expected | initial)


@pytest.mark.parametrize("B", [1, 7, 64])
@pytest.mark.parametrize("T", [1, 2, 3, 10])
@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@every_kind
def test_the_tape_agrees_with_the_derivation_by_hand(
    kind: str, bias: bool, unroll: bool, T: int, B: int
) -> None:
    """Every parameter's, the input's and the first state's gradient, to 1e-12."""
    assert_layer_is_the_derivation(kind, T, B, bias, unroll)


@pytest.mark.parametrize(
    ("B", "bias", "unroll"), [(1, True, True), (7, False, True), (64, True, False)]
)
@every_kind
def test_they_agree_over_a_thousand_steps(kind: str, B: int, bias: bool, unroll: bool) -> None:
    """Rounding does not add up to more than 1e-12 of the largest entry."""
    assert_layer_is_the_derivation(kind, 1000, B, bias, unroll)


@every_kind
def test_every_gradient_equals_central_differences(kind: str) -> None:
    """Entry by entry: parameters, inputs and first states, of a loss that uses every output."""
    problem = drawn(kind, 3, 2)
    gradients = by_hand(problem).gradients

    def loss(*arrays: np.ndarray) -> float:
        moved = problem._replace(
            weights=manual.Weights(*arrays[:4]), x=arrays[4], start=list(arrays[5:])
        )
        result = by_hand(moved)
        ends = [result.h[-1], result.c[-1]] if kind == "LSTM" else [result.h[-1]]
        total = np.vdot(problem.d_output, result.h[1:])
        return total + sum(map(np.vdot, problem.d_last, ends))

    arrays = [*problem.weights, problem.x, *problem.start]
    assert len(gradients) == len(arrays)
    for k, gradient in enumerate(gradients):
        assert gradient.shape == arrays[k].shape
        assert_near(gradient.ravel(), differences(loss, arrays, k)[0], 1e-8)


# The records


def taped(problem: Problem) -> tuple[list[dict[str, tg.Tensor]], tg.Tensor]:
    """Every quantity of every step as a Tensor that keeps its gradient, and the loss of them.

    The state goes on by h_next and c_next and to the output by h_output: the parts of dh and dc.
    """
    W_ih, W_hh, b_ih, b_hh = map(tg.Tensor, problem.weights)
    state = [tg.Tensor(part, requires_grad=True) for part in problem.start]
    loss, steps = tg.Tensor(0.0), []
    for x, cotangent in zip(problem.x, problem.d_output, strict=True):
        step = (lstm_step if problem.kind == "LSTM" else gru_step)(
            kept(x @ W_ih.T + b_ih), state, W_hh.T, b_hh, problem.kind == "GRU"
        )
        step |= {f"{name}_next": kept(step[name] + 0.0) for name in ("h", "c") if name in step}
        step["h_output"] = kept(step["h"] + 0.0)
        state = [step[f"{name}_next"] for name in ("h", "c") if name in step]
        loss = loss + (step["h_output"] * cotangent).sum()
        steps.append(step)
    for part, cotangent in zip(state, problem.d_last, strict=True):
        loss = loss + (part * cotangent).sum()
    return steps, loss


def kept(tensor: tg.Tensor) -> tg.Tensor:
    """The tensor, which keeps its gradient."""
    if not tensor.requires_grad:
        tensor = tg.Tensor(tensor.data, requires_grad=True)
    tensor.retain_grad()
    return tensor


def lstm_step(x: Any, state: Any, W: Any, b: Any, _: bool) -> dict[str, tg.Tensor]:
    """Forward only, with a name for each quantity."""
    h, c = state
    z = kept(x + h @ W + b)
    i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
    i, f, g, o = kept(i.sigmoid()), kept(f.sigmoid()), kept(g.tanh()), kept(o.sigmoid())
    c = kept(f * c + i * g)
    return {"z": z, "i": i, "f": f, "g": g, "o": o, "c": c, "h": kept(o * c.tanh())}


def gru_step(z: Any, state: Any, W: Any, b: Any, reset_after: bool) -> dict[str, tg.Tensor]:
    """Forward only, with a name for each quantity."""
    (h,) = state
    a = kept(h @ W[:, : 2 * H] + b[: 2 * H])
    r, u = (kept((z[:, k] + a[:, k]).sigmoid()) for k in (slice(0, H), slice(H, 2 * H)))
    W_n, b_n = W[:, 2 * H :], b[2 * H :]
    a_n = kept((h if reset_after else r * h) @ W_n + b_n)
    n = kept((z[:, 2 * H :] + (r * a_n if reset_after else a_n)).tanh())
    h = kept((1 - u) * n + u * h)
    return {"z": z, "a": a, "a_n": a_n, "r": r, "u": u, "n": n, "h": h}


@every_kind
def test_the_records_are_what_the_tape_saw(kind: str) -> None:
    """Gates, states and their derivatives, and the parts of dh and dc, at every step."""
    problem = drawn(kind, 4, 3)
    steps, loss = taped(problem)
    loss.backward()
    records = by_hand(problem).steps
    assert len(records) == len(steps)
    for record, tensors in zip(records, steps, strict=True):
        values = {name: t.data for name, t in tensors.items() if hasattr(record, name)}
        of_tape = {f"d{name}": t.grad.data for name, t in tensors.items()}
        if kind != "LSTM":
            of_tape["da"] = np.concatenate([of_tape["da"], of_tape.pop("da_n")], axis=1)
        of_tape["from_output"] = of_tape.pop("dh_output")
        of_tape["from_next"] = of_tape.pop("dh_next")
        if kind == "LSTM":
            of_tape["dc_from_next"] = of_tape.pop("dc_next")
            of_tape["dc_from_state"] = of_tape["dc"] - of_tape["dc_from_next"]
        of_hand = {f.name: getattr(record, f.name) for f in fields(record)}
        assert set(of_hand) - set(values) - set(of_tape) <= {"x", "h_previous", "c_previous"}
        assert_same(values | of_tape, of_hand)


@every_kind
def test_dh_and_dc_have_two_parts(kind: str) -> None:
    """From outside and from the next step, exactly; the last step's next is what comes last."""
    problem = drawn(kind, 4, 3)
    result = by_hand(problem)
    for step, cotangent in zip(result.steps, problem.d_output, strict=True):
        np.testing.assert_array_equal(step.from_output, cotangent)
        np.testing.assert_array_equal(step.dh, step.from_output + step.from_next)
    np.testing.assert_array_equal(result.steps[-1].from_next, problem.d_last[0])
    if kind == "LSTM":
        for step in result.steps:
            np.testing.assert_array_equal(step.dc, step.dc_from_state + step.dc_from_next)
        np.testing.assert_array_equal(result.steps[-1].dc_from_next, problem.d_last[1])


@every_kind
def test_steps_name_their_inputs_and_states(kind: str) -> None:
    """Step t stands at index t - 1 and holds x_t, h_(t-1) and h_t, and c of an LSTM."""
    problem = drawn(kind, 4, 3)
    result = by_hand(problem)
    np.testing.assert_array_equal(result.h[0], problem.start[0])
    for t, step in enumerate(result.steps, 1):
        np.testing.assert_array_equal(step.x, problem.x[t - 1])
        np.testing.assert_array_equal(step.h_previous, result.h[t - 1])
        np.testing.assert_array_equal(step.h, result.h[t])
        if kind == "LSTM":
            np.testing.assert_array_equal(step.c_previous, result.c[t - 1])
            np.testing.assert_array_equal(step.c, result.c[t])


@every_kind
def test_a_term_is_the_gradient_of_the_weights_of_one_step(kind: str) -> None:
    """A cell of its own for each step has the term as its gradient, and the terms add up."""
    problem = drawn(kind, 4, 3)
    cells = []
    state: Any = [tg.Tensor(part) for part in problem.start]
    loss = tg.Tensor(0.0)
    for x, cotangent in zip(problem.x, problem.d_output, strict=True):
        cell: Any = (
            nn.LSTMCell(I, H) if kind == "LSTM" else nn.GRUCell(I, H, reset_after=kind == "GRU")
        )
        cell.load_state_dict(dict(zip(NAMES, problem.weights, strict=True)))
        cells.append(cell)
        state = list(cell(x, tuple(state))) if kind == "LSTM" else [cell(x, *state)]
        loss = loss + (state[0] * cotangent).sum()
    for part, cotangent in zip(state, problem.d_last, strict=True):
        loss = loss + (part * cotangent).sum()
    loss.backward()

    result = by_hand(problem)
    terms = list(result.terms())

    for cell, term in zip(cells, terms, strict=True):
        found = {name: parameter.grad.data for name, parameter in cell.named_parameters()}
        assert_same(found, dict(zip(NAMES, term, strict=True)))
    sums = {name: sum(getattr(term, name) for term in terms) for name in manual.Weights._fields}
    assert_same(sums, result.gradients._asdict())


# Directions and lengths


@pytest.mark.parametrize("unroll", [False, True])
@every_kind
def test_two_directions_are_two_runs(kind: str, unroll: bool) -> None:
    """A bidirectional layer's gradients are those of a run forward and a run on x reversed."""
    forth, back = drawn(kind, 6, 4), drawn(kind, 6, 4, seed=1)
    layer = layer_of([forth, back], unroll=unroll)
    pairs = list(zip(forth.start, back.start, strict=True))
    ends = list(zip(forth.d_last, back.d_last, strict=True))

    run = by_tape(
        layer,
        forth.x,
        [np.stack(pair) for pair in pairs],
        np.concatenate([forth.d_output, back.d_output], axis=-1),
        [np.stack(pair) for pair in ends],
    )

    one = by_hand(forth)
    other = by_hand(back._replace(x=forth.x[::-1], d_output=back.d_output[::-1]))
    output = np.concatenate([one.h[1:], other.h[:0:-1]], axis=-1)
    assert_same({"output": run.output}, {"output": output})
    expected = named(one.gradients) | named(other.gradients, "_l0_reverse")
    expected["x"] = one.gradients.x + other.gradients.x[::-1]
    for name in ("h_0", "c_0") if kind == "LSTM" else ("h_0",):
        expected[name] = np.stack([getattr(r.gradients, name) for r in (one, other)])
    assert set(run.gradients) == set(expected)
    assert_same(run.gradients, expected)


def alone(problem: Problem, b: int, length: int, order: slice) -> dict[str, np.ndarray]:
    """The hand's gradients for one sequence of the batch, cut to its length; x in time's order."""
    one = slice(b, b + 1)
    cut = problem._replace(
        x=problem.x[:length, one][order],
        d_output=problem.d_output[:length, one][order],
        start=[part[one] for part in problem.start],
        d_last=[part[one] for part in problem.d_last],
    )
    gradients = by_hand(cut).gradients
    return named(gradients._replace(x=gradients.x[order]), "")


@pytest.mark.parametrize("directions", [1, 2])
@every_kind
def test_a_padded_sequence_is_a_run_of_its_own_length(kind: str, directions: int) -> None:
    """With lengths, the gradients are the sums of those of each sequence alone, cut to length."""
    problems = [drawn(kind, 6, 3, seed=seed) for seed in range(directions)]
    problems = [problem._replace(x=problems[0].x) for problem in problems]
    starts, ends = (
        [np.stack(parts) for parts in zip(*group, strict=True)]
        for group in zip(*((p.start, p.d_last) for p in problems), strict=True)
    )
    d_output = np.concatenate([p.d_output for p in problems], axis=-1)
    lengths = [6, 1, 4]

    found = by_tape(layer_of(problems), problems[0].x, starts, d_output, ends, lengths=lengths)

    expected = {name: np.zeros_like(array) for name, array in found.gradients.items()}
    ways = zip(problems, ("_l0", "_l0_reverse"), (slice(None), slice(None, None, -1)), strict=False)
    for way, (problem, suffix, order) in enumerate(ways):
        for b, length in enumerate(lengths):
            gradients = alone(problem, b, length, order)
            expected["x"][:length, b] += gradients.pop("x")[:, 0]
            for name in [name for name in ("h_0", "c_0") if name in gradients]:
                expected[name][way, b] = gradients.pop(name)[0]
            for name, gradient in gradients.items():
                expected[name + suffix] += gradient
    assert_same(found.gradients, expected)


# Mistakes


def without_memory(p: manual.Weights, step: lstm.Step) -> tuple[np.ndarray, np.ndarray]:
    """(68) forgotten: the cell gets nothing from the next cell."""
    return step.dz @ p.W_hh, np.zeros_like(step.dc)


def without_forget_gate(p: manual.Weights, step: lstm.Step) -> tuple[np.ndarray, np.ndarray]:
    """(68) as before there was a forget gate."""
    return step.dz @ p.W_hh, step.dc


def without_direct_path(p: manual.Weights, step: gru.Step) -> np.ndarray:
    """(83) without the update gate's part."""
    return step.da @ p.W_hh


def without_reset(p: manual.Weights, *parts: Any) -> gru.Step:
    """(82) without the reset gate."""
    step = gru.backward_step(p, *parts)
    return replace(step, da=step.dz)


MISTAKES: list[Callable[..., Any]] = [
    without_memory,
    without_forget_gate,
    without_direct_path,
    without_reset,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda f: f.__name__)
def test_a_mistake_is_noticed(mistake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a part left out, the gradient of W_hh is wrong by far more than any tolerance."""
    of_lstm = mistake in (without_memory, without_forget_gate)
    problem = drawn("LSTM" if of_lstm else "GRU", 5, 3)
    truth = by_hand(problem).gradients.W_hh
    if of_lstm:
        monkeypatch.setattr(lstm, "to_previous", mistake)
    else:
        part = "backward_step" if mistake is without_reset else "to_previous"
        monkeypatch.setitem(gru.FORMS, True, gru.RESET_AFTER._replace(**{part: mistake}))
    assert np.abs(by_hand(problem).gradients.W_hh - truth).max() > 0.01 * np.abs(truth).max()


# Arguments


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@every_kind
def test_dtype_of_the_weights_is_kept(kind: str, dtype: Any) -> None:
    """States, gradients, records and terms have the dtype of the weights."""
    problem = drawn(kind, 3, 2)
    problem = problem._replace(weights=manual.Weights(*(w.astype(dtype) for w in problem.weights)))
    result = by_hand(problem)
    records = [array for step in result.steps for array in vars(step).values()]
    terms = [array for term in result.terms() for array in term]
    arrays = [result.h, *result.gradients, *records, *terms]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@every_kind
def test_arguments_are_neither_changed_nor_kept(kind: str) -> None:
    """The arguments stay as they were, and changing them later changes no record."""
    problem = drawn(kind, 3, 2)
    arrays = [*problem.weights, problem.x, *problem.start, problem.d_output, *problem.d_last]
    before = [array.copy() for array in arrays]
    result = by_hand(problem)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
        array.fill(7)
    total = sum(term.W_ih for term in result.terms())
    np.testing.assert_allclose(total, result.gradients.W_ih, rtol=1e-13)


@every_kind
def test_what_is_not_given_is_zero(kind: str) -> None:
    """Without states and cotangents the run starts from zeros and no gradient comes back."""
    problem = drawn(kind, 3, 2)
    zeros = problem._replace(
        start=[np.zeros((2, H)) for _ in problem.start],
        d_last=[np.zeros((2, H)) for _ in problem.d_last],
    )
    module: Any = lstm if kind == "LSTM" else gru
    form = {} if kind == "LSTM" else {"reset_after": kind == "GRU"}
    short = module.run(problem.weights, problem.x, from_output=problem.d_output, **form)
    np.testing.assert_array_equal(short.h, by_hand(zeros).h)
    np.testing.assert_array_equal(short.gradients.W_hh, by_hand(zeros).gradients.W_hh)
    silent = module.run(problem.weights, problem.x, **form)
    assert not any(gradient.any() for gradient in silent.gradients)


@every_kind
def test_saturated_gates_are_exact(kind: str) -> None:
    """Arguments of 1000 and -1000 open and close the gates wholly, with no overflow."""
    problem = drawn(kind, 2, 3)
    shut, keep = problem.weights._replace(b_ih=problem.weights.b_ih.copy()), slice(H, 2 * H)
    shut.b_ih[:] = -1000
    shut.b_ih[keep] = 1000
    result = by_hand(problem._replace(weights=shut))
    kept_state = result.c if kind == "LSTM" else result.h
    np.testing.assert_array_equal(kept_state[-1], problem.start[-1])
    assert all(np.isfinite(gradient).all() for gradient in result.gradients)
    assert not result.gradients.W_ih.any()


WRONG = [
    ("W_ih", (19, 3), "(19, 3), but row layout needs (G, I) = (20, I), G = 20 from W_hh, 4 gates"),
    ("W_hh", (15, 5), "(15, 5), but row layout needs (G, H) = (20, 5), G = 20 from W_hh, 4 gates"),
    ("W_hh", (), "(), but row layout needs (G, H) = (4, 1)"),
    ("b_ih", (15,), "(15,), but row layout needs (G,) = (20,)"),
    ("b_hh", (20, 1), "(20, 1), but row layout needs (G,) = (20,)"),
    ("x", (4, 3), "(4, 3), but row layout needs (T, B, I) = (T, B, 3), I = 3 from W_ih"),
    ("h_0", (1, 2, 5), "(1, 2, 5), but row layout needs (B, H) = (2, 5), B = 2 from x"),
    ("c_0", (3, 5), "(3, 5), but row layout needs (B, H) = (2, 5)"),
    ("from_output", (3, 2, 5), "(3, 2, 5), but row layout needs (T, B, H) = (4, 2, 5)"),
    ("dh_n", (2,), "(2,), but row layout needs (B, H) = (2, 5)"),
    ("dc_n", (2, 4), "(2, 4), but row layout needs (B, H) = (2, 5)"),
]


def run_with(**others: Any) -> lstm.Result:
    """A small LSTM with other arguments in the place of the right ones."""
    given = drawn("LSTM", 4, 2).weights._asdict() | {"x": np.ones((4, 2, I))} | others
    weights = manual.Weights(*(given.pop(name) for name in manual.Weights._fields))
    return lstm.run(weights, **given)


@pytest.mark.parametrize(("name", "shape", "message"), WRONG, ids=[f"{w[0]}{w[1]}" for w in WRONG])
def test_wrong_shapes_are_named(name: str, shape: tuple[int, ...], message: str) -> None:
    """The error names the argument, the shape that came and the shape that was needed."""
    with pytest.raises(ValueError, match=re.escape(f"{name} has shape {message}")):
        run_with(**{name: np.ones(shape)})


def test_other_misuse_is_named() -> None:
    """A sequence without steps and dtypes that do not fit are refused with a reason."""
    with pytest.raises(ValueError, match="x has no time steps"):
        run_with(x=np.ones((0, 2, I)))
    with pytest.raises(TypeError, match="b_ih has dtype int64, but a real floating dtype"):
        run_with(b_ih=np.ones(20, np.int64))
    with pytest.raises(TypeError, match="complex128"):
        run_with(x=np.ones((4, 2, I), complex))


# The page


@pytest.mark.parametrize(
    ("section", "modules"), [("9.", ["lstm.py"]), ("10.", ["gru.py", "lstm.py"])]
)
def test_equations_are_cited_in_the_code(section: str, modules: list[str]) -> None:
    """Every equation of the LSTM and of both forms of the GRU is code."""
    assert tags(section)
    assert set(tags(section)) <= cited(*modules)


@pytest.mark.parametrize("name", ["lstm.py", "gru.py"])
def test_every_line_of_a_step_cites_its_equation(name: str) -> None:
    """Each line that computes in the functions of a step carries a number."""
    lines = comments(name)
    steps = ("forward_step", "backward_step", "to_", "through_", "terms", "sigmoid")
    computing = [
        node
        for function in ast.parse((MANUAL / name).read_text(encoding="utf-8")).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith(steps)
        for node in ast.walk(function)
        if isinstance(node, ast.BinOp)
    ]
    assert len(computing) > 20
    assert [ast.unparse(node) for node in computing if node.lineno not in lines] == []
