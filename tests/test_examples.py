"""The examples keep their promises: short, repeatable, and right about what they print."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import image

import tinygrad_rnn as tg

from .pages import entries, page_data

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("[0-9]*.py"))
TWO_STEPS, FORECAST, CHAR_RNN = "01_bptt_two_steps", "02_forecast_temperature", "03_char_rnn"
ADDING, NAMES = "04_adding_problem", "05_names_by_language"
REVERSE, CHAR_LSTM = "06_reverse_a_string", "07_char_lstm"
WHERE_FROM, GRADE = "08_where_does_the_gradient_come_from", "09_grade_my_bptt"
KRONECKER, VANISHING = "10_kronecker", "11_vanishing_gradients"
SOURCE = "12_write_my_backward_pass"
EXPLORE = "13_explore"
SHORT = {
    TWO_STEPS: {},
    FORECAST: {"epochs": 1},
    CHAR_RNN: {"steps": 200},
    ADDING: {"steps": 30},
    NAMES: {"epochs": 1},
    REVERSE: {"steps": 10},
    CHAR_LSTM: {"epochs": 1, "characters": 10_000},
    WHERE_FROM: {},
    GRADE: {},
    KRONECKER: {},
    VANISHING: {},
    EXPLORE: {},
}


def example(name: str) -> ModuleType:
    """The example of this name as a module, loaded from its file."""
    (path,) = [path for path in EXAMPLES if path.stem == name]
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 01 returns."""
    return example(TWO_STEPS).main(tmp_path_factory.mktemp("01") / "new" / "folder")


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 02 returns after its whole training."""
    return example(FORECAST).main(tmp_path_factory.mktemp("02") / "new" / "folder")


@pytest.fixture(scope="module")
def char_rnn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 03 returns after a fifth of its training."""
    return example(CHAR_RNN).main(tmp_path_factory.mktemp("03") / "new" / "folder", steps=800)


@pytest.fixture(scope="module")
def adding(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 04 returns after three quarters of its training."""
    return example(ADDING).main(tmp_path_factory.mktemp("04") / "new" / "folder", steps=450)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 05 returns after a third of its training."""
    return example(NAMES).main(tmp_path_factory.mktemp("05") / "new" / "folder", epochs=5)


@pytest.fixture(scope="module")
def reverse(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 06 returns after three eighths of its training."""
    return example(REVERSE).main(tmp_path_factory.mktemp("06") / "new" / "folder", steps=300)


@pytest.fixture(scope="module")
def char_lstm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 07 returns after two readings of a fifth of the text."""
    folder = tmp_path_factory.mktemp("07") / "new" / "folder"
    return example(CHAR_LSTM).main(folder, epochs=2, characters=40_000)


@pytest.fixture(scope="module")
def kronecker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What example 10 returns."""
    return example(KRONECKER).main(tmp_path_factory.mktemp("10") / "new" / "folder")


# All examples


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_opens_with_what_one_will_see(path: Path) -> None:
    """No example has more than 80 lines, and each starts with a docstring that says "will see"."""
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 80
    assert source.startswith('"""')
    assert "You will see" in (ast.get_docstring(ast.parse(source)) or "")
    assert source.endswith('\n\n\nif __name__ == "__main__":\n    main()\n')


@pytest.mark.parametrize("name", SHORT)
def test_an_example_prints_the_same_on_every_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs print the same text, and nothing of it goes to stderr."""
    printed = []
    for _ in range(2):
        example(name).main(tmp_path, **SHORT[name])
        printed.append(capsys.readouterr())
    assert printed[0] == printed[1]
    assert len(printed[0].out) > 100
    assert printed[0].err == ""


# 01: two steps of backpropagation through time


def test_tape_and_hand_agree_on_every_gradient_of_two_steps(two_steps: dict[str, Any]) -> None:
    """All parameters, inputs and the initial state are compared, and differ by at most 1e-12."""
    names = ["W_xh", "W_hh", "W_hy", "b_h", "b_y", "x_1", "x_2", "h_0"]
    assert list(two_steps["differences"]) == names
    assert max(two_steps["differences"].values()) <= 1e-12


def test_the_two_terms_add_up_to_the_gradient(two_steps: dict[str, Any]) -> None:
    """The terms of dL/dW_hh differ from each other and from 0; their sum is the gradient."""
    first, second = two_steps["terms"]
    np.testing.assert_allclose(first + second, two_steps["dW_hh"], rtol=0, atol=1e-12)
    sizes = [np.abs(array).max() for array in (first, second, first - second)]
    assert min(sizes) > 0.01


def test_gradients_of_two_steps_are_slopes_of_the_loss() -> None:
    """Each automatic gradient is the central difference of the example's own forward pass."""
    module, rng = example(TWO_STEPS), np.random.default_rng(1)
    arrays = {name: rng.normal(size=shape) for name, shape in module.SHAPES.items()}
    target = np.eye(module.O)[:, rng.integers(module.O, size=module.B)]
    leaves = {name: tg.Tensor(array, requires_grad=True) for name, array in arrays.items()}
    module.forward(**leaves, target=target)["loss"].backward()
    for name, array in arrays.items():
        way = rng.normal(size=array.shape)
        ends = [
            module.forward(**arrays | {name: array + step * way}, target=target)["loss"]
            for step in (-1e-5, 1e-5)
        ]
        slope = np.sum(leaves[name].grad.data * way)
        np.testing.assert_allclose((ends[1] - ends[0]) / 2e-5, slope, rtol=1e-6, atol=1e-8)


def test_the_drawing_of_two_steps_is_an_svg_that_names_them(two_steps: dict[str, Any]) -> None:
    """The file parses as SVG and shows both time steps, the weights, the states and the loss."""
    root = ElementTree.parse(two_steps["picture"]).getroot()
    texts = " ".join(text for text in root.itertext() if text.strip())
    assert two_steps["picture"].parts[-3:] == ("new", "folder", "01_bptt_two_steps.svg")
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for name in ("t=1", "t=2", "W_xh", "W_hh", "W_hy", "h_0", "h_1 =", "h_2 =", "loss ="):
        assert name in texts


# 02: the temperature of the next hour


def test_the_rnn_halves_the_error_of_the_last_value(forecast: dict[str, Any]) -> None:
    """On the last 1,664 hours the last value errs by 0.770 °F, and the RNN by half or less."""
    series = tg.data.seattle_temperatures()[:8327]
    baseline = np.sqrt(np.mean(np.diff(series[-1665:], axis=0) ** 2))
    assert forecast["rmse"]["last value"] == pytest.approx(baseline)
    assert baseline == pytest.approx(0.770, abs=5e-4)
    assert 0.1 < forecast["rmse"]["RNN"] / baseline < 0.5


def test_the_forecast_learns_by_the_gradient_that_the_hand_derives() -> None:
    """Mean squared error of many-to-one windows: all six gradients are those of tg.manual."""
    module, rng = example(FORECAST), np.random.default_rng(1)
    rnn, linear = tg.nn.RNN(1, 4, batch_first=True, rng=rng), tg.nn.Linear(4, 1, rng=rng)
    windows, targets = rng.normal(size=(6, module.T, 1)), rng.normal(size=(6, 1))
    tg.mse_loss(module.forecast(rnn, linear, windows), targets).backward()
    parameters = [*rnn.parameters(), *linear.parameters()]
    result = tg.manual.many_to_one(
        in_rows([p.data for p in parameters]),
        windows.transpose(1, 0, 2),
        targets,
        np.zeros((6, 4)),
        loss=tg.manual.squared_error,
        layout="row",
        scale=1 / 6,
    )
    assert_gradients([p.grad.data for p in parameters], result.gradients, 1e-12)


def test_the_forecast_is_drawn(forecast: dict[str, Any]) -> None:
    """The picture is a PNG of some size with more than one colour."""
    assert forecast["picture"].parts[-3:] == ("new", "folder", "02_forecast.png")
    assert_is_png(forecast["picture"])


# 03: a network that writes


def test_the_loss_falls_well_below_the_unigram_entropy(char_rnn: dict[str, Any]) -> None:
    """Genesis has 3.019 nats per character; the loss starts above and falls below 85 % of it."""
    text = tg.data.genesis()
    p = np.array([text.count(character) for character in sorted(set(text))]) / len(text)
    assert char_rnn["entropy"] == pytest.approx(-np.sum(p * np.log(p)))
    assert char_rnn["entropy"] == pytest.approx(3.019, abs=5e-4)
    assert len(char_rnn["losses"]) == 601
    assert char_rnn["losses"][0] > char_rnn["entropy"]
    assert 0.5 < char_rnn["losses"][-1] / char_rnn["entropy"] < 0.85


def test_training_carries_the_state_and_stops_the_gradient_at_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In each window the gradients are the hand's for a state that the window before ended in."""
    module, rng = example(CHAR_RNN), np.random.default_rng(1)
    vocabulary = tg.data.CharVocabulary("\nabcde")
    ids = rng.integers(6, size=200)
    rnn = tg.nn.RNN(6, 8, dtype="float32", rng=rng)
    linear = tg.nn.Linear(8, 6, dtype="float32", rng=rng)
    seen = []

    def clip(parameters: list[tg.Tensor], value: float) -> None:
        assert value == 5
        seen.append([(p.numpy(), p.grad.numpy()) for p in parameters])

    monkeypatch.setattr(tg.nn.utils, "clip_grad_value_", clip)
    module.train(rnn, linear, vocabulary, ids, 5, rng)
    assert len(seen) == 5
    h = np.zeros((1, 8))
    for step, pairs in enumerate(seen):
        values, gradients = zip(*pairs, strict=True)
        window = ids[25 * step : 25 * step + 26, None]
        result = tg.manual.many_to_many(
            in_rows([value.astype(float) for value in values]),
            vocabulary.one_hot(window[:-1]),
            window[1:],
            h,
            loss=tg.manual.softmax_cross_entropy,
            layout="row",
        )
        assert_gradients(gradients, result.gradients, 1e-4)
        h = result.h[-1]


def test_the_loss_curve_is_drawn(char_rnn: dict[str, Any]) -> None:
    """The picture is a PNG of some size with more than one colour."""
    assert char_rnn["picture"].parts[-3:] == ("new", "folder", "03_loss.png")
    assert_is_png(char_rnn["picture"])


# 04: two numbers to keep in mind


def test_the_lstm_adds_and_the_rnn_does_not(adding: dict[str, Any]) -> None:
    """On unseen sequences the LSTM errs by a tenth of the baseline or less, the RNN by as much."""
    baseline = adding["errors"]["answering 1"]
    assert baseline == pytest.approx(1 / 6, abs=0.02)
    assert adding["errors"]["LSTM"] < 0.1 * baseline
    assert 0.8 < adding["errors"]["RNN"] / baseline < 1.25
    assert {len(losses) for losses in adding["losses"].values()} == {431}


def test_two_steps_are_marked_and_their_numbers_are_the_sum() -> None:
    """One in either half; numbers are from 0 to 1."""
    module = example(ADDING)
    x, sums = module.sequences(100, np.random.default_rng(1))
    assert x.shape == (50, 100, 2)
    assert x.dtype == sums.dtype == np.float32
    for half in (x[:25, :, 1], x[25:, :, 1]):
        np.testing.assert_array_equal(np.sort(half, axis=0)[-2:], [np.zeros(100), np.ones(100)])
    np.testing.assert_allclose(sums, np.einsum("tb,tb->b", *x.transpose(2, 0, 1))[:, None])
    assert 0 <= x.min() <= x.max() <= 1


# 05: whose name is it?


def test_most_unseen_names_are_placed_right(names: dict[str, Any]) -> None:
    """More than half of 480 where guessing gives an eighth; each language more often than not."""
    confusion = names["confusion"]
    assert confusion.sum() == 480
    assert names["accuracy"] == pytest.approx(np.trace(confusion) / 480)
    assert names["accuracy"] > 0.5
    assert (confusion.argmax(axis=1) == np.arange(8)).all()


def test_known_names_are_not_among_those_that_are_learnt(names: dict[str, Any]) -> None:
    """Puccini is taken for Italian, Lewandowski for Polish, though neither is in the data."""
    known = example(NAMES).KNOWN.split()
    assert not {name for part in tg.data.names().values() for name in part} & set(known)
    answers = dict(zip(known, names["answers"], strict=True))
    assert answers["Puccini"] == "Italian"
    assert answers["Lewandowski"] == "Polish"


def test_padding_does_not_change_what_is_said_of_a_name() -> None:
    """The scores of a name in a batch are those of the name alone."""
    module, vocabulary = example(NAMES), tg.data.CharVocabulary(" abcdefghijklmnopqrstuvwxyz")
    model = module.network(len(vocabulary), 8, np.random.default_rng(0)).eval()
    several = ["Li", "Puccini", "Wordsworth"]
    together = model(*module.padded(several, vocabulary)).data
    for name, scores in zip(several, together, strict=True):
        alone = model(*module.padded([name], vocabulary)).data[0]
        np.testing.assert_allclose(scores, alone, rtol=0, atol=1e-6)


# 06: letters backwards


def test_most_strings_are_written_backwards(reverse: dict[str, Any]) -> None:
    """Free running, more than two thirds are right as a whole; at first none is."""
    steps, losses, right = reverse["curve"].T
    np.testing.assert_array_equal(steps, np.arange(30, 301, 30))
    assert losses[0] > 2 > 0.2 > losses[-1]
    assert right[0] < 0.05 < 2 / 3 < right[-1] <= 1
    assert sum(given[::-1] == found for given, found in reverse["pairs"]) >= 3


def test_targets_are_the_letters_backwards() -> None:
    """Of 5 to 8 letters each, with dots behind both."""
    module = example(REVERSE)
    x, lengths, y = module.strings(200, np.random.default_rng(1))
    assert set(lengths) == {5, 6, 7, 8}
    for b, n in enumerate(lengths):
        given, wanted = (module.LETTERS.decode(ids[:, b]) for ids in (x, y))
        assert len(given.rstrip(".")) == n
        assert wanted == given.rstrip(".")[::-1].ljust(9, ".")


# 07: a better writer


def test_the_lstm_foretells_unseen_text_better_than_the_rnn(char_lstm: dict[str, Any]) -> None:
    """Both are far below the unigram entropy, and fall from epoch to epoch."""
    rnn, lstm = (char_lstm["histories"][name].validation for name in ("RNN", "LSTM"))
    text = tg.data.genesis()[:40_000]
    p = np.array([text.count(character) for character in sorted(set(text))]) / len(text)
    assert char_lstm["entropy"] == pytest.approx(-np.sum(p * np.log(p)))
    assert 1 < lstm[1] < rnn[1] < 0.7 * char_lstm["entropy"]
    assert lstm[1] < lstm[0]
    assert rnn[1] < rnn[0]


def test_pieces_of_the_text_lie_side_by_side() -> None:
    """Each column goes on where the one before it ended; each target is the character after."""
    inputs, targets = example(CHAR_LSTM).strands(np.arange(1000))
    np.testing.assert_array_equal(inputs.T.ravel(), np.arange(31 * 32))
    np.testing.assert_array_equal(targets, inputs + 1)


@pytest.mark.parametrize("name", ["adding", "names", "reverse", "char_lstm", "kronecker"])
def test_what_was_learnt_is_drawn(name: str, request: pytest.FixtureRequest) -> None:
    """The picture is a PNG of some size with more than one colour, named as its example."""
    picture = request.getfixturevalue(name)["picture"]
    assert picture.parts[-3:-1] == ("new", "folder")
    assert picture.stem in SHORT
    assert_is_png(picture)


# 08: where the gradient comes from


def test_both_gradients_are_taken_apart_as_by_hand(tmp_path: Path) -> None:
    """The terms of dL/dW_hh, and dh and dh_next of each state, are those of the hand derivation."""
    module = example(WHERE_FROM)
    found, rng = module.main(tmp_path), np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) / 2 for name, shape in module.SHAPES.items()}
    x = rng.normal(size=(module.T, module.I, module.B))
    targets = rng.normal(size=(module.T, module.O, module.B))
    by_hand = tg.manual.many_to_many(
        tg.manual.Parameters(**arrays),
        x,
        targets,
        np.zeros((module.H, module.B)),
        loss=lambda y, target, layout: (np.sum((y - target) ** 2), 2 * (y - target)),
    )
    for step, term in zip(by_hand.steps, by_hand.terms(), strict=True):
        expected = {"term": term.W_hh, "dh": step.from_output, "dh_next": step.from_next}
        parts = dict(zip(("dh", "dh_next"), found["parts"][step.t], strict=True))
        parts["term"] = found["terms"][step.t]
        for name, array in expected.items():
            np.testing.assert_allclose(parts[name], array, rtol=1e-10, atol=1e-12)


# 09: a derivation is graded


def test_the_line_with_the_wrong_slope_is_found(tmp_path: Path) -> None:
    """(1 - h)² is named at dz_2; put right, all ten gradients agree."""
    found = example(GRADE).main(tmp_path)
    assert found["wrong"].first.name == "dz_2"
    assert found["wrong"].mistake == "tanh' was taken as (1 - h)², it is 1 - h²"
    assert found["right"].right
    assert len(found["right"].verdicts) == 10


# 10: a Jacobian as a Kronecker product


def test_the_kronecker_forms_are_what_the_tape_finds(kronecker: dict[str, Any]) -> None:
    """By vec(W) and by vec(W.T), in both layouts, up to rounding."""
    assert list(kronecker["differences"]) == example(KRONECKER).WAYS
    assert max(kronecker["differences"].values()) <= 1e-12


def test_three_ways_lead_to_one_gradient(kronecker: dict[str, Any]) -> None:
    """The tape, the matrix filled back, and the sum of one term for each hidden unit."""
    by_tape, by_matrix, by_entries = kronecker["gradients"].values()
    assert by_tape.shape == (3, 4)
    np.testing.assert_allclose(by_matrix, by_tape, rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_entries, by_tape, rtol=0, atol=1e-12)
    assert kronecker["terms"].shape == (4, 3, 4)
    np.testing.assert_allclose(kronecker["terms"].sum(axis=0), by_tape, rtol=0, atol=1e-12)


# 11: vanishing gradients


def test_gradients_vanish_in_the_rnn_and_not_in_the_lstm(tmp_path: Path) -> None:
    """At the first of sixty steps little is left in the RNN, and much in the LSTM."""
    found = example(VANISHING).main(tmp_path / "new")
    rnn, lstm = found["norms"]
    assert rnn[0] < 1e-10 * rnn[-1]
    assert lstm[0] > 1e-3 * lstm[-1]
    assert found["products"]["RNN"][0] < 1e-10
    assert found["products"]["LSTM"][0] > 0.1
    assert all(image.imread(path).std() > 0 for path in found["pictures"])


# 13: a page to look at


def test_the_page_of_two_steps_shows_both_terms(tmp_path: Path) -> None:
    """What the page's data has for W_hh are the terms that are printed, and their sum is .grad."""
    found = example(EXPLORE).main(tmp_path / "new" / "folder")
    assert found["page"].parts[-3:] == ("new", "folder", "13_explore.html")
    data = page_data(found["page"])
    (k,) = [k for k, node in enumerate(data["nodes"]) if node["name"] == "W_hh"]
    arrays = [
        entries(sent["array"])
        for visit in data["walk"]
        for sent in visit["sends"]
        if sent["to"] == k
    ]
    for array, t in zip(arrays, (2, 1), strict=True):
        np.testing.assert_allclose(array, found["terms"][t], rtol=1e-12)
        assert np.abs(array).max() > 0.1
    np.testing.assert_allclose(sum(arrays), found["dW_hh"], rtol=1e-12)


def test_the_derived_source_is_the_derivation_by_hand() -> None:
    """It agrees with the referee to 1e-12, in two loops of at most 40 lines."""
    found = example(SOURCE).main()
    assert found["loss"] == pytest.approx(found["by_hand"], rel=1e-13)
    assert set(found["differences"]) == {"W_xh", "W_hh", "W_hy", "b_h", "b_y"}
    assert max(found["differences"].values()) < 1e-12
    function = found["source"][found["source"].index("def loss_and_gradients") :].splitlines()
    assert len(function) <= 40
    assert sum(line.lstrip().startswith("for t in") for line in function) == 2
    assert "        dh_next = W_hh.T @ dz" in function


# What several tests compare with


def in_rows(values: list[np.ndarray]) -> tg.manual.Parameters:
    """The parameters of RNN and Linear as the hand derivation in row layout takes them."""
    W_ih, W_hh, b_ih, b_hh, W_hy, b_y = values
    return tg.manual.Parameters(W_ih.T, W_hh.T, W_hy.T, b_ih + b_hh, b_y)


def assert_gradients(automatic: Any, hand: tg.manual.Gradients, tolerance: float) -> None:
    """Those of RNN and Linear are the hand's, up to a part of the largest entry."""
    expected = [hand.W_xh.T, hand.W_hh.T, hand.b_h, hand.b_h, hand.W_hy.T, hand.b_y]
    for g, wanted in zip(automatic, expected, strict=True):
        np.testing.assert_allclose(g, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def assert_is_png(path: Path) -> None:
    """It starts as a PNG does, and can be read as a picture."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = image.imread(path)
    assert min(pixels.shape[:2]) > 400
    assert pixels.std() > 0
