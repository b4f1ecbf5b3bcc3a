"""The recurrent layer's gradients: by the tape, by hand, and by differences."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import manual

I, H, O = 3, 5, 4
TOPOLOGIES = ("many_to_one", "one_to_many", "many_to_many")


class Problem(NamedTuple):
    """A tanh RNN of one layout with its inputs and targets, as plain arrays."""

    parameters: manual.Parameters
    x: np.ndarray
    targets: list[np.ndarray]
    h_0: np.ndarray
    layout: manual.Layout
    topology: str


def drawn(
    topology: str, layout: manual.Layout, T: int, B: int, loss: str, seed: int = 0
) -> Problem:
    """Random weights whose gradients stay of moderate size over T = 1,000 steps."""
    rng = np.random.default_rng(seed)
    W_xh, W_hh, W_hy = rng.normal(size=(H, I)), rng.normal(size=(H, H)), rng.normal(size=(O, H))
    b_h, b_y = rng.normal(size=(H, 1)), rng.normal(size=(O, 1))
    weights = [W_xh, np.linalg.qr(W_hh)[0], W_hy, b_h / 10, b_y]
    x, h_0 = rng.normal(size=(T, I, B)) / 10, rng.normal(size=(H, B))
    outputs = 1 if topology == "many_to_one" else T
    targets = [rng.normal(size=(O, B)) for _ in range(outputs)]
    if layout == "row":
        weights = [W_xh.T, weights[1].T, W_hy.T, b_h[:, 0], b_y[:, 0]]
        x, h_0, targets = x.transpose(0, 2, 1), h_0.T, [target.T for target in targets]
    if loss == "softmax":
        targets = [rng.integers(0, O, B) for _ in range(outputs)]
    return Problem(manual.Parameters(*weights), x, targets, h_0, layout, topology)


def by_hand(problem: Problem, loss: str) -> manual.Result:
    """The referee's answer."""
    function = getattr(manual, problem.topology)
    losses = {"softmax": manual.softmax_cross_entropy, "squared": manual.squared_error}
    one_input, one_target = problem.topology == "one_to_many", problem.topology == "many_to_one"
    return function(
        problem.parameters,
        problem.x[0] if one_input else problem.x,
        problem.targets[0] if one_target else problem.targets,
        problem.h_0,
        loss=losses[loss],
        layout=problem.layout,
    )


class Leaves(NamedTuple):
    """What gradients are taken of."""

    parameters: manual.Parameters
    x: list[tg.Tensor]
    h_0: tg.Tensor


def leaves(problem: Problem) -> Leaves:
    """Tensors that require gradients, from the problem's arrays."""
    made = [tg.Tensor(array, requires_grad=True) for array in problem.parameters]
    steps = problem.x[:1] if problem.topology == "one_to_many" else problem.x
    x = [tg.Tensor(array, requires_grad=True) for array in steps]
    return Leaves(manual.Parameters(*made), x, tg.Tensor(problem.h_0, requires_grad=True))


def forward(problem: Problem, leaf: Leaves, loss: str) -> Any:
    """The loss in plain expressions, in the problem's layout and topology."""
    W_xh, W_hh, W_hy, b_h, b_y = leaf.parameters
    h, y, T = leaf.h_0, [], len(problem.x)
    for t in range(T):
        z = (W_hh @ h if problem.layout == "column" else h @ W_hh) + b_h
        if t < len(leaf.x):
            z = z + (W_xh @ leaf.x[t] if problem.layout == "column" else leaf.x[t] @ W_xh)
        h = tg.tanh(z)
        if problem.topology != "many_to_one" or t == T - 1:
            y.append((W_hy @ h if problem.layout == "column" else h @ W_hy) + b_y)
    return sum(
        one_loss(y_t, target, problem.layout, loss)
        for y_t, target in zip(y, problem.targets, strict=True)
    )


def one_loss(y: Any, target: np.ndarray, layout: str, loss: str) -> Any:
    """The loss of one output, summed over entries and batch."""
    if loss == "squared":
        return tg.mse_loss(y, target, reduction="sum")
    return tg.cross_entropy(y if layout == "row" else y.T, target, reduction="sum")


def assert_same(result: manual.Result, leaf: Leaves, rtol: float = 1e-12) -> None:
    """Every gradient of the tape equals the one by hand, relative to its largest entry."""
    of_x = result.gradients.x if isinstance(result.gradients.x, list) else [result.gradients.x]
    pairs = [*zip(leaf.parameters, result.gradients[:5], strict=True)]
    pairs += [*zip(leaf.x, of_x, strict=True), (leaf.h_0, result.gradients.h_0)]
    for tensor, expected in pairs:
        atol = rtol * np.abs(expected).max()
        np.testing.assert_allclose(tensor.grad.data, expected, rtol=0, atol=atol)


SIZES = [(T, B) for T in (1, 2, 3, 10) for B in (1, 7, 64)] + [(1000, 1), (1000, 7), (1000, 64)]


@pytest.mark.parametrize(("T", "B"), SIZES)
@pytest.mark.parametrize("layout", ["column", "row"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_tape_agrees_with_the_derivation_by_hand(
    topology: str, layout: manual.Layout, T: int, B: int
) -> None:
    """Every parameter's, input's and h_0's gradient is the hand-derived one, to 1e-12."""
    for loss in ("squared", "softmax"):
        problem = drawn(topology, layout, T, B, loss)
        leaf = leaves(problem)

        total = forward(problem, leaf, loss)
        total.backward()

        result = by_hand(problem, loss)
        np.testing.assert_allclose(total.item(), result.loss, rtol=1e-12)
        assert_same(result, leaf)


@pytest.mark.parametrize("loss", ["squared", "softmax"])
@pytest.mark.parametrize("layout", ["column", "row"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_tape_and_hand_agree_with_differences(
    topology: str, layout: manual.Layout, loss: str
) -> None:
    """Along a random direction in all leaves at once, the loss changes as both gradients say."""
    problem = drawn(topology, layout, 3, 7, loss)
    leaf = leaves(problem)
    forward(problem, leaf, loss).backward()
    rng, step = np.random.default_rng(1), 1e-6
    tensors = [*leaf.parameters, *leaf.x, leaf.h_0]
    directions = [rng.normal(size=tensor.shape) for tensor in tensors]

    def loss_at(distance: float) -> float:
        moved = [
            tg.Tensor(tensor.data + distance * direction)
            for tensor, direction in zip(tensors, directions, strict=True)
        ]
        inputs = Leaves(manual.Parameters(*moved[:5]), moved[5:-1], moved[-1])
        return forward(problem, inputs, loss).item()

    slope = (loss_at(step) - loss_at(-step)) / (2 * step)

    of_tape = sum(
        np.vdot(tensor.grad.data, d) for tensor, d in zip(tensors, directions, strict=True)
    )
    np.testing.assert_allclose(of_tape, slope, rtol=1e-7)
    assert_same(by_hand(problem, loss), leaf)


def layer_and_problem(T: int, B: int, **settings: Any) -> tuple[tg.nn.RNN, Problem]:
    """An RNN layer with the weights of a row-layout problem."""
    problem = drawn("many_to_many", "row", T, B, "squared")
    layer = tg.nn.RNN(I, H, rng=0, **settings)
    weights = {
        "weight_ih_l0": problem.parameters.W_xh.T,
        "weight_hh_l0": problem.parameters.W_hh.T,
        "bias_ih_l0": problem.parameters.b_h,
        "bias_hh_l0": np.zeros(H),
    }
    layer.load_state_dict(weights)
    return layer, problem


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize(("T", "B"), [(1, 1), (2, 7), (10, 64), (1000, 7)])
def test_the_layer_agrees_with_the_derivation_by_hand(T: int, B: int, unroll: bool) -> None:
    """nn.RNN's states and gradients are the referee's, with one input projection or unrolled."""
    layer, problem = layer_and_problem(T, B, unroll=unroll)
    x = tg.Tensor(problem.x, requires_grad=True)
    h_0 = tg.Tensor(problem.h_0[None], requires_grad=True)
    W_hy, b_y = (tg.Tensor(problem.parameters[k], requires_grad=True) for k in (2, 4))

    output, h_n = layer(x, h_0)
    tg.mse_loss(output @ W_hy + b_y, np.stack(problem.targets), reduction="sum").backward()

    result = by_hand(problem, "squared")
    np.testing.assert_allclose(output.data, np.stack(result.h[1:]), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(h_n.data[0], output.data[-1])
    expected = {
        "weight_ih_l0": result.gradients.W_xh.T,
        "weight_hh_l0": result.gradients.W_hh.T,
        "bias_ih_l0": result.gradients.b_h,
        "bias_hh_l0": result.gradients.b_h,
    }
    found = {name: parameter.grad.data for name, parameter in layer.named_parameters()}
    found |= {"x": x.grad.data, "h_0": h_0.grad.data[0], "W_hy": W_hy.grad.data}
    expected |= {"x": np.stack(result.gradients.x), "h_0": result.gradients.h_0}
    expected |= {"W_hy": result.gradients.W_hy}
    for name, gradient in expected.items():
        atol = 1e-12 * np.abs(gradient).max()
        np.testing.assert_allclose(found[name], gradient, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_layer_is_a_loop_over_the_cell(nonlinearity: Any, bias: bool) -> None:
    """Two stacked layers compute, forward and backward, what cells called in turn compute."""
    T, B = 4, 3
    layer = tg.nn.RNN(I, H, 2, nonlinearity, bias, rng=3)
    cells = [tg.nn.RNNCell(size, H, bias, nonlinearity, rng=k) for k, size in enumerate((I, H))]
    for k, cell in enumerate(cells):
        state = layer.state_dict()
        cell.load_state_dict({name: state[f"{name}_l{k}"] for name in cell.state_dict()})
    rng = np.random.default_rng(0)
    x, cotangent = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))

    output, h_n = layer(x)
    output.backward(cotangent)

    states, h = [], [None, None]
    for x_t in x:
        h[0] = cells[0](x_t, h[0])
        h[1] = cells[1](h[0], h[1])
        states.append(h[1])
    tg.stack(states).backward(cotangent)
    np.testing.assert_allclose(output.data, np.stack([h.data for h in states]), rtol=1e-13)
    np.testing.assert_allclose(h_n.data, np.stack([h[0].data, h[1].data]), rtol=1e-13)
    for k, cell in enumerate(cells):
        for name, parameter in cell.named_parameters():
            found = getattr(layer, f"{name}_l{k}").grad.data
            np.testing.assert_allclose(found, parameter.grad.data, rtol=1e-12, atol=1e-14)


def test_batch_first_and_unbatched_inputs_are_the_same_computation() -> None:
    """(B, T, I) with batch_first, and each example alone as (T, I), give the batch's states."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3, I))
    layer = tg.nn.RNN(I, H, 2, rng=0)
    output, h_n = layer(x)

    layer.batch_first = True
    turned, _ = layer(x.transpose(1, 0, 2))
    alone, h_alone = layer(x[:, 1])

    np.testing.assert_array_equal(turned.data, output.data.transpose(1, 0, 2))
    np.testing.assert_allclose(alone.data, output.data[:, 1], rtol=1e-13)
    np.testing.assert_allclose(h_alone.data, h_n.data[:, 1], rtol=1e-13)


def test_each_step_has_its_scope() -> None:
    """Steps are recorded as t=1 ... T, inside their layer where there are several."""
    x = np.ones((3, 1, I))

    one, _ = tg.nn.RNN(I, H, rng=0)(x)
    two, _ = tg.nn.RNN(I, H, 2, rng=0)(x)

    def scopes(output: tg.Tensor) -> list[tuple[str, ...]]:
        return [state.scope for state in output.inputs]

    assert scopes(one) == [("t=1",), ("t=2",), ("t=3",)]
    assert scopes(two) == [("layer 1", "t=1"), ("layer 1", "t=2"), ("layer 1", "t=3")]
    both, _ = tg.nn.RNN(I, H, bidirectional=True, rng=0)(x)
    there, back = (way.inputs for way in both.inputs)
    assert [h.scope for h in there] == [("layer 0", "t=1"), ("layer 0", "t=2"), ("layer 0", "t=3")]
    assert [h.scope for h in back] == [("layer 0 reverse", f"t={t}") for t in (1, 2, 3)]


def test_parameters_have_pytorchs_names_and_start_between_its_bounds() -> None:
    """weight_ih_l0 (H, I) and so on, from U(-1/sqrt(H), 1/sqrt(H)), in the dtype asked for."""
    layer = tg.nn.RNN(300, 100, 2, dtype=np.float32, rng=0)

    shapes = {name: parameter.shape for name, parameter in layer.named_parameters()}
    values = layer.weight_ih_l0.data

    assert shapes == {
        "weight_ih_l0": (100, 300),
        "weight_hh_l0": (100, 100),
        "bias_ih_l0": (100,),
        "bias_hh_l0": (100,),
        "weight_ih_l1": (100, 100),
        "weight_hh_l1": (100, 100),
        "bias_ih_l1": (100,),
        "bias_hh_l1": (100,),
    }
    assert values.dtype == np.float32
    assert np.abs(values).max() <= 0.1
    np.testing.assert_allclose(values.std(), 0.1 / np.sqrt(3), rtol=0.02)


@pytest.mark.parametrize(
    ("x", "h_0", "message"),
    [
        (np.ones((2, 1, 4)), None, r"RNN: x has shape \(2, 1, 4\); it must be \(T, B, 3\)"),
        (np.ones(3), None, r"RNN: x has shape \(3,\)"),
        (np.ones((0, 1, 3)), None, "no time step"),
        (np.ones((2, 7, 3)), np.ones((1, 6, 5)), r"h_0 has shape \(1, 6, 5\).* \(1, 7, 5\)"),
        (np.ones((2, 7, 3)), np.ones((7, 5)), r"h_0 has shape \(7, 5\).* \(1, 7, 5\)"),
    ],
)
def test_wrong_shapes_are_named_with_the_right_ones(x: Any, h_0: Any, message: str) -> None:
    """The layer says which argument came with which shape, and which shape it needs."""
    layer = tg.nn.RNN(I, H, rng=0)

    with pytest.raises(ValueError, match=message):
        layer(x, h_0)


def test_a_nonlinearity_that_does_not_exist_is_refused() -> None:
    """Only tanh and relu are plain recurrent networks' functions."""
    with pytest.raises(ValueError, match="nonlinearity is 'sin'"):
        tg.nn.RNN(I, H, nonlinearity="sin")  # type: ignore[arg-type]
