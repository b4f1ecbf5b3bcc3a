"""Many-to-one, one-to-many, many-to-many and encoder-decoder: loops written out, hand, padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import manual, nn

from .numeric import assert_near, differences

I, H, O, V, T, B = 3, 4, 3, 6, 5, 2
LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
every_kind = pytest.mark.parametrize("kind", LAYERS)
either_first = pytest.mark.parametrize("batch_first", [False, True])


def drawn(*shape: int, seed: int = 1) -> np.ndarray:
    """Random numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def ids(*shape: int, seed: int = 1) -> np.ndarray:
    """Random ids, 0 to V - 1."""
    return np.random.default_rng(seed).integers(V, size=shape)


def layer(kind: str, *sizes: int, **settings: Any) -> Any:
    """A recurrent layer of this kind, seeded."""
    return LAYERS[kind](*(sizes or (I, H)), **{"rng": 0, **settings})


def head(columns: int = H, outputs: int = O) -> nn.Linear:
    """A seeded Linear."""
    return nn.Linear(columns, outputs, rng=5)


def h_of(state: Any) -> Any:
    """h of a state h or (h, c)."""
    return state[0] if isinstance(state, tuple) else state


def start_of(kind: str, *shape: int) -> Any:
    """A random state."""
    parts = drawn(*shape, seed=2), drawn(*shape, seed=3)
    return parts if kind == "LSTM" else parts[0]


def steps_first(array: Any, batch_first: bool) -> Any:
    """The same with steps and batch exchanged, where the batch is first."""
    return np.swapaxes(array, 0, 1) if batch_first else array


def by_hand(rnn: Any, linear: nn.Linear) -> manual.Parameters:
    """The parameters of a plain network or cell and its head, for the referee's row layout."""
    W_ih, W_hh, b_ih, b_hh = (p.data for p in rnn.parameters())
    return manual.Parameters(
        W_ih.T, W_hh.T, linear.weight.data.T, b_ih + b_hh, linear.bias.data
    )  # fmt: skip


def assert_by_hand(model: nn.Module, gradients: manual.Gradients) -> None:
    """The gradients of network and head are those of the referee."""
    expected = {
        "weight_ih": gradients.W_xh.T,
        "weight_hh": gradients.W_hh.T,
        "bias_ih": gradients.b_h,
        "bias_hh": gradients.b_h,
        "weight": gradients.W_hy.T,
        "bias": gradients.b_y,
    }
    for name, p in model.named_parameters():
        wanted = expected[name.rpartition(".")[2].removesuffix("_l0")]
        assert_near(p.grad.data, wanted.reshape(p.shape), 1e-12)


def assert_slopes(model: nn.Module, loss: Callable[[], tg.Tensor]) -> None:
    """The gradient of every parameter is that of central differences."""
    names, arrays = zip(*model.state_dict().items(), strict=True)

    def value(*values: np.ndarray) -> Any:
        model.load_state_dict(dict(zip(names, values, strict=True)))
        with tg.no_grad():
            return loss().item()

    model.zero_grad()
    loss().backward()
    gradients = [p.grad.data for p in model.parameters()]
    for k, gradient in enumerate(gradients):
        assert_near(gradient.ravel(), differences(value, arrays, k)[0], 1e-6)


def weighted(y: tg.Tensor) -> tg.Tensor:
    """A number that depends on every entry."""
    return (y * drawn(*y.shape, seed=9)).sum()


# Many to one


@every_kind
@either_first
@pytest.mark.parametrize("bidirectional", [False, True])
def test_many_to_one_reads_the_state_at_the_end(
    kind: str, batch_first: bool, bidirectional: bool
) -> None:
    """The head is applied to the last layer's output where each direction ends."""
    D = 2 if bidirectional else 1
    settings = {"num_layers": 2, "batch_first": batch_first, "bidirectional": bidirectional}
    model = nn.ManyToOne(layer(kind, **settings), head(D * H))
    x, start = drawn(T, B, I), start_of(kind, 2 * D, B, H)

    y = model(steps_first(x, batch_first), state=start)

    output, _ = model.recurrent(steps_first(x, batch_first), start)
    output = steps_first(output.data, batch_first)
    ends = np.concatenate([output[-1, :, :H], output[0, :, H:]], axis=-1)
    assert_near(y.data, model.head(ends).data, 1e-14)


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_many_to_one_reads_padded_sequences_to_their_own_end(
    kind: str, bidirectional: bool
) -> None:
    """Outputs and gradients of a batch are those of its sequences alone."""
    rnn = layer(kind, num_layers=2, bidirectional=bidirectional)
    model = nn.ManyToOne(rnn, head(2 * H if bidirectional else H), embedding=nn.Embedding(V, I))
    x, lengths, weights = ids(T, 3), [3, 5, 1], drawn(3, O)

    y = model(x, lengths)
    (y * weights).sum().backward()
    found = [p.grad.data for p in model.parameters()]

    model.zero_grad()
    for b, n in enumerate(lengths):
        alone = model(x[:n, b])
        assert_near(y.data[b], alone.data, 1e-13)
        (alone * weights[b]).sum().backward()
    for gradient, p in zip(found, model.parameters(), strict=True):
        assert_near(gradient, p.grad.data, 1e-12)


def test_many_to_one_has_the_gradients_of_the_hand() -> None:
    """A plain network with squared error: all parameters, and the loss."""
    model = nn.ManyToOne(nn.RNN(I, H, rng=0), head())
    x, target = drawn(T, B, I), drawn(B, O, seed=4)
    result = manual.many_to_one(
        by_hand(model.recurrent, model.head), x, target, np.zeros((B, H)),
        loss=manual.squared_error, layout="row", scale=0.5,
    )  # fmt: skip
    loss = 0.5 * ((model(x) - target) ** 2).sum()
    loss.backward()
    assert_near(loss.item(), result.loss, 1e-13)
    assert_by_hand(model, result.gradients)


# One to many


@every_kind
@either_first
def test_one_to_many_feeds_back_its_own_output(kind: str, batch_first: bool) -> None:
    """As a loop over the cell and the head."""
    cell, linear = CELLS[kind](I, H, rng=0), head()
    model = nn.OneToMany(cell, linear, T, batch_first=batch_first)
    x, state = drawn(B, I), start_of(kind, B, H)

    y = model(x, state)

    assert y.shape == ((B, T, O) if batch_first else (T, B, O))
    for y_t in steps_first(y.data, batch_first):
        state = cell(x, state)
        x = linear(h_of(state)).data
        assert_near(y_t, x, 1e-14)


@every_kind
@either_first
def test_one_to_many_may_have_no_batch(kind: str, batch_first: bool) -> None:
    """A single input gives (S, O), what it gives within a batch."""
    model = nn.OneToMany(CELLS[kind](I, H, rng=0), head(), T, batch_first=batch_first)
    x = drawn(B, I)
    y = steps_first(model(x).data, batch_first)
    assert model(x[1]).shape == (T, O)
    assert_near(model(x[1]).data, y[:, 1], 1e-14)


@every_kind
def test_one_to_many_starts_from_a_state_alone(kind: str) -> None:
    """Then the first input is 0; without either there is nothing to start from."""
    model = nn.OneToMany(CELLS[kind](I, H, rng=0), head(), T)
    start = start_of(kind, B, H)
    np.testing.assert_array_equal(model(state=start).data, model(np.zeros((B, I)), start).data)
    with pytest.raises(ValueError, match="neither x nor state is given"):
        model()


def test_one_to_many_stays_in_single_precision() -> None:
    """The zeros that stand for no input have the state's dtype."""
    cell = nn.GRUCell(I, H, dtype=np.float32, rng=0)
    model = nn.OneToMany(cell, nn.Linear(H, O, dtype=np.float32, rng=5), T)
    assert model(state=np.ones((B, H), np.float32)).dtype == np.float32


@every_kind
def test_gradients_go_through_what_is_fed_back(kind: str) -> None:
    """They are those of central differences, with an output that is fed back through a tanh."""
    model = nn.OneToMany(CELLS[kind](I, H, rng=0), head(), 3, feedback=tg.tanh)
    assert_slopes(model, lambda: weighted(model(drawn(B, I))))


def test_one_to_many_has_the_gradients_of_the_hand() -> None:
    """Where nothing is fed back: all parameters, the only input, and the loss."""
    cell, linear = nn.RNNCell(I, H, rng=0), head()
    model = nn.OneToMany(cell, linear, T, feedback=lambda y: np.zeros((B, I)))
    x, targets = tg.Tensor(drawn(B, I), requires_grad=True), drawn(T, B, O, seed=4)
    result = manual.one_to_many(
        by_hand(cell, linear), x.data, targets, np.zeros((B, H)),
        loss=manual.squared_error, layout="row", scale=0.5,
    )  # fmt: skip
    loss = 0.5 * ((model(x) - targets) ** 2).sum()
    loss.backward()
    assert_near(loss.item(), result.loss, 1e-13)
    assert_near(x.grad.data, result.gradients.x[0], 1e-12)
    assert_by_hand(model, result.gradients)


def test_a_module_that_feeds_back_learns_too() -> None:
    """Its parameters are the model's, by the name of the argument."""

    class Written(nn.Embedding):
        def forward(self, y: Any) -> tg.Tensor:
            return super().forward(y.data.argmax(-1))

    model = nn.OneToMany(nn.GRUCell(I, H, rng=0), head(outputs=V), T, feedback=Written(V, I, rng=1))
    weighted(model(drawn(B, I))).backward()
    assert "feedback.weight" in model.state_dict()
    assert model.feedback.weight.grad.data.any()


def test_the_steps_of_one_to_many_have_frames_of_their_own() -> None:
    """A drawing shows t=1 to t=S."""
    y = nn.OneToMany(nn.RNNCell(I, H, rng=0), head(), 3)(drawn(B, I))
    source = tg.draw(y).source
    assert all(f"t={t}" in source for t in (1, 2, 3))


# Many to many


@every_kind
@either_first
def test_many_to_many_has_an_output_at_every_step(kind: str, batch_first: bool) -> None:
    """The head of the layer's output, and the state as the layer gives it."""
    model = nn.ManyToMany(layer(kind, num_layers=2, batch_first=batch_first), head())
    x, start = drawn(T, B, I), start_of(kind, 2, B, H)
    y, state = model(steps_first(x, batch_first), start)
    output, last = model.recurrent(steps_first(x, batch_first), start)
    np.testing.assert_array_equal(y.data, model.head(output).data)
    np.testing.assert_array_equal(h_of(state).data, h_of(last).data)
    assert type(state) is type(last)


@every_kind
def test_the_state_is_handed_on_from_call_to_call(kind: str) -> None:
    """Two halves one after the other give what the whole gives."""
    model = nn.ManyToMany(layer(kind, num_layers=2), head(), embedding=nn.Embedding(V, I, rng=1))
    x = ids(T, B)
    whole, _ = model(x)
    first, state = model(x[:2])
    second, _ = model(x[2:], state)
    assert_near(np.concatenate([first.data, second.data]), whole.data, 1e-14)


def test_many_to_many_reads_padded_sequences_to_their_own_end() -> None:
    """Each is what it is alone; beyond its end the output is that of zeros."""
    model = nn.ManyToMany(nn.GRU(I, H, bidirectional=True, rng=0), head(2 * H))
    x, lengths = drawn(T, 3, I), [3, 5, 1]
    y, state = model(x, lengths=lengths)
    for b, n in enumerate(lengths):
        alone, end = model(x[:n, b])
        assert_near(y.data[:n, b], alone.data, 1e-13)
        assert_near(state.data[:, b], end.data, 1e-13)
        np.testing.assert_array_equal(
            y.data[n:, b], np.broadcast_to(model.head(np.zeros(2 * H)).data, (T - n, O))
        )


def test_many_to_many_has_the_gradients_of_the_hand() -> None:
    """A plain network with cross-entropy at each step: all parameters, and the loss."""
    model = nn.ManyToMany(nn.RNN(I, H, rng=0), head(outputs=V))
    x, targets = drawn(T, B, I), ids(T, B)
    result = manual.many_to_many(
        by_hand(model.recurrent, model.head), x, targets, np.zeros((B, H)),
        loss=manual.softmax_cross_entropy, layout="row", scale=1 / (T * B),
    )  # fmt: skip
    loss = tg.cross_entropy(model(x)[0], targets)
    loss.backward()
    assert_near(loss.item(), result.loss, 1e-13)
    assert_by_hand(model, result.gradients)


def test_many_to_many_is_what_truncated_backpropagation_takes() -> None:
    """`fit(..., tbptt=...)` carries its state, and learns a sequence that repeats itself."""
    text = np.tile([0, 1, 2, 0, 3, 4], 15)
    model = nn.ManyToMany(nn.LSTM(I, 8, rng=0), head(8, V), embedding=nn.Embedding(V, I, rng=1))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.05)
    data = text[:-1, None], text[1:, None]
    history = tg.fit(model, data, tg.cross_entropy, optimizer, epochs=12, tbptt=(4, 8))
    assert history.loss[-1] < 0.1 < 1 < history.loss[0]


# Encoder and decoder


def translator(kind: str, batch_first: bool = False, layers: int = 2) -> nn.EncoderDecoder:
    """An encoder-decoder of ids."""
    settings = {"num_layers": layers, "batch_first": batch_first}
    return nn.EncoderDecoder(
        layer(kind, **settings),
        layer(kind, **settings, rng=1),
        head(outputs=V),
        embedding=nn.Embedding(V, I, rng=2),
        target_embedding=nn.Embedding(V, I, rng=3),
    )


@every_kind
@either_first
def test_the_decoder_starts_in_the_encoders_last_state(kind: str, batch_first: bool) -> None:
    """Teacher forcing is the decoder's output from there on, through the head."""
    model = translator(kind, batch_first)
    x, shown = (steps_first(a, batch_first) for a in (ids(T, B), ids(4, B, seed=2)))
    y = model(x, shown)
    _, state = model.encoder(model.embedding(x))
    output, _ = model.decoder(model.target_embedding(shown), state)
    assert y.shape == ((B, 4, V) if batch_first else (4, B, V))
    np.testing.assert_array_equal(y.data, model.head(output).data)


@every_kind
@either_first
def test_free_running_is_teacher_forcing_on_its_own_words(kind: str, batch_first: bool) -> None:
    """Shown the ids that it wrote, the model gives the same outputs, whose largest they are."""
    model, seen = translator(kind, batch_first), []
    x = steps_first(ids(T, B), batch_first)

    def choose(output: tg.Tensor) -> Any:
        seen.append(output.data)
        return output.data.argmax(-1)

    written = model.generate(x, 4, 0, choose=choose)

    np.testing.assert_array_equal(model.generate(x, 4, 0), written)
    assert written.shape == ((B, 4) if batch_first else (4, B))
    words = steps_first(written, batch_first)
    shown = np.concatenate([np.zeros((1, B), int), words[:-1]])
    y = model(x, steps_first(shown, batch_first))
    assert_near(steps_first(y.data, batch_first), np.stack(seen), 1e-13)
    np.testing.assert_array_equal(y.data.argmax(-1), written)


@every_kind
@either_first
def test_vectors_are_fed_back_as_they_are(kind: str, batch_first: bool) -> None:
    """With vectors for ids: free running is teacher forcing on its own outputs, gradients too."""
    settings = {"batch_first": batch_first}
    model = nn.EncoderDecoder(layer(kind, **settings), layer(kind, **settings, rng=1), head())
    x, start = steps_first(drawn(T, B, I), batch_first), drawn(B, I, seed=4)

    written = model.generate(x, 4, start)

    words = steps_first(written.data, batch_first)
    shown = steps_first(np.concatenate([start[None], words[:-1]]), batch_first)
    assert_near(model(x, shown).data, written.data, 1e-13)
    short = x[:, :2] if batch_first else x[:2]
    assert_slopes(model, lambda: weighted(model.generate(short, 2, start)))


@every_kind
def test_gradients_of_teacher_forcing_equal_central_differences(kind: str) -> None:
    """Of encoder, decoder, head and both embeddings."""
    model = translator(kind, layers=1)
    assert_slopes(model, lambda: weighted(model(ids(2, B), ids(2, B, seed=2))))


@every_kind
@either_first
def test_padded_sources_are_read_to_their_own_end(kind: str, batch_first: bool) -> None:
    """What is written of each is what is written of it alone, forced or free."""
    model, lengths = translator(kind, batch_first), [3, 5, 1]
    x, shown = ids(T, 3), ids(4, 3, seed=2)
    given = [steps_first(a, batch_first) for a in (x, shown)]
    y = steps_first(model(*given, lengths=lengths).data, batch_first)
    start = np.array([0, 1, 2])
    written = steps_first(model.generate(given[0], 4, start, lengths=lengths), batch_first)
    for b, n in enumerate(lengths):
        assert_near(y[:, b], model(x[:n, b], shown[:, b]).data, 1e-13)
        np.testing.assert_array_equal(written[:, b], model.generate(x[:n, b], 4, b))


@pytest.mark.parametrize("shown_too", [False, True], ids=["many to one", "encoder-decoder"])
def test_lengths_are_handed_over_by_fit(shown_too: bool) -> None:
    """In the order of the arguments; with them the last letter of padded words can be learnt."""
    rng = np.random.default_rng(0)
    x, lengths = ids(64, 4), rng.integers(1, 5, size=64)
    last = x[np.arange(64), lengths - 1]
    words, settings = nn.Embedding(V, 8, rng=rng), {"batch_first": True, "rng": rng}
    model: nn.Module = nn.ManyToOne(nn.GRU(8, 16, **settings), head(16, V), embedding=words)
    data: tuple[np.ndarray, ...] = (x, lengths, last)
    if shown_too:
        layers = [nn.GRU(8, 16, **settings) for _ in range(2)]
        both = {"embedding": words, "target_embedding": words}
        model = nn.EncoderDecoder(*layers, head(16, V), **both)
        data = (x, np.zeros((64, 1), int), lengths, last[:, None])
    optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
    history = tg.fit(model, data, tg.cross_entropy, optimizer, epochs=15, batch_size=16, rng=rng)
    assert history.loss[-1] < 0.1


def test_one_start_is_for_the_whole_batch() -> None:
    """An id or a vector, in the layers' dtype; a start that is learnt has its gradient."""
    words = translator("GRU")
    np.testing.assert_array_equal(
        words.generate(ids(T, B), 3, 2), words.generate(ids(T, B), 3, [2, 2])
    )
    single = {"dtype": np.float32}
    model = nn.EncoderDecoder(
        layer("GRU", **single), layer("GRU", **single), nn.Linear(H, O, dtype=np.float32, rng=5)
    )
    x, start = drawn(T, B, I).astype(np.float32), drawn(I, seed=2)
    written = model.generate(x, 3, start)
    assert written.dtype == np.float32
    np.testing.assert_array_equal(written.data, model.generate(x, 3, np.stack([start] * B)).data)
    learnt = nn.Parameter(start, dtype=np.float32)
    weighted(model.generate(x, 3, learnt)).backward()
    assert learnt.grad.shape == (I,)
    assert learnt.grad.data.all()


def test_what_is_chosen_may_be_drawn_at_random() -> None:
    """`choose` decides what the next step is shown."""
    model, rng = translator("LSTM"), np.random.default_rng(0)

    def choose(output: tg.Tensor) -> Any:
        chances = tg.softmax(output).data.cumsum(-1)
        return (rng.random((len(chances), 1)) > chances).sum(-1)

    x = np.tile(ids(T, 1), 5000)  # the same sequence 5000 times
    first, second = model.generate(x, 2, 0, choose=choose)
    for v in range(V):
        shown = np.array([[0], [v]])
        p = tg.softmax(model(x[:, :1], shown)).data[:, 0]
        assert abs((first == v).mean() - p[0, v]) < 0.02
        shares = np.bincount(second[first == v], minlength=V) / (first == v).sum()
        np.testing.assert_allclose(shares, p[1], atol=0.08)


def test_a_bridge_makes_one_state_of_two_directions() -> None:
    """A bidirectional encoder and a decoder twice as wide, with the gradients of differences."""

    def bridge(h_n: Any) -> Any:
        return tg.concatenate([h_n[0], h_n[1]], axis=-1)[None]

    model = nn.EncoderDecoder(
        nn.GRU(I, 2, bidirectional=True, rng=0), nn.GRU(I, 4, rng=1), head(), bridge=bridge
    )
    x, shown = drawn(3, B, I), drawn(2, B, I)
    assert_slopes(model, lambda: weighted(model(x, shown)))
    with pytest.raises(ValueError, match="h_0 has shape"):
        nn.EncoderDecoder(model.encoder, model.decoder, head())(x, shown)


def test_embeddings_may_be_shared() -> None:
    """One for both is one parameter, whose gradient has the parts of both."""
    letters = nn.Embedding(V, I, rng=2)
    settings = {"embedding": letters, "target_embedding": letters}
    model = nn.EncoderDecoder(layer("GRU"), layer("GRU"), head(outputs=V), **settings)
    assert len(list(model.parameters())) == 2 * 4 + 2 + 1
    x, shown, values = ids(3, B), ids(2, B, seed=2), letters.weight.numpy()

    def loss(weight: np.ndarray) -> Any:
        letters.weight.data = weight
        return weighted(model(x, shown)).item()

    weighted(model(x, shown)).backward()
    found = letters.weight.grad.data
    assert_near(found.ravel(), differences(loss, [values], 0)[0], 1e-6)


# What is refused

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no step of one to many": (
        lambda: nn.OneToMany(nn.RNNCell(I, H), head(), 0), "OneToMany: steps is 0"),
    "no step to generate": (
        lambda: translator("GRU").generate(ids(T, B), 0, 0),
        "EncoderDecoder.generate: steps is 0"),
    "a decoder that sees ahead": (
        lambda: nn.EncoderDecoder(nn.GRU(I, H), nn.GRU(I, H, bidirectional=True), head()),
        "EncoderDecoder: the decoder must not be bidirectional"),
    "two orders of axes": (
        lambda: nn.EncoderDecoder(nn.GRU(I, H, batch_first=True), nn.GRU(I, H), head()),
        "both or neither must be batch_first"),
    "a state for lengths": (
        lambda: nn.ManyToOne(nn.GRU(I, H), head())(drawn(T, B, I), drawn(1, B, H)),
        r"lengths have shape \(1, 2, 4\)"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=list(WRONG))
def test_bad_input_is_named(call: Callable[[], Any], words: str) -> None:
    """What came, and what was needed."""
    with pytest.raises(ValueError, match=words):
        call()
