"""Gradients taken apart: by use, by time step, by loss and state; and what truncation loses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, manual
from tinygrad_rnn.engine.tape import tape

B, I, H, O = 5, 3, 4, 2
RNG = np.random.default_rng


def layer_loss(kind: Any, T: int, B: int = B, **options: Any) -> tuple[Any, Any, Any]:
    """A layer, its output and a loss of random weights on it."""
    rng = RNG(1)
    layer = kind(I, H, rng=0, **options)
    output, _ = layer(rng.normal(size=(T, B, I)))
    return layer, output, (output * rng.normal(size=output.shape)).sum()


def total(parts: list[bptt.Contribution]) -> Any:
    """The contributions added up in order."""
    result = parts[0].array
    for part in parts[1:]:
        result = result + part.array
    return result


def column_model(T: int, every: bool) -> tuple[dict[str, tg.Tensor], list[Any], Any, Any]:
    """A tanh RNN in column layout: leaves, states, the loss; and the referee's result."""
    rng = RNG(2)
    shapes = [(H, I), (H, H), (O, H), (H, 1), (O, 1)]
    p = manual.Parameters(*(rng.normal(size=shape) for shape in shapes))
    x, h_0 = rng.normal(size=(T, I, B)), rng.normal(size=(H, B))
    target = rng.integers(O, size=(T, B)) if every else rng.integers(O, size=B)
    by_hand = (manual.many_to_many if every else manual.many_to_one)(
        p, x, target, h_0, loss=manual.softmax_cross_entropy
    )
    w = {n: tg.Tensor(a, requires_grad=True, name=n) for n, a in p._asdict().items()}
    h, states, losses = tg.Tensor(h_0, requires_grad=True), [], []
    for t in range(T):
        with tg.scope(f"t={t + 1}"):
            h = tg.tanh(w["W_xh"] @ x[t] + w["W_hh"] @ h + w["b_h"])
            states.append(h)
            if every or t == T - 1:
                y, ids = (w["W_hy"] @ h + w["b_y"]).T, target[t] if every else target
                losses.append(tg.cross_entropy(y, ids, reduction="sum"))
    loss = losses[0]
    for more in losses[1:]:
        loss = loss + more
    return w, states, loss, by_hand


# Contributions


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [tg.nn.RNN, tg.nn.LSTM, tg.nn.GRU])
@pytest.mark.parametrize("T", [1, 2, 200])
def test_contributions_add_up_to_the_gradient(kind: Any, T: int, layers: int, unroll: bool) -> None:
    """Of every parameter of a layer they sum to what backward gives, and `.grad` is not touched."""
    layer, output, loss = layer_loss(kind, T, num_layers=layers, unroll=unroll)
    h = bptt.states(output)[0]
    found = {name: bptt.contributions(loss, p) for name, p in layer.named_parameters()}
    own = bptt.contributions(loss, h)
    assert all(p.grad is None for p in layer.parameters())
    h.retain_grad()
    loss.backward()
    for name, p in layer.named_parameters():
        scale = max(1, np.abs(p.grad.data).max())
        np.testing.assert_allclose(total(found[name]), p.grad.data, rtol=0, atol=1e-12 * scale)
        assert all((c.array.shape, c.array.dtype) == (p.shape, p.dtype) for c in found[name])
    np.testing.assert_allclose(total(own), h.grad.data, rtol=1e-12, atol=1e-12)
    assert len(found["weight_hh_l0"]) == T


def test_contributions_of_an_unrolled_rnn_add_up_bit_by_bit() -> None:
    """With as many rows as units each product is made at once, and the order is backward's."""
    layer, _, loss = layer_loss(tg.nn.RNN, 50, B=16, num_layers=2, unroll=True)
    loss.backward()
    for p in layer.parameters():
        assert np.array_equal(total(bptt.contributions(loss, p)), p.grad.data)


def test_a_layer_uses_its_weights_once_a_step() -> None:
    """Unrolled, each parameter has one contribution for each step, the last step's first."""
    layer, _, loss = layer_loss(tg.nn.RNN, 6, unroll=True)
    for p in layer.parameters():
        parts = bptt.contributions(loss, p)
        assert [part.step for part in parts] == [6, 5, 4, 3, 2, 1]
        assert {(part.op, part.input) for part in parts} <= {("addmm", "b"), ("addmm", "c")}


@pytest.mark.parametrize("options", [{"bidirectional": True}, {"lengths": [4, 6, 1, 2, 6]}])
def test_both_directions_and_padded_batches_are_taken_apart(options: dict[str, Any]) -> None:
    """Each direction's weight has one contribution a step, in the order of its own way back."""
    lengths = options.pop("lengths", None)
    layer = tg.nn.RNN(I, H, unroll=True, rng=0, **options)
    output, _ = layer(RNG(0).normal(size=(6, B, I)), lengths=lengths)
    loss = (output * output).sum()
    loss.backward()
    for name, p in layer.named_parameters():
        parts = bptt.contributions(loss, p)
        steps = [part.step for part in parts]
        assert steps == ([1, 2, 3, 4, 5, 6] if "reverse" in name else [6, 5, 4, 3, 2, 1])
        np.testing.assert_allclose(total(parts), p.grad.data, rtol=1e-10, atol=1e-12)


def test_contributions_keep_dtype_and_run_where_nothing_is_recorded() -> None:
    """Of a float32 weight they are float32; within no_grad they are the same."""
    layer = tg.nn.RNN(I, H, dtype="float32", rng=0)
    output, _ = layer(np.ones((3, B, I), "float32"))
    loss = output.sum()
    with tg.no_grad():
        parts = bptt.contributions(loss, layer.weight_hh_l0)
    assert {part.array.dtype for part in parts} == {np.dtype("float32")}
    assert all(type(part.array) is np.ndarray for part in parts)


def test_a_view_and_its_tensor_have_their_own_contributions() -> None:
    """Of W all uses, of W.T those through it; a transpose that is the loss's own op is a use."""
    w = tg.Tensor([[1.0, 2.0]], requires_grad=True)
    turned = w.T
    loss = (w @ turned).sum()
    assert len(bptt.contributions(loss, w)) == 2
    (through,) = bptt.contributions(loss, turned)
    assert through.array.shape == (2, 1)
    single = tg.Tensor([[2.0]], requires_grad=True)
    assert [part.op for part in bptt.contributions(single.T, single)] == ["transpose"]


@pytest.mark.parametrize("once", [True, False])
def test_uses_through_transposes_and_reshapes_are_followed(once: bool) -> None:
    """A cell of one's own has one contribution a step whether W.T is made once or at each step."""
    W = tg.Tensor(RNG(0).normal(size=(H * H,)), requires_grad=True)
    h, turned = tg.Tensor(RNG(1).normal(size=(B, H))), W.reshape(H, H).T
    for t in range(4):
        with tg.scope(f"t={t + 1}"):
            h = tg.relu(h @ (turned if once else W.reshape(H, H).T)) + 0.1 * h
    loss = (h * h).sum()
    parts = bptt.contributions(loss, W)
    loss.backward()
    assert [part.step for part in parts] == [4, 3, 2, 1]
    np.testing.assert_allclose(total(parts), W.grad.data, rtol=1e-12, atol=1e-12)


def test_two_uses_by_one_op_are_two_contributions() -> None:
    """w * w uses w as x and as y."""
    w = tg.Tensor([3.0], requires_grad=True)
    parts = bptt.contributions((w * w).sum(), w)
    assert [(part.input, part.array.item()) for part in parts] == [("x", 3.0), ("y", 3.0)]


def test_parts_and_stacks_are_uses() -> None:
    """A slice, an index of arrays, and the place in a stack are named and have x's shape."""
    x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss = (tg.stack([x[1:].sum(), x[[0, 0]].sum()]) * np.array([2.0, 5.0])).sum()
    parts = bptt.contributions(loss, x)
    assert [part.op for part in parts] == ["gather", "getitem"]
    np.testing.assert_array_equal([part.array for part in parts], [[10, 0, 0], [0, 2, 2]])


def test_the_step_is_that_of_the_innermost_label() -> None:
    """A label that only begins like a step's is none."""
    w = tg.Tensor([1.0], requires_grad=True)
    with tg.scope("t=1"), tg.scope("t=2"):
        y = w * 2
    with tg.scope("t=3"), tg.scope("t=4 of 5"), tg.scope("gate"):
        y = y * w
    with tg.scope("at=6"), tg.scope("t=x"):
        y = y * w
    assert [part.step for part in bptt.contributions(y.sum(), w)] == [None, 3, 2]
    assert list(bptt.by_step(y.sum(), w)) == [2, 3, None]


def test_contributions_share_no_memory() -> None:
    """Writing into one changes no other: of one op's two uses, of uses through a view, of parts."""
    b = tg.Tensor(RNG(0).normal(size=(2, 3)), requires_grad=True)
    turned = b.T
    losses = [(b + b + b).sum(), (turned + turned + turned.reshape(3, 2)).sum()]
    for loss in losses:
        parts = bptt.contributions(loss, b)
        assert all(part.array.flags.c_contiguous and part.array.base is None for part in parts)
        for k, part in enumerate(parts):
            part.array[:] = 7 + k
        assert [part.array[0, 0] for part in parts] == [7, 8, 9]
        loss.backward()
        np.testing.assert_array_equal(b.grad.data, 3)
        b.grad = None


def test_a_weight_written_after_its_use_is_an_error() -> None:
    """As in backward."""
    w = tg.Tensor([1.0], requires_grad=True)
    loss = (w * w).sum()
    w.data = np.array([2.0])
    with pytest.raises(RuntimeError, match="written after it was recorded"):
        bptt.contributions(loss, w)


# By step: the notes


def test_n1_many_to_one_terms_are_those_by_hand() -> None:
    """dL/dW_hh is a sum of one term dz_t h_{t-1}ᵀ for each step; so are dL/dW_xh and dL/db_h."""
    w, _, loss, by_hand = column_model(T=7, every=False)
    for name in ("W_hh", "W_xh", "b_h"):
        found = bptt.by_step(loss, w[name])
        assert list(found) == [1, 2, 3, 4, 5, 6, 7]
        for step, terms in zip(found.values(), by_hand.terms(), strict=True):
            np.testing.assert_allclose(step, getattr(terms, name), rtol=1e-10, atol=1e-12)


def test_n2_dh_and_dh_next_are_apart() -> None:
    """h_t has W_hyᵀ dy_t from its own step, and dh_next = W_hhᵀ dz_{t+1} from the next one."""
    _, states, loss, by_hand = column_model(T=5, every=True)
    for h, step in zip(states, by_hand.steps, strict=True):
        found = bptt.by_step(loss, h)
        np.testing.assert_allclose(found[step.t], step.from_output, rtol=1e-10, atol=1e-12)
        from_next = found.get(step.t + 1, np.zeros(h.shape))
        np.testing.assert_allclose(from_next, step.from_next, rtol=1e-10, atol=1e-12)
    assert 6 not in found


def test_n2_holds_of_layers_too() -> None:
    """The output of nn.RNN is outside of all steps: its part is under None."""
    _, output, loss = layer_loss(tg.nn.RNN, 4)
    assert [list(bptt.by_step(loss, h)) for h in bptt.states(output)] == [
        [2, None],
        [3, None],
        [4, None],
        [None],
    ]


def test_states_are_found_where_the_batch_comes_first() -> None:
    """A transpose of the stack is looked through; what is no stack is an error."""
    layer = tg.nn.RNN(I, H, batch_first=True, rng=0)
    output, _ = layer(np.ones((B, 6, I)))
    assert [h.shape for h in bptt.states(output)] == [(B, H)] * 6
    with pytest.raises(ValueError, match="the op that made it is multiply"):
        bptt.states(output * 2)


# Bad input


@pytest.mark.parametrize("function", [bptt.contributions, bptt.by_step])
def test_bad_input_is_named(function: Any) -> None:
    """Another tape, several entries, no gradient, no Tensor."""
    w, other = (tg.Tensor([1.0, 2.0], requires_grad=True, name=n) for n in ("w", "other"))
    loss = (w * w).sum()
    with pytest.raises(RuntimeError, match=r"\(other\), of shape \(2,\), is not on the tape"):
        function(loss, other)
    with pytest.raises(ValueError, match=r"the loss has shape \(2,\), and must have one entry"):
        function(w * w, w)
    with pytest.raises(RuntimeError, match="requires no gradient"):
        function(loss, w.detach())
    with pytest.raises(TypeError, match="must be a Tensor, not ndarray"):
        function(loss, np.ones(2))
    with pytest.raises(TypeError, match="the loss must be a Tensor, not float"):
        function(1.0, w)
    with pytest.raises(RuntimeError, match="depends on no tensor that requires a gradient"):
        function(loss.detach(), w)


# Influence and Jacobians


def tanh_states(T: int) -> tuple[tg.Tensor, list[tg.Tensor]]:
    """A recurrent weight (H, H) and the states (B, H) of T steps h @ W_hh.T."""
    W, h = tg.Tensor(RNG(0).normal(size=(H, H)), requires_grad=True), tg.Tensor(np.ones((B, H)))
    states = []
    for x in RNG(1).normal(size=(T, B, H)):
        h = tg.tanh(h @ W.T + x)
        states.append(h)
    return W, states


def test_jacobians_are_those_by_hand() -> None:
    """dh_t/dh_{t-1} = diag(1 - h_t²) W_hh for each example; their products give dh_T/dh_t."""
    W, states = tanh_states(5)
    found = bptt.jacobians(states)
    expected = [(1 - h.data**2)[:, :, None] * W.data for h in states[1:]]
    np.testing.assert_allclose(found.each, expected, rtol=1e-12)
    np.testing.assert_allclose(found.norms, np.linalg.norm(expected, 2, axis=(2, 3)))
    product = expected[3] @ expected[2] @ expected[1] @ expected[0]
    np.testing.assert_allclose(found.products[0], np.linalg.norm(product, 2, axis=(1, 2)))
    assert found.products.shape == (4, B)


def test_the_state_of_an_lstm_is_a_pair() -> None:
    """dL/d(h_1, c_1) is dL/d(h_3, c_3) times the Jacobians, (B, 2H, 2H) each."""
    cell, rng = tg.nn.LSTMCell(I, H, rng=0), RNG(0)
    state, states = None, []
    steps = rng.normal(size=(3, B, I))
    for x in steps:
        state = cell(x, state)
        states.append(state)
    h, c = (tg.Tensor(part.data, requires_grad=True) for part in states[0])
    new = cell(np.ones((B, I)), cell(np.zeros((B, I)), (h, c)))
    again = [(h, c), new]
    J = bptt.jacobians(again).each[0]
    gh, gc = rng.normal(size=(2, B, H))
    slopes = tg.grad((new[0] * gh).sum() + (new[1] * gc).sum(), (h, c))
    g = np.concatenate([gh, gc], axis=1)
    expected = np.concatenate([slope.data for slope in slopes], axis=1)
    np.testing.assert_allclose(np.einsum("bi,bij->bj", g, J), expected, rtol=1e-10, atol=1e-13)
    chain = bptt.jacobians(states)
    assert chain.each[0].shape == (B, 2 * H, 2 * H)
    for state, x, J in zip(states, steps[1:], chain.each, strict=False):
        old = tuple(tg.Tensor(part.data, requires_grad=True) for part in state)
        alone = bptt.jacobians([old, cell(x, old)]).each[0]  # h_t's own use of c_t does not count
        np.testing.assert_allclose(J, alone, rtol=1e-12, atol=1e-15)
    assert chain.norms.shape == chain.products.shape == (2, B)


def test_influence_is_a_triangle_of_norms() -> None:
    """Row s, column t is the norm of dL_s/dh_t, and 0 after the loss."""
    _, states = tanh_states(6)
    losses = [(h * h).sum() for h in states]
    found = bptt.influence(losses, states)
    assert np.array_equal(found, np.tril(found))
    for t, h in enumerate(states[:4]):
        (g,) = tg.grad(losses[3], h)
        assert found[3, t] == pytest.approx(np.linalg.norm(g.data))


def test_immediate_is_the_step_s_own_part() -> None:
    """With h_{t-1} fixed dh_t/dW_hh[i] is (1 - h_t[i]²) h_{t-1}; the total is by differences."""
    W, states = tanh_states(3)
    found = bptt.immediate(states[2], W)
    expected = np.zeros((B, H, H, H))
    for i in range(H):
        slope = (1 - states[2].data[:, i, None] ** 2) * states[1].data
        expected[:, i, i] = slope
    np.testing.assert_allclose(found.immediate, expected, rtol=1e-12, atol=1e-14)
    held = bptt.immediate(states[2], W, held=[states[1]])
    np.testing.assert_allclose(held.immediate, expected, rtol=1e-12, atol=1e-14)
    g = RNG(3).normal(size=(B, H))
    (total,) = tg.grad((states[2] * g).sum(), W)
    np.testing.assert_allclose(np.tensordot(g, found.total, 2), total.data, rtol=1e-10, atol=1e-13)


def test_what_is_held_is_held_alone() -> None:
    """With h_1 fixed h_3 = h_1 W² has the slope 2 W h_1, whatever the scopes say of h_2."""
    W, h = tg.Tensor([[0.5]], requires_grad=True), tg.Tensor([[1.0]])
    states = []
    for t in (1, 2, 3):
        with tg.scope(f"t={t}"):
            h = h @ W
        states.append(h)
    assert bptt.immediate(h, W, held=states[:1]).immediate.item() == 0.5
    assert bptt.immediate(h, W, held=states[:2]).immediate.item() == 0.25
    assert bptt.immediate(h, W, held=[]).immediate.item() == 0.75
    assert bptt.immediate(h, W).immediate.item() == 0.25


def test_what_another_part_of_the_model_gives_is_not_held() -> None:
    """A decoder's step reads an encoder's state, of another scope: no state before its own."""
    W, x = tg.Tensor([[0.5]], requires_grad=True), tg.Tensor([[1.0]])
    with tg.scope("encoder"), tg.scope("t=3"):
        encoded = x @ W
    with tg.scope("decoder"), tg.scope("t=1"):
        h = encoded @ W
    with tg.scope("decoder"), tg.scope("t=2"):
        last = h @ W
    assert bptt.immediate(h, W).immediate.item() == 1.0  # of W²
    assert bptt.immediate(last, W).immediate.item() == 0.25  # of h W


@pytest.mark.parametrize("product", [lambda h, W: h @ W, lambda h, W: h * W[0]])
def test_walks_to_what_was_written_are_refused(product: Any) -> None:
    """A weight that was moved since has no derivative any more."""
    W, h = tg.Tensor([[0.5]], requires_grad=True), tg.Tensor([[1.0]], requires_grad=True)
    states = [h]
    for _ in range(2):
        states.append(product(states[-1], W))
    W.data = W.data + 1
    with pytest.raises(RuntimeError, match="written after it was recorded"):
        bptt.immediate(states[-1], W, held=states[:2])
    h.data = h.data + 1
    with pytest.raises(RuntimeError, match=r"written after it|is not on the tape"):
        bptt.jacobians(states[:2])


def test_immediate_holds_both_parts_of_an_lstm_s_state() -> None:
    """The scopes of the steps tell that c_{t-1} is of the step before."""
    layer = tg.nn.LSTM(I, 2, unroll=True, rng=0)
    output, _ = layer(RNG(0).normal(size=(3, 1, I)))
    _, h_2, h_3 = bptt.states(output)
    c_2 = next(n for n in tape(h_2) if n.op is tg.tanh and n is h_2.inputs[1]).inputs[0]
    W = layer.weight_hh_l0
    by_scope, held = bptt.immediate(h_3, W), bptt.immediate(h_3, W, held=[h_2, c_2])
    np.testing.assert_allclose(by_scope.immediate, held.immediate, rtol=1e-12)
    assert np.abs(by_scope.immediate - by_scope.total).max() > 1e-4


def test_truncation_loses_what_it_cuts() -> None:
    """Detached at every step only the immediate parts are left; after T steps nothing is cut."""
    W = tg.Tensor(RNG(0).normal(size=(H, H)) / 2, requires_grad=True)
    xs = RNG(1).normal(size=(8, B, H))

    def loss_fn(k: int | None) -> tg.Tensor:
        h = tg.Tensor(np.zeros((B, H)))
        for t, x in enumerate(xs):
            h = tg.tanh((h.detach() if k and t % k == 0 else h) @ W.T + x)
        return (h * h).sum()

    found = bptt.truncation(loss_fn, [1, 4, 8])
    (full,), (cut,) = tg.grad(loss_fn(None), W), tg.grad(loss_fn(1), W)
    ratio = np.linalg.norm(cut.data) / np.linalg.norm(full.data)
    assert found[1].ratio == pytest.approx(ratio)
    assert found[8] == pytest.approx((1, 1))
    assert found[1].cosine < found[4].cosine < 1
    nothing = bptt.truncation(lambda k: (W * (0.0 if k == 1 else 1.0)).sum(), [1])[1]
    assert (np.isnan(nothing.cosine), nothing.ratio) == (True, 0.0)
    from_nothing = bptt.truncation(lambda k: (W * (1.0 if k == 1 else 0.0)).sum(), [1])[1]
    assert np.isnan(from_nothing).all()
    assert "8" in bptt.Curve(found).text().splitlines()[-1]


def test_influence_and_jacobians_name_bad_input() -> None:
    """Strange states, and too few."""
    W, states = tanh_states(3)
    losses = [h.sum() for h in states]
    with pytest.raises(RuntimeError, match=r"influence: state 2.* is not on the tape"):
        bptt.influence(losses, [states[0], tg.Tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match="there are 1 states"):
        bptt.jacobians(states[:1])
    with pytest.raises(RuntimeError, match="the state before state 2"):
        bptt.jacobians(states[::-1])
    with pytest.raises(RuntimeError, match="immediate: W, of shape"):
        bptt.immediate(states[0], tg.Tensor([1.0], requires_grad=True))
    with pytest.raises(ValueError, match="truncation: the loss has shape"):
        bptt.truncation(lambda k: states[0] * W.sum(), [1])
    with pytest.raises(ValueError, match="give each row as many"):
        bptt.flow(losses[2], {"a": states, "b": states[:2]})


def test_pictures_are_drawn_and_written(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each becomes a file and a text; without matplotlib the error names the extra."""
    _, states = tanh_states(5)
    losses = [h.sum() for h in states]
    maps = [bptt.flow(losses[-1], {"h": states}), bptt.triangle(losses, states)]
    curve = bptt.Curve({1: bptt.Truncated(0.5, 0.25), 2: bptt.Truncated(1.0, 1.0)})
    for k, picture in enumerate([*maps, curve]):
        picture.plot(tmp_path / f"{k}.png")
        assert (tmp_path / f"{k}.png").stat().st_size > 1000
    assert maps[1].text().splitlines()[1].endswith("    |")
    zeros = bptt.Heatmap("none", np.zeros((1, 2)), ["h"])
    assert zeros.text().endswith("h |  |")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"tinygrad_rnn\[examples\]"):
        curve.plot(tmp_path / "no.png")
