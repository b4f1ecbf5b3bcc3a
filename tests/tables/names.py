"""What public names say of themselves, and the tables of those that do not do it like the others.

SHOWN_BY: what has no example of its own, and where one is. REFUSES: for what takes any object: a
call that it does not take.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, get_origin

import numpy as np

import tinygrad_rnn as tg

from .found import public

KINDS = {name: x for name, x in public().items() if callable(x) and get_origin(x) is None}
ERRORS = {name for name, x in KINDS.items() if inspect.isclass(x) and issubclass(x, Exception)}
RECORDS = {  # data with names: what they hold is not looked at until it is used
    name for name, x in KINDS.items() if hasattr(x, "_fields") or hasattr(x, "__dataclass_fields__")
}

SHOWN_BY: dict[str, str] = {
    "Op": "CONTRIBUTING.md", "Term": "docs/adding-an-op.md",
    "optim.lr_scheduler.LRScheduler": "optim.lr_scheduler.StepLR",
    "bptt.Contribution": "bptt.contributions", "bptt.Jacobians": "bptt.jacobians",
    "bptt.Partial": "bptt.immediate", "bptt.Report": "bptt.grade", "bptt.Verdict": "bptt.grade",
    "bptt.Truncated": "bptt.truncation", "data.BpttWindow": "data.bptt_windows",
    "func.GradcheckError": "gradcheck", "func.NotDifferentiableError": "gradcheck",
    "History": "fit",
    "CheckpointError": "tests/test_checkpoint.py", "load": "save",
    "interop.to_onnx": "tests/test_interop.py",
    "Derivation": "derive", "Compiled": "compile",
    **{f"manual.{name}": "manual" for name in ("Gradients", "Loss", "Step")},
    **{f"manual.{kind}.{name}": f"manual.{kind}.run" for kind in ("lstm", "gru")
       for name in ("Forward", "Gradients", "Result", "Step")},
    **dict.fromkeys(("Equation", "Program", "Runner", "Var"), "tests/deep.py"),
    **dict.fromkeys(("Call", "Expression", "Latex", "Recorder", "Speller", "Symbol"),
                    "tests/test_derive.py"),
}  # fmt: skip
UNSAID = {"args", "kwargs"}


def said_of(name: str) -> str:
    """What `help` shows of a name, with the docstrings of what it names in `backticks`."""
    value = KINDS[name]
    own = inspect.getdoc(value) or ""
    if inspect.isclass(value) and "__init__" in vars(value):
        own += " " + (inspect.getdoc(value.__init__) or "")
    text = own + " " + (sys.modules[value.__module__].__doc__ or "")
    for word in re.findall(r"`(?:\w+\.)*(\w+)", own):
        for other, x in KINDS.items():
            if other.rpartition(".")[2] == word:
                text += " " + (inspect.getdoc(x) or "")
    return text


def arguments_of(value: Any) -> list[str]:
    """The names of a callable's arguments behind the first, which is what it acts on."""
    try:
        names = list(inspect.signature(value).parameters)
    except ValueError:  # an exception of Python's own signature
        return []
    return [name for name in names[1:] if name not in UNSAID]


def required_of(value: Any) -> tuple[int, list[str]]:
    """How many arguments by place a callable must have, and which by name."""
    parameters = inspect.signature(value).parameters.values()
    needed = [p for p in parameters if p.default is p.empty]
    by_name = [p.name for p in needed if p.kind is p.KEYWORD_ONLY]
    many = any(p.kind is p.VAR_POSITIONAL for p in needed)
    places = [p for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) or int(many), by_name


def _each(path: str, names: str, call: Callable[[Any], Any]) -> dict[str, Callable[[], Any]]:
    """The same bad call of several functions, whose paths begin alike."""
    return {path + name: partial(call, KINDS[path + name]) for name in names.split()}


TWO, THREE = np.ones(2), np.ones(3)
DATA = "brent_crude_oil brent_days genesis names seattle_hours seattle_temperatures"
REFUSES: dict[str, Callable[[], Any]] = {
    "Term": lambda: tg.Term(np.tanh, (TWO,), {}),
    "anomaly_mode": lambda: tg.anomaly_mode(3),
    "compile": lambda: tg.compile(5)(1.0),
    "no_grad": lambda: tg.no_grad(3),
    "op": lambda: tg.op(other=lambda g, z, x: g)(lambda x: x),
    "ravel": lambda: tg.ravel(TWO, 3),
    "transpose": lambda: tg.transpose(TWO, axes=(0, 0)),
    "where": lambda: tg.where(TWO > 0, TWO, THREE),
    **_each("", "equal not_equal", lambda f: f(TWO, THREE)),
    **_each("", "cumsum flip max min prod squeeze sum", lambda f: f(TWO, axis=3)),
    **_each("data.", DATA, lambda f: f(5)),
    **_each("func.", "grad hessian jacobian value_and_grad", lambda f: f(5)(1.0)),
    "calculus.vec": lambda: tg.calculus.vec(np.eye(2), "columns"),
    "nn.Dropout": lambda: tg.nn.Dropout("half"),
    "nn.Module": lambda: tg.nn.Module()(TWO),
    "nn.utils.detach": lambda: tg.nn.utils.detach(),
}
INNER = {"Derivation", "Latex", "Runner", "Speller"}  # made by the package, and never by hand
FORMULAS = "manual.kronecker."  # as they stand in the derivation: of arrays, and of nothing else
