"""The page that explore writes tells the truth, in one file, whatever things are called."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tape import tape
from tinygrad_rnn.views.explore import SCRIPTS, STYLES
from tinygrad_rnn.views.explore.arrays import shown
from tinygrad_rnn.views.explore.timeline import states_by_layer

from .pages import NASTY, Computed, entries, page_data, two_steps, with_gradients

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def rnn() -> Computed:
    """A two-step RNN after its backward pass."""
    return two_steps()


@pytest.fixture(scope="module")
def page(rnn: Computed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    return tg.explore(rnn.loss, tmp_path_factory.mktemp("page") / "rnn.html", names=rnn.names)


@pytest.fixture(scope="module")
def data(page: Path) -> dict[str, Any]:
    """What its page tells."""
    return page_data(page)


def parameter(*values: float, name: str | None = None) -> tg.Tensor:
    """A leaf that requires a gradient."""
    return tg.Tensor(values, requires_grad=True, name=name)


def number(rnn: Computed, name: str) -> int:
    """The place of a named node on the tape."""
    return next(k for k, node in enumerate(rnn.nodes) if node is rnn.names[name])


def drawing(page: Path) -> ElementTree.Element:
    """The SVG in a page."""
    (svg,) = re.findall(r"<svg.*?</svg>", page.read_text(encoding="utf-8"), re.S)
    return ElementTree.fromstring(svg)


# What it tells


def test_nodes_are_the_tape_in_recorded_order(rnn: Computed, data: dict[str, Any]) -> None:
    """Each node has its name, op, shape, time step and value."""
    assert [node["op"] for node in data["nodes"]] == [x.op and x.op.name for x in rnn.nodes]
    for node, x in zip(data["nodes"], rnn.nodes, strict=True):
        assert node["shape"] == list(x.shape)
        np.testing.assert_array_equal(entries(node["value"]), x.data)
    by_name = {node["name"]: node for node in data["nodes"]}
    assert rnn.names.keys() <= by_name.keys()
    assert [by_name[name]["step"] for name in ("h_1", "h_2", "y")] == [1, 2, None]
    kinds = [by_name[name]["kind"] for name in ("W_hh", "x_1", "h_1")]
    assert kinds == ["parameter", "input", "result"]


def test_the_walk_visits_what_has_a_gradient_last_recorded_first(
    rnn: Computed, data: dict[str, Any]
) -> None:
    """Its nodes are those that backward reaches, in the reverse of the recorded order."""
    reached = [k for k, x in enumerate(rnn.nodes) if x.grad is not None]
    assert [visit["node"] for visit in data["walk"]] == reached[::-1]


def test_gradients_are_those_of_backward(rnn: Computed, data: dict[str, Any]) -> None:
    """Of parameters and of every intermediate result."""
    assert len(data["walk"]) == 22
    for visit in data["walk"]:
        grad = rnn.nodes[visit["node"]].grad
        assert grad is not None
        np.testing.assert_allclose(entries(visit["gradient"]), grad.data, rtol=1e-12, atol=1e-15)
        assert 0 <= data["nodes"][visit["node"]]["difference"] < 1e-12


def test_terms_add_up_to_the_gradient(data: dict[str, Any]) -> None:
    """Each total is the terms so far; the last total is the gradient that is visited later."""
    gradients = {visit["node"]: entries(visit["gradient"]) for visit in data["walk"]}
    totals: dict[int, Any] = {}
    for visit in data["walk"]:
        for sent in visit["sends"]:
            totals[sent["to"]] = totals.get(sent["to"], 0.0) + entries(sent["array"])
            np.testing.assert_allclose(entries(sent["total"]), totals[sent["to"]], rtol=1e-12)
    assert totals.keys() == gradients.keys() - {data["walk"][0]["node"]}
    for node, total in totals.items():
        np.testing.assert_allclose(total, gradients[node], rtol=1e-12)


def test_a_shared_weight_gets_a_term_from_each_step(rnn: Computed, data: dict[str, Any]) -> None:
    """W_hh gets two, the last step's first: they are those of by_step."""
    k = number(rnn, "W_hh")
    found = [sent["array"] for visit in data["walk"] for sent in visit["sends"] if sent["to"] == k]
    terms = tg.bptt.by_step(rnn.loss, rnn.names["W_hh"])
    assert list(terms) == [1, 2]
    for array, term in zip(found, (terms[2], terms[1]), strict=True):
        np.testing.assert_allclose(entries(array), term, rtol=1e-12)


def test_what_is_sent_goes_along_its_edge(data: dict[str, Any]) -> None:
    """The edge of each sent term leads from where it goes to where it comes from."""
    for visit in data["walk"]:
        for sent in visit["sends"]:
            assert data["edges"][sent["edge"]][:2] == [sent["to"], visit["node"]]
            assert sent["rule"]


def test_the_flow_is_the_norm_of_each_state_s_gradient(rnn: Computed, data: dict[str, Any]) -> None:
    """One row for the layer; each cell names the visit of its state."""
    ((name, cells),) = data["flow"]
    assert name == "h_t"
    expected = tg.bptt.flow(rnn.loss, {"h": [rnn.names["h_1"], rnn.names["h_2"]]}).values[0]
    assert [t for t, _, _ in cells] == [1, 2]
    np.testing.assert_allclose([norm for _, _, norm in cells], expected, rtol=1e-12)
    visited = [rnn.nodes[data["walk"][visit]["node"]] for _, visit, _ in cells]
    assert visited[0] is rnn.names["h_1"]
    assert visited[1] is rnn.names["h_2"]


def test_states_of_layers_are_the_layers_states() -> None:
    """Of two stacked LSTM layers h and c at each of three steps, of an RNN h."""
    lstm = tg.nn.LSTM(3, 4, num_layers=2, rng=0)
    output, _ = lstm(np.ones((3, 2, 3)))
    found = states_by_layer(tape(tg.sum(output**2)))
    assert [list(states) for states in found] == [[1, 2, 3]] * 4
    last = tg.bptt.states(output)
    assert [states[3] for states in found if states[3] is last[2]] == [last[2]]
    output, _ = tg.nn.RNN(3, 4, rng=0)(np.ones((3, 2, 3)))
    (states,) = states_by_layer(tape(tg.sum(output**2)))
    assert all(a is b for a, b in zip(states.values(), tg.bptt.states(output), strict=True))


def test_a_first_step_may_be_shorter() -> None:
    """Where the first step has no state to start from, its state is found all the same."""
    w, h, states = parameter(0.5), None, []
    for t in (1, 2, 3):
        with tg.scope(f"t={t}"):
            h = tg.tanh(w * 2.0 if h is None else w * 2.0 + w * h)
        states.append(h)
    (found,) = states_by_layer(tape(tg.sum(h)))
    assert all(a is b for a, b in zip(found.values(), states, strict=True))


def test_without_time_steps_there_is_no_flow(tmp_path: Path) -> None:
    """A loss outside of all scopes has no rows."""
    w = parameter(1.0, 2.0)
    assert page_data(tg.explore(tg.sum(w * w), tmp_path / "x.html"))["flow"] == []


def test_an_input_used_twice_has_two_edges_and_two_terms(tmp_path: Path) -> None:
    """In w * w both places get a term, each on an edge of its own."""
    w = parameter(3.0, name="w")
    page = tg.explore(tg.sum(w * w), tmp_path / "x.html")
    data = page_data(page)
    product = data["walk"][1]
    assert [sent["edge"] for sent in product["sends"]] == [0, 1]
    assert [sent["total"]["cells"] for sent in product["sends"]] == [[3.0], [6.0]]
    assert {f"e{k}" for k in range(3)} <= {x.get("id") for x in drawing(page).iter()}


def test_a_gradient_that_is_not_that_of_the_page_is_told(tmp_path: Path) -> None:
    """Where .grad holds the sum of two backward passes, the page says how far it is."""
    w = parameter(3.0, name="w")
    loss = tg.sum(w * w)
    loss.backward()
    loss.backward()
    assert page_data(tg.explore(loss, tmp_path / "x.html"))["nodes"][0]["difference"] == 6.0


def test_exploring_changes_no_gradient(tmp_path: Path) -> None:
    """Without a backward pass there is no .grad afterwards either."""
    w = parameter(3.0)
    data = page_data(tg.explore(tg.sum(w * w), tmp_path / "x.html"))
    assert w.grad is None
    assert data["nodes"][0]["difference"] is None


def test_infinities_and_nan_are_told(tmp_path: Path) -> None:
    """JSON has no numbers for them: they arrive by name."""
    w = parameter(0.0, -1.0, 1.0)
    with np.errstate(all="ignore"):
        loss = tg.sum(tg.log(w))
        data = page_data(tg.explore(loss, tmp_path / "x.html"))
    assert data["nodes"][1]["value"]["cells"] == ["-Infinity", "NaN", 0.0]
    assert data["walk"][2]["gradient"]["cells"] == ["Infinity", -1.0, 1.0]


# Large arrays, large graphs


@pytest.mark.parametrize(
    ("shape", "most", "block"),
    [
        ((), 16, [1, 1]),
        ((0,), 16, [1, 1]),
        ((16,), 16, [1, 1]),
        ((17,), 16, [1, 2]),
        ((160, 3), 60, [8, 1]),
        ((100, 100), 100, [10, 10]),
        ((2, 3, 50), 100, [2, 2]),
    ],
)
def test_an_array_is_summed_up_in_blocks(
    shape: tuple[int, ...], most: int, block: list[int]
) -> None:
    """There are at most so many cells; each is the largest entry of its block, with its sign."""
    array = np.random.default_rng(0).normal(size=shape)
    found = shown(array, most)
    down, across = block
    matrix = array.reshape(-1, shape[-1] if shape else 1) if array.size else array
    assert (found["shape"], found["block"]) == (list(shape), block)
    assert len(found["cells"]) == found["rows"] * found["cols"] <= most
    assert found["norm"] == pytest.approx(float(np.linalg.norm(array)))
    for k, cell in enumerate(found["cells"]):
        i, j = divmod(k, found["cols"])
        part = matrix[i * down : (i + 1) * down, j * across : (j + 1) * across].ravel()
        assert cell == pytest.approx(part[np.argmax(np.abs(part))], rel=5e-4)


def test_a_page_of_two_steps_is_small(page: Path) -> None:
    """Below 2 MB; so is that of an LSTM with a million weights."""
    assert page.stat().st_size < 200_000
    output, _ = tg.nn.LSTM(500, 400, rng=0, dtype=np.float32)(np.ones((2, 8, 500)))
    big = tg.explore(tg.sum(output**2), page.with_name("big.html"))
    assert big.stat().st_size < 2_000_000


def test_a_graph_that_nobody_can_read_is_refused(tmp_path: Path) -> None:
    """A chain of 100,000 nodes is refused at once, with what to do instead."""
    x = parameter(1.0)
    for _ in range(100_000):
        x = x * 1.0
    with pytest.raises(ValueError, match=r"100002 nodes, and a page holds 1000; explore fewer"):
        tg.explore(tg.sum(x), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


# One file that loads nothing


def test_every_node_and_edge_is_drawn_once(rnn: Computed, page: Path, data: dict[str, Any]) -> None:
    """The drawing has an element of each id, its kind as a class, and no looks of its own."""
    found = [x for x in drawing(page).iter() if x.get("id")]
    ids = [x.get("id") for x in found]
    assert len(set(ids)) == len(ids)
    nodes = {f"n{k}" for k in range(len(rnn.nodes))}
    assert nodes | {f"e{k}" for k in range(len(data["edges"]))} | {"drawing"} == set(ids)
    kinds = {x.get("id"): x.get("class") for x in found}
    assert kinds[f"n{number(rnn, 'W_hh')}"] == "node parameter"
    keys = {key for x in drawing(page).iter() for key in x.attrib}
    assert not keys & {"fill", "stroke", "style", "href", "font-family"}


@pytest.mark.parametrize("renderer", ["pip's", "the system's"])
def test_both_renderers_draw_all_of_it(
    renderer: str, rnn: Computed, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pip's Graphviz and with the system's the same elements have the same ids and texts."""

    def drawn(path: Path) -> dict[str, list[str]]:
        groups = [x for x in drawing(path).iter("g") if x.get("id")]
        return {str(x.get("id")): [line.text or "" for line in x.iter("text")] for x in groups}

    if renderer == "pip's":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif not shutil.which("dot"):
        pytest.skip("there is no dot")
    again = tg.explore(rnn.loss, tmp_path / "x.html", names=rnn.names)
    assert drawn(again) == drawn(page)
    assert len(drawn(again)) == len(rnn.nodes) + len(page_data(page)["edges"])


def test_without_a_renderer_there_is_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to install; nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tinygrad_rnn.views.drawing.picture._installed", lambda: None)
    with pytest.raises(RuntimeError, match=r'pip install "tinygrad_rnn\[render\]"'):
        tg.explore(tg.sum(parameter(1.0) * 2), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_a_page_loads_nothing(page: Path) -> None:
    """No address, no import, no attribute that loads; its policy forbids all but its own parts."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w+\.|@import|url\(|\ssrc=|\shref=|<link|<iframe", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src 'none';")
    for name in ("style", "script"):
        (part,) = re.findall(rf"<{name}>(.*?)</{name}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_the_parts_of_the_page_are_packaged() -> None:
    """setup.cfg names the folder that they are in."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["options.package_data"]["tinygrad_rnn.views.explore"] == "page/*"
    folder = Path(tg.__file__).parent / "views" / "explore" / "page"
    assert {x.name for x in folder.iterdir()} == {"page.html", *STYLES, *SCRIPTS}


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_only_a_name(name: str, tmp_path: Path) -> None:
    """Whatever a leaf, a result and a scope are called: the elements are those of plain names."""

    def page(called: str) -> Path:
        w = parameter(1.0, 2.0, name=called)
        with tg.scope(called):
            loss = tg.sum(w * 2)
        return tg.explore(loss, tmp_path / "x.html", names={called: loss})

    def tags(path: Path) -> list[str]:
        found = re.findall(r"</?[a-z!][\w-]*", path.read_text(encoding="utf-8"))
        return [tag for tag in found if "text" not in tag]  # a name may have several lines

    plain = tags(page("w"))
    found = page(name)
    assert tags(found) == plain
    assert page_data(found)["nodes"][-1]["name"] == " ".join(name.splitlines())[:40]
    assert "\u2028" not in re.split("</svg>", found.read_text(encoding="utf-8"))[1]


def test_long_names_are_cut(tmp_path: Path) -> None:
    """A name of a million characters takes forty."""
    w = parameter(1.0, name="w" * 1_000_000)
    page = tg.explore(tg.sum(w * 2), tmp_path / "x.html")
    assert page_data(page)["nodes"][0]["name"] == "w" * 40
    assert page.stat().st_size < 100_000


# Writing


def test_a_page_replaces_the_old_one_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the new file cannot take the old one's place, the old one is as it was."""
    path = tmp_path / "x.html"
    path.write_text("old")

    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if target != path:
            return replace(source, target)
        assert b"</html>" in source.read_bytes()
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="read-only"):
        tg.explore(tg.sum(parameter(1.0) * 2), path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"x.html": "old"}
    monkeypatch.undo()
    assert tg.explore(tg.sum(parameter(1.0) * 2), str(path)) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_same_graph_gives_the_same_page(rnn: Computed, page: Path, tmp_path: Path) -> None:
    """Byte by byte."""
    again = two_steps()
    assert tg.explore(again.loss, tmp_path / "x.html", names=again.names).read_bytes() == (
        page.read_bytes()
    )


@pytest.mark.parametrize(
    ("loss", "path", "error", "message"),
    [
        (1.0, "x.html", TypeError, r"explore: the loss must be a Tensor, not float"),
        (tg.Tensor(1.0), "x.html", RuntimeError, "explore: the loss depends on no tensor"),
        (parameter(1.0, 2.0), "x.html", ValueError, r"explore: the loss has shape \(2,\)"),
        (parameter(1.0), "x.svg", ValueError, r"explore: '.*x\.svg' must end in \.html"),
        (parameter(1.0), "no/x.html", FileNotFoundError, "explore: there is no folder '.*no'"),
    ],
    ids=["no tensor", "no gradient", "several entries", "no page", "no folder"],
)
def test_errors_say_what_is_needed(
    loss: Any, path: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    """What came and what was needed; nothing is written."""
    with pytest.raises(error, match=message):
        tg.explore(loss, tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_a_parameter_that_was_updated_has_no_page(tmp_path: Path) -> None:
    """Where a weight was written after it was used, the error is that of backward."""
    w = parameter(3.0, name="w")
    loss = tg.sum(w * w)
    w.data = w.data - 0.1
    with pytest.raises(RuntimeError, match="w was written after it was recorded"):
        tg.explore(loss, tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_inputs_of_time_steps_keep_their_names(tmp_path: Path) -> None:
    """x_1 and x_2 go by their own .name, in formulas and rules too."""
    w, h = tg.Tensor([[0.5]], requires_grad=True, name="w"), tg.Tensor([[1.0]])
    for t in (1, 2):
        with tg.scope(f"t={t}"):
            h = tg.tanh(w @ tg.Tensor([[2.0 * t]], name=f"x_{t}") + w @ h)
    data = page_data(tg.explore(tg.sum(h), tmp_path / "x.html"))
    names = [node["name"] for node in data["nodes"]]
    assert {"x_1", "x_2"} <= set(names)
    rules = [sent["rule"] for visit in data["walk"] for sent in visit["sends"]]
    assert [rule.split(" @ ")[-1] for rule in rules if "x_" in rule] == ["x_2.T", "x_1.T"]


def test_a_leaf_can_be_a_loss(tmp_path: Path) -> None:
    """A single node, whose gradient is 1."""
    data = page_data(tg.explore(parameter(5.0), tmp_path / "x.html"))
    assert [visit["gradient"]["cells"] for visit in data["walk"]] == [[1.0]]


def test_float32_pages_have_float32_numbers(tmp_path: Path) -> None:
    """Each number is exactly the float32 entry."""
    w = tg.Tensor(np.float32([0.1, 0.2]), requires_grad=True)
    found = with_gradients(tg.sum(w * w))
    data = page_data(tg.explore(found.loss, tmp_path / "x.html"))
    assert data["nodes"][0]["dtype"] == "float32"
    assert w.grad is not None
    assert data["walk"][-1]["gradient"]["cells"] == w.grad.data.tolist()
    assert all(a >= b for a, b in pairwise(visit["node"] for visit in data["walk"]))
