"""What derive prints is what the rules compute: source, equations, entries, and the walk."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import hypothesis
import numpy
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import manual, nn
from tinygrad_rnn.derivation import Derivation
from tinygrad_rnn.derivation.entries import Spelled, entry
from tinygrad_rnn.derivation.expressions.forward import keep
from tinygrad_rnn.derivation.loops import Loop, rerolled
from tinygrad_rnn.engine.tape import tape

from . import deep
from .cases import CASES, Case
from .numeric import assert_near, parts
from .test_ops import cotangents, tensors
from .test_programs import inputs, programs, recorded, weights

T, B, I, H, O = 6, 3, 2, 4, 5


def executed(derivation: Derivation) -> tuple[Any, dict[str, np.ndarray]]:
    """The loss and the gradients that the derived source computes."""
    space: dict[str, Any] = {}
    exec(derivation.numpy_source(), space)
    with np.errstate(all="ignore"):
        loss, gradients = space["loss_and_gradients"](derivation.inputs, derivation.parameters)
    return loss, gradients


def judge(loss: tg.Tensor, rtol: float = 1e-12, **options: Any) -> Derivation:
    """The derivation, after its source gave the tape's loss and gradients."""
    derivation = tg.derive(loss, **options)
    value, gradients = executed(derivation)
    assert_near(np.asarray(value), loss.data, rtol)
    by_id = {id(x): name for name, x in derivation.parameters.items()}
    expected = tg.grad(loss, derivation.wrt, allow_unused=True)
    assert len(gradients) == sum(g is not None for g in expected)
    for x, g in zip(derivation.wrt, expected, strict=True):
        if g is not None:
            found = np.asarray(gradients[by_id[id(x.data)]])
            assert found.shape == x.shape
            assert_near(found, g.data, rtol)
    return derivation


def weighted(outputs: Sequence[Any], factors: Sequence[np.ndarray]) -> Any:
    """The sum of all entries of the outputs that have gradients, weighted."""
    total: Any = 0.0
    for y, factor in zip(outputs, factors, strict=True):
        if isinstance(y, tg.Tensor) and y.requires_grad:
            total = total + (y * factor).sum()
    return total


def parameters(seed: int = 0) -> dict[str, tg.Tensor]:
    """Leaves for one recurrence in column layout."""
    rng = np.random.default_rng(seed)
    shapes = {"W_xh": (H, I), "W_hh": (H, H), "W_hy": (O, H), "b_h": (H, 1), "b_y": (O, 1)}
    return {
        name: tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)
        for name, shape in shapes.items()
    }


def state(p: dict[str, tg.Tensor], x: Any, h: Any) -> tg.Tensor:
    """h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)."""
    return tg.tanh(p["W_xh"] @ x + p["W_hh"] @ h + p["b_h"])


def character_rnn(steps: int) -> tg.Tensor:
    """The loss of the notes' character model, written as its learners would."""
    rng, p = np.random.default_rng(1), parameters()
    h: Any = np.zeros((H, 1))
    loss: Any = 0.0
    for t in range(steps):
        h = state(p, np.eye(I)[:, [t % I]], h)
        y = p["W_hy"] @ h + p["b_y"]
        loss = loss + tg.cross_entropy(y[:, 0], rng.integers(O), reduction="sum")
    assert isinstance(loss, tg.Tensor)
    return loss


# The source


@pytest.mark.parametrize("case", [c for c in CASES if c.by], ids=str)
def test_source_of_each_operation_runs_and_is_right(case: Case) -> None:
    """Each row's forward function and rules, written down, give its gradients; all views print."""
    arrays = tensors(case, case.inputs())
    outputs = parts(case.call(*arrays))
    loss = weighted(outputs, cotangents(outputs))
    derivation = judge(loss, 1e-11, names={f"x{k}": arrays[k] for k in case.by})
    walked = {visit.node: visit.gradient for visit in derivation.walk()}
    for x, g in zip(derivation.wrt, tg.grad(loss, derivation.wrt, allow_unused=True), strict=True):
        if g is not None:
            assert_near(walked[x], g.data, 1e-11)
    assert derivation.text().count("norm") >= len(walked)
    assert derivation.latex().startswith("\\begin{align*}")


@hypothesis.settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[hypothesis.Phase.generate],  # a program that fails is short enough as it is
)
@hypothesis.given(programs())
def test_source_of_random_programs_is_right(program: Any) -> None:
    """However operations are combined, the source gives what backward gives."""
    _, outputs = recorded(program, inputs(program))
    loss = weighted(outputs, weights(program, outputs))
    if isinstance(loss, tg.Tensor):
        judge(loss, 1e-10)


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_source_of_random_recurrences_is_right(start: int) -> None:
    """Cells, directions, stacks and losses of all kinds; where steps are alike they are loops."""
    loops = 0
    for seed in range(start, start + 20):
        rng = np.random.default_rng(seed)
        step, _, _ = deep.random_step(seed)
        x, y, h = (rng.normal(size=size) for size in [(T, B, deep.H), (T, B, deep.H), (B, deep.H)])
        derivation = judge(step(x, y, h)[0], 1e-10)
        loops += "for t in" in derivation.numpy_source()
        assert derivation.latex(unroll=False).startswith(r"\begin{align*}")
    assert loops >= 10


@pytest.mark.parametrize("kind", deep.STEPS)
def test_source_of_layers_is_right(kind: str) -> None:
    """RNN, LSTM, GRU, both directions, padded batches, cells of the user's own."""
    x, y = deep.data(kind)
    judge(deep.STEPS[kind](x, y)[0], 1e-4 if kind == "float32" else 1e-11)


def test_source_of_models_is_right() -> None:
    """Embeddings, encoder and decoder, feedback, dropout."""
    rng = np.random.default_rng(0)
    ids, letters = rng.integers(10, size=(T, B)), nn.Embedding(10, 3, rng=0)
    pair = nn.GRU(3, H, 2, dropout=0.5, rng=1), nn.GRU(3, H, 2, rng=2)
    model = nn.EncoderDecoder(
        *pair, nn.Linear(H, 10, rng=3), embedding=letters, target_embedding=letters
    )
    judge(tg.cross_entropy(model(ids, ids[:4]), ids[1:5]), names={"model": model})
    many = nn.OneToMany(nn.LSTMCell(3, H, rng=0), nn.Linear(H, 3, rng=1), steps=T)
    judge(tg.mse_loss(many(rng.normal(size=(B, 3))), np.zeros((T, B, 3))))


def test_source_imports_numpy_alone() -> None:
    """A reader can run it anywhere: no other import, no name that is not defined."""
    tree = ast.parse(tg.derive(character_rnn(T)).numpy_source())
    imports = [x for x in ast.walk(tree) if isinstance(x, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(x) for x in imports] == ["import numpy as np"]


@pytest.mark.parametrize("steps", [4, 25, 200])
def test_source_of_a_character_rnn_is_two_loops(steps: int) -> None:
    """Forward, then backward with a carried dh_next; as long for 200 steps as for 4."""
    derivation = judge(character_rnn(steps), names=None)
    source = derivation.numpy_source()
    function = source[source.index("def loss_and_gradients") :].splitlines()
    assert len(function) <= 40
    loops = [line.strip() for line in function if line.lstrip().startswith("for ")]
    assert loops == ["for t in range(T):", "for t in reversed(range(T)):"]
    assert function[-2].strip() == "dh_next = W_hh.T @ dz"
    assert [line for line in function if "T = " in line] == [f"    T = {steps}"]
    other = tg.derive(character_rnn(7)).numpy_source()
    assert source.replace(f"T = {steps}", "T = 7") == other


def test_steps_that_differ_are_written_out() -> None:
    """Where no step is like another, there is no loop, and the docstring says so."""
    p = parameters()
    h: Any = np.zeros((H, 1))
    activations: list[Callable[[Any], Any]] = [tg.tanh, tg.sigmoid, tg.sin, tg.relu]
    for t, activation in enumerate(activations):
        with tg.scope(f"t={t + 1}"):
            h = activation(p["W_hh"] @ h + p["b_h"])
    source = judge(h.sum()).numpy_source()
    assert "for t" not in source
    assert "No time steps are alike, so all are written out." in source
    assert "No time steps" not in tg.derive(character_rnn(4)).numpy_source()


def test_steps_that_read_what_was_made_in_unlike_ways_are_written_out() -> None:
    """The steps are the same ops, but what enters them is not from one place: no loop."""
    p, start = parameters(), tg.Tensor(np.ones((H, 1)), requires_grad=True)
    ways: list[Callable[[Any], Any]] = [tg.tanh, tg.exp, tg.sin, tg.exp, tg.cos, tg.tanh, tg.sin]
    given = [way(start) for way in ways]
    h: Any = np.zeros((H, 1))
    for x in given:
        h = tg.tanh(p["W_hh"] @ h + x)
    assert "for t" not in judge(h.sum()).numpy_source()


def test_a_first_step_that_differs_stands_before_the_loop() -> None:
    """One without a state before it is written out, the others are a loop."""
    p, x = parameters(), np.random.default_rng(0).normal(size=(T, I, B))
    h = tg.tanh(p["W_xh"] @ x[0])
    for t in range(1, T):
        h = state(p, x[t], h)
    source = judge(h.sum(), names={"x": x}).numpy_source()
    assert f"T = {T - 1}" in source
    assert source.count("np.tanh") == 2


def test_initial_states_that_learn_get_what_the_loop_hands_on() -> None:
    """h_0 is a parameter like others: its gradient is the last dh_next."""
    p, h_0 = parameters(), tg.Tensor(np.ones((H, B)), requires_grad=True, name="h_0")
    h: tg.Tensor = h_0
    for x in np.random.default_rng(0).normal(size=(T, I, B)):
        h = state(p, x, h)
    source = judge((h * h).sum()).numpy_source()
    assert "dh_0 = dh_next" in source


def test_states_that_are_read_later_keep_their_gradients_apart() -> None:
    """A single step that is read outside of the loop, besides the last one."""
    p = parameters()
    states: list[Any] = [np.zeros((H, B))]
    for x in np.random.default_rng(0).normal(size=(T, I, B)):
        states.append(state(p, x, states[-1]))
    judge((states[3] * states[3]).sum() + states[-1].sum() + (states[1] * 2).sum())


@pytest.mark.parametrize("order", [range(T), [3, 1, 0, 5, 2, 4]], ids=["in order", "shuffled"])
def test_views_of_views_of_steps_hand_gradients_back(order: Sequence[int]) -> None:
    """Parts, parts of these and transposes, each made for all steps before the steps run."""
    X = tg.Tensor(np.random.default_rng(0).normal(size=(T, 3, 4)), requires_grad=True, name="X")
    W = tg.Tensor(np.array([[0.5, -0.3], [0.2, 0.7]]), requires_grad=True, name="W")
    steps = [X[t] for t in order]
    for views in ([x[:, :2] for x in steps], [x.T for x in steps]):
        last = [y.T for y in views] if views[0].shape == (3, 2) else [y[1:3] for y in views]
        h: Any = np.zeros((2, 3))
        for x in last:
            h = tg.tanh(W @ h + x)
        judge((h * h).sum())


def test_long_chains_are_written_line_by_line() -> None:
    """Thousands of steps whose values no rule reads do not become one expression."""
    rng, x = np.random.default_rng(0), tg.Tensor(np.ones(2), requires_grad=True)
    ways: list[Callable[[Any], Any]] = [lambda v: v * 0.9, lambda v: -v, lambda v: v - 1.0]
    y: Any = x
    for k in rng.integers(3, size=3000):
        y = ways[k](y)
    assert max(map(len, judge(y.sum()).numpy_source().splitlines())) < 1000


def test_functions_of_one_name_are_told_apart() -> None:
    """Another function that has the name of one that is there gets a number."""
    other = FunctionType(below.__code__, {"numpy": numpy}, "below")
    functions: Any = {}
    assert [keep(leaky.forward, functions), keep(below, functions)] == ["leaky", "below"]
    assert keep(other, functions) == "below_2"


def test_a_value_used_after_its_successor_is_carried_right() -> None:
    """h_{t-1} is read again when h_t is there already."""
    w = tg.Tensor(np.array([0.5, 0.3]), requires_grad=True)
    h: Any = np.ones(2)
    loss: Any = 0.0
    for _ in range(T):
        new = tg.tanh(h * w)
        loss = loss + (new * h * w).sum()
        h = new
    judge(loss)


def test_indices_that_differ_from_step_to_step_are_inputs() -> None:
    """-log p_t[target_t] is rolled too: the targets are a row of numbers, by their name."""
    p, targets = parameters(), np.random.default_rng(0).integers(O, size=T)
    h: Any = np.zeros((H, 1))
    loss: Any = 0.0
    for t in range(T):
        h = tg.tanh(p["W_hh"] @ h + p["b_h"])
        loss = loss - tg.log(tg.softmax(p["W_hy"] @ h, axis=0)[targets[t], 0])
    derivation = judge(loss, names={"targets": targets})
    assert np.array_equal(derivation.inputs["targets"], targets)
    source = derivation.numpy_source()
    assert "[targets[t], 0]" in source
    assert source.count("for t in") == 2


def test_what_is_printed_is_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a wrong rule in the place of tanh's, every view is wrong in just that way."""
    loss, names = two_steps()
    wrong = tg.Op(tg.tanh.forward, {"x": lambda g, z, x: g * (1.0 - z) * (1.0 - z)})
    monkeypatch.setattr(tg.tanh, "gradients", wrong.gradients)
    derivation = tg.derive(loss, names=names)
    assert "dL/dz_2 += dL/dh2 * (1 - h2) * (1 - h2)" in derivation.text()
    assert r"\left(1 - h_{2}\right) \odot \left(1 - h_{2}\right)" in derivation.latex()
    assert "* (1.0 - h2) * (1.0 - h2)" in derivation.numpy_source()


def test_gradients_share_no_memory() -> None:
    """Not with each other, nor with inputs, and they can be written to: clipped, scaled."""
    a, b, c = (tg.Tensor(np.ones(3), requires_grad=True, name=n) for n in "abc")
    x = np.arange(3.0)
    derivation = judge(((a + b) * x).sum() + c.sum() * a.sum(), names={"x": x})
    _, gradients = executed(derivation)
    arrays = [*gradients.values(), *derivation.inputs.values(), *derivation.parameters.values()]
    for k, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.may_share_memory(array, other) for other in arrays[:k])


def test_a_step_that_all_others_read_gets_the_sum() -> None:
    """Every step reads the first state besides the one before it, as in attention."""
    p, x = parameters(), np.random.default_rng(0).normal(size=(T, I, B))
    states: list[Any] = [np.zeros((H, B))]
    for t in range(T):
        new = state(p, x[t], states[-1])
        states.append(new)
        states[-1] = new * (states[1] + 1.0)
    source = judge(sum(((h * h).sum() for h in states[2:]), states[1].sum())).numpy_source()
    assert "for t in reversed" in source


def test_float32_stays_float32() -> None:
    """Gradients have their parameters' dtype."""
    layer = nn.RNN(I, H, rng=0, dtype=np.float32)
    output, _ = layer(np.ones((T, B, I), np.float32))
    derivation = tg.derive((output * output).mean())
    _, gradients = executed(derivation)
    assert {g.dtype for g in gradients.values()} == {np.dtype(np.float32)}


@tg.op(x=lambda g, z, x, slope: tg.where(x > 0, g, LEAK * slope * g))
def leaky(x: Any, *, slope: float = 0.5) -> Any:
    """An operation of a user's, with a number and a function from around it."""
    positive = numpy.maximum(x, 0)
    return positive + LEAK * slope * below(x)


LEAK = 0.25


def below(x: Any) -> Any:
    """What is below 0."""
    return numpy.minimum(x, 0)


def test_operations_of_users_are_written_with_what_they_call() -> None:
    """Functions and numbers from around a forward function go into the source."""
    x = tg.Tensor(np.array([-2.0, 3.0]), requires_grad=True, name="x")
    source = judge(tg.sum(leaky(x) * 2.0)).numpy_source()
    assert "def below(x):" in source
    assert "positive + 0.25 * slope * below(x)" in source


def test_an_operation_without_source_is_named() -> None:
    """What was defined where no source is kept cannot be written down."""
    space: dict[str, Any] = {"tg": tg}
    exec("@tg.op(x=lambda g, z, x: g * 2.0)\ndef twice(x):\n    y = x + x\n    return y\n", space)
    loss = space["twice"](tg.Tensor([1.0], requires_grad=True)).sum()
    with pytest.raises(ValueError, match="the source of twice is not to be had"):
        tg.derive(loss).numpy_source()


# By hand


def by_manual(topology: str) -> tuple[tg.Tensor, manual.Result]:
    """The same network on the tape and by the hand-derived formulas."""
    rng, p = np.random.default_rng(2), parameters()
    x, h = rng.normal(size=(T, I, B)), rng.normal(size=(H, B))
    targets = rng.integers(O, size=(T, B))
    by_hand = manual.Parameters(*(p[name].data for name in ("W_xh", "W_hh", "W_hy", "b_h", "b_y")))
    given = {"loss": manual.softmax_cross_entropy, "scale": 1 / B}
    states: list[Any] = [h]
    for t in range(T):
        alone = topology == "one_to_many" and t
        z = p["W_hh"] @ states[-1] + p["b_h"]
        states.append(tg.tanh(z if alone else p["W_xh"] @ x[t] + z))
    read = [T] if topology == "many_to_one" else list(range(1, T + 1))
    losses = [tg.cross_entropy((p["W_hy"] @ states[t] + p["b_y"]).T, targets[t - 1]) for t in read]
    arguments: dict[str, Any] = {
        "many_to_one": (x, targets[-1], h),
        "one_to_many": (x[0], targets, h),
        "many_to_many": (x, targets, h),
    }
    result = getattr(manual, topology)(by_hand, *arguments[topology], **given)
    return sum(losses[1:], losses[0]), result


@pytest.mark.parametrize("topology", ["many_to_one", "one_to_many", "many_to_many"])
def test_n7_the_automatic_source_is_the_derivation_by_hand(topology: str) -> None:
    """Automated: derived source gives the hand-derived gradients of all three topologies."""
    loss, by_hand = by_manual(topology)
    value, gradients = executed(tg.derive(loss))
    assert_near(np.asarray(value), np.asarray(by_hand.loss), 1e-12)
    assert set(gradients) == {"W_xh", "W_hh", "W_hy", "b_h", "b_y"}
    for name, gradient in gradients.items():
        assert_near(gradient, getattr(by_hand.gradients, name), 1e-12)
    assert "for t in reversed(range(" in tg.derive(loss).numpy_source()


def two_steps() -> tuple[tg.Tensor, dict[str, Any]]:
    """The notes' many-to-one network of two steps, and its names."""
    rng, p = np.random.default_rng(0), parameters()
    x1, x2, h0 = rng.normal(size=(I, B)), rng.normal(size=(I, B)), np.zeros((H, B))
    h1 = state(p, x1, h0)
    h2 = state(p, x2, h1)
    y = p["W_hy"] @ h2 + p["b_y"]
    loss = ((y - rng.normal(size=(O, B))) ** 2).sum()
    return loss, {"x1": x1, "x2": x2, "h0": h0, "h1": h1, "h2": h2, "y": y, "loss": loss}


def test_n1_equations_of_two_steps_are_those_by_hand() -> None:
    """dL/dW_hh is a sum of two terms; dz_t is the common factor; tanh' is 1 - h²."""
    loss, names = two_steps()
    latex = tg.derive(loss, names=names).latex()
    dy = r"\frac{\partial L}{\partial y}"
    for line in [
        r"h_{1} &= \tanh\left(W_{xh} \, x_{1} + W_{hh} \, h_{0} + b_{h}\right)",
        rf"dz_{{2}} &= \left(W_{{hy}}^{{\top}} \, {dy}\right) \odot \left(1 - h_{{2}}^{{2}}\right)",
        r"dz_{1} &= \left(W_{hh}^{\top} \, dz_{2}\right) \odot \left(1 - h_{1}^{2}\right)",
        r"\frac{\partial L}{\partial W_{hh}} &= dz_{2} \, h_{1}^{\top} + dz_{1} \, h_{0}^{\top}",
        r"\frac{\partial L}{\partial W_{xh}} &= dz_{2} \, x_{2}^{\top} + dz_{1} \, x_{1}^{\top}",
        rf"\frac{{\partial L}}{{\partial W_{{hy}}}} &= {dy} \, h_{{2}}^{{\top}}",
    ]:
        assert line in latex
    tags = re.findall(r"\\tag\{(\d+)\}", latex)
    assert tags == [str(k) for k in range(1, len(tags) + 1)]


def test_n2_equations_of_all_steps_have_dh_next() -> None:
    """Many steps are one equation in t; what a step hands back is dh_t^next."""
    latex = tg.derive(character_rnn(T)).latex()
    following = r"dh_{t}^{\text{next}}"
    for line in [
        r"dh_{6}^{\text{next}} &= 0",
        r"dh_{t - 1}^{\text{next}} &= W_{hh}^{\top} \, dz_{t} && t = 6, \dots, 1",
        rf"dz_{{t}} &= \left({following} + W_{{hy}}^{{\top}} \, dy_{{t}}\right)",
        r"\frac{\partial L}{\partial W_{hh}} &= \sum_{t=1}^{6} dz_{t} \, h_{t - 1}^{\top}",
    ]:
        assert line in latex
    assert latex.count(r"\tag") < 16 < tg.derive(character_rnn(T)).latex(unroll=True).count(r"\tag")


def test_equations_name_what_is_handed_to_the_first_state() -> None:
    """After the loop back it is dh_0^next: the gradient of a first state that learns."""
    p, h_0 = parameters(), tg.Tensor(np.ones((H, B)), requires_grad=True, name="h_0")
    h: tg.Tensor = h_0
    for x in np.random.default_rng(0).normal(size=(T, I, B)):
        h = state(p, x, h)
    latex = tg.derive((h * h).sum()).latex()
    assert r"\frac{\partial L}{\partial h_{0}} &= dh_{0}^{\text{next}} \tag" in latex


def test_equations_tell_a_gradient_from_the_part_that_comes_from_outside() -> None:
    """No equation has its left side on the right: single steps that are read later have a name."""
    p = parameters()
    states: list[Any] = [np.zeros((H, B))]
    for x in np.random.default_rng(0).normal(size=(T, I, B)):
        states.append(state(p, x, states[-1]))
    loss = (states[3] * states[3]).sum() + states[-1].sum()
    latex = tg.derive(loss, names={"h": states[1:]}).latex()
    assert r"\frac{\partial L}{\partial h_{3}}^{\text{outside}}" in latex
    for line in latex.splitlines():
        left, found, right = line.partition(" &= ")
        assert not found or left not in right.replace(left + "^", "")


def test_n6_entries_are_spelled_out() -> None:
    """y_1 = w_11 h_1 + ..., p_1, -log p_2, and from them dL/dw_11 = p_1 h_1."""
    W = tg.Tensor(np.array([[0.5, -0.2, 0.1], [0.3, 0.8, -0.4]]), requires_grad=True, name="W")
    b = tg.Tensor(np.array([0.1, -0.1]), requires_grad=True, name="b")
    h = np.array([0.3, 0.6, -0.2])
    y = W @ h + b
    p = tg.softmax(y)
    loss = -tg.log(p[1])
    lines = tg.derive(loss, names={"h": h, "y": y, "p": p, "loss": loss}).spell_out().splitlines()
    assert lines == [
        "y_1 = w_11 h_1 + w_12 h_2 + w_13 h_3 + b_1",
        "y_2 = w_21 h_1 + w_22 h_2 + w_23 h_3 + b_2",
        "p_1 = exp(y_1) / (exp(y_1) + exp(y_2))",
        "p_2 = exp(y_2) / (exp(y_1) + exp(y_2))",
        "loss = -log(p_2)",
        "dL/dp_1 = 0",
        "dL/dp_2 = -1 / p_2",
        "dL/dy_1 = p_1",
        "dL/dy_2 = p_2 - 1",
        "dL/dw_11 = p_1 h_1",
        "dL/dw_12 = p_1 h_2",
        "dL/dw_13 = p_1 h_3",
        "dL/dw_21 = (p_2 - 1) h_1",
        "dL/dw_22 = (p_2 - 1) h_2",
        "dL/dw_23 = (p_2 - 1) h_3",
        "dL/db_1 = p_1",
        "dL/db_2 = p_2 - 1",
    ]


def computed(lines: Sequence[str], known: dict[str, float]) -> dict[str, float]:
    """What lines of entries give: every formula as Python, on numbers."""
    functions = {"exp": np.exp, "log": np.log, "tanh": np.tanh}
    for line in lines:
        name, formula = line.split(" = ")
        names = sorted({*known, *functions}, key=len, reverse=True)
        pattern = "|".join(map(re.escape, names))
        formula = re.sub(pattern, lambda m: f"_[{m[0]!r}]", formula).replace("^", "**")
        formula = re.sub(r"(?<=[\])\d]) (?=[_(\d])", " * ", formula)
        known[name] = eval(formula, {"_": {**known, **functions}})
    return known


def test_entries_are_the_gradients_numbers() -> None:
    """The spelled-out formulas of two steps, evaluated, are what backward gives."""
    rng = np.random.default_rng(3)
    W = tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name="W")
    x = rng.normal(size=2)
    h = tg.tanh(W @ x)
    s = tg.tanh(W @ h + x)
    loss = (s * s).sum() / h[0]
    names = {"x": x, "h": h, "s": s, "loss": loss}
    known = {f"w_{i + 1}{j + 1}": W.data[i, j] for i in range(2) for j in range(2)}
    known |= {f"x_{k + 1}": x[k] for k in range(2)}
    lines = tg.derive(loss, names=names).spell_out().splitlines()
    found = computed(lines, known)
    (expected,) = tg.grad(loss, W)
    for i in range(2):
        for j in range(2):
            assert found[f"dL/dw_{i + 1}{j + 1}"] == pytest.approx(expected.data[i, j], rel=1e-9)


def test_entries_of_different_arrays_have_different_names() -> None:
    """W and w, and h_1 beside the first entry of h: a formula means one thing."""
    W, w, h, h_1 = (
        tg.Tensor(np.array(values), requires_grad=True, name=name)
        for name, values in [("W", [2.0, 3.0]), ("w", [5.0, 7.0]), ("h", [1.0, 2.0]), ("h_1", 4.0)]
    )
    lines = tg.derive((W * w * h).sum() * h_1).spell_out().splitlines()
    assert "dL/dw_1 = h_1 h_1' w_1'" in lines
    assert "dL/dw_1' = h_1 h_1' w_1" in lines
    assert len({line.partition(" = ")[0] for line in lines}) == len(lines)


def test_entries_that_are_added_up_are_spelled_out_once() -> None:
    """Parts and many terms: one line for each entry, with all terms in it."""
    w = tg.Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True, name="w")
    loss = tg.sum(w[:2] * w[1:]) + sum((w * float(k)).sum() for k in range(2, 10))
    lines = tg.derive(loss).spell_out().splitlines()
    assert [line for line in lines if line.startswith("dL/dw_")] == [
        "dL/dw_1 = 44 + w_2",
        "dL/dw_2 = 44 + w_3 + w_1",
        "dL/dw_3 = 44 + w_2",
    ]


NUMBERS_ONLY = re.compile(
    "spell_out: ((softplus|logaddexp|(bernoulli|weighted)_likelihood|power|var|std|logsumexp|addmm)"
    " computes with numbers only|the pass has)"
)


def spelled(derivation: Derivation) -> str:
    """The entries, or the message of the error that there was."""
    try:
        return derivation.spell_out()
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("case", [c for c in CASES if c.by], ids=str)
def test_entries_of_each_operation_are_right(case: Case) -> None:
    """The formulas' values are the gradients; an operation that takes numbers only is named."""
    arrays = tensors(case, case.inputs())
    outputs = parts(case.call(*arrays))
    loss = weighted(outputs, cotangents(outputs))
    derivation = tg.derive(loss)
    text = spelled(derivation)
    if text.startswith("spell_out: "):
        ignored = case.function == "likelihood_gradient" and "softmax" in text  # rows of zeros
        assert NUMBERS_ONLY.match(text) or ignored
        return
    entries = Spelled(*derivation._named(0))
    assert "\n".join(entries.lines()) == text
    for x, expression in entries.steps.gradients.items():
        found = np.broadcast_to(entries.evaluated(expression), x.shape)
        values = np.array([entry(e).value for e in found.ravel()]).reshape(x.shape)
        assert_near(values, tg.grad(loss, x)[0].data, 1e-10)


def test_large_passes_are_not_spelled_out() -> None:
    """More entries than one would read are refused, with what to do."""
    with pytest.raises(ValueError, match="entries, which nobody would read"):
        tg.derive(character_rnn(25)).spell_out()


# The walk


def test_the_walk_is_the_backward_pass() -> None:
    """Nodes in reverse order of recording; complete gradients; what is sent adds up to them."""
    loss, names = two_steps()
    derivation = tg.derive(loss, names=names)
    visits = list(derivation.walk())
    assert [visit.node for visit in visits] == [x for x in tape(loss)[::-1] if x.requires_grad]
    leaves = [visit for visit in visits if visit.node.op is None]
    for visit, g in zip(leaves, tg.grad(loss, [v.node for v in leaves]), strict=True):
        assert_near(visit.gradient, g.data, 1e-12)
        assert visit.sends == ()
    for visit in visits[1:]:
        assert_near(sum(array for _, array in visit.arrived), visit.gradient, 1e-13)
    sent = [(sent.to, sent.array) for visit in visits for sent in visit.sends]
    assert len(sent) == sum(len(visit.arrived) for visit in visits)


def test_the_walk_says_what_each_rule_does() -> None:
    """Rules have the names of this graph in them, as text and as LaTeX, and totals so far."""
    loss, names = two_steps()
    rules = [
        (visit.node.op.name, sent.input, sent.rule, sent.total)
        for visit in tg.derive(loss, names=names).walk()
        for sent in visit.sends
        if visit.node.op is not None
    ]
    texts = [rule.text for *_, rule, _ in rules]
    assert "dL/dz_2 += dL/dh2 * (1 - h2²)" in texts
    assert "dL/dW_hy += dL/dr @ h2.T" in texts
    (latex,) = [rule.latex for *_, rule, _ in rules if rule.text.startswith("dL/dz_2")]
    assert latex == (
        r"\frac{\partial L}{\partial z_{2}} \mathrel{+}= \frac{\partial L}{\partial h_{2}} \odot "
        r"\left(1 - h_{2}^{2}\right)"
    )
    totals = [total for op, where, rule, total in rules if rule.text.startswith("dL/dW_hh")]
    assert len(totals) == 2
    assert_near(totals[1], tg.grad(loss, _weight(loss, "W_hh"))[0].data, 1e-12)


def _weight(loss: tg.Tensor, name: str) -> tg.Tensor:
    """The leaf of a loss by its name."""
    return next(x for x in tape(loss) if x.name == name)


def test_text_says_what_adds_up() -> None:
    """A paragraph for each node: its formula, shape and norm, and who sent its gradient."""
    loss, names = two_steps()
    text = tg.derive(loss, names=names).text()
    (g,) = tg.grad(loss, _weight(loss, "W_hh"))
    norm = np.linalg.norm(g.data)
    assert text.startswith(f"L = loss = {loss.item():.6g}; dL/dL = 1\n")
    assert "h2 = tanh(z_2)\n" in text
    assert f"dL/dW_hh: (4, 4), norm {norm:.4g}, the sum of 2: from v_2 " in text
    assert "tanh, to x: dL/dz_2 += dL/dh2 * (1 - h2²)    (4, 3), norm " in text


def test_deriving_changes_nothing() -> None:
    """No gradient is kept, no node made or changed; twice gives the same text."""
    loss, names = two_steps()
    before = [(x, x.serial, x.grad, x.data.copy()) for x in tape(loss)]
    derivation = tg.derive(loss, names=names)
    prints = [derivation.text(), derivation.latex(), derivation.numpy_source()]
    again = tg.derive(loss, names=names)
    assert prints == [again.text(), again.latex(), again.numpy_source()]
    for (x, serial, grad, data), y in zip(before, tape(loss), strict=True):
        assert (x, serial, grad) == (y, y.serial, y.grad)
        assert np.array_equal(data, y.data)


def test_only_what_is_wanted_is_derived() -> None:
    """With wrt there are no equations for other parameters."""
    loss, names = two_steps()
    derivation = judge(loss, names=names, wrt=[_weight(loss, "W_hy")])
    assert "dW_hy" in derivation.numpy_source()
    assert "dW_hh" not in derivation.numpy_source()
    assert len(list(derivation.walk())) < len(tape(loss))


# Names


def test_names_come_from_lists_modules_and_arrays() -> None:
    """Lists name each of their steps, modules their parameters, arrays the parts of them."""
    layer, x = nn.RNN(I, H, rng=0, unroll=True), np.ones((T, B, I))
    output, _ = layer(x)
    hs = tg.bptt.states(output)
    loss = (output * output).sum()
    derivation = judge(loss, names={"rnn": layer, "x": x, "s": hs})
    source = derivation.numpy_source()
    assert derivation.inputs["x"].shape == (T, B, I)
    assert "rnn.weight_hh_l0" in derivation.parameters
    assert "s[t] = np.tanh(" in source
    assert [derivation.name(h) for h in hs] == [f"s_{t + 1}" for t in range(T)]


NAMES = [
    "lambda",
    "np",
    "T",
    "2 x",
    "größe",
    "a\nb",
    "'",
    "_",
    "😀",
    "range",
    "reversed",
    "softmax",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind_are_identifiers_in_the_source(name: str) -> None:
    """A name may be a keyword, or no identifier, or one that the source uses itself."""
    W = tg.Tensor(np.ones((T, 2)), requires_grad=True, name=name)
    V = tg.Tensor(np.ones((2, 2)), requires_grad=True, name="W")
    h: Any = np.ones(2)
    for t in range(T):
        h = tg.softmax(W[t] + h @ V)
    derivation = judge((h * h).sum())
    assert derivation.parameters[name] is W.data
    assert "for t in reversed(range(T))" in derivation.numpy_source()


def test_steps_of_a_named_list_have_numbers() -> None:
    """Two states of one name are h_1 and h_2 where they are written one by one."""
    W = tg.Tensor(np.eye(2), requires_grad=True, name="W")
    h1 = tg.tanh(W @ np.ones((2, 1)))
    h2 = tg.tanh(W @ h1)
    latex = tg.derive((h2 * h2).sum(), names={"h": [h1, h2]}).latex()
    assert r"h_{2} &= \tanh\left(W \, h_{1}\right)" in latex


def test_no_two_tensors_go_by_one_name() -> None:
    """Whatever is repeated: layers, gates, steps, made-up letters."""
    output, _ = nn.LSTM(I, H, 2, rng=0)(np.ones((T, B, I)))
    derivation = tg.derive((output * output).mean())
    called = [derivation.name(x) for x in derivation.nodes]
    assert len(set(called)) == len(called)
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1))
    derivation = tg.derive((model(np.ones((1, 2))) ** 2).sum())
    called = [derivation.name(x) for x in derivation.nodes]
    assert len(set(called)) == len(called)
    assert {"weight", "weight_2", "bias", "bias_2"} < set(called)


def test_two_of_one_name_are_told_apart() -> None:
    """Parameters of the same name get names of their own."""
    first, second = (tg.Tensor([k], requires_grad=True, name="w") for k in (2.0, 3.0))
    derivation = judge((first * second * second).sum())
    assert list(derivation.parameters) == ["w", "w_2"]


def test_a_number_in_a_name_meets_no_other() -> None:
    """Two of one name and a third that has the number which one of them would get."""
    ws = [
        tg.Tensor([k], requires_grad=True, name=n)
        for n, k in (("w", 2.0), ("w", 3.0), ("w_2", 5.0))
    ]
    derivation = judge((ws[0] * ws[1] ** 2 * ws[2] ** 3).sum())
    assert derivation.parameters["w_2"] is ws[2].data


def test_a_value_may_be_called_as_the_function_that_makes_it() -> None:
    """The user's name gives way to the function above."""
    W = tg.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    p = tg.softmax(W)
    judge((p * p).sum(), names={"softmax": p})


@pytest.mark.parametrize("name", ["2x", "for", "np", "inputs", "softmax"])
def test_a_name_that_no_function_can_have_is_refused(name: str) -> None:
    """No identifier, a keyword, or one that the source uses."""
    derivation = tg.derive(tg.softmax(tg.Tensor([1.0, 2.0], requires_grad=True))[0])
    with pytest.raises(ValueError, match="it must be an identifier"):
        derivation.numpy_source(name)
    assert "def step(inputs, parameters):" in derivation.numpy_source("step")


def test_notebooks_show_equations() -> None:
    """Markdown with the equations; the text for terminals."""
    loss, names = two_steps()
    derivation = tg.derive(loss, names=names)
    bundle = derivation._repr_mimebundle_()
    assert bundle["text/markdown"] == f"$$\n{derivation.latex()}\n$$"
    assert bundle["text/plain"] == derivation.text()
    assert repr(derivation) == (
        "<derivation of the gradients of loss by W_xh, W_hh, W_hy, b_h, b_y>"
    )


# Loops


def test_loops_are_found_with_and_without_scopes() -> None:
    """The same rounds, whether a layer labelled its steps or a user's loop did not."""
    with_scopes = tg.nn.RNN(I, H, rng=0, unroll=True)(np.ones((T, B, I)))[0]
    found = rerolled([x for x in tape(with_scopes) if x.op is not None], 3)
    loops = [item for item in found if isinstance(item, Loop)]
    assert [len(loop.rounds) for loop in loops] == [T]
    without = rerolled([x for x in tape(character_rnn(T)) if x.op is not None], 3)
    assert [len(item.rounds) for item in without if isinstance(item, Loop)] == [T]


def test_a_chain_of_different_weights_is_no_loop() -> None:
    """Sums of several parameters are not taken for time steps."""
    ws = [tg.Tensor(np.ones(3), requires_grad=True) for _ in range(6)]
    total = ws[0]
    for w in ws[1:]:
        total = total + w
    assert "for t" not in judge((total * total).sum()).numpy_source()


# Wrong input


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda loss, w: tg.derive(3.0), TypeError, "must be a Tensor"),
        (lambda loss, w: tg.derive(w * w), ValueError, "must have one entry"),
        (lambda loss, w: tg.derive(tg.Tensor(1.0)), RuntimeError, "depends on no tensor"),
        (
            lambda loss, w: tg.derive(loss, wrt=[tg.Tensor([1.0], requires_grad=True)]),
            RuntimeError,
            "is not on the tape of this loss",
        ),
        (lambda loss, w: tg.derive(loss, wrt=[w.detach()]), RuntimeError, "requires no gradient"),
        (lambda loss, w: tg.derive(loss, wrt=[loss]), ValueError, "must be a leaf"),
        (lambda loss, w: tg.derive(loss, wrt=["w"]), TypeError, "must be a Tensor"),
    ],
)
def test_wrong_input_is_refused(make: Any, kind: type[Exception], words: str) -> None:
    """Each error says what came and what was needed."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    with pytest.raises(kind, match=words):
        make(loss, w)


def test_writing_after_recording_is_an_error_in_the_walk() -> None:
    """As in backward: never a wrong gradient."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    derivation = tg.derive(loss)
    w.data = np.zeros(2)
    for print_it in (lambda: list(derivation.walk()), lambda: tg.derive(loss)):
        with pytest.raises(RuntimeError, match="was written after it was recorded"):
            print_it()


# LaTeX in a real renderer

KATEX = Path(os.environ.get("KATEX", "build/node/node_modules/katex"))
RENDER = """
const katex = require(process.argv[1]);
for (const text of JSON.parse(require("fs").readFileSync(0, "utf8")))
    try {
        katex.renderToString(text, {displayMode: true, throwOnError: true, strict: "error"});
    } catch (error) {
        throw new Error(`${error.message}: ${text}`);
    }
console.log("rendered");
"""


@pytest.mark.skipif(
    not (KATEX.is_dir() and shutil.which("node")), reason="needs node and KaTeX: make katex"
)
def test_katex_takes_the_equations() -> None:
    """Every kind of operation, layer and name is LaTeX that KaTeX renders without an error."""
    texts = []
    for case in [c for c in CASES if c.by]:
        arrays = tensors(case, case.inputs())
        outputs = parts(case.call(*arrays))
        derivation = tg.derive(weighted(outputs, cotangents(outputs)))
        texts.append(derivation.latex())
        texts += [sent.rule.latex for visit in derivation.walk() for sent in visit.sends]
    for kind in deep.STEPS:
        loss = deep.STEPS[kind](*deep.data(kind))[0]
        texts += [tg.derive(loss).latex(), tg.derive(loss).latex(unroll=True)]
    for name in ["a_b^c", "100%", "\\frac", "{x}", "~", "$", "größe", "#&"]:
        w = tg.Tensor([1.0], requires_grad=True, name=name)
        texts.append(tg.derive((w * w).sum()).latex())
    done = subprocess.run(
        ["node", "-e", RENDER, str(KATEX.resolve())],
        input=json.dumps([block for text in texts for block in text.split("\n\n")]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "rendered\n", done.stderr
