"""The drawn graph is the recorded one, whatever things are called, and pictures are files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import weakref
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.engine.tape import tape
from tinygrad_rnn.views import render
from tinygrad_rnn.views.drawing import draw
from tinygrad_rnn.views.drawing.style import KINDS

from .dot import elements, labels, read, texts, words

NASTY = [
    '"];x[label="p',
    "ends in \\",
    r"\N \G \L \l \r \n \T",
    "<b>x</b>",
    "<TABLE>",
    "{a|b}",
    "a:b:c",
    "node",
    "graph",
    "subgraph",
    "-1.5",
    "&lt; &amp; &#65; &",
    "🎉 σ(日本)",
    "javascript:alert(1)",
    "a -> b; // c /* d",
    "%s %d {0}",
    '\\"',
    "#",
]


def parameter(*values: float, name: str | None = None) -> tg.Tensor:
    """A leaf that requires a gradient."""
    return tg.Tensor(values, requires_grad=True, name=name)


def rnn(steps: int) -> Any:
    """h_t = tanh(W_xh x_t + W_hh h_{t-1} + b), and the sum of the last h as loss."""
    W_xh = tg.Tensor(np.full((4, 3), 0.1), requires_grad=True, name="W_xh")
    W_hh = tg.Tensor(np.full((4, 4), 0.2), requires_grad=True, name="W_hh")
    b = tg.Tensor(np.full((4, 1), 0.3), requires_grad=True, name="b")
    h = tg.Tensor(np.zeros((4, 1)), name="h_0")
    for t in range(1, steps + 1):
        with tg.scope(f"t={t}"):
            x = tg.Tensor(np.ones((3, 1)), name=f"x_{t}")
            h = tg.tanh(W_xh @ x + W_hh @ h + b)
            h.name = f"h_{t}"
    loss = tg.sum(h)
    loss.name = "loss"
    return loss


@pytest.fixture
def graph() -> graphviz.Digraph:
    """Two time steps."""
    return draw(rnn(2))


# What is drawn


def test_a_tiny_graph_has_exactly_its_nodes_and_edges() -> None:
    """tanh(w * x) is four nodes in recorded order, and three edges in the order of the inputs."""
    w, x = parameter(1.0, 2.0, name="w"), tg.Tensor([3.0, 4.0], name="x")
    graph = draw(tg.tanh(w * x), names={})
    assert labels(graph) == {
        "n0": ["w", "(2,)"],
        "n1": ["x", "(2,)"],
        "n2": ["multiply(w, x)", "(2,)"],
        "n3": ["tanh", "(2,)"],
    }
    assert read(graph).edges == [("n0", "n2"), ("n1", "n2"), ("n2", "n3")]


def test_two_steps_show_both_uses_of_every_weight(graph: graphviz.Digraph) -> None:
    """W_xh, W_hh and b are one node each, with one edge into either time step."""
    found, says = read(graph), {key: lines[0] for key, lines in labels(graph).items()}
    uses: dict[str, list[str]] = {"W_xh": [], "W_hh": [], "b": []}
    for tail, head in found.edges:
        uses.get(says[tail], []).append(says[head])
    assert uses == {
        "W_xh": ["matmul(W_xh, x_1)", "matmul(W_xh, x_2)"],
        "W_hh": ["matmul(W_hh, h_0)", "matmul(W_hh, h_1)"],
        "b": ["add(·, b)", "add(·, b)"],
    }


def test_each_scope_is_one_frame_around_its_nodes(graph: graphviz.Digraph) -> None:
    """A step's input and ops stand in its frame; parameters, h_0 and the loss stand outside."""
    says, frames = labels(graph), read(graph).frames
    named = {scope: [says[key][0] for key in keys] for scope, keys in frames.items()}
    assert named == {
        (): ["W_xh", "W_hh", "b", "h_0", "loss = sum"],
        ("t=1",): [
            "x_1",
            "matmul(W_xh, x_1)",
            "matmul(W_hh, h_0)",
            "add",
            "add(·, b)",
            "h_1 = tanh",
        ],
        ("t=2",): [
            "x_2",
            "matmul(W_xh, x_2)",
            "matmul(W_hh, h_1)",
            "add",
            "add(·, b)",
            "h_2 = tanh",
        ],
    }


def test_frames_nest_and_a_scope_entered_again_keeps_its_frame() -> None:
    """Layers contain their own time steps, and what comes later in a scope joins what was there."""
    x = parameter(1.0)
    for layer in ("layer 0", "layer 1", "layer 0"):
        with tg.scope(layer), tg.scope("t=1"):
            x = tg.exp(x)
    assert read(draw(x)).frames == {
        (): ["n0"],
        ("layer 0",): [],
        ("layer 0", "t=1"): ["n1", "n3"],
        ("layer 1",): [],
        ("layer 1", "t=1"): ["n2"],
    }


def test_edges_come_in_the_order_of_the_inputs() -> None:
    """b - a has first the edge from b, though a was recorded first; a * a has two edges from a."""
    a, b = parameter(1.0, name="a"), parameter(2.0, name="b")
    found = draw((b - a) * (b - a)), draw(a * a)
    assert read(found[0]).edges[:2] == [("n1", "n2"), ("n0", "n2")]
    assert labels(found[0])["n2"][0] == "subtract(b, a)"
    assert read(found[1]).edges == [("n0", "n1"), ("n0", "n1")]


def test_numbers_stand_in_place_and_arrays_are_nodes_of_their_own() -> None:
    """1 - w shows the 1; an array or a list that is no Tensor is a node that shows its shape."""
    w = parameter(1.0, 2.0, name="w")
    result: Any = np.ones((3, 2)) * (1 - w) / [4.0, 0.5]
    graph = draw(result)
    assert labels(graph) == {
        "n0": ["w", "(2,)"],
        "n1": ["subtract(1, w)", "(2,)"],
        "n2_0": ["(3, 2)"],
        "n2": ["multiply", "(3, 2)"],
        "n3_1": ["(2,)"],
        "n3": ["divide", "(3, 2)"],
    }
    assert read(graph).edges[1:] == [("n2_0", "n2"), ("n1", "n2"), ("n2", "n3"), ("n3_1", "n3")]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (lambda w: tg.sum(w, axis=0), "(w, axis=0)"),
        (lambda w: tg.sum(w), ""),
        (lambda w: w[0, 1:], "(w, index=(0, 1:))"),
        (lambda w: w[..., ::2], "(w, index=(..., ::2))"),
        (lambda w: w * np.float64(0.1), "(w, 0.1)"),
        (lambda w: w * (0.1 + 0.2), "(w, 0.3)"),
        (lambda w: w.astype(np.float32), "(w, dtype=float32)"),
        (lambda w: w.astype(np.dtype("f4")), "(w, dtype=float32)"),
    ],
)
def test_settings_are_shown_as_they_are_written(result: Any, text: str) -> None:
    """What an op was told stands in its call: axes, indices, dtypes; what is None does not."""
    graph = draw(result(tg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")))
    assert "".join(labels(graph)["n1"][0].partition("(")[1:]) == text


def test_gradient_norms_appear_once_gradients_are_there() -> None:
    """After backward through 3a + 4b the node of (a, b) shows the norm 5, and only that node."""
    w = parameter(1.0, 1.0, name="w")
    loss = tg.sum(w * tg.Tensor([3.0, 4.0]))
    assert "‖grad‖" not in draw(loss).source
    loss.backward()
    assert labels(draw(loss))["n0"] == ["w", "(2,)", "‖grad‖ = 5"]
    assert draw(loss).source.count("‖grad‖") == 1


@pytest.mark.parametrize(
    ("gradient", "norm"),
    [([3e200, 4e200], "5e+200"), ([0.0, 0.0], "0"), ([np.inf, 1.0], "inf"), ([np.nan, 1], "nan")],
)
def test_norms_of_extreme_gradients_are_told(gradient: list[float], norm: str) -> None:
    """The norm neither overflows on the way nor hides what is not finite."""
    w = parameter(1.0, 1.0)
    w.grad = tg.Tensor(gradient, dtype=float)
    assert labels(draw(w))["n0"][-1] == f"‖grad‖ = {norm}"


def test_an_empty_parameter_has_gradient_norm_0() -> None:
    """No entries make the norm 0."""
    w = tg.Tensor(np.zeros((0, 2)), requires_grad=True)
    w.grad = tg.Tensor(np.zeros((0, 2)))
    assert labels(draw(w)) == {"n0": ["(0, 2)", "‖grad‖ = 0"]}


def test_names_are_taken_from_the_caller_then_from_the_tensors() -> None:
    """Tensors among the names are called so, by both where there are two; others keep their own."""
    w, x = parameter(1.0, name="own"), parameter(2.0, name="x's own")
    h = tg.tanh(w)
    names = {"w": w, "h": h, "number": 3, "array": np.ones(1), "none": None, "same": h, "y": -x}
    assert [lines[0] for lines in labels(draw(h * x, names=names)).values()] == [
        "w",
        "x's own",
        "h = same = tanh",
        "multiply(h = same, x's own)",
    ]


def test_modules_name_their_parameters() -> None:
    """A model among the names gives dotted names; a name of the Tensor's own there comes first."""

    class Model(tg.nn.Module):
        def __init__(self) -> None:
            self.rnn = tg.nn.RNN(2, 3, rng=0)
            self.out = tg.nn.Linear(3, 1, rng=0)

    model = Model()
    loss = tg.sum(model.out(model.rnn(np.ones((2, 1, 2)))[0]))
    names = {"model": model, "b": model.out.bias, "other": tg.nn.Linear(1, 1)}
    leaves = [
        box.lines[0] for box in draw(loss, names=names).sheet.boxes if box.kind == "parameter"
    ]
    assert leaves == [
        "model.rnn.weight_ih_l0",
        "model.rnn.weight_hh_l0",
        "model.rnn.bias_ih_l0",
        "model.rnn.bias_hh_l0",
        "model.out.weight",
        "b",
    ]


def test_tensors_without_names_show_their_shape_alone() -> None:
    """An unnamed or empty-named leaf is its shape, an unnamed result its op and its shape."""
    w = parameter(1.0, name="")
    assert list(labels(draw(-w, names={"": w})).values()) == [["(1,)"], ["negative", "(1,)"]]


def test_kinds_differ_in_outline_not_only_in_colour() -> None:
    """Parameter, input, result, output and constant are told apart in black and white."""
    w, x = parameter(1.0), tg.Tensor([2.0])
    nodes = read(draw(tg.exp((w + x) * np.ones(1)))).nodes
    outlines = {tuple(node.get(key) for key in ("shape", "style", "penwidth", "peripheries"))
                for node in nodes.values()}  # fmt: skip
    assert outlines == {
        (None, "filled", "2", None),
        ("ellipse", "filled", None, None),
        (None, None, None, None),
        (None, "dashed,filled", None, None),
        (None, None, None, "2"),
    }


def test_all_kinds_of_boxes_have_an_outline_of_their_own() -> None:
    """Shape, style and width of the line tell kinds apart, but for results with a name."""
    outlines = {
        tuple(style.get(key) for key in ("shape", "style", "penwidth")) for style in KINDS.values()
    }
    assert len(outlines) == len(KINDS) - 1
    assert KINDS["result"] != KINDS["named"]


def test_the_legend_shows_the_kinds_that_are_there_as_they_look() -> None:
    """A sample for each kind of box in the drawing, with its attributes, and for no other."""
    drawing = draw(rnn(9))
    samples = re.findall(r"\n\t\tlegend_(\w+) \[(.*)\]", drawing.source)
    assert [kind for kind, _ in samples] == [
        "parameter", "input", "result", "named", "steps", "output",
    ]  # fmt: skip
    for kind, attributes in samples[:-1]:
        for key, value in KINDS[kind].items():
            assert f'{key}="{value}"' in attributes or f"{key}={value}" in attributes
    assert "legend" not in draw(rnn(9), legend=False).source


def test_a_copy_of_a_drawing_shows_the_same() -> None:
    """Its text and its source are those of the original, which it leaves alone when it changes."""
    drawing = draw(rnn(1))
    copy = drawing.copy()
    assert (copy.source, copy.text()) == (drawing.source, drawing.text())
    copy.node("more")
    assert "more" in copy.source
    assert "more" not in drawing.source


def test_frames_are_left_out_where_they_are_not_wanted() -> None:
    """group=False draws the same boxes and edges, and no frame."""
    framed, plain = draw(rnn(3)), draw(rnn(3), group=False)
    assert read(plain).edges == read(framed).edges
    assert labels(plain) == labels(framed)
    assert list(read(plain).frames) == [()]


def test_several_outputs_share_one_graph() -> None:
    """Two outputs are both marked, and what they share is drawn once."""
    w = parameter(1.0)
    shared = tg.exp(w)
    nodes = read(draw(-shared, tg.tanh(shared))).nodes
    assert [node.get("peripheries") for node in nodes.values()] == [None, None, "2", "2"]


def test_a_recorded_backward_pass_is_drawn_too() -> None:
    """d(w³)/dw is a graph like any other: 3w² came from w."""
    w = parameter(2.0, name="w")
    slope: Any = tg.grad(tg.sum(w * w * w), w, create_graph=True)[0]
    graph = draw(slope)
    assert labels(graph)["n0"] == ["w", "(1,)"]
    assert len(read(graph).nodes) == len(tape(slope))


@pytest.mark.parametrize(
    ("outputs", "told"),
    [((), "none"), ((3,), "int"), (([parameter(1.0)],), "list"), ((parameter(1.0), None), "None")],
)
def test_only_tensors_can_be_drawn(outputs: tuple[Any, ...], told: str) -> None:
    """No outputs, or other values as outputs, are an error that says what came."""
    with pytest.raises(TypeError, match=f"draw: needs Tensors.*{told}"):
        draw(*outputs)


# The text


def test_the_same_graph_gives_the_same_text_in_any_process() -> None:
    """Two processes with different hash seeds draw the same bytes, as does this one twice."""
    program = (
        f"import sys; sys.path[:0] = {[str(Path(tg.__file__).parents[1])]!r}\n"
        "import tinygrad_rnn as tg\n"
        "from tinygrad_rnn.views import draw\n"
        "w = tg.Tensor([1.0, 2.0], requires_grad=True)\n"
        "with tg.scope('t=1'): h = tg.tanh(w * 2)\n"
        "with tg.scope('t=2'): h = tg.tanh(w * h)\n"
        "h.sum().backward()\n"
        "sys.stdout.buffer.write(draw(h, h.sum(), names=locals()).source.encode())\n"
        "for t in range(3, 9):\n"
        "    with tg.scope(f't={t}'): h = tg.tanh(w * h + w)\n"
        "options = {'backward': True, 'show': 'stats', 'depth': 1}\n"
        "sys.stdout.buffer.write(draw(h.sum(), **options).source.encode())\n"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert b"w * h" not in texts[0]
    assert b"multiply(w, " in texts[0]
    loss = rnn(2)
    assert draw(loss).source == draw(loss).source == draw(rnn(2)).source


letters = st.characters() | st.sampled_from('"\\\n\r\0<>[]{}|;:-&\u2028\x85')  # surrogates too


@example("-0", "-0")
@example("node", "1.5")
@settings(max_examples=1000, deadline=None)
@given(st.text(letters, max_size=20), st.text(letters, max_size=8))
def test_no_name_changes_nodes_or_edges(name: str, label: str) -> None:
    """Whatever leaf, result and scope are called, nodes and edges are those of plain names."""
    with tg.scope(label):
        w = parameter(1.0, name=name)
        h = w * 2
    graph = draw(-h, names={name: h})
    found = read(graph)
    assert found.edges == [("n0", "n1"), ("n1", "n2")]
    assert list(found.frames.values()) == [["n2"], ["n0", "n1"]]
    assert graph.source.encode().decode() == graph.source


@settings(max_examples=200, deadline=None)
@given(st.text(letters, max_size=20), st.text(letters, max_size=8))
def test_no_name_changes_rules_or_texts(name: str, label: str) -> None:
    """Backward graph, closed scopes and text have the same ids whatever things are called."""
    with tg.scope(label):
        w = parameter(1.0, name=name)
        h = tg.tanh(w * w)
    loss = tg.sum(h)
    loss.backward()
    options: dict[str, Any] = {"names": {name: h}, "show": "values"}
    found = read(draw(loss, backward=True, **options))
    assert sorted(found.nodes) == ["dn0", "dn1", "dn2", "dn3", "n0", "n1", "n2", "n3"]
    assert len(found.edges) == 4 + 4 + 1
    assert sorted(read(draw(loss, depth=0, **options)).nodes) == ["f0", "n3"]
    assert len(draw(loss, **options).text().splitlines()) == 4 + 1 + 2


def test_the_rendered_names_are_the_names(tmp_path: Path) -> None:
    """Names that mean something to DOT, HTML, XML or a shell are shown as they are."""
    leaves = [parameter(1.0, name=name) for name in NASTY]
    with tg.scope("<i>&lt;\\N</i>"):
        total = tg.concatenate(leaves)
    assert texts(render(draw(total), tmp_path / "names.svg"))[: len(NASTY)] == [
        [name, "(1,)"] for name in NASTY
    ]
    frames = elements(tmp_path / "names.svg", "cluster")
    assert [words(frame) for frame in frames] == [["<i>&lt;\\N</i>"]]


def test_names_with_line_breaks_take_several_lines() -> None:
    """Each kind of line break in a name becomes a break of the label."""
    assert labels(draw(parameter(1.0, name="a\nb\r\nc\x85d\u2028e")))["n0"] == [*"abcde", "(1,)"]


def test_what_no_file_can_hold_is_replaced() -> None:
    """Lone surrogates and control characters become the replacement character."""
    name = "a\ud800b\0c\x1bd\uffffe"
    assert labels(draw(parameter(1.0, name=name)))["n0"][0] == "a�b�c�d�e"


def test_long_names_are_cut() -> None:
    """A name of a million characters takes 40 in a label, a call at most 60."""
    w = parameter(1.0, name="w" * 1_000_000)
    with tg.scope("s" * 1_000_000):
        graph = draw(tg.concatenate([w * 2] * 1000 + [w]))
    assert labels(graph)["n0"][0] == "w" * 39 + "…"
    assert len(graph.source) < 60_000
    assert max(len(line) for lines in labels(graph).values() for line in lines) == 60
    assert max(len(name) for scope in read(graph).frames for name in scope) == 40


def test_the_text_has_no_links_records_or_html(graph: graphviz.Digraph) -> None:
    """No attribute is one that a browser follows or that has a language of its own."""
    found = read(graph)
    used = {key for node in found.nodes.values() for key in node}
    used |= {key for line in found.lines for key in line}
    assert used <= {
        "label", "shape", "style", "fillcolor", "color", "margin", "penwidth", "peripheries",
        "minlen", "weight", "id",
    }  # fmt: skip
    assert "record" not in graph.source
    assert "label=<" not in graph.source


def test_drawing_changes_nothing_and_runs_no_backward() -> None:
    """Nodes, values, gradients and serials are after drawing what they were before."""
    loss = rnn(3)
    before = [(x, x.serial, x.inputs, x.name, x.data.copy()) for x in tape(loss)]
    draw(loss, names={"other": loss})
    for x, (same, serial, inputs, name, data) in zip(tape(loss), before, strict=True):
        assert x is same
        assert (x.serial, x.name, x.grad) == (serial, name, None)
        assert all(a is b for a, b in zip(x.inputs, inputs, strict=True))
        np.testing.assert_array_equal(x.data, data)


def test_a_drawing_keeps_no_tensor_alive() -> None:
    """Once the caller lets go of the loss, the whole recorded graph is gone, the text is not."""
    loss = rnn(2)
    alive = [weakref.ref(x) for x in tape(loss)]
    loss.backward()
    options: Any = {"backward": True, "show": "stats", "depth": 0}
    graph, others = draw(loss, names={"loss": loss}), [draw(loss, **options), draw(loss).text()]
    del loss
    assert others
    assert [ref() for ref in alive] == [None] * len(alive)
    assert "W_xh" in graph.source


def test_a_parameter_that_was_updated_is_drawn() -> None:
    """A leaf written after its use comes later on the tape; its edge is the same."""
    w = parameter(1.0, name="w")
    y = tg.exp(w)
    w.data = w.data - 0.5
    assert read(draw(y)).edges == [("n1", "n0")]


def test_long_graphs_are_drawn_without_recursion() -> None:
    """A chain of 9,000 results in 3,000 scopes is all there."""
    x = w = parameter(1.0)
    for t in range(3_000):
        with tg.scope(f"t={t}"):
            x = tg.tanh(w + x * 0.5)
    source = draw(x, fold=False, max_nodes=10_000, legend=False).source
    assert (source.count("label="), source.count("->")) == (12_001, 12_000)


# Pictures


def extent(element: ElementTree.Element) -> tuple[float, float]:
    """The least and the largest x of a group's outline."""
    (outline,) = [x for x in element if x.tag.endswith(("}path", "}polygon"))]
    points = re.findall(r"(-?[\d.]+),-?[\d.]+", outline.get("d") or outline.get("points") or "")
    return min(map(float, points)), max(map(float, points))


def test_an_svg_is_well_formed_and_shows_what_was_drawn(
    graph: graphviz.Digraph, tmp_path: Path
) -> None:
    """Nodes with their lines, edges and frames are those of the text."""
    path = render(graph, tmp_path / "rnn.svg")
    assert path == tmp_path / "rnn.svg"
    assert texts(path) == list(
        dict(sorted(labels(graph).items(), key=lambda item: int(item[0][1:]))).values()
    )
    assert len(elements(path, "edge")) == len(read(graph).edges)
    assert [words(frame) for frame in elements(path, "cluster")] == [["t=1"], ["t=2"]]


def test_boxes_edges_and_frames_keep_their_ids(tmp_path: Path) -> None:
    """In the SVG the ids are those of the text: n0, e0 and c1, and of the array n1_1, en1_1."""
    w = parameter(1.0, 2.0)
    with tg.scope("t=1"):
        y = w * np.ones(2) + w
    path = render(draw(y, legend=False), tmp_path / "ids.svg")
    ids = {
        kind: [x.get("id") for x in elements(path, kind)] for kind in ("node", "edge", "cluster")
    }
    assert {kind: sorted(map(str, found)) for kind, found in ids.items()} == {
        "node": ["n0", "n1", "n1_1", "n2"],
        "edge": ["e0", "e1", "e2", "en1_1"],
        "cluster": ["c1"],
    }


def test_time_runs_from_left_to_right(tmp_path: Path) -> None:
    """Each step's frame begins to the right of where the step before it ends."""
    frames = elements(render(draw(rnn(4)), tmp_path / "rnn.svg"), "cluster")
    spans = [extent(frame) for frame in frames]
    assert len(spans) == 4
    assert all(left[1] < right[0] for left, right in pairwise(spans))


def test_a_png_is_a_png_whatever_the_case_of_its_ending(tmp_path: Path) -> None:
    """The ending .PNG gives a file with the PNG signature; text is accepted like a graph."""
    path = render("digraph { a -> b }", str(tmp_path / "A.PNG"))
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_wide_pngs_are_scaled_down(tmp_path: Path) -> None:
    """A picture that would be 29,000 pixels wide is 11,520 wide."""
    path = render(f"digraph {{ a [width={200}] }}", tmp_path / "wide.png")
    assert int.from_bytes(path.read_bytes()[16:20], "big") == 11_520


@pytest.mark.parametrize("name", ["x.png; rm -rf ~", "x.pdf", "x", ".svg", "x.svg ", "-Tsvg", ""])
def test_other_kinds_of_files_are_refused(name: str, tmp_path: Path) -> None:
    """A path that does not end in .svg or .png is an error that names both, and no file."""
    with pytest.raises(ValueError, match=r"must end in \.svg or \.png"):
        render("digraph {}", os.path.join(tmp_path, name) if name else name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["-oevil.svg", "$(touch evil).svg", "a;touch evil;.svg", "`x`.svg"]
)
def test_a_path_is_only_a_file_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shell or an option parser would act upon is the name of the one file written."""
    monkeypatch.chdir(tmp_path)
    assert render("digraph { a }", name) == Path(name)
    assert os.listdir(tmp_path) == [name]


def test_the_renderer_is_run_without_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets a list of arguments, the text as input, and neither name nor path."""
    calls: list[tuple[list[str], dict[str, Any]]] = []

    def run(command: list[str], **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
        calls.append((command, kwargs))
        return subprocess.CompletedProcess(command, 0, b"picture", b"")

    monkeypatch.setattr(subprocess, "run", run)
    path = render('digraph { a [label="$(x)"] }', tmp_path / "secret.svg")
    ((command, kwargs),) = calls
    assert command[1:] == ["-Kdot", "-Tsvg"]
    assert kwargs["input"] == b'digraph { a [label="$(x)"] }'
    assert not kwargs.get("shell")
    assert path.read_bytes() == b"picture"


def test_an_error_of_the_renderer_is_told_and_leaves_the_old_file(tmp_path: Path) -> None:
    """A syntax error arrives with the renderer's words; nothing is written or left behind."""
    path = tmp_path / "old.svg"
    path.write_text("old")
    with pytest.raises(RuntimeError, match=r"failed with status \d+: .*syntax error"):
        render("digraph { a -> ", path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"old.svg": "old"}


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture is written beside its place first; if that is where it ends, it is removed."""
    seen: list[Path] = []

    def refuse(source: Path, target: Path) -> None:
        seen.append(source)
        assert source.parent == target.parent
        assert b"<svg" in source.read_bytes()
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="read-only"):
        render("digraph { a }", tmp_path / "x.svg")
    assert len(seen) == 1
    assert not list(tmp_path.iterdir())


def test_a_layout_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """The time limit is an error that says what it was."""
    with pytest.raises(RuntimeError, match=r"took longer than 0 s; draw less"):
        render("digraph { a }", tmp_path / "x.svg", timeout=0)
    assert not list(tmp_path.iterdir())


def test_graphs_too_large_for_a_picture_are_refused(tmp_path: Path) -> None:
    """More than 3000 edges are refused before a layout takes all of the memory."""
    with pytest.raises(ValueError, match="3001 edges are more than the 3000"):
        render(f"digraph {{ {'a -> b ' * 3001} }}", tmp_path / "x.svg")


def test_only_graphs_can_be_rendered(tmp_path: Path) -> None:
    """A Tensor is not drawn on the way: the error says how."""
    with pytest.raises(TypeError, match=r"render\(draw\(loss\), path\), not a Tensor"):
        render(parameter(1.0), tmp_path / "x.svg")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The error says which folder is not there."""
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere'"):
        render("digraph { a }", tmp_path / "nowhere" / "x.svg")


def test_lone_surrogates_in_a_text_do_not_stop_it(tmp_path: Path) -> None:
    """What cannot be encoded is replaced."""
    assert words(elements(render('digraph { a [label="\ud800"] }', tmp_path / "x.svg"), "node")[0])


# Finding a renderer


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only one on PATH, empty at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_pip_s_renderer_is_found_off_the_path(tmp_path: Path, empty_path: Path) -> None:
    """With nothing on PATH the command of graphviz-pure is taken from where pip put it."""
    assert render("digraph { a }", tmp_path / "x.svg").stat().st_size > 100


def test_no_renderer_is_an_error_that_says_what_to_install(
    tmp_path: Path, empty_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text needs no renderer; a picture without one says how to get one."""

    def no_files(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", no_files)
    graph = draw(rnn(1))
    assert "W_xh" in graph.source
    with pytest.raises(RuntimeError, match=r'pip install "tinygrad_rnn\[render\]"'):
        render(graph, tmp_path / "x.svg")
    assert not (tmp_path / "x.svg").exists()


def script(folder: Path, *lines: str) -> None:
    """Puts an executable of these lines in the folder, called dot."""
    path = folder / "dot"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)


posix = pytest.mark.skipif(sys.platform == "win32", reason="needs scripts that run by their #!")


@posix
def test_the_system_s_dot_comes_first(tmp_path: Path, empty_path: Path) -> None:
    """A `dot` on PATH is run, with the format said and the text on its standard input."""
    script(empty_path, "#!/bin/sh", "read -r line", 'echo "$@" "$line"')
    path = render("digraph { a }\n", tmp_path / "x.png")
    assert path.read_text() == "-Kdot -Tpng -Gdpi=144 -Gsize=80,40 digraph { a }\n"


@posix
def test_a_renderer_that_draws_nothing_has_failed(tmp_path: Path, empty_path: Path) -> None:
    """No output is an error even where the renderer says all is well."""
    script(empty_path, "#!/bin/sh", "exit 0")
    with pytest.raises(RuntimeError, match="dot failed with status 0: no message"):
        render("digraph { a }", tmp_path / "x.svg")


@posix
def test_a_renderer_that_cannot_run_is_named(tmp_path: Path, empty_path: Path) -> None:
    """A `dot` whose interpreter is missing is an error that names it."""
    script(empty_path, "#!/nowhere/sh")
    with pytest.raises(RuntimeError, match="dot cannot be run"):
        render("digraph { a }", tmp_path / "x.svg")
