"""VIEWS: a row or more for everything public that shows a graph, a module or what came of them.

What there is: the public functions of the folders that draw and derive, what of the package's own
kinds public functions give back, and for each such kind its methods; see `shown`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.bptt import Curve, Report, Truncated
from tinygrad_rnn.program import Program, trace

from ..dot import read
from ..pages import NASTY
from .found import package_modules, public

BREAK = "two\nlines"
NAMES = [BREAK, r"$\frac$", "\ud800 alone", r"a & b \\ c_{ #1~^", "}{%s", "lambda", *NASTY]
FOLDERS = ("views", "derivation")
TEXTS = ("text", "latex", "plot", "__repr__", "__str__")


# What there is


def shown() -> set[str]:
    """The names of all views: of functions, and of methods as "Class.method"."""
    functions = {name.rpartition(".")[2]: f for name, f in _functions()}
    drawing = {name: f for name, f in functions.items() if _is_drawn(f.__module__)}
    found = set(drawing)
    for f in functions.values():
        for kind in _given_back(f):
            if _is_drawn(kind.__module__):
                found |= {f"{kind.__name__}.{name}" for name in vars(kind) if _is_open(name)}
            elif "text" in vars(kind):
                found.add(f.__name__)
    kinds = [kind for kind in public().values() if inspect.isclass(kind)]
    kinds += [kind for f in functions.values() for kind in _given_back(f)]
    return found | {f"{kind.__name__}.{name}" for kind in kinds for name in _texts(kind)}


def _functions() -> Iterator[tuple[str, Any]]:
    yield from ((name, f) for name, f in public().items() if inspect.isfunction(f))


def _is_drawn(module: str) -> bool:
    return any(folder in module.split(".") for folder in FOLDERS)


def _is_open(name: str) -> bool:
    return not name.startswith("_") or name in TEXTS or name.startswith("_repr_")


def _given_back(f: Any) -> list[type[Any]]:
    """The package's own kinds among what a function says that it returns."""
    words = re.findall(r"\w+", str(f.__annotations__.get("return", "")))
    found = [f.__globals__.get(word) for word in words]
    modules = {module.__name__ for module in package_modules()}
    return [x for x in found if inspect.isclass(x) and x.__module__ in modules]


def _texts(kind: type[Any]) -> list[str]:
    """The methods of a class that tell something and take nothing; not those Python writes."""
    written = hasattr(kind, "_fields") or hasattr(kind, "__dataclass_fields__")
    mixins = [x for x in kind.__bases__ if x.__module__.startswith("tinygrad_rnn.engine")]
    own = [vars(x) for x in (kind, *mixins) if x is kind or not hasattr(tg, x.__name__)]
    return [
        name
        for name, f in (pair for methods in own for pair in methods.items())
        if (name in TEXTS or name.startswith("_repr_"))
        and not (name == "__repr__" and written)
        and not (name in ("text", "latex") and len(inspect.signature(f).parameters) > 1)
    ]


# What is shown


class Scene(NamedTuple):
    """Two steps of a plain network: W, x_t and h_t by name, and a Module of the same name."""

    loss: tg.Tensor
    states: list[tg.Tensor]
    names: dict[str, Any]
    module: tg.nn.Module
    name: str


def scene(name: str = "W", dtype: Any = float) -> Scene:
    """name: what a leaf, a result, a scope and a part of the module are called."""
    rng = np.random.default_rng(0)
    W = tg.Tensor(rng.normal(size=(2, 2)), dtype=dtype, requires_grad=True, name=name)
    b = tg.Tensor(rng.normal(size=2), dtype=dtype, requires_grad=True)
    h, states = tg.Tensor(rng.normal(size=(1, 2)), dtype=dtype), []
    for t in (1, 2):
        with tg.scope(name), tg.scope(f"t={t}"):
            h = tg.tanh(h @ W + b)
            states.append(h)
    module = tg.nn.Module()
    setattr(module, name, tg.nn.Linear(2, 1, rng=0))
    loss = (h * h).sum()
    return Scene(loss, states, {"bias": b, f"{name}'": states[1]}, module, name)


def leaf() -> Scene:
    """One number that was not computed from anything."""
    w = tg.Tensor(2.0, requires_grad=True, name="w")
    return Scene(w, [w], {"bias": w}, tg.nn.Module(), "w")


# How it is shown


class View(NamedTuple):
    """name: as in `shown`. show: a scene as text. settings: those of the callee that it tries.

    form: what of a text must not depend on what things are called, as names. alone: whether a leaf
    can be shown; where not, it is refused.
    """

    name: str
    show: Callable[..., str]
    settings: Mapping[str, Any] = {}
    form: Callable[[str], Any] = lambda text: text.count("\n")
    alone: bool = True
    names: Sequence[str] = NAMES

    def __str__(self) -> str:
        return f"{self.name} {dict(self.settings) or ''}".strip()


def _dot(text: str) -> Any:
    """Boxes, edges and frames."""
    found = read(type("Drawn", (), {"source": text}))  # type: ignore[arg-type]
    return sorted(found.nodes), found.edges, sorted(map(len, found.frames))


def _tags(text: str) -> list[str]:
    """The elements of a page or picture, and the names of their attributes."""
    found: list[str] = []
    parser = HTMLParser(convert_charrefs=True)
    parser.handle_starttag = lambda tag, attrs: found.append(f"{tag} {sorted(k for k, _ in attrs)}")  # type: ignore[method-assign]
    parser.feed(text)
    return [tag for tag in found if not tag.startswith("text")]  # a name may have several lines


def _code(text: str) -> list[str]:
    """The statements of a source."""
    return [type(node).__name__ for node in ast.walk(ast.parse(text))]


def _math(text: str) -> Any:
    """Lines, columns and environments; braces are balanced."""
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    return text.count("\\\\\n"), re.findall(r"\\(?:begin|end)\{\w+\*?\}", text)


def _file(show: Callable[[Path], Any], ending: str) -> str:
    """What is written into a file: its text, or of a picture the digest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{ending}"
        show(path)
        if ending == ".png":
            return hashlib.sha256(path.read_bytes()).hexdigest()
        return path.read_text(encoding="utf-8", errors="replace")


def _drawn(**settings: Any) -> View:
    return View(
        "draw", lambda s: tg.draw(s.loss, **{"names": s.names, **settings}).source, settings, _dot
    )


def _derived(name: str, show: Callable[[Any], Any], **more: Any) -> View:
    def text(s: Scene) -> str:
        return str(show(tg.derive(s.loss, names=s.names)))

    return View(f"Derivation.{name}" if name else "derive", text, **more)


def _walked(derivation: Any) -> str:
    return "\n".join(f"{sent.rule}" for visit in derivation.walk() for sent in visit.sends)


def _report(s: Scene) -> Report:
    right = np.asarray(tg.grad(s.loss, s.names["bias"])[0].data)
    return tg.bptt.grade({s.name: 2 * right}, s.loss, {s.name: s.names["bias"]})


def _curve() -> Curve:
    return Curve({k: Truncated(1 - 1 / k, 0.5) for k in (1, 2, 5)})


def _program(s: Scene) -> Program:
    (W,) = (x for x in tg.derive(s.loss).wrt if x.shape == (2, 2))
    return trace(lambda x: [(tg.tanh(x @ W)).sum()], [np.ones((1, 2))], True)


def _history(path: Path) -> None:
    model, rows = tg.nn.Linear(2, 1, rng=0), np.ones((4, 2))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    history = tg.fit(model, (rows, rows[:, :1]), tg.mse_loss, optimizer, epochs=2, rng=0)
    history.plot(path)


def _bundle(x: Any) -> str:
    bundle = x._repr_mimebundle_()
    return "\n".join(bundle[key] for key in sorted(bundle) if key != "text/plain")


def _flow(s: Scene) -> Any:
    return tg.bptt.flow(s.loss, {s.name: s.states})


VIEWS = [
    View("draw", lambda s: tg.draw(s.loss).source, form=_dot),
    View("draw", lambda s: tg.draw(s.loss, names=s.names).source, {"names": {}}, _dot),
    *[_drawn(show=show, backward=True) for show in ("stats", "values")],
    _drawn(group=False, direction="TB", legend=False),
    _drawn(fold=False, depth=1, max_nodes=99),
    View("Drawing.text", lambda s: tg.draw(s.loss, names=s.names, backward=True).text()),
    View("Drawing.copy", lambda s: tg.draw(s.loss, names=s.names).copy().source, form=_dot),
    View("Drawing.sheet", lambda s: repr(tg.draw(s.loss, names=s.names).sheet)),
    View("Drawing._repr_mimebundle_", lambda s: _bundle(tg.draw(s.loss)), form=_tags),
    View("render", lambda s: _file(lambda path: tg.render(
        tg.draw(s.loss, names=s.names), path, timeout=50), ".svg"), {"timeout": 50}, _tags),
    View("explore", lambda s: _file(lambda path: tg.explore(s.loss, path, s.names), ".html"),
         {"names": {}}, _tags),
    View("derive", lambda s: tg.derive(s.loss, wrt=[s.names["bias"]], names=s.names).text(),
         {"wrt": [], "names": {}}),
    _derived("text", lambda d: d.text()),
    _derived("__repr__", repr),
    _derived("name", lambda d: d.name(d.loss)),
    _derived("formula", lambda d: "\n".join(str(d.formula(x)) for x in d.nodes)),
    _derived("walk", _walked),
    _derived("latex", lambda d: d.latex(), form=_math),
    _derived("latex", lambda d: d.latex(unroll=True), settings={"unroll": True}, form=_math),
    _derived("numpy_source", lambda d: d.numpy_source(), form=_code),
    _derived("numpy_source", lambda d: d.numpy_source("f"), settings={"name": "f"}, form=_code),
    _derived("spell_out", lambda d: d.spell_out()),
    _derived("inputs", lambda d: repr(sorted(d.inputs))),
    _derived("parameters", lambda d: repr(sorted(d.parameters))),
    _derived("_repr_mimebundle_", lambda d: d._repr_mimebundle_()["text/markdown"], form=_math),
    View("Tensor.__repr__", lambda s: f"{s.loss!r} {s.states!r} {s.names['bias']!r}"),
    View("Tensor._repr_mimebundle_", lambda s: _bundle(s.loss), form=_tags),
    View("Module.__repr__", lambda s: repr(s.module), names=NAMES[1:]),
    View("Module._repr_mimebundle_", lambda s: _bundle(s.module), form=_tags),
    View("Op.__repr__", lambda s: repr(s.loss.op) if s.loss.op else ""),
    View("Program.__str__", lambda s: str(_program(s)), alone=False, names=NAMES[1:]),
    View("Var.__repr__", lambda s: repr(_program(s).equations), alone=False,
         names=NAMES[1:]),
    View("flow", lambda s: repr(_flow(s).values)),
    View("Heatmap.text", lambda s: _flow(s).text()),
    View("Heatmap.plot", lambda s: _file(_flow(s).plot, ".png"), form=len, names=NAMES[:3]),
    View("triangle", lambda s: tg.bptt.triangle([h.sum() for h in s.states], s.states).text()),
    View("Curve.text", lambda s: _curve().text()),
    View("Curve.plot", lambda s: _file(_curve().plot, ".png"), names=()),
    View("Report.__str__", lambda s: str(_report(s))),
    View("History.plot", lambda s: _file(_history, ".png"), names=()),
]  # fmt: skip
CALLEES = {"draw": tg.draw, "render": tg.render, "explore": tg.explore, "derive": tg.derive}
