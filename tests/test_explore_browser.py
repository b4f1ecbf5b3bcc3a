"""The page that explore writes, in a real browser: `make test-browser` names it in CHROMIUM.

Pictures of the page go to the folder that SCREENSHOTS names, if it does.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tinygrad_rnn as tg

from .pages import NASTY, Computed, entries, page_data, two_steps, with_gradients

CHROMIUM = os.environ.get("CHROMIUM")
if not CHROMIUM:
    pytest.skip("needs a browser: make test-browser", allow_module_level=True)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page, Route

sync_playwright = importlib.import_module("playwright.sync_api").sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, LOW, NARROW = (1440, 900), (1280, 720), (390, 844)
Open = Callable[..., Any]


class Seen:
    """What pages asked for and complained about."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def route(self, route: Route) -> None:
        """Lets only files through."""
        self.requests.append(route.request.url)
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            route.abort()


@pytest.fixture(scope="module")
def rnn() -> Computed:
    """A two-step RNN after its backward pass."""
    return two_steps()


@pytest.fixture(scope="module")
def path(rnn: Computed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    return tg.explore(rnn.loss, tmp_path_factory.mktemp("page") / "rnn.html", names=rnn.names)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser that knows nothing."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("user"), executable_path=CHROMIUM, args=ARGUMENTS
        )
        yield context
        context.close()


@pytest.fixture
def seen() -> Seen:
    """What the pages of a test asked for."""
    return Seen()


@pytest.fixture
def visit(browser: BrowserContext, seen: Seen) -> Iterator[Open]:
    """Opens a page; afterwards it must have loaded nothing else, and complained of nothing."""
    opened: list[tuple[Page, str]] = []

    def visit(path: Path, size: tuple[int, int] = WIDE, **media: Any) -> Page:
        page = browser.new_page()
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
        page.route("**/*", seen.route)
        page.emulate_media(reduced_motion=media.pop("reduced_motion", "reduce"), **media)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(path.as_uri())
        opened.append((page, path.as_uri()))
        return page

    yield visit
    for page, _ in opened:
        page.close()
    assert seen.complaints == []
    assert seen.requests == [address for _, address in opened]


@pytest.fixture
def page(visit: Open, path: Path) -> Page:
    """The page of the two-step RNN."""
    return visit(path)


def active(page: Page) -> int:
    """The number of the node that the graph points out."""
    (found,) = page.locator(".node.active").evaluate_all("found => found.map(x => x.id)")
    return int(found[1:])


def table(figure: Locator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The numbers of a heatmap, in full, which are the titles of its cells."""
    titles = figure.locator("td").evaluate_all("cells => cells.map(cell => cell.title)")
    return np.array([float(title) for title in titles]).reshape(shape)


def words(page: Page) -> str:
    """The sentence of the step."""
    return page.locator("#sentence").inner_text()


def node(rnn: Computed, name: str) -> str:
    """Where a named node is in the drawing."""
    return f"#n{next(k for k, x in enumerate(rnn.nodes) if x is rnn.names[name])}"


def to_backward(page: Page, steps: int = 0) -> None:
    """Goes to the backward pass, and so many steps into it."""
    page.locator("#turn").click()
    for _ in range(steps):
        page.keyboard.press("ArrowRight")


# Steps


def test_the_page_steps_through_both_passes(page: Page, rnn: Computed, path: Path) -> None:
    """Each result in recorded order; then each visit of the walk, with numbers equal to .grad."""
    results = [k for k, x in enumerate(rnn.nodes) if x.op is not None]
    walk = [visit["node"] for visit in page_data(path)["walk"]]
    assert page.locator(".node.active").count() == 0
    for k in results:
        page.keyboard.press("ArrowRight")
        assert active(page) == k
        value = table(page.locator("#step figure").first, rnn.nodes[k].shape)
        np.testing.assert_array_equal(value, rnn.nodes[k].data)
    for k in walk:
        page.keyboard.press("ArrowRight")
        assert active(page) == k
        grad = rnn.nodes[k].grad
        assert grad is not None
        gradient = table(page.locator("#step figure").first, grad.shape)
        np.testing.assert_allclose(gradient, grad.data, rtol=1e-12, atol=1e-15)
    page.keyboard.press("ArrowRight")
    assert active(page) == walk[-1]
    assert words(page).startswith("Backward 22 of 22:")


def test_a_step_back_shows_what_was_there(page: Page) -> None:
    """On the way back the same sentences and the same marks come in the reverse order."""

    def look() -> tuple[str, list[str]]:
        marks = page.locator(".node, .edge").evaluate_all(
            "x => x.map(y => [...y.classList].sort().join(' '))"
        )
        return words(page), marks

    looks = [look()]
    while not looks[-1][0].startswith("Backward 22"):
        page.keyboard.press("ArrowRight")
        looks.append(look())
    assert len(looks) == 1 + 17 + 22
    for before in looks[-2::-1]:
        page.keyboard.press("ArrowLeft")
        assert look() == before


def test_a_term_shows_rule_contribution_and_total(page: Page, rnn: Computed, path: Path) -> None:
    """Where a step adds a second term to a gradient, the term and the sum so far are shown."""
    data = page_data(path)
    arrived: dict[int, int] = {}
    to_backward(page)
    for visit in data["walk"]:
        terms = page.locator("#step .term")
        assert terms.count() == len(visit["sends"])
        for sent, term in zip(visit["sends"], terms.all(), strict=True):
            arrived[sent["to"]] = arrived.get(sent["to"], 0) + 1
            shape = rnn.nodes[sent["to"]].shape
            maps = term.locator("figure")
            assert term.locator(".rule").inner_text() == sent["rule"]
            np.testing.assert_array_equal(table(maps.first, shape), entries(sent["array"]))
            assert maps.count() == (1 if arrived[sent["to"]] == 1 else 2)
            np.testing.assert_array_equal(table(maps.last, shape), entries(sent["total"]))
        page.keyboard.press("ArrowRight")
    assert sorted(arrived.values())[-3:] == [2, 2, 2]


def test_marks_tell_how_far_the_gradient_is(page: Page, rnn: Computed) -> None:
    """Results to come are `later`; W_hh is `arriving` between its two terms, then `complete`."""
    assert page.locator(".node.later").count() == 17
    page.keyboard.press("ArrowRight")
    assert page.locator(".node.later").count() == 16
    states = []
    to_backward(page)
    for _ in range(22):
        kind = page.locator(node(rnn, "W_hh")).get_attribute("class") or ""
        states.append(kind.removeprefix("node parameter").strip())
        page.keyboard.press("ArrowRight")
    once = list(dict.fromkeys(states))
    assert once == ["", "arriving", "complete active", "complete"]
    assert page.locator(".edge.carried").count() == 24


def test_the_slider_is_a_slider(page: Page) -> None:
    """Its keys and values are the steps'; it says what happens there."""
    slider = page.locator("#slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert words(page).startswith("Forward 1 of 17")
    page.keyboard.press("End")
    assert words(page).startswith("Backward 22 of 22")
    assert slider.get_attribute("aria-valuetext") == words(page)
    slider.fill("18")
    assert words(page).startswith("Backward 1 of 22: dL/dloss is 1")
    page.keyboard.press("Home")
    assert words(page).startswith("Start")


def test_space_plays_and_pauses(page: Page) -> None:
    """Playing takes a step at once and then one after the other, and ends at the end."""
    page.clock.install()
    page.keyboard.press("Space")
    assert words(page).startswith("Forward 1 of")
    page.clock.run_for(2500)
    assert words(page).startswith("Forward 3 of")
    assert page.locator("#play").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Space")
    page.clock.run_for(5000)
    assert words(page).startswith("Forward 3 of")
    page.locator("#play").click()
    page.clock.run_for(60_000)
    assert words(page).startswith("Backward 22 of")
    assert page.locator("#play").get_attribute("aria-pressed") == "false"


def test_buttons_do_what_keys_do(page: Page) -> None:
    """On, back, to the backward pass, to the start."""
    page.locator("#next").click()
    page.locator("#next").click()
    assert words(page).startswith("Forward 2 of")
    page.locator("#back").click()
    assert words(page).startswith("Forward 1 of")
    page.keyboard.press("Space")  # on a button it is the button's
    assert words(page).startswith("Start")
    page.locator("#turn").click()
    assert words(page).startswith("Backward 1 of")
    page.locator("#first").click()
    assert words(page).startswith("Start")


# Looking at nodes, edges and time


def test_a_click_on_a_node_shows_value_gradient_and_terms(page: Page, rnn: Computed) -> None:
    """Of W_hh its value, its gradient, and two terms that add up to it."""
    page.locator(node(rnn, "W_hh")).click()
    maps = page.locator("#node figure")
    value, gradient, *terms = [table(figure, (4, 4)) for figure in maps.all()]
    grad = rnn.names["W_hh"].grad
    assert grad is not None
    np.testing.assert_array_equal(value, rnn.names["W_hh"].data)
    np.testing.assert_allclose(gradient, grad.data, rtol=1e-12)
    np.testing.assert_allclose(terms[0] + terms[1], gradient, rtol=1e-12)
    assert len(terms) == 2
    page.locator("#node .term button").last.click()
    assert "passes it on to W_hh" in words(page)
    assert page.locator("#node").is_visible()
    page.locator("#show-step").click()
    assert page.locator("#node").is_hidden()


def test_the_list_of_nodes_chooses_too(page: Page) -> None:
    """What is chosen there is shown; an input without a gradient says so."""
    page.locator("#chosen").select_option(label="x_1")
    assert page.locator("#node h2").inner_text() == "x_1"
    assert "No gradient flows to it." in page.locator("#node").inner_text()


def test_an_edge_shows_its_contribution(page: Page, path: Path) -> None:
    """Pointing at any edge says what goes back along it, or that nothing does."""
    data = page_data(path)
    sent = {s["edge"]: s for visit in data["walk"] for s in visit["sends"]}
    for k, (to, _, _) in enumerate(data["edges"]):
        page.locator(f"#e{k}").dispatch_event("pointerenter", {"clientX": 300, "clientY": 300})
        tip = page.locator("#tip")
        assert tip.inner_text().startswith(data["nodes"][to]["name"] + " → ")
        if k in sent:
            shape = tuple(data["nodes"][to]["shape"])
            np.testing.assert_array_equal(table(tip, shape), entries(sent[k]["array"]))
        else:
            assert "No gradient goes back here." in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_the_mouse_finds_edges(page: Page) -> None:
    """A pointer near an edge's line is on the edge."""
    point = page.locator("#e1 .near").evaluate(
        """path => {
            const p = path.getPointAtLength(path.getTotalLength() / 2);
            const q = p.matrixTransform(path.getScreenCTM());
            return [q.x, q.y + 3];
        }"""
    )
    page.mouse.move(*point)
    assert page.locator("#tip").is_visible()
    page.mouse.move(5, 5)
    assert page.locator("#tip").is_hidden()


def test_the_flow_leads_to_its_steps(page: Page, rnn: Computed) -> None:
    """The cells are the norms of dL/dh_t; each is a button that goes to the visit of h_t."""
    cells = page.locator("#flow td button")
    for cell, name in zip(cells.all(), ("h_1", "h_2"), strict=True):
        grad = rnn.names[name].grad
        assert grad is not None
        norm = float(np.linalg.norm(grad.data))
        assert float(cell.get_attribute("title") or "") == pytest.approx(norm, rel=1e-12)
        cell.click()
        assert f": dL/d{name} is complete" in words(page)
        assert cell.get_attribute("aria-current") == "step"


def test_the_time_axis_names_the_steps(page: Page) -> None:
    """Forward t=1, t=2 and on to the loss; backward from there to t=2, t=1 and the leaves."""
    runs = page.locator("#strip span").all_inner_texts()
    assert runs[:2] == ["t=1", "t=2"]
    assert runs[-3:] == ["t=2", "t=1", "leaves"]
    page.locator("#strip span").nth(4).click()
    assert page.locator("#strip .now").inner_text() == "t=2"
    assert page.locator("#step .facts").first.inner_text().split(" · ")[1] == "t=2"


def test_the_graph_pans_and_zooms(page: Page) -> None:
    """By drag, wheel, keys and buttons; a drag chooses no node; 0 shows all of it."""
    drawing = page.locator("#drawing")

    def view() -> list[float]:
        return [float(x) for x in (drawing.get_attribute("viewBox") or "").split()]

    box = drawing.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    start = view()
    page.mouse.move(x, y)
    page.mouse.wheel(0, -200)
    page.wait_for_function("w => drawing.viewBox.baseVal.width < w", arg=start[2])
    zoomed = view()
    page.mouse.down()
    page.mouse.move(x - 100, y - 20, steps=4)
    page.mouse.up()
    assert view()[0] > zoomed[0]
    assert view()[2:] == zoomed[2:]
    assert page.locator("#node").is_hidden()
    page.keyboard.press("0")
    whole = view()
    page.keyboard.press("+")
    assert view()[2] == pytest.approx(whole[2] / 1.25)
    page.locator("#farther").click()
    page.locator("#farther").click()
    assert view()[2] == pytest.approx(whole[2] * 1.25)
    page.locator("#whole").click()
    assert view() == whole


def test_the_view_shows_what_a_step_reaches(page: Page, rnn: Computed) -> None:
    """Where a term goes back over a long way, to W_hh, both ends are in view."""
    to_backward(page)
    while "passes it on to W_hh" not in words(page):
        page.keyboard.press("ArrowRight")
    for shape in (".node.active", node(rnn, "W_hh"), node(rnn, "h_1")):
        assert not page.locator(shape).evaluate(OUTSIDE)


OUTSIDE = """x => {
    const [a, b] = [x, document.getElementById("drawing")].map(y => y.getBoundingClientRect());
    return a.left < b.left || a.right > b.right || a.top < b.top || a.bottom > b.bottom;
}"""


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_active_node_is_in_view(visit: Open, path: Path, size: tuple[int, int]) -> None:
    """Wherever the walk is, the drawing shows it."""
    page = visit(path, size)
    for _ in range(17 + 22):
        page.keyboard.press("ArrowRight")
        assert not page.locator(".node.active").evaluate(OUTSIDE), words(page)


# Whoever looks, and however


def test_the_keyboard_reaches_everything(page: Page, rnn: Computed) -> None:
    """Tab goes to each control once, and to the graph; each shows that it has the focus."""
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const x = document.activeElement;
                const style = getComputedStyle(x.closest(".node")?.firstElementChild ?? x);
                const ring = x.closest(".node") ? style.strokeWidth : style.outlineWidth;
                return [x.id || x.textContent, parseFloat(ring)];
            }"""
        )
        if reached and found[0] == reached[0][0]:
            break
        reached.append(found)
    names = [name for name, _ in reached]
    controls = page.locator("button:visible, select:visible, input").evaluate_all(
        "found => found.map(x => x.id || x.textContent)"
    )
    assert set(controls) <= set(names)
    assert [name for name in names if name.startswith("n") and name[1:].isdigit()] == [
        node(rnn, "loss")[1:]
    ]
    assert min(ring for name, ring in reached if name) >= 3


def test_arrows_choose_nodes_in_the_graph(page: Page, rnn: Computed) -> None:
    """Down goes to the next node, around the end to the first; Enter shows it."""
    page.locator('.node[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "n0"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == node(rnn, "loss")[1:]
    page.keyboard.press("Enter")
    assert page.locator("#node h2").inner_text() == "loss"
    page.keyboard.press("ArrowLeft")
    assert words(page).startswith("Start")


def test_a_screen_reader_hears_what_happens(page: Page, rnn: Computed) -> None:
    """Controls, nodes and heatmaps have names; the sentence is announced; the step is marked."""
    to_backward(page, 4)
    tree = page.locator("body").aria_snapshot()
    for line in (
        '- heading "Backpropagation, step by step" [level=1]',
        '- slider "Step"',
        '- button "One step on"',
        '- button "Play"',
        '- combobox "Node to look at"',
        '- status: "Backward 5 of 22:',
        '- rowheader "h_t"',
        '- article "This step"',
    ):
        assert line in tree
    assert "- button:" not in tree
    assert page.locator("#sentence").get_attribute("aria-live") == "polite"
    assert page.locator('[aria-current="step"]').get_attribute("id") == f"n{active(page)}"
    label = page.locator(node(rnn, "W_hh")).get_attribute("aria-label")
    assert label == "parameter W_hh, shape (4, 4)"
    unnamed = page.locator("table.heat:not([aria-label]), .grid:not([aria-label])")
    assert unnamed.count() == 0


CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(visit: Open, path: Path, rnn: Computed, scheme: str) -> None:
    """Every text has a contrast of 4.5 to 1 with what is behind it, at every kind of step."""
    page = visit(path, color_scheme=scheme)
    for steps in (0, 3, 17 + 1, 17 + 9, 17 + 22):
        page.locator("#slider").fill(str(steps))
        found = page.evaluate(CONTRASTS)
        assert len(found) > 60
        assert [text for text in found if text["contrast"] < 4.5] == []
    page.locator(node(rnn, "W_hh")).click()
    page.locator("#e3").dispatch_event("pointerenter", {"clientX": 300, "clientY": 300})
    assert [text for text in page.evaluate(CONTRASTS) if text["contrast"] < 4.5] == []


def test_texts_that_cannot_be_read_are_found(page: Page) -> None:
    """The measure itself: black on white is 21 to 1, grey on grey is not enough."""
    page.evaluate("document.getElementById('sentence').style.color = '#999'")
    (found,) = [text for text in page.evaluate(CONTRASTS) if text["text"] == words(page)]
    assert 2 < found["contrast"] < 3
    page.evaluate("document.getElementById('sentence').style.color = '#000'")
    (found,) = [text for text in page.evaluate(CONTRASTS) if text["text"] == words(page)]
    assert found["contrast"] == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_they_are_chosen(
    visit: Open, path: Path, scheme: str
) -> None:
    """The page is light or dark as the system is; the button turns it to the other and back."""
    page = visit(path, color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(243, 245, 248)", "dark": "rgb(15, 18, 22)"}
    other = {"light": "dark", "dark": "light"}[scheme]
    assert page.evaluate(ground) == colours[scheme]
    page.get_by_role("button", name=f"{other.title()} colours").click()
    assert page.evaluate(ground) == colours[other]
    page.get_by_role("button", name=f"{scheme.title()} colours").click()
    assert page.evaluate(ground) == colours[scheme]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_motion_can_be_unwanted(visit: Open, path: Path, motion: str) -> None:
    """Lines move only where the system does not ask for less motion."""
    page = visit(path, reduced_motion=motion)
    to_backward(page, 1)
    line = page.locator(".edge.active path:not(.near)").first
    moving = line.evaluate("x => getComputedStyle(x).animationName") != "none"
    assert moving == (motion == "no-preference")


@pytest.mark.parametrize("size", [WIDE, LOW, NARROW], ids=["wide", "low", "narrow"])
def test_nothing_overlaps_or_sticks_out(visit: Open, path: Path, size: tuple[int, int]) -> None:
    """At each size the parts lie apart, texts fit, and there is nothing to scroll to sideways."""
    page = visit(path, size)
    for steps in (0, 4, 17 + 10):
        page.locator("#slider").fill(str(steps))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        boxes = [page.locator(f"#{name}").bounding_box() for name in ("picture", "panel", "time")]
        for a, box in enumerate(boxes):
            for other in boxes[a + 1 :]:
                assert apart(box, other)
        wider = page.locator("button, figcaption, .formula, h2, h3, p, li").evaluate_all(
            "all => all.filter(x => x.scrollWidth > x.clientWidth + 1).map(x => x.textContent)"
        )
        assert wider == []


def apart(a: Any, b: Any) -> bool:
    """Whether two boxes share no point."""
    return bool(
        a["x"] + a["width"] <= b["x"]
        or b["x"] + b["width"] <= a["x"]
        or a["y"] + a["height"] <= b["y"]
        or b["y"] + b["height"] <= a["y"]
    )


def test_labels_fit_into_their_nodes(page: Page) -> None:
    """No line of a node's text is wider than the node, also in a font much wider than planned."""
    page.locator(".node text").evaluate_all(
        "texts => { texts.forEach(text => { text.style.fontSize = '16px'; }); prepareGraph(); }"
    )
    wider = page.locator(".node").evaluate_all(
        """nodes => nodes.filter(node => {
            const room = node.firstElementChild.getBoundingClientRect().width;
            const lines = [...node.querySelectorAll("text")];
            return lines.some(line => line.getBoundingClientRect().width > room);
        }).length"""
    )
    assert wider == 0


# Whatever comes


def test_names_do_nothing(visit: Open, tmp_path: Path) -> None:
    """Names that are programs, tags or quotes are texts of the page, and run nowhere."""
    leaves = {name: tg.Tensor([1.0, 2.0], requires_grad=True, name=name) for name in NASTY}
    total: Any = 0.0
    for t, (name, w) in enumerate(leaves.items(), 1):
        with tg.scope(f"t={t}"), tg.scope(name):
            total = tg.tanh(w + total)
    found = with_gradients(tg.sum(total))
    page = visit(tg.explore(found.loss, tmp_path / "x.html", names=leaves))
    page.keyboard.press("End")
    for k in range(len(NASTY)):
        page.locator("#chosen").select_option(index=k)
    page.locator(".edge").first.dispatch_event("pointerenter", {"clientX": 300, "clientY": 300})
    assert page.evaluate("window.injected") is None
    assert page.locator("script").count() == 2
    assert page.locator("img, [onload], [onerror]").count() == 0
    assert page.locator("#chosen option", has_text="<!--<script>").count() == 1


def test_the_page_s_own_policy_forbids_requests(browser: BrowserContext, path: Path) -> None:
    """Even a program in the page could load nothing: the browser refuses, and nothing is sent."""
    page = browser.new_page()
    sent: list[str] = []
    page.route("**/*", lambda route: (sent.append(route.request.url), route.continue_()))
    page.goto(path.as_uri())
    told = page.evaluate("fetch('https://example.invalid/').then(() => 'sent', () => 'refused')")
    page.close()
    assert told == "refused"
    assert sent == [path.as_uri()]


def test_large_arrays_are_grids_with_a_name(visit: Open, tmp_path: Path) -> None:
    """A stacked LSTM's arrays are summed up; its flow has a row for h and c of each layer."""
    lstm = tg.nn.LSTM(3, 40, num_layers=2, rng=0)
    output, _ = lstm(np.random.default_rng(0).normal(size=(6, 16, 3)))
    page = visit(tg.explore(tg.sum(output**2), tmp_path / "x.html"))
    assert page.locator("#flow tbody tr").count() == 4
    page.locator("#flow td button").first.click()
    label = page.locator("#step .grid").first.get_attribute("aria-label") or ""
    assert "a cell is the largest of" in label
    assert "shape (16, 40)" in page.locator("#step .facts").first.inner_text()
    assert len(page.locator("#step .grid .cell").all()) > 50


def test_a_loss_that_is_a_leaf_has_a_page(visit: Open, tmp_path: Path) -> None:
    """Nothing to compute, one gradient of 1, and no time axis."""
    page = visit(tg.explore(tg.Tensor(5.0, requires_grad=True, name="w"), tmp_path / "x.html"))
    page.keyboard.press("ArrowRight")
    assert words(page).startswith("Backward 1 of 1: dL/dw is 1")
    assert page.locator("#flow").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_page(visit: Open, path: Path, tmp_path: Path, scheme: str) -> None:
    """A picture is taken where W_hh gets its first term; it shows more than one colour."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page = visit(path, (1280, 900), color_scheme=scheme)
    to_backward(page)
    while "passes it on to W_hh" not in words(page):
        page.keyboard.press("ArrowRight")
    page.evaluate("document.activeElement.blur()")
    picture = folder / f"explore_{scheme}.png"
    page.screenshot(path=picture)
    assert picture.stat().st_size > 50_000
